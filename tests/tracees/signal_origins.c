/* Provokes: a signal from each origin there is, and tells all that its siginfo says.
 *
 * signal_origins ORIGIN: see the table at the end.  Handlers only take notes, with every other
 * signal blocked; what they noted is told by main. */
#include "tracee.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static siginfo_t seen[64];
static pid_t taker[64];
static volatile sig_atomic_t count;
static pid_t child;
static char *page;

static void note(int signo, siginfo_t *info, void *context) {
    (void)signo, (void)context;
    taker[count] = gettid();
    seen[count] = *info;
    count++;
}

static void handle(int signo, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&action.sa_mask);
    must(sigaction(signo, &action, NULL), "sigaction");
}

static const char *who(pid_t pid) {
    if (pid == getpid()) return "self";
    if (pid == getppid()) return "parent";
    if (pid && pid == child) return "child";
    return pid ? "other" : "none";
}

static const char *name(int signo) { return sigabbrev_np(signo) ? sigabbrev_np(signo) : "RT"; }

static void tell_sent(const siginfo_t *info) {
    printf("%s %d code %d from %s, own uid %d, value %d\n", name(info->si_signo), info->si_signo,
           info->si_code, who(info->si_pid), info->si_uid == getuid(), info->si_value.sival_int);
}

static void tell_all(void) {
    for (int i = 0; i < count; i++) tell_sent(&seen[i]);
    count = 0;
}

static void mask(int how, int signo) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    must(sigprocmask(how, &set, NULL), "sigprocmask");
}

static void wait_for(int number) { /* Blocked signals come in sigsuspend only. */
    sigset_t none;
    sigemptyset(&none);
    while (count < number) sigsuspend(&none);
}

static void by_kill(void) {
    handle(SIGUSR1, note);
    must(kill(getpid(), SIGUSR1), "kill");
    must(raise(SIGUSR1), "raise");
    mask(SIG_BLOCK, SIGUSR1);
    if ((child = must(fork(), "fork")) == 0) _exit(kill(getppid(), SIGUSR1) != 0);
    wait_for(3);
    must(waitpid(child, NULL, 0), "waitpid");
    tell_all();
}

static void *in_thread(void *barrier) {
    pthread_barrier_wait(barrier);
    taker[63] = gettid();
    pthread_barrier_wait(barrier);
    while (!count) pause(); /* the alarm ends it if the signal goes elsewhere */
    return NULL;
}

static void by_tgkill(void) {
    pthread_barrier_t barrier;
    handle(SIGUSR1, note);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t other = thread(in_thread, &barrier);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    /* More than one: the first may come between its look and its pause. */
    while (!count) {
        must(syscall(SYS_tgkill, getpid(), taker[63], SIGUSR1), "tgkill");
        for (int spin = 0; spin < 1000 && !count; spin++) sched_yield();
    }
    pthread_join(other, NULL);
    printf("taken by the thread: %d\n", taker[0] == taker[63]);
    count = 1;
    tell_all();
}

static void queue(int signo, int number) {
    must(sigqueue(getpid(), signo, (union sigval){.sival_int = number}), "sigqueue");
}

static void by_sigqueue(void) {
    sigset_t all, before, pending;
    siginfo_t forged = {.si_signo = SIGRTMIN + 3, .si_code = -42};
    for (int i = 0; i < 4; i++) handle(SIGRTMIN + i, note);
    handle(SIGUSR1, note), handle(SIGUSR2, note);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    queue(SIGRTMIN + 2, 1), queue(SIGRTMIN, 2), queue(SIGUSR2, 3), queue(SIGRTMIN, 4);
    queue(SIGRTMIN + 1, 5), queue(SIGUSR1, 6), queue(SIGUSR1, 7), queue(SIGRTMIN, -8);
    forged.si_pid = getppid(), forged.si_uid = getuid(), forged.si_value.sival_int = 9;
    must(syscall(SYS_rt_sigqueueinfo, getpid(), forged.si_signo, &forged), "rt_sigqueueinfo");
    must(sigpending(&pending), "sigpending");
    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigismember(&pending, i) == 1) printf("pending %d\n", i);
    sigprocmask(SIG_SETMASK, &before, NULL); /* all of them come before this returns */
    tell_all();
}

static void by_timer(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 4};
    struct itimerspec soon = {.it_value.tv_nsec = 1000000};
    struct itimerval too = {.it_value.tv_usec = 1000}, each = {.it_value.tv_usec = 10};
    event.sigev_value.sival_int = 77;
    handle(event.sigev_signo, note), handle(SIGALRM, note), handle(SIGVTALRM, note);
    mask(SIG_BLOCK, event.sigev_signo), mask(SIG_BLOCK, SIGALRM);
    must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
    must(timer_settime(timer, 0, &soon, NULL), "timer_settime");
    wait_for(1);
    printf("RT code %d value %d overrun %d\n", seen[0].si_code, seen[0].si_value.sival_int,
           seen[0].si_overrun);
    must(setitimer(ITIMER_REAL, &too, NULL), "setitimer");
    wait_for(2);
    must(setitimer(ITIMER_VIRTUAL, &each, NULL), "setitimer");
    while (count < 3);
    printf("%s code %d\n", name(seen[1].si_signo), seen[1].si_code);
    printf("%s code %d\n", name(seen[2].si_signo), seen[2].si_code);
    event.sigev_notify = SIGEV_THREAD_ID, event.sigev_notify_thread_id = gettid();
    must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create");
    must(timer_settime(timer, 0, &soon, NULL), "timer_settime");
    wait_for(4);
    printf("RT code %d value %d\n", seen[3].si_code, seen[3].si_value.sival_int);
}

