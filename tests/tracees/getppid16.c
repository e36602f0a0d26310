/* Provokes: many busy tracees at once, all stopped all the time; is each served in turn?
 *
 * getppid16 [SECS [THREADS]]: THREADS (16) threads call getppid in tight loops, for SECS seconds
 * or, without SECS or with 0, until killed.  READY once all loop.  After SECS it prints a line
 * `TID CALLS` per thread. */
#include "tracee.h"
#include <stdatomic.h>

enum { MOST = 256 };
static atomic_int over;
static pthread_barrier_t all_here;
static struct { long tid, calls; } count[MOST];

static void *loop(void *argument) {
    long i = (long)argument, calls = 0;
    count[i].tid = syscall(SYS_gettid);
    pthread_barrier_wait(&all_here);
    while (!atomic_load_explicit(&over, memory_order_relaxed)) {
        syscall(SYS_getppid);
        calls++;
    }
    count[i].calls = calls;
    return NULL;
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 0;
    int threads = argc > 2 ? atoi(argv[2]) : 16;
    pthread_t made[MOST];
    if (threads < 1 || threads > MOST) return 2;
    pthread_barrier_init(&all_here, NULL, threads + 1);
    for (long i = 0; i < threads; i++) made[i] = thread(loop, (void *)i);
    pthread_barrier_wait(&all_here);
    ready();
    if (!seconds)
        for (;;) pause();
    sleep(seconds);
    atomic_store(&over, 1);
    for (int i = 0; i < threads; i++) {
        pthread_join(made[i], NULL);
        printf("%ld %ld\n", count[i].tid, count[i].calls);
    }
    return 0;
}
