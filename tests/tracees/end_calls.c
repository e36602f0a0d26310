/* Provokes: calls that never return, and one whose value means nothing.
 *
 * end_calls exit | group | thread-group | thread-exit | sigreturn */
#include "task_state.h"

static volatile sig_atomic_t handled;

static void *groups(void *unused) {
    syscall(SYS_exit_group, 6);
    return unused;
}

static void *exits(void *unused) {
    syscall(SYS_exit, 8);
    return unused;
}

static void handle(int signo) { handled += signo == SIGALRM || signo == SIGUSR1; }

/* A handler that ends a pause, one that runs between calls, and one for which a wait goes on. */
static int sigreturns(void) {
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    ualarm(20000, 0);
    if (pause() == -1) printf("pause: %s\n", strerrorname_np(errno));
    raise(SIGUSR1);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    pid_t top = getpid(), child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        until_asleep(top, SYS_wait4);
        kill(top, SIGUSR1);
        until_asleep(top, SYS_wait4);
        _exit(5);
    }
    int status = 0;
    pid_t got = waitpid(child, &status, 0);
    printf("waitpid: %d, code %d, handled %d\n", got == child, WEXITSTATUS(status), handled);
    return 4;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    alarm(0);
    if (!strcmp(argv[1], "exit")) syscall(SYS_exit, 5);
    if (!strcmp(argv[1], "group")) syscall(SYS_exit_group, 5);
    if (!strcmp(argv[1], "thread-group")) thread(groups, NULL);
    if (!strcmp(argv[1], "thread-exit")) {
        pthread_join(thread(exits, NULL), NULL);
        return 5;
    }
    if (!strcmp(argv[1], "sigreturn")) return sigreturns();
    alarm(300);
    for (;;) pause();
}
