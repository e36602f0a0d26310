/* Provokes: a program that is nearly always in execve.
 *
 * detach_exec [thread]: execs itself for ever, with `thread` from a thread that is not the
 * leader.  READY in its first life.  SIGTERM (blocked, so it waits through an exec): the line
 * `SAME PROCESS` and exit code 0; code 3 if a life has been skipped or another pid was met. */
#include "tracee.h"
#include <sys/prctl.h>

static char **next;

static void *again(void *unused) {
    execv("/proc/self/exe", next);
    die("execv");
    return unused;
}

int main(int argc, char **argv) {
    char life_text[16], pid_text[16];
    sigset_t set;
    int threaded = argc > 1 && !strcmp(argv[1], "thread");
    int life = argc > 3 ? atoi(argv[2]) : 0;
    char *words[] = {argv[0], threaded ? "thread" : "leader", life_text, pid_text, NULL};
    block(SIGTERM);
    if (!life) {
        alarm(300);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("PID", (snprintf(pid_text, sizeof pid_text, "%d", getpid()), pid_text), 1);
        ready();
    } else if (getpid() != atoi(argv[3]) || strcmp(getenv("PID"), argv[3])) {
        return 3;
    }
    sigpending(&set);
    if (sigismember(&set, SIGTERM)) {
        puts("SAME PROCESS");
        return 0;
    }
    snprintf(life_text, sizeof life_text, "%d", life + 1);
    snprintf(pid_text, sizeof pid_text, "%d", getpid());
    next = words;
    if (threaded) pthread_join(thread(again, NULL), NULL);
    again(NULL);
}
