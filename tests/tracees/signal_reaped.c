/* Provokes: deaths that a parent looks for without sleeping.
 *
 * signal_reaped ROUNDS: each round a child is killed or exits, and the parent polls until it is
 * told; then a grandchild whose parent ignores SIGCHLD, which nobody has to reap. */
#include "tracee.h"
#include <sys/prctl.h>
#include <time.h>

static void seen(pid_t child, int expected) {
    int status = 0;
    pid_t got;
    while ((got = must(waitpid(child, &status, WNOHANG), "waitpid")) == 0) sched_yield();
    if (got != child || status != expected) die("another end than expected");
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 1;
    alarm(300);
    for (int round = 0; round < rounds; round++) {
        pid_t child = must(fork(), "fork");
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (round % 2) _exit(3);
            for (;;) pause();
        }
        if (round % 2 == 0) must(kill(child, SIGKILL), "kill");
        seen(child, round % 2 ? 3 << 8 : SIGKILL);
    }
    signal(SIGCHLD, SIG_IGN);
    pid_t child = must(fork(), "fork");
    if (child == 0) _exit(3);
    /* Nothing to wait for: this returns once it is gone. */
    printf("%d: waitpid %d", rounds, waitpid(child, NULL, 0));
    printf(" %s\n", strerrorname_np(errno));
    return 0;
}
