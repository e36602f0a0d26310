/* Provokes: several threads that exec at once: one wins, the others die in their calls.
 *
 * exec_race ROUNDS THREADS: threads race, in every other round with the leader among them, to
 * exec this program with a round less; the last image says END and exits with 9. */
#include "tracee.h"

static pthread_barrier_t start;
static char **next;

static void *races(void *unused) {
    pthread_barrier_wait(&start);
    execv("/proc/self/exe", next);
    die("execv");
    return unused;
}

int main(int argc, char **argv) {
    char left[16];
    if (argc != 3) return 2;
    alarm(300);
    int rounds = atoi(argv[1]), threads = atoi(argv[2]);
    if (rounds == 0) {
        puts("END");
        return 9;
    }
    snprintf(left, sizeof left, "%d", rounds - 1);
    next = (char *[]){argv[0], left, argv[2], NULL};
    pthread_barrier_init(&start, NULL, (unsigned)(threads + rounds % 2));
    for (int i = 0; i < threads; i++) thread(races, NULL);
    if (rounds % 2) races(NULL);
    for (;;) pause();
}
