/* Provokes: what lines about processes, signals and time can look like.
 *
 * text_processes: makes each call once or twice, always the same ones; ends by a signal. */
#include "tracee.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>

static void handle(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
}

static void reap(pid_t child, int options) {
    int status;
    waitpid(child, &status, options);
}

int main(void) {
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaddset(&action.sa_mask, SIGUSR2), sigaddset(&action.sa_mask, SIGRTMIN);
    sigaction(SIGUSR1, &action, NULL), signal(SIGUSR2, SIG_IGN);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = -7});
    kill(getpid(), SIGUSR1), raise(SIGUSR1), kill(getpid(), SIGUSR2);
    sigset_t set, all, old;
    sigemptyset(&set), sigaddset(&set, SIGTERM), sigfillset(&all);
    sigprocmask(SIG_BLOCK, &set, NULL), sigprocmask(SIG_BLOCK, &all, &old);
    signalfd(-1, &set, SFD_CLOEXEC);
    kill(getpid(), SIGTERM), sigpending(&set);
    struct timespec soon = {0, 1000};
    siginfo_t info;
    sigtimedwait(&set, &info, &soon), sigtimedwait(&set, &info, &soon), nanosleep(&soon, NULL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit), setrlimit(RLIMIT_NOFILE, &limit);
    struct sched_param plain = {0};
    sched_setscheduler(0, SCHED_BATCH, &plain), sched_getparam(0, &plain), sched_yield();
    prctl(PR_SET_NAME, "text"), getsid(0), setuid(0);
    pid_t child;
    if (!(child = fork())) raise(SIGKILL);
    reap(child, 0);
    if (!(child = fork())) _exit(9);
    waitid(P_PID, child, &info, WEXITED | WNOWAIT), reap(child, WNOHANG | WUNTRACED);
    reap(child, 0);
    if (!(child = vfork())) _exit(execl("/bin/true", "true", "a\tb", NULL));
    reap(child, 0);
    int ends[2];
    if (pipe(ends)) return 2;
    if (!(child = fork())) close(ends[1]), raise(SIGSTOP), _exit(read(ends[0], &info, 1));
    reap(child, WUNTRACED), kill(child, SIGCONT), reap(child, WCONTINUED), close(ends[1]);
    reap(child, 0);
    struct itimerval alarm_ = {{0, 0}, {1000, 0}};
    setitimer(ITIMER_REAL, &alarm_, NULL), alarm(0), getpriority(PRIO_PROCESS, 0);
    abort();
}
