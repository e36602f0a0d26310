/* Who is traced, and how. */
#include "pump.h"

#include <stdlib.h>

struct action no_action = {.references = 1};

const uint32_t arches[ARCHES] = {0xC000003Eu, 0x40000003u, 0xC00000B7u}; /* x86-64 i386 aarch64 */

struct task *task_of(struct pump *pump, int tid) { return map_get(&pump->tasks, tid); }

struct task *task_made(struct pump *pump, int tid) {
    struct task *task = task_of(pump, tid);
    if (task || tid <= 0) return task;
    task = calloc(1, sizeof *task);
    if (!task) return NULL;
    task->tid = tid;
    if (!map_set(&pump->tasks, tid, task)) {
        free(task);
        return NULL;
    }
    return task;
}

struct space *space_of(struct pump *pump, int tgid) {
    struct space *space = map_get(&pump->spaces, tgid);
    if (space || tgid <= 0) return space;
    space = calloc(1, sizeof *space);
    if (!space) return NULL;
    space->tgid = tgid;
    space->fd = -1;
    space->descriptors.age = 1;
    if (!map_set(&pump->spaces, tgid, space)) {
        free(space);
        return NULL;
    }
    return space;
}

void space_left(struct pump *pump, struct space *space) {
    if (--space->tasks) return;
    memory_forget(pump, space);
    descriptors_free(&space->descriptors);
    map_remove(&pump->spaces, space->tgid);
    free(space);
}

void action_release(struct pump *pump, struct action *action) {
    if (atomic_fetch_sub_explicit(&action->references, 1, memory_order_acq_rel) != 1) return;
    /* Freeing it takes the GIL: whoever has it next does so. */
    action->next_dead = atomic_load(&pump->dead);
    while (!atomic_compare_exchange_weak(&pump->dead, &action->next_dead, action)) continue;
}

void inside_drop(struct pump *pump, struct task *task) {
    struct inside *inside = &task->inside;
    if (!inside->action) return;
    descriptors_ended(pump, task);
    action_release(pump, inside->action);
    inside->action = NULL;
    inside->stale = false;
    buffer_clear(&inside->captured);
}

/* Its space, which it may be the last one in. */
static void task_leaves(struct pump *pump, struct task *task) {
    if (!task->space) return;
    descriptors_ended(pump, task);
    descriptors_left(task);
    space_left(pump, task->space);
    task->space = NULL;
}

void task_watch(struct pump *pump, struct task *task, struct space *space, struct table *table,
                enum mode mode) {
    table->tasks++;
    if (task->space != space) {
        space->tasks++;
        task_leaves(pump, task);
        task->space = space;
    }
    if (task->table) task->table->tasks--;
    if (!task->watched) pump->watched++;
    task->watched = true;
    task->table = table;
    task->mode = mode;
}

static void drop(struct pump *pump, struct task *task) {
    inside_drop(pump, task);
    buffer_free(&task->inside.captured);
    if (task->watched) pump->watched--;
    task_leaves(pump, task);
    if (task->table) task->table->tasks--;
    map_remove(&pump->tasks, task->tid);
    free(task);
}

void task_forget(struct pump *pump, int tid) {
    struct task *task = task_of(pump, tid);
    if (task) drop(pump, task);
}

void task_manual(struct pump *pump, int tid, bool manual) {
    struct task *task = manual ? task_made(pump, tid) : task_of(pump, tid);
    if (!task) return;
    task->manual = manual;
    if (manual) descriptors_see(task, false);
    if (!manual && !task->watched && !task->inside.action) drop(pump, task);
}

void task_new_image(struct pump *pump, int tid, int former) {
    struct task *before = task_of(pump, former), *task = before;
    if (former != tid) {
        task = task_of(pump, tid);
        if (before && before->inside.action) {
            descriptors_ended(pump, before);
            if (!task) task = task_made(pump, tid);
            if (task) {
                inside_drop(pump, task);
                buffer_free(&task->inside.captured);
                task->inside = before->inside;
                before->inside = (struct inside){0};
            }
        } else if (task) {
            inside_drop(pump, task);
        }
        task_forget(pump, former);
    }
    if (!task) return;
    task->inside.stale = true;
    if (!task->space) return;
    memory_forget(pump, task->space);
    descriptors_new_image(task);
}

struct action **table_slot(struct table *table, uint32_t arch, uint64_t nr) {
    if (nr >= SLOTS) return NULL;
    for (int at = 0; at < ARCHES; at++) {
        if (arches[at] != arch) continue;
        if (!table->slots[at]) table->slots[at] = calloc(SLOTS, sizeof *table->slots[at]);
        return table->slots[at] ? &table->slots[at][nr] : NULL;
    }
    return NULL;
}

struct action *action_of(struct pump *pump, struct task *task, uint32_t arch, uint64_t nr,
                         bool *owned) {
    struct action **slot = table_slot(task->table, arch, nr);
    *owned = false;
    if (slot && *slot) return *slot == &no_action ? NULL : *slot;
    struct action *action = hook_find(pump, task, arch, nr);
    if (pump->failed) return NULL;
    if (slot) *slot = action ? action : &no_action;
    else *owned = action != NULL;
    return action;
}

static void free_slots(struct map *map) {
    for (size_t at = 0; at < map->room; at++) free(map->slots[at].value);
    map_free(map);
}

void tasks_free(struct pump *pump) {
    for (size_t at = 0; at < pump->tasks.room; at++) {
        struct task *task = pump->tasks.slots[at].value;
        if (!task) continue;
        inside_drop(pump, task);
        buffer_free(&task->inside.captured);
        if (task->table) task->table->tasks--;
        if (task->space) task->space->tasks--;
    }
    free_slots(&pump->tasks);
    for (size_t at = 0; at < pump->spaces.room; at++) {
        struct space *space = pump->spaces.slots[at].value;
        if (!space) continue;
        memory_forget(pump, space);
        descriptors_free(&space->descriptors);
    }
    free_slots(&pump->spaces);
    pump->watched = 0;
}
