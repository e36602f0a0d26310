/* Provokes: exit_group, called by one thread, while others sleep, block and compute.
 *
 * exitgroup_threads [wait]: four threads: in read(2) from an empty pipe, in futex(2), in a loop
 * of getppid, in a loop without calls; then READY and, with `wait`, a wait for SIGUSR1; then a
 * fifth calls exit_group(7). */
#include "tracee.h"

static int ends[2], waits;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static volatile int forever = 1;

static void *reads(void *unused) {
    char byte;
    (void)!read(ends[0], &byte, 1);
    return unused;
}

static void *locks(void *unused) {
    pthread_mutex_lock(&held);
    return unused;
}

static void *calls(void *unused) {
    while (forever) syscall(SYS_getppid);
    return unused;
}

static void *computes(void *unused) {
    while (forever) {}
    return unused;
}

static void *ends_all(void *unused) {
    if (waits) await(SIGUSR1);
    syscall(SYS_exit_group, 7);
    return unused;
}

int main(int argc, char **argv) {
    waits = argc > 1 && !strcmp(argv[1], "wait");
    must(pipe(ends), "pipe");
    pthread_mutex_lock(&held);
    block(SIGUSR1);
    thread(reads, NULL);
    thread(locks, NULL);
    thread(calls, NULL);
    thread(computes, NULL);
    ready();
    thread(ends_all, NULL);
    for (;;) pause();
}
