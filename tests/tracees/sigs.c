/* Provokes: signals that are handled, and one that kills.
 *
 * sigs: READY, then on each SIGUSR1 its handler counts and the line `USR1 n` follows; SIGTERM
 * ends it with exit code 0 and the line `TERM n`; SIGUSR2 makes it write to a broken pipe, so
 * that it dies of SIGPIPE, whose disposition it sets to the default first. */
#include "tracee.h"

static volatile sig_atomic_t usr1, usr2, term;

static void count(int signo) {
    if (signo == SIGUSR1) usr1++;
    if (signo == SIGUSR2) usr2++;
    if (signo == SIGTERM) term++;
}

int main(void) {
    struct sigaction action = {.sa_handler = count};
    sigset_t none;
    int told = 0, ends[2];
    signal(SIGPIPE, SIG_DFL);
    /* Delivered in sigsuspend only: otherwise one could come between the look and the wait. */
    block(SIGUSR1);
    block(SIGUSR2);
    block(SIGTERM);
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigemptyset(&none);
    must(pipe(ends), "pipe");
    ready();
    for (;;) {
        sigsuspend(&none);
        if (usr1 != told) {
            printf("USR1 %d\n", told = usr1);
            fflush(stdout);
        }
        if (usr2) {
            close(ends[0]);
            must(write(ends[1], "x", 1), "the write that should have killed us");
        }
        if (term) {
            printf("TERM %d\n", told);
            return 0;
        }
    }
}
