/* Provokes: a process that is exiting and cannot finish: it makes no stops any more.
 *
 * attach_exiting: its one child that is no zombie is the init of a pid namespace, killed while a
 * member of that namespace is an unreaped child of ours: an init ends after all members.  READY
 * once it hangs there (both are ours to reap); SIGTERM: reaps both, exit code 0.  Needs root. */
#include "tracee.h"
#include <sched.h>
#include <sys/prctl.h>

static int init_of_namespace(void *unused) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
    return unused != NULL;
}

int main(void) {
    static char stack[64 * 1024] __attribute__((aligned(16)));
    char path[64], state = 0;
    int status;
    siginfo_t info;
    alarm(300);
    block(SIGTERM);
    pid_t init = must(
        clone(init_of_namespace, stack + sizeof stack, CLONE_NEWPID | SIGCHLD, NULL), "clone");
    snprintf(path, sizeof path, "/proc/%d/ns/pid", init);
    int namespace = must(open(path, O_RDONLY | O_CLOEXEC), path);
    must(setns(namespace, CLONE_NEWPID), "setns");
    pid_t member = must(fork(), "fork");
    if (!member) _exit(0);
    must(waitid(P_PID, member, &info, WEXITED | WNOWAIT), "waitid");
    must(kill(init, SIGKILL), "kill");
    /* It has begun to exit once it sleeps in the end of its namespace: no clearer sign exists. */
    snprintf(path, sizeof path, "/proc/%d/stat", init);
    for (unsigned long flags = 0; !(flags & 4); usleep(1000)) {
        FILE *file = fopen(path, "r");
        if (!file) die(path);
        if (fscanf(file, "%*d (%*[^)]) %c %*d %*d %*d %*d %*d %lu", &state, &flags) != 2) return 98;
        fclose(file);
    }
    ready();
    await(SIGTERM);
    must(waitpid(member, &status, 0), "waitpid");
    must(waitpid(init, &status, 0), "waitpid");
    return 0;
}
