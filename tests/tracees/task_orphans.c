/* Provokes: makers killed while they fork, some of them before their new child has run.
 *
 * task_orphans ROUNDS [adopt]: in each round a child forks without end, children that ask who
 * their parent is and exit; after a few of them it is killed.  With `adopt` the orphans become
 * this program's (it is their subreaper), and it waits for every one. */
#include "tracee.h"

#include <sys/prctl.h>

static void forks(int out) {
    for (;;) {
        pid_t pid = (pid_t)must(fork(), "fork");
        if (pid == 0) {
            getppid();
            _exit(3);
        }
        must(write(out, "x", 1), "write");
        waitpid(-1, NULL, WNOHANG);
    }
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 10, adopts = argc > 2, killed = 0, odd = 0;
    alarm(300);
    if (adopts) must(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl");
    for (int i = 0; i < rounds; i++) {
        int ends[2];
        char byte;
        must(pipe(ends), "pipe");
        pid_t maker = (pid_t)must(fork(), "fork");
        if (maker == 0) {
            close(ends[0]);
            forks(ends[1]);
        }
        close(ends[1]);
        for (int seen = 0; seen <= i % 7; seen++) must(read(ends[0], &byte, 1), "read");
        must(kill(maker, SIGKILL), "kill");
        for (;;) {
            int status;
            pid_t got = waitpid(adopts ? -1 : maker, &status, 0);
            if (got == -1) break;
            if (got == maker)
                killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
            else if (!WIFEXITED(status) || WEXITSTATUS(status) != 3)
                odd++;
            if (got == maker && !adopts) break;
        }
        close(ends[0]);
    }
    printf("%d killed, %d odd\n", killed, odd);
    return 0;
}
