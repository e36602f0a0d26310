/* From wait to resume, for the stops that come by the hundred thousand.
 *
 * Gather first, then handle: handling one at a time lets busy tasks starve the rest. */
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { FOR_ROOM_MS = 50 };

static bool is_plain(const struct task *task, int status) {
    return (status == SYSCALL_STATUS || status == SECCOMP_STATUS) && task && task->watched &&
           !task->manual;
}

static void count_time(struct pump *pump, int64_t ns) {
    int bucket = ns > 0 ? 63 - __builtin_clzll((unsigned long long)ns) : 0;
    _Atomic uint64_t *counter = &pump->histogram[bucket];
    uint64_t count = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, count + 1, memory_order_relaxed);
}

/* --- gathering ------------------------------------------------------------------------------------ */

static bool add(struct pump *pump, struct task *task, struct status one) {
    if (pump->batch_count == pump->batch_room) {
        size_t room = pump->batch_room ? pump->batch_room * 2 : MAX_BATCH;
        struct status *more = realloc(pump->batch, room * sizeof *more);
        if (!more) return false;
        pump->batch = more;
        pump->batch_room = room;
    }
    pump->batch[pump->batch_count++] = one;
    if (task) task->waits = true;
    return true;
}

static struct status *batched(struct pump *pump, struct task *task, int tid) {
    if (task && !task->waits) return NULL;
    for (size_t at = pump->batch_count; at-- > 0;)
        if (pump->batch[at].tid == tid) return &pump->batch[at];
    return NULL;
}

/* Add all statuses that are ready.  late: of those in the batch some have waited for long. */
static int gather_ready(struct pump *pump, size_t most, bool late) {
    while (most-- > 0) {
        struct status one;
        one.tid = waitpid(-1, &one.status, __WALL | __WNOTHREAD | WNOHANG);
        if (one.tid <= 0) break; /* no more, or (ECHILD) nobody left */
        struct task *task = task_of(pump, one.tid);
        struct status *earlier = batched(pump, task, one.tid);
        if (earlier && late) {
            *earlier = one; /* only its death ends a stop: what it stopped for is past */
        } else if (earlier) {
            pump->next = one; /* opens the next batch */
            break;
        } else if (!add(pump, task, one)) {
            pump->next = one;
            return ENOMEM;
        }
    }
    return 0;
}

static int gather(struct pump *pump) {
    struct status first = pump->next;
    pump->next.tid = 0;
    while (first.tid == 0) {
        place_sleep(&pump->place);
        first.tid = waitpid(-1, &first.status, __WALL | __WNOTHREAD);
        if (first.tid > 0) break;
        first.tid = 0;
        if (errno != EINTR) return errno;
        if (!hook_signals(pump)) return 0;
    }
    pump->clock = now_ns();
    struct task *task = task_of(pump, first.tid);
    if (!add(pump, task, first)) {
        pump->next = first;
        return ENOMEM;
    }
    if (is_plain(task, first.status)) place_stop(&pump->place, first.tid, pump->clock);
    else place_leave(&pump->place, LEFT_OTHER_STOP, pump->clock);
    /* A lone task has nobody beside it to starve, but for the one that commands come through. */
    if (pump->watched > 1 || !task || !task->watched || ++pump->lone % LOOK_EVERY == 0) {
        int error = gather_ready(pump, MAX_BATCH - 1, false);
        if (error) return error;
        if (pump->batch_count > 1) place_leave(&pump->place, LEFT_OTHER_TASK, pump->clock);
    }
    return 0;
}

/* --- handling --------------------------------------------------------------------------------------- */

/* Go through the batch, in order.  Plain stops for which the queue has no room stay in it. */
static int go_through(struct pump *pump) {
    size_t kept = 0, count = pump->batch_count;
    int64_t gathered = pump->clock;
    int error = 0;
    for (size_t at = 0; at < count; at++) {
        struct status one = pump->batch[at];
        struct task *task = task_of(pump, one.tid);
        if (pump->failed || error || (is_plain(task, one.status) && queue_is_full(&pump->queue))) {
            pump->batch[kept++] = one;
            continue;
        }
        if (task) task->waits = false;
        if (is_plain(task, one.status)) {
            task_handle(pump, task, pump->clock);
            pump->clock = now_ns();
            count_time(pump, pump->clock - gathered);
            continue;
        }
        if (task && one.status != SYSCALL_STATUS && one.status != SECCOMP_STATUS)
            task->at_entry = false;
        if (!found_add(pump, (struct found){one.tid, one.status, pump->clock, NULL})) {
            pump->batch[kept++] = one;
            error = ENOMEM;
        }
    }
    pump->batch_count = kept;
    return error;
}

int pump_wait(struct pump *pump) {
    for (;;) {
        bool late = pump->batch_count > 0;
        int error = late ? gather_ready(pump, MAX_BATCH, true) : gather(pump);
        if (late) pump->clock = now_ns();
        if (!error) error = pump->failed ? 0 : go_through(pump);
        if (error || pump->failed || pump->found_count) return error;
        if (pump->batch_count) {
            place_awake(&pump->place);
            queue_wait_for_room(&pump->queue, FOR_ROOM_MS);
        }
    }
}
