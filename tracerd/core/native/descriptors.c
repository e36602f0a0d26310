/* What descriptors refer to, so that /proc is not asked at every call: the same as
 * tracerd/core/remembered.py, which says when a look holds and why. */
#include "pump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
    MOST = 1024,    /* descriptors remembered of a process */
    FEWEST = 32,
    LONGEST = 600,  /* bytes of an encoded look that is kept */
    COMPARE_FILES = 2, /* KCMP_FILES */
    RANGE_UNSHARE = 2, /* CLOSE_RANGE_UNSHARE */
    RANGE_CLOEXEC = 4, /* CLOSE_RANGE_CLOEXEC */
};

static const int64_t FRESH_NS = 100000000;

/* --- forgetting ------------------------------------------------------------------------------- */

static void forget(struct look *look) {
    free(look->value);
    look->value = NULL;
}

void descriptors_free(struct descriptors *table) {
    for (uint32_t at = 0; at < table->room; at++) free(table->looks[at].value);
    free(table->looks);
    table->looks = NULL;
    table->room = 0;
}

/* Forget everything, and who shares the table. */
static void renew(struct descriptors *table) {
    for (uint32_t at = 0; at < table->room; at++) forget(&table->looks[at]);
    table->reference = 0;
    table->age++;
}

static void close_one(struct descriptors *table, uint32_t fd) {
    if (!table->room) return;
    struct look *look = &table->looks[fd & (table->room - 1)];
    if (look->fd == fd) forget(look);
}

static void close_range_of(struct descriptors *table, uint32_t first, uint32_t last) {
    for (uint32_t at = 0; at < table->room; at++) {
        struct look *look = &table->looks[at];
        if (look->fd >= first && look->fd <= last) forget(look);
    }
}

/* --- what happens to a table ------------------------------------------------------------------- */

static void apply(struct descriptors *table, const struct change *change, const uint64_t *args) {
    switch (change->effect) {
    case EFFECT_NONE:
    case EFFECT_RENAMES:
        break;
    case EFFECT_CLOSES:
        close_one(table, (uint32_t)args[change->a]);
        break;
    case EFFECT_CLOSES_RANGE:
        if (args[change->c] & RANGE_UNSHARE) renew(table);
        else if (!(args[change->c] & RANGE_CLOEXEC))
            close_range_of(table, (uint32_t)args[change->a], (uint32_t)args[change->b]);
        break;
    case EFFECT_ESCAPES:
        table->escaped = true;
        break;
    case EFFECT_UNSHARES:
    case EFFECT_FORGETS:
        renew(table);
        break;
    }
}

void descriptors_entered(struct pump *pump, struct task *task) {
    struct inside *inside = &task->inside;
    const struct change *change = &inside->action->change;
    if ((inside->args[change->a] & change->mask) != change->mask) return;
    inside->changing = true;
    if (change->effect == EFFECT_RENAMES) {
        pump->naming++;
        pump->names++;
    } else {
        task->space->descriptors.changing++;
        apply(&task->space->descriptors, change, inside->args);
    }
}

void descriptors_ended(struct pump *pump, struct task *task) {
    struct inside *inside = &task->inside;
    if (!inside->changing) return;
    inside->changing = false;
    const struct change *change = &inside->action->change;
    if (change->effect == EFFECT_RENAMES) {
        pump->naming--;
        pump->names++;
    } else {
        task->space->descriptors.changing--;
        apply(&task->space->descriptors, change, inside->args);
    }
}

void descriptors_see(struct task *task, bool sees) {
    if (task->sees == sees || !task->space) return;
    struct descriptors *table = &task->space->descriptors;
    task->sees = sees;
    if (sees) {
        table->seeing++;
    } else {
        table->seeing--;
        renew(table);
    }
}

void descriptors_left(struct task *task) {
    struct descriptors *table = &task->space->descriptors;
    if (task->sees) table->seeing--;
    task->sees = false;
    task->age = 0;
    if (table->reference == task->tid) renew(table);
}

void descriptors_new_image(struct task *task) {
    struct descriptors *table = &task->space->descriptors;
    renew(table);
    table->trusted = true;
    table->escaped = false;
}

/* --- remembering -------------------------------------------------------------------------------- */

/* Whether kcmp does not wait for an exec that waits for us: since Linux 5.8. */
static bool compares(void) {
    static int known = -1; /* the tracer thread alone asks */
    if (known < 0) {
        struct utsname name;
        int major = 0, minor = 0;
        known = uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
                (major > 5 || (major == 5 && minor >= 8));
    }
    return known != 0;
}

static bool usable(const struct pump *pump, struct task *task) {
    struct space *space = task->space;
    struct descriptors *table = &space->descriptors;
    if (!pump->remembers || !table->trusted || table->escaped) return false;
    if (table->changing || table->seeing != space->tasks) return false;
    if (task->age == table->age) return true;
    if (!table->reference) table->reference = task->tid;
    else if (!compares() || syscall(SYS_kcmp, (long)task->tid, (long)table->reference,
                                    (long)COMPARE_FILES, 0L, 0L) != 0)
        return false;
    task->age = table->age;
    return true;
}

static void count(_Atomic uint64_t *counter) {
    uint64_t counted = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, counted + 1, memory_order_relaxed);
}

bool descriptors_recall(struct pump *pump, struct task *task, uint32_t fd, bool details,
                        struct buffer *to) {
    const struct descriptors *table = &task->space->descriptors;
    if (!table->room) return false;
    const struct look *look = &table->looks[fd & (table->room - 1)];
    if (!look->value || look->fd != fd || look->details != details) return false;
    if (look->named && (pump->naming || look->names != pump->names)) return false;
    if (pump->clock - look->when >= FRESH_NS || !usable(pump, task)) return false;
    buffer_add(to, look->value, look->length);
    count(&pump->recalled);
    return true;
}

static bool make_room(struct descriptors *table, uint32_t fd) {
    uint32_t room = table->room ? table->room : FEWEST;
    while (room <= fd && room < MOST) room *= 2;
    if (room == table->room) return true;
    struct look *looks = calloc(room, sizeof *looks);
    if (!looks) return false;
    for (uint32_t at = 0; at < table->room; at++) {
        struct look *to = &looks[table->looks[at].fd & (room - 1)];
        if (!table->looks[at].value) continue;
        free(to->value);
        *to = table->looks[at];
    }
    free(table->looks);
    table->looks = looks;
    table->room = room;
    return true;
}

/* Where the link of an encoded look begins with a slash, it is a name. */
static bool has_name(const unsigned char *value, size_t size) {
    struct cursor from = {value, value + size};
    size_t length;
    if (get_u8(&from) == TAG_OPENED) {
        get_u64(&from);
        get_u64(&from);
        get_u8(&from);
        get_u32(&from);
        get_u64(&from);
    }
    const unsigned char *link = get_bytes(&from, &length);
    return length && *link == '/';
}

void descriptors_remember(struct pump *pump, struct task *task, uint32_t fd, bool details,
                          const unsigned char *value, size_t length) {
    count(&pump->looked);
    if (!usable(pump, task)) return;
    struct descriptors *table = &task->space->descriptors;
    bool open = length && *value != TAG_NONE;
    if (!open || length > LONGEST || !make_room(table, fd)) {
        close_one(table, fd);
        return;
    }
    unsigned char *copy = malloc(length);
    if (!copy) return;
    memcpy(copy, value, length);
    struct look *look = &table->looks[fd & (table->room - 1)];
    forget(look);
    *look = (struct look){fd, details, has_name(value, length), pump->names, pump->clock,
                          (uint32_t)length, copy};
}
