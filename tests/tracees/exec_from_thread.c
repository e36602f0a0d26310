/* Provokes: execve by a thread that is not the leader: the others die without a word and the
 * caller takes over the leader's tid.
 *
 * exec_from_thread [-w] CMD ARGS...: prints `THREAD tid` (of the thread that will exec), then,
 * with -w, READY and waits for SIGUSR1; then that thread execs CMD while the leader and a third
 * thread sleep. */
#include "tracee.h"

static char **command;
static int waits;

static void *sleeps(void *unused) {
    for (;;) pause();
    return unused;
}

static void *execs(void *unused) {
    printf("THREAD %ld\n", syscall(SYS_gettid));
    fflush(stdout);
    if (waits) {
        ready();
        await(SIGUSR1);
    }
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL); /* The mask survives an exec. */
    execvp(command[0], command);
    die(command[0]);
    return unused;
}

int main(int argc, char **argv) {
    waits = argc > 1 && !strcmp(argv[1], "-w");
    command = argv + 1 + waits;
    if (!*command) return 2;
    block(SIGUSR1);
    thread(sleeps, NULL);
    thread(execs, NULL);
    for (;;) pause();
}
