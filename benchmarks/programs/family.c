/* Many tasks that call the kernel, and compute in between.
 *
 * family processes|threads N CALLS WORK: N tasks, each makes CALLS calls of getppid with about WORK
 * nanoseconds of computing before each.  The time of the computing is counted out once, at the
 * start, in turns of a loop: a task that is kept waiting has not done its work meanwhile. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long calls, turns;

static void compute(long count) {
    for (volatile long i = 0; i < count; i++) continue;
}

static long turns_for(long work_ns) { /* The best of some tries: others may use the core too. */
    enum { TRY = 200000, TRIES = 5 };
    double best = 1e18;
    for (int i = 0; i < TRIES && work_ns; i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        compute(TRY);
        clock_gettime(CLOCK_MONOTONIC, &to);
        double took = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
        if (took < best) best = took;
    }
    return work_ns * TRY / best;
}

static void *body(void *unused) {
    for (long i = 0; i < calls; i++) {
        compute(turns);
        syscall(SYS_getppid);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    int tasks = atoi(argv[2]), status, whole = 1;
    calls = atol(argv[3]);
    turns = turns_for(atol(argv[4]));
    if (!strcmp(argv[1], "threads")) {
        pthread_t *made = calloc(tasks, sizeof *made);
        for (int i = 0; i < tasks; i++)
            if (pthread_create(&made[i], NULL, body, NULL)) return 1;
        for (int i = 0; i < tasks; i++) pthread_join(made[i], NULL);
        return 0;
    }
    for (int i = 0; i < tasks; i++) {
        pid_t child = fork();
        if (child == -1) return 1;
        if (!child) {
            body(NULL);
            _exit(0);
        }
    }
    for (int i = 0; i < tasks; i++) whole &= wait(&status) > 0 && !status;
    return !whole;
}
