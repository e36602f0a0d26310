/* Provokes: a task id that is used again at once.
 *
 * detach_same_tid TID: makes a child with that id, which says READY, counts the signals it gets
 * (all that can be caught) and ends at SIGTERM with the line `SIGNALS n`; its code is ours.
 *
 * detach_same_tid 0 N: takes a free id and makes N children with it, one after the other, each
 * with an exit code of its own, which is checked; the line `AGAIN N` and exit code 0.
 *
 * Needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE (clone3 with set_tid). */
#include "tracee.h"
#include <linux/sched.h>
#include <stdint.h>
#include <sys/prctl.h>

static volatile sig_atomic_t signals, over;

static void count(int signo) {
    if (signo == SIGTERM)
        over = 1;
    else
        signals++;
}

static pid_t fork_as(pid_t tid) {
    struct clone_args args = {.exit_signal = SIGCHLD, .set_tid_size = 1};
    args.set_tid = (uintptr_t)&tid;
    return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static int count_signals(void) {
    struct sigaction action = {.sa_handler = count};
    sigset_t none;
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        if (signo != SIGALRM) sigaction(signo, &action, NULL); /* Some refuse: no matter. */
    block(SIGTERM);
    sigemptyset(&none);
    ready();
    while (!over) sigsuspend(&none);
    printf("SIGNALS %d\n", (int)signals);
    fflush(stdout);
    return signals != 0;
}

static int again_and_again(int times) {
    pid_t tid = must(fork(), "fork");
    int status;
    if (!tid) _exit(0);
    for (int i = 0; i < times; i++) {
        must(waitpid(tid, &status, 0), "waitpid");
        if (!WIFEXITED(status) || WEXITSTATUS(status) != i % 100) return 1;
        pid_t child = must(fork_as(tid), "clone3");
        if (!child) _exit((i + 1) % 100);
        if (child != tid) return 3;
    }
    must(waitpid(tid, &status, 0), "waitpid");
    printf("AGAIN %d\n", times);
    return 0;
}

int main(int argc, char **argv) {
    int status;
    if (argc < 2) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc > 2) return again_and_again(atoi(argv[2]));
    pid_t child = must(fork_as(atoi(argv[1])), "clone3");
    if (!child) return count_signals();
    must(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}
