/* Provokes: children forked by a thread that is not the leader.
 *
 * threadfork DIR [N]: READY, then waits for SIGUSR1 in a second thread, which forks N children
 * (8) at once; child i creates DIR/child-i and ends with code i % 100.  The line `DONE n` says
 * how many children ended as they should; exit code 0 if all did. */
#include "tracee.h"

static const char *directory;
static int children = 8, good;

static void *forker(void *unused) {
    (void)unused;
    pid_t *pid = calloc(children, sizeof *pid);
    await(SIGUSR1);
    for (int i = 0; i < children; i++) {
        pid[i] = must(fork(), "fork");
        if (!pid[i]) {
            char path[4096];
            snprintf(path, sizeof path, "%s/child-%d", directory, i);
            _exit(open(path, O_CREAT | O_WRONLY, 0644) == -1 ? 101 : i % 100);
        }
    }
    for (int i = 0; i < children; i++) {
        int status;
        must(waitpid(pid[i], &status, 0), "waitpid");
        good += WIFEXITED(status) && WEXITSTATUS(status) == i % 100;
    }
    free(pid);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    directory = argv[1];
    if (argc > 2) children = atoi(argv[2]);
    block(SIGUSR1);
    pthread_t made = thread(forker, NULL);
    ready();
    pthread_join(made, NULL);
    printf("DONE %d\n", good);
    return good != children;
}
