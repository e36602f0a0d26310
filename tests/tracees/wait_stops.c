/* Provokes: attaches whose first stop is another than the interrupt's own.
 *
 * wait_stops HOW: READY, then nothing but: `vfork`, `fork` (both with a child that ends at once),
 * `thread`, `exec` (of itself), `signal` (with a handler).  SIGTERM ends it with exit code 0. */
#include "tracee.h"

static volatile sig_atomic_t done;

static void finish(int signo) {
    (void)signo;
    done = 1;
}

static void nothing(int signo) { (void)signo; }

static void *ends(void *unused) { return unused; }

int main(int argc, char **argv) {
    sigset_t term;
    char *again[] = {argv[0], argc > 1 ? argv[1] : "", "again", NULL};
    if (argc < 2) return 2;
    signal(SIGUSR1, nothing);
    signal(SIGTERM, finish);
    /* Blocked across an exec, which would forget that it came. */
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    if (argc == 2) {
        alarm(300); /* Outlives an exec. */
        ready();
    }
    while (!done) {
        if (!strcmp(argv[1], "vfork")) {
            pid_t child = must(vfork(), "vfork");
            if (!child) _exit(7);
            int status;
            while (waitpid(child, &status, 0) == -1 && errno == EINTR) {}
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) return 1;
        } else if (!strcmp(argv[1], "fork")) {
            pid_t child = must(fork(), "fork");
            if (!child) _exit(7);
            int status;
            while (waitpid(child, &status, 0) == -1 && errno == EINTR) {}
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 7) return 1;
        } else if (!strcmp(argv[1], "thread")) {
            pthread_join(thread(ends, NULL), NULL);
        } else if (!strcmp(argv[1], "exec")) {
            block(SIGTERM);
            if (done) break;
            execv("/proc/self/exe", again);
            die("execv");
        } else {
            raise(SIGUSR1);
        }
    }
    return 0;
}
