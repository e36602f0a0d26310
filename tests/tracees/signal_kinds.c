/* Provokes: every kind of ptrace-stop but those of seccomp, once at least.
 *
 * It handles a signal, makes a thread, forks, vforks and execs, is stopped and continued, and has
 * a child that is killed.  signal_kinds filter: a seccomp filter asks for a tracer, too. */
#include "tracee.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

static void handled(int signo) { (void)signo; }
static void *nothing(void *argument) { return argument; }

static void stopping(void) {
    pid_t child = must(fork(), "fork");
    int status;
    if (child == 0) {
        raise(SIGSTOP);
        raise(SIGKILL);
    }
    must(waitpid(child, &status, WUNTRACED), "waitpid");
    printf("stopped %d\n", WIFSTOPPED(status));
    must(kill(child, SIGCONT), "kill");
    must(waitpid(child, &status, 0), "waitpid");
    printf("killed %d\n", WIFSIGNALED(status));
}

static void filter(void) { /* getppid asks; without a tracer that listens it fails */
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {.len = 4, .filter = rules};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
    syscall(SYS_getppid);
}

int main(int argc, char **argv) {
    pid_t child;
    (void)argv;
    alarm(300);
    signal(SIGUSR1, handled);
    raise(SIGUSR1);
    pthread_join(thread(nothing, NULL), NULL);
    stopping();
    if ((child = vfork()) == 0) {
        execl("/bin/true", "true", NULL);
        _exit(99);
    }
    must(waitpid(child, NULL, 0), "waitpid");
    if (argc > 1) filter();
    return 5;
}
