/* Provokes: children that end in every way, and parents that learn of it in every way.
 *
 * end_statuses HOW [DIR]
 *   codes      256 children exit with 0..255
 *   signals    children die by signals; core files are allowed and go to DIR
 *   polling    waitpid with WNOHANG until there is nobody left
 *   handler    SIGCHLD handlers that read their siginfo
 *   waitid     waitid, first without taking the status
 *   nowait     SA_NOCLDWAIT: no child can be waited for
 *   ignored    SIGCHLD ignored: the same
 *   anybody    a wait for whoever ends next */
#include "tracee.h"

#include <sys/resource.h>

static const int deadly[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
                             SIGFPE,  SIGKILL, SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1,
                             SIGXCPU, SIGSYS,  SIGIO};
enum { DEADLY = sizeof deadly / sizeof *deadly };

static pid_t exits(int code) {
    pid_t pid = (pid_t)must(fork(), "fork");
    if (pid == 0) _exit(code);
    return pid;
}

static pid_t dies(int signo) {
    pid_t pid = (pid_t)must(fork(), "fork");
    if (pid) return pid;
    signal(signo, SIG_DFL);
    raise(signo);
    _exit(100);
}

static void tell(const char *how, int status) {
    if (WIFEXITED(status))
        printf("%s: exited %d\n", how, WEXITSTATUS(status));
    else
        printf("%s: killed by %d, core %d\n", how, WTERMSIG(status), WCOREDUMP(status) != 0);
}

static void codes(void) {
    for (int code = 0; code < 256; code++) {
        int status = -1;
        pid_t child = exits(code), got = waitpid(child, &status, 0);
        if (got != child || status != code << 8) printf("%d: %#x\n", code, (unsigned)status);
    }
}

static void signals(void) {
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    must(setrlimit(RLIMIT_CORE, &core), "setrlimit");
    for (int i = 0; i < DEADLY; i++) {
        int status = -1;
        must(waitpid(dies(deadly[i]), &status, 0), "waitpid");
        tell("child", status);
    }
}

static void polling(void) {
    for (int i = 0; i < 20; i++) {
        int status = 0;
        pid_t got, child = i % 2 ? dies(SIGKILL) : exits(i);
        while ((got = waitpid(-1, &status, WNOHANG)) == 0) sched_yield();
        printf("own %d ", got == child);
        tell("polled", status);
    }
    printf("nobody left: %d\n", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static volatile siginfo_t last;
static volatile sig_atomic_t told;

static void note(int signo, siginfo_t *info, void *unused) {
    (void)signo;
    (void)unused;
    memcpy((void *)&last, info, sizeof last);
    told++;
}

static void show(const char *how, const volatile siginfo_t *info, pid_t child) {
    printf("%s: signo %d code %d status %d child %d uid %d\n", how, info->si_signo, info->si_code,
           info->si_status, info->si_pid == child, info->si_uid == getuid());
}

static void handler(void) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigset_t blocked, open;
    sigaction(SIGCHLD, &action, NULL);
    block(SIGCHLD);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    open = blocked;
    sigdelset(&open, SIGCHLD);
    for (int i = 0; i < 20; i++) {
        int status = 0, before = told;
        pid_t child = i % 2 ? dies(SIGKILL) : exits(i);
        while (told == before) sigsuspend(&open);
        printf("waitable %d ", waitpid(child, &status, WNOHANG) == child);
        show("SIGCHLD", &last, child);
        tell("waited", status);
    }
    printf("told %d times\n", told);
}

static void waitids(void) {
    for (int i = 0; i < 10; i++) {
        siginfo_t info;
        pid_t child = i % 2 ? dies(SIGTERM) : exits(i);
        memset(&info, 0, sizeof info);
        must(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), "waitid");
        show("looked at", &info, child);
        memset(&info, 0, sizeof info);
        must(waitid(P_ALL, 0, &info, WEXITED), "waitid");
        show("taken", &info, child);
    }
    printf("nobody left: %d\n", waitid(P_ALL, 0, NULL, WEXITED) == -1 && errno == ECHILD);
}

static void none_to_wait_for(void (*action)(int), int flags) {
    struct sigaction set = {.sa_handler = action, .sa_flags = flags};
    int status = 0;
    sigaction(SIGCHLD, &set, NULL);
    for (int i = 0; i < 10; i++) i % 2 ? dies(SIGTERM) : exits(i);
    pid_t got = waitpid(-1, &status, 0);
    printf("got nobody: %d %s, status %d\n", got == -1, strerrorname_np(errno), status);
}

static void count(int signo) { told += signo == SIGCHLD; }

static void anybody(void) {
    int sum = 0, dead = 0, status;
    for (int i = 0; i < 40; i++) i % 4 ? exits(i) : dies(SIGUSR1);
    while (wait(&status) > 0) {
        sum += WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        dead += WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1;
    }
    printf("codes add up to %d, %d killed\n", sum, dead);
}

int main(int argc, char **argv) {
    if (argc < 2 || (argc > 2 && chdir(argv[2]))) return 2;
    alarm(300);
    setvbuf(stdout, NULL, _IONBF, 0); /* No child shall have words of its parent's to write. */
    if (!strcmp(argv[1], "codes")) codes();
    if (!strcmp(argv[1], "signals")) signals();
    if (!strcmp(argv[1], "polling")) polling();
    if (!strcmp(argv[1], "handler")) handler();
    if (!strcmp(argv[1], "waitid")) waitids();
    if (!strcmp(argv[1], "nowait")) none_to_wait_for(count, SA_NOCLDWAIT | SA_RESTART);
    if (!strcmp(argv[1], "ignored")) none_to_wait_for(SIG_IGN, 0);
    if (!strcmp(argv[1], "anybody")) anybody();
    return 0;
}
