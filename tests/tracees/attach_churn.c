/* Provokes: threads made and ended as fast as a program can, while a tracer comes and goes.
 *
 * attach_churn [CHAINS]: CHAINS (4) chains; a link makes its successor and ends at once.  So a
 * chain that a tracer missed stays missed, and one that it left stopped is never heard of again.
 * SIGUSR1: the line `MOVED` once every chain has had two more links.  SIGTERM: all chains end, exit
 * code 0. */
#include "tracee.h"
#include <stdatomic.h>

enum { MOST = 64 };
static atomic_int live, over;
static atomic_long links[MOST];
static pthread_attr_t attributes;

static void *one_link(void *argument) {
    long chain = (long)argument;
    pthread_t next;
    atomic_fetch_add(&links[chain], 1);
    while (!atomic_load(&over)) {
        if (!pthread_create(&next, &attributes, one_link, argument)) return NULL;
        usleep(1000); /* EAGAIN: out of task ids or memory for the moment. */
    }
    atomic_fetch_sub(&live, 1);
    return NULL;
}

static void wait_for_moves(int chains) {
    long before[MOST];
    for (int i = 0; i < chains; i++) before[i] = atomic_load(&links[i]);
    for (int i = 0; i < chains; i++)
        while (atomic_load(&links[i]) < before[i] + 2) usleep(500);
}

int main(int argc, char **argv) {
    int chains = argc > 1 ? atoi(argv[1]) : 4, signo;
    sigset_t set;
    pthread_t made;
    alarm(300);
    if (chains > MOST) return 2;
    block(SIGTERM);
    block(SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (long i = 0; i < chains; i++) {
        atomic_fetch_add(&live, 1);
        if ((errno = pthread_create(&made, &attributes, one_link, (void *)i)))
            die("pthread_create");
    }
    wait_for_moves(chains);
    ready();
    for (;;) {
        if ((errno = sigwait(&set, &signo))) die("sigwait");
        if (signo == SIGTERM) break;
        wait_for_moves(chains);
        puts("MOVED");
        fflush(stdout);
    }
    atomic_store(&over, 1);
    while (atomic_load(&live)) usleep(500);
    return 0;
}
