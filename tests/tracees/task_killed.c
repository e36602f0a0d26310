/* Provokes: children that are killed as soon as they exist, some before they have run.
 *
 * task_killed COUNT: says how many were killed by SIGKILL. */
#include "tracee.h"

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 10, killed = 0;
    alarm(300);
    for (int i = 0; i < count; i++) {
        int status = 0;
        pid_t pid = (pid_t)must(i % 2 ? fork() : syscall(SYS_fork), "fork");
        while (pid == 0) pause();
        must(kill(pid, SIGKILL), "kill");
        must(waitpid(pid, &status, 0), "waitpid");
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
    printf("%d killed\n", killed);
    return 0;
}
