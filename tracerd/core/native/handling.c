/* A syscall stop: record what its action asks for, resume the task. */
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { GET_SYSCALL_INFO = 0x420e, RESUME_CONT = 7, RESUME_SYSCALL = 24, ERESTARTNOHAND = 514 };

struct syscall_info { /* struct ptrace_syscall_info of <linux/ptrace.h> */
    uint8_t op, pad[3];
    uint32_t arch;
    uint64_t ip, sp;
    union {
        struct {
            uint64_t nr, args[WORDS];
        } entry;
        struct {
            int64_t value;
            uint8_t failed;
        } back;
        uint64_t room[12];
    } of;
};

int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static long request(long what, int tid, uintptr_t address, uintptr_t data) {
    return syscall(SYS_ptrace, what, (long)tid, address, data);
}

bool task_resume(struct pump *pump, struct task *task, int signo) {
    bool calls = true;
    descriptors_see(task, task->watched && task->mode == MODE_CALLS && !task->manual);
    if (!task->manual) {
        if (task->mode == MODE_FREE) {
            inside_drop(pump, task);
            calls = false;
        } else if (task->mode == MODE_FILTERED) {
            calls = task->inside.action != NULL;
        }
    }
    if (!calls) task->at_entry = false; /* a stop of another call may come next */
    return request(calls ? RESUME_SYSCALL : RESUME_CONT, task->tid, 0, (uintptr_t)signo) == 0;
}

bool pump_resume(struct pump *pump, int tid, int signo) {
    struct task *task = task_of(pump, tid);
    if (!task) return request(RESUME_CONT, tid, 0, (uintptr_t)signo) == 0;
    task->at_entry = false;
    return task_resume(pump, task, signo);
}

void task_skip(struct pump *pump, struct task *task) {
    inside_drop(pump, task);
    task->at_entry = false;
    task_resume(pump, task, 0);
}

bool found_add(struct pump *pump, struct found found) {
    if (pump->found_count == pump->found_room) {
        size_t room = pump->found_room ? pump->found_room * 2 : 64;
        struct found *more = realloc(pump->found, room * sizeof *more);
        if (!more) return false;
        pump->found = more;
        pump->found_room = room;
    }
    pump->found[pump->found_count++] = found;
    return true;
}

/* --- records ------------------------------------------------------------------------------------ */

static void append(unsigned char **end, const struct buffer *from) {
    if (from->used && !from->failed) {
        memcpy(*end, from->data, from->used);
        *end += from->used;
    }
}

static uint32_t bytes_of(const struct buffer *buffer) {
    return buffer->failed ? 0 : (uint32_t)buffer->used;
}

/* Room for a record of a call, with what was captured at entry and at exit (NULL: none). */
static struct record *begin(struct pump *pump, struct task *task, const struct buffer *back) {
    struct inside *inside = &task->inside;
    size_t size = bytes_of(&inside->captured) + (back ? bytes_of(back) : 0);
    struct record *record = queue_begin(&pump->queue, sizeof *record + size);
    if (!record) return NULL;
    record->tid = task->tid;
    record->what.action = inside->action;
    record->nr = inside->nr;
    memcpy(record->args, inside->args, sizeof record->args);
    record->entered = inside->when;
    record->entry_bytes = bytes_of(&inside->captured);
    record->exit_bytes = back ? bytes_of(back) : 0;
    record->changed_count = 0;
    unsigned char *end = (unsigned char *)(record + 1);
    append(&end, &inside->captured);
    if (back) append(&end, back);
    return record;
}

static void reference(struct action *action) {
    atomic_fetch_add_explicit(&action->references, 1, memory_order_relaxed);
}

/* Keep a copy of a record for the tracer. */
static void note(struct pump *pump, const struct record *record) {
    struct record *copy = malloc(record->size);
    if (!copy) return;
    memcpy(copy, record, record->size);
    if (found_add(pump, (struct found){.tid = record->tid, .pair = copy}))
        reference(copy->what.action);
    else
        free(copy);
}

/* --- the two stops of a call ---------------------------------------------------------------------- */

