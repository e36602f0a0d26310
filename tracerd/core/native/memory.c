/* A tracee's memory, through /proc/TID/mem.
 *
 * It costs less than process_vm_readv, reads also what the program itself may not (as the Python
 * pump does), and goes on where a program forbids to be read later.  A descriptor stays bound to
 * the image it was opened on, so it is dropped at every exec. */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void unlink_space(struct pump *pump, struct space *space) {
    space->newer->older = space->older;
    space->older->newer = space->newer;
    pump->open--;
}

static void link_newest(struct pump *pump, struct space *space) {
    struct space *head = &pump->newest;
    space->newer = head;
    space->older = head->older;
    head->older->newer = space;
    head->older = space;
    pump->open++;
}

void memory_forget(struct pump *pump, struct space *space) {
    if (space->fd < 0) return;
    close(space->fd);
    space->fd = -1;
    unlink_space(pump, space);
}

static bool opened(struct pump *pump, struct task *task) {
    struct space *space = task->space;
    if (space->fd >= 0) {
        if (pump->newest.older != space) {
            unlink_space(pump, space);
            link_newest(pump, space);
        }
        return true;
    }
    char name[32];
    snprintf(name, sizeof name, "/proc/%d/mem", task->tid);
    space->fd = open(name, O_RDONLY | O_CLOEXEC);
    if (space->fd < 0) return false;
    link_newest(pump, space);
    if (pump->open > MAX_OPEN) memory_forget(pump, pump->newest.newer);
    return true;
}

size_t memory_read(struct pump *pump, struct task *task, uint64_t address, int64_t size, void *to) {
    if (address == 0 || address >> 63 || size <= 0 || !task->space) return 0;
    if (!opened(pump, task)) return 0;
    uint64_t reads = atomic_load_explicit(&pump->reads, memory_order_relaxed);
    atomic_store_explicit(&pump->reads, reads + 1, memory_order_relaxed);
    ssize_t got;
    do got = pread(task->space->fd, to, (size_t)size, (off_t)address);
    while (got < 0 && errno == EINTR);
    /* Nothing at all is read on a dead image: an exec not told of yet. */
    if (got == 0) memory_forget(pump, task->space);
    return got < 0 ? 0 : (size_t)got;
}
