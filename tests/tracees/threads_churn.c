/* Provokes: threads that come and go all the time, while a tracer attaches.
 *
 * threads_churn [N [MS]]: N chains (200) of short-lived threads: each lives MS (10) to 5 MS
 * milliseconds, makes its successor and ends.  So the makers are spread over all threads, and a
 * chain that a tracer missed stays missed.  READY once every chain has begun; SIGTERM ends them
 * all, exit code 0. */
#include "tracee.h"
#include <stdatomic.h>

static atomic_int begun, live, over;
static pthread_attr_t attributes;
static long least_us = 10000;

static void nap(long us) {
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

static void *link_of_chain(void *argument) {
    long seed = (long)argument;
    pthread_t next;
    if (seed < 1000) { /* The first of its chain. */
        atomic_fetch_add(&begun, 1);
        seed += 1000;
    }
    seed = 1000 + (seed * 1103515245L + 12345L) % 2147483648L;
    nap(least_us + seed % (4 * least_us));
    while (!atomic_load(&over)) {
        if (!pthread_create(&next, &attributes, link_of_chain, (void *)seed)) return NULL;
        nap(1000); /* EAGAIN: out of task ids or memory for the moment. */
    }
    atomic_fetch_sub(&live, 1);
    return NULL;
}

int main(int argc, char **argv) {
    int chains = argc > 1 ? atoi(argv[1]) : 200;
    pthread_t made;
    if (argc > 2) least_us = 1000 * atol(argv[2]);
    block(SIGTERM);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (long i = 0; i < chains; i++) {
        atomic_fetch_add(&live, 1);
        if ((errno = pthread_create(&made, &attributes, link_of_chain, (void *)i)))
            die("pthread_create");
    }
    while (atomic_load(&begun) < chains) nap(1000);
    ready();
    await(SIGTERM);
    atomic_store(&over, 1);
    while (atomic_load(&live)) nap(1000);
    return 0;
}