static void entered(struct pump *pump, struct task *task, const struct syscall_info *info,
                    int64_t when) {
    struct inside *inside = &task->inside;
    inside_drop(pump, task);
    if (task->mode == MODE_FREE && !task->manual) return;
    bool owned;
    struct action *action = action_of(pump, task, info->arch, info->of.entry.nr, &owned);
    if (!action) return;
    if (!owned) reference(action);
    inside->action = action;
    inside->nr = info->of.entry.nr;
    memcpy(inside->args, info->of.entry.args, sizeof inside->args);
    inside->when = when;
    inside->stale = false;
    if (action->enter.count) {
        pump->strings.address = 0;
        capture_all(pump, task, &action->enter, inside->args, WORDS, -1, &inside->captured);
    }
    if (action->change.effect) descriptors_entered(pump, task);
    if (!action->tell_enter) return;
    struct record *record = begin(pump, task, NULL);
    if (!record) return;
    record->kind = RECORD_ENTER;
    reference(action);
    queue_end(&pump->queue, record, true);
}

/* Find which of the paths captured at entry read otherwise now. */
static size_t find_changed(struct pump *pump, struct task *task, unsigned char *changed) {
    struct inside *inside = &task->inside;
    const struct action *action = inside->action;
    size_t count = 0;
    if (action->path_count == 0 || task->space->tasks < 2) return 0;
    if (inside->stale || inside->captured.failed) return 0;
    pump->strings.address = 0;
    for (size_t which = 0; which < action->path_count && count < MAX_CHANGED; which++) {
        size_t at = (size_t)action->paths[which];
        struct buffer *again = &pump->again;
        buffer_clear(again);
        capture_one(pump, task, &action->enter.each[at], inside->args, WORDS, -1, again);
        struct cursor before = value_at(inside->captured.data, inside->captured.used, at);
        struct cursor after = before;
        skip_value(&after);
        size_t length = (size_t)(after.at - before.at);
        if (again->failed || length != again->used || memcmp(before.at, again->data, length) != 0)
            changed[count++] = (unsigned char)at;
    }
    return count;
}

static void returned(struct pump *pump, struct task *task, const struct syscall_info *info,
                     int64_t when) {
    struct inside *inside = &task->inside;
    struct action *action = inside->action;
    if (!action) return;
    int64_t ret = info->of.back.value;
    bool failed = info->of.back.failed != 0;
    descriptors_ended(pump, task);
    if (!action->tell_exit && !action->noted) {
        inside_drop(pump, task);
        return;
    }
    unsigned char changed[MAX_CHANGED];
    size_t changed_count = find_changed(pump, task, changed);
    if (failed && ret == -EINTR && action->again && hook_runs_again(pump, task->tid))
        ret = -ERESTARTNOHAND;
    struct buffer *back = &pump->back;
    buffer_clear(back);
    if (action->exit.count && !failed) {
        pump->strings.address = 0;
        capture_all(pump, task, &action->exit, inside->args, WORDS, ret, back);
    }
    struct record *record = NULL;
    if (changed_count || inside->stale || call_matters(action, &inside->captured, back, failed))
        record = begin(pump, task, back);
    if (record) {
        record->kind = RECORD_PAIR;
        record->returned = when;
        record->ret = ret;
        record->failed = failed;
        record->changed_count = (unsigned char)changed_count;
        memcpy(record->changed, changed, changed_count);
        if (action->noted) { /* the tracer itself will put it on the queue */
            note(pump, record);
        } else {
            reference(action);
            queue_end(&pump->queue, record, true);
        }
    }
    inside_drop(pump, task);
}

void task_handle(struct pump *pump, struct task *task, int64_t when) {
    struct syscall_info info;
    bool follows = task->at_entry;
    task->at_entry = false;
    if (request(GET_SYSCALL_INFO, task->tid, sizeof info, (uintptr_t)&info) <= 0) info.op = 0;
    if (task->watched) {
        switch (info.op) {
        case OP_EXIT:
            returned(pump, task, &info, when);
            break;
        case OP_ENTRY:
            entered(pump, task, &info, when);
            task->at_entry = true;
            break;
        case OP_SECCOMP: /* in the place of the entry-stop, unless there was one */
            if (!follows && !task->inside.action) entered(pump, task, &info, when);
            break;
        default:
            break;
        }
    }
    /* Else it was killed; or it was a leader, and the thread that took its place by execve is at a
     * stop of its own by now, which has yet to be waited for. */
    if (info.op == OP_ENTRY || info.op == OP_EXIT || info.op == OP_SECCOMP)
        task_resume(pump, task, 0);
    uint64_t stops = atomic_load_explicit(&pump->stops, memory_order_relaxed);
    atomic_store_explicit(&pump->stops, stops + 1, memory_order_relaxed);
}