static void by_io(void) {
    int ends[2], signo = SIGRTMIN + 5;
    handle(signo, note);
    mask(SIG_BLOCK, signo);
    must(pipe(ends), "pipe");
    must(fcntl(ends[0], F_SETOWN, getpid()), "F_SETOWN");
    must(fcntl(ends[0], F_SETSIG, signo), "F_SETSIG");
    must(fcntl(ends[0], F_SETFL, O_ASYNC), "O_ASYNC");
    must(write(ends[1], "x", 1), "write");
    wait_for(1);
    printf("code %d band %#lx its fd %d\n", seen[0].si_code, (long)seen[0].si_band,
           seen[0].si_fd == ends[0]);
}

static void by_child(void) {
    handle(SIGCHLD, note);
    mask(SIG_BLOCK, SIGCHLD);
    for (int i = 0; i < 2; i++) {
        if ((child = must(fork(), "fork")) == 0) {
            if (i == 0) _exit(3);
            for (;;) pause();
        }
        int signals[] = {SIGSTOP, SIGCONT, SIGKILL}, status;
        for (int j = 0; j < (i ? 3 : 1); j++) {
            if (i) must(kill(child, signals[j]), "kill");
            wait_for(1);
            must(waitpid(child, &status, WUNTRACED | WCONTINUED), "waitpid");
            printf("%s code %d status %d from %s, own uid %d, waited %#x\n",
                   name(seen[0].si_signo), seen[0].si_code, seen[0].si_status,
                   who(seen[0].si_pid), seen[0].si_uid == getuid(), status);
            count = 0;
        }
    }
}

static sigjmp_buf back;

static void leap(int signo, siginfo_t *info, void *context) {
    note(signo, info, context);
    siglongjmp(back, 1);
}

static void fault(int kind) {
    volatile int zero = 0, some = 7, *wild = (int *)16;
    if (kind == 0) *wild = 1;
    if (kind == 1) page[24] = 1; /* cannot be written */
    if (kind == 2) some = some / zero;
    if (kind == 3) __asm__ volatile("ud2");
    if (kind == 4) page[4096 + 32] = 1; /* beyond the end of its file */
    if (kind == 5) *(volatile int *)(1UL << 62) = 1; /* no address at all */
}

static void by_fault(void) {
    int file = must(memfd_create("short", 0), "memfd_create");
    int all[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS};
    for (int i = 0; i < 4; i++) handle(all[i], leap);
    must(ftruncate(file, 4096), "ftruncate");
    page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must(mprotect(page, 4096, PROT_READ), "mprotect");
    for (int kind = 0; kind < 6; kind++) {
        if (!sigsetjmp(back, 1)) fault(kind);
        char *at = seen[0].si_addr;
        const char *where = "code";
        if (at < (char *)4096) where = "low";
        if (at >= page && at < page + 8192) where = "page";
        printf("%s code %d in %s, offset %ld\n", name(seen[0].si_signo), seen[0].si_code, where,
               *where == 'p' ? at - page : *where == 'l' ? (long)at : 0L);
        count = 0;
    }
    fflush(stdout);
    signal(SIGSEGV, SIG_DFL);
    fault(0);
}

static void taken_by_reading(void) {
    sigset_t set;
    siginfo_t info;
    struct signalfd_siginfo read_info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = must(signalfd(-1, &set, 0), "signalfd");
    queue(SIGRTMIN, 5), queue(SIGRTMIN, 6);
    must(kill(getpid(), SIGUSR1), "kill");
    for (int i = 0; i < 2; i++) {
        must(read(fd, &read_info, sizeof read_info), "read");
        printf("read %d code %d from %s value %d\n", read_info.ssi_signo, read_info.ssi_code,
               who(read_info.ssi_pid), read_info.ssi_int);
    }
    must(sigwaitinfo(&set, &info), "sigwaitinfo");
    tell_sent(&info);
    /* And one that it is asleep for. */
    if ((child = must(fork(), "fork")) == 0)
        _exit(sigqueue(getppid(), SIGUSR2, (union sigval){.sival_int = 8}) != 0);
    must(sigwaitinfo(&set, &info), "sigwaitinfo");
    tell_sent(&info);
    must(waitpid(child, NULL, 0), "waitpid");
    int none = sigtimedwait(&set, &info, &(struct timespec){.tv_nsec = 1000000});
    printf("then %d %s\n", none, strerrorname_np(errno));
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*provoke)(void);
    } table[] = {{"kill", by_kill},   {"tgkill", by_tgkill}, {"sigqueue", by_sigqueue},
                 {"timer", by_timer}, {"io", by_io},         {"child", by_child},
                 {"fault", by_fault}, {"reading", taken_by_reading}};
    alarm(300);
    for (size_t i = 0; argc > 1 && i < sizeof table / sizeof *table; i++) {
        if (strcmp(argv[1], table[i].name)) continue;
        table[i].provoke();
        return 0;
    }
    return 98;
}
