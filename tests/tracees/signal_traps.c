/* Provokes: SIGTRAPs of the program's own, as a debugger's and a tracer's stops are reported too.
 *
 * Handled ones from a breakpoint, a single step, kill and raise; ignored and blocked ones; and in
 * children the default, which kills. */
#include "tracee.h"
#include <sys/resource.h>

static volatile sig_atomic_t count, last_code;
static volatile long far;

static void note(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    last_code = info->si_code;
    far = (char *)info->si_addr - (char *)note;
    count++;
}

static void step(void) { /* one instruction with the trap flag, and one without */
    __asm__ volatile("sub $128, %%rsp; pushf; orq $0x100, (%%rsp); popf; nop;"
                     "pushf; andq $~0x100, (%%rsp); popf; add $128, %%rsp" ::: "memory", "cc");
}

static void tell(const char *what) {
    printf("%s: %d, code %d\n", what, count, last_code);
    count = 0;
}

static void dies_of(const char *what, int way) {
    struct rlimit none = {0, 0};
    int status;
    fflush(stdout);
    pid_t child = must(fork(), "fork");
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGTRAP, way == 2 ? SIG_IGN : SIG_DFL); /* a breakpoint is not to be ignored */
        if (way == 1) raise(SIGTRAP);
        __asm__ volatile("int3");
        _exit(0);
    }
    must(waitpid(child, &status, 0), "waitpid");
    printf("%s: killed by %d\n", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    alarm(300);
    sigaction(SIGTRAP, &action, NULL);
    for (int i = 0; i < 3; i++) __asm__ volatile("int3");
    tell("int3");
    step();
    tell("steps");
    must(kill(getpid(), SIGTRAP), "kill");
    tell("kill");
    raise(SIGTRAP);
    tell("raise");
    syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGTRAP,
            &(siginfo_t){.si_signo = SIGTRAP, .si_code = SI_QUEUE});
    tell("queued");
    block(SIGTRAP);
    raise(SIGTRAP);
    tell("blocked");
    await(SIGTRAP);
    signal(SIGTRAP, SIG_IGN);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGTRAP);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGTRAP);
    tell("ignored");
    dies_of("int3", 0), dies_of("raise", 1), dies_of("int3, ignored", 2);
    return 0;
}
