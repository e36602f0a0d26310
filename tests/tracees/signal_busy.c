/* Provokes: SIGKILL at any moment of a process whose threads do nothing but signals.
 *
 * signal_busy ROUNDS: each round a child's threads signal each other, and themselves, while other
 * threads come and go; it is killed a little later each time.  Says how many were killed. */
#include "tracee.h"
#include <sys/prctl.h>

enum { THREADS = 3 };
static pthread_t all[THREADS + 1];
static pthread_barrier_t here;

static void handled(int signo) {
    if (signo == SIGUSR1) raise(SIGUSR2);
}

static void *nothing(void *argument) { return argument; }

static void *signalling(void *argument) {
    long number = (long)argument;
    pthread_barrier_wait(&here);
    while (number >= 0) { /* for ever */
        pthread_kill(all[(number + 1) % THREADS], SIGUSR1);
        raise(SIGRTMIN);
        if (number == 0) pthread_join(thread(nothing, NULL), NULL);
    }
    return NULL;
}

static void busy(int say) {
    struct sigaction action = {.sa_handler = handled, .sa_flags = SA_RESTART};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigaction(SIGUSR1, &action, NULL), sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    pthread_barrier_init(&here, NULL, THREADS + 1);
    for (long i = 0; i < THREADS; i++) all[i] = thread(signalling, (void *)i);
    must(write(say, "x", 1), "write");
    pthread_barrier_wait(&here);
    for (;;) pause();
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1, killed = 0, ends[2], status;
    alarm(300);
    must(pipe(ends), "pipe");
    for (int round = 0; round < rounds; round++) {
        char byte;
        pid_t child = must(fork(), "fork");
        if (child == 0) busy(ends[1]);
        must(read(ends[0], &byte, 1), "read");
        for (volatile int spin = 0; spin < round * 20000; spin++);
        must(kill(child, SIGKILL), "kill");
        must(waitpid(child, &status, 0), "waitpid");
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
    printf("killed %d\n", killed);
    return 0;
}
