/* Provokes: a filter of the program's own, with each of its actions on one call, getppid.
 *
 * seccomp_filter ACTION: says what became of the call.  `trap` is answered by a SIGSYS handler;
 * `kill-thread` ends a second thread, `kill-alone` the only one, `kill-process` a process of two;
 * `inherited` makes the call in a child and in what the child execs.  The kernel's log is left
 * alone: `log` only shows that the call is made. */
#include "tracee.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <ucontext.h>

static void filter(unsigned action) { /* On this thread, and on those it makes later. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static void say(void) {
    pid_t got = (pid_t)syscall(SYS_getppid);
    if (got == -1) printf("getppid: %s\n", strerrorname_np(errno));
    else puts(got > 0 ? "getppid: a pid" : "getppid: nothing");
    fflush(stdout);
}

static void trapped(int signo, siginfo_t *info, void *context) {
    ucontext_t *at = context;
    printf("signal %d, code %d, errno %d, getppid %d, x86-64 %d, at the call %d\n",
           signo, info->si_code, info->si_errno, info->si_syscall == SYS_getppid,
           info->si_arch == 0xC000003E,
           info->si_call_addr == (void *)at->uc_mcontext.gregs[REG_RIP]);
    at->uc_mcontext.gregs[REG_RAX] = 42;
}

static void *calls(void *unused) {
    syscall(SYS_getppid);
    puts("still here");
    return unused;
}

static void *waits(void *unused) {
    for (;;) pause();
    return unused;
}

static int inherited(char *self) {
    int status;
    pid_t child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        say();
        execl(self, self, "say", (char *)NULL);
        die("execl");
    }
    must(waitpid(child, &status, 0), "waitpid");
    printf("status %#x\n", (unsigned)status);
    return 0;
}

int main(int count, char **words) {
    const char *action = count > 1 ? words[1] : "";
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(300);
    if (!strcmp(action, "say")) {
        say();
    } else if (!strcmp(action, "errno")) {
        filter(SECCOMP_RET_ERRNO | EDOM);
        say();
    } else if (!strcmp(action, "trace")) {
        filter(SECCOMP_RET_TRACE | 7);
        say();
    } else if (!strcmp(action, "log")) {
        filter(SECCOMP_RET_LOG);
        say();
    } else if (!strcmp(action, "allow")) {
        filter(SECCOMP_RET_ALLOW);
        say();
    } else if (!strcmp(action, "trap")) {
        struct sigaction answer = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
        sigaction(SIGSYS, &answer, NULL);
        filter(SECCOMP_RET_TRAP | 5);
        printf("getppid: %ld\n", syscall(SYS_getppid));
    } else if (!strcmp(action, "kill-thread")) {
        filter(SECCOMP_RET_KILL_THREAD);
        pthread_join(thread(calls, NULL), NULL);
        puts("the thread is gone");
    } else if (!strcmp(action, "kill-alone")) {
        filter(SECCOMP_RET_KILL_THREAD);
        say();
    } else if (!strcmp(action, "kill-process")) {
        thread(waits, NULL);
        filter(SECCOMP_RET_KILL_PROCESS);
        say();
    } else if (!strcmp(action, "inherited")) {
        filter(SECCOMP_RET_ERRNO | EDOM);
        return inherited(words[0]);
    } else {
        return 98;
    }
    return 0;
}
