/* Provokes: deaths inside calls.
 *
 * end_in_call CALL SIGNAL: a child blocks in CALL (read, futex, nanosleep, or all: one thread in
 * each); when it sleeps there it is sent SIGNAL.  Says how it ended. */
#include "task_state.h"

#include <linux/futex.h>
#include <time.h>

static int pipes[2], word;

static void *reads(void *unused) {
    char byte;
    (void)!read(pipes[0], &byte, 1);
    return unused;
}

static void *waits(void *unused) {
    syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
    return unused;
}

static void *sleeps(void *unused) {
    struct timespec long_time = {.tv_sec = 1000};
    syscall(SYS_nanosleep, &long_time, NULL);
    return unused;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"read", "futex", "nanosleep"};
    static const long calls[] = {SYS_read, SYS_futex, SYS_nanosleep};
    int status;
    if (argc != 3) return 2;
    alarm(300);
    must(pipe(pipes), "pipe");
    int all = !strcmp(argv[1], "all");
    pid_t child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        alarm(300);
        if (all) {
            thread(waits, NULL);
            thread(sleeps, NULL);
        }
        if (all || !strcmp(argv[1], "read")) reads(NULL);
        if (!strcmp(argv[1], "futex")) waits(NULL);
        sleeps(NULL);
        _exit(1);
    }
    for (int i = 0; i < 3; i++)
        if (all || !strcmp(argv[1], names[i])) until_asleep(child, calls[i]);
    must(kill(child, atoi(argv[2])), "kill");
    must(waitpid(child, &status, 0), "waitpid");
    printf("killed %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));
    return 0;
}
