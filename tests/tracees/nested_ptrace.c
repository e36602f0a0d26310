/* Provokes: a program that is itself a tracer.
 *
 * nested_ptrace traceme: a child asks to be traced by its parent; says whether it may.
 * nested_ptrace attach|seize: attaches to a child, says whether it may, and lets it go.
 * nested_ptrace outside PID: seizes another program, says whether it may, and lets it go.
 * nested_ptrace wrong: a request that fails for another reason (no such process). */
#include "tracee.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>

static void say(long got) {
    puts(got == -1 ? strerrorname_np(errno) : "granted");
    fflush(stdout);
}

static pid_t sleeper(void) {
    pid_t child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    return child;
}

int main(int count, char **words) {
    const char *mode = count > 1 ? words[1] : "";
    pid_t child;
    int status;
    alarm(300);
    if (!strcmp(mode, "wrong")) {
        say(ptrace(PTRACE_CONT, getpid(), 0, 0));
        return 0;
    }
    if (!strcmp(mode, "outside") && count > 2) {
        say(ptrace(PTRACE_SEIZE, atoi(words[2]), 0, 0));
        return 0;
    }
    if (!strcmp(mode, "traceme")) {
        child = (pid_t)must(fork(), "fork");
        if (child == 0) {
            say(ptrace(PTRACE_TRACEME, 0, 0, 0));
            _exit(0);
        }
        must(waitpid(child, &status, 0), "waitpid");
        return 0;
    }
    child = sleeper();
    say(ptrace(strcmp(mode, "seize") ? PTRACE_ATTACH : PTRACE_SEIZE, child, 0, 0));
    say(ptrace(strcmp(mode, "seize") ? PTRACE_ATTACH : PTRACE_SEIZE, child, 0, 0));
    kill(child, SIGKILL);
    must(waitpid(child, &status, 0), "waitpid");
    return 0;
}
