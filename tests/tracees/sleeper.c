/* Provokes: nothing by itself: threads asleep until a signal.
 *
 * sleeper [THREADS]: THREADS (1) threads, the leader among them, in pause(2).  READY once all
 * exist; SIGTERM kills it, as it does any program. */
#include "tracee.h"

static void *sleeps(void *unused) {
    for (;;) pause();
    return unused;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    for (int i = 1; i < threads; i++) thread(sleeps, NULL);
    ready();
    sleeps(NULL);
}
