/* Provokes: signals that wait, and signals on their way, while a tracer comes and goes.
 *
 * detach_signals pending: SIGUSR1 waits for the thread, SIGUSR2 and three real-time signals with
 * values for the process.  READY; after one byte of standard input they are let in, one by one,
 * each a line `SIGNO VALUE`, in the order they came; exit code 0.
 *
 * detach_signals storm: a child sends it SIGRTMIN with 1, 2, 3...; it sends itself SIGRTMIN+1
 * with 1, 2, 3...; handlers see that none is lost, doubled or out of order.  READY; SIGTERM: once
 * all have come, the line `EXACT` and exit code 0 (`LOST` and 1 if that was not so). */
#include "tracee.h"
#include <sys/mman.h>
#include <sys/prctl.h>

static volatile sig_atomic_t wrong, over;
static volatile long own, sent_by_self;
static struct {
    volatile long sent, came;
} *shared;

static void told(int signo, siginfo_t *info, void *unused) {
    (void)unused;
    printf("%d %d\n", signo, info->si_code == SI_QUEUE ? info->si_value.sival_int : 0);
}

static void counted(int signo, siginfo_t *info, void *unused) {
    (void)unused;
    volatile long *count = signo == SIGRTMIN ? &shared->came : &own;
    if (info->si_code != SI_QUEUE || info->si_value.sival_int != *count + 1) wrong = 1;
    *count = *count + 1;
}

static void end(int signo) { over = signo; }

static void queue(pid_t pid, int signo, long value) {
    union sigval v = {.sival_int = (int)value};
    while (sigqueue(pid, signo, v)) {
        if (errno != EAGAIN) _exit(97);
        usleep(1000); /* As many wait as may. */
    }
}

static int pending(void) {
    struct sigaction action = {.sa_sigaction = told, .sa_flags = SA_SIGINFO};
    int all[] = {SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1};
    sigset_t set;
    char byte;
    sigfillset(&action.sa_mask);
    sigemptyset(&set);
    for (int i = 0; i < 4; i++) {
        sigaction(all[i], &action, NULL);
        sigaddset(&set, all[i]);
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    pthread_kill(pthread_self(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    queue(getpid(), SIGRTMIN + 1, 31);
    queue(getpid(), SIGRTMIN, 21);
    queue(getpid(), SIGRTMIN, 22);
    ready();
    if (read(0, &byte, 1) != 1) return 4;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    puts("END");
    return 0;
}

static void send_for_ever(pid_t to) {
    signal(SIGTERM, end); /* Sent by the parent: a last complete number stands then. */
    while (!over) {
        queue(to, SIGRTMIN, shared->sent + 1);
        shared->sent = shared->sent + 1;
        while (!over && shared->sent > shared->came + 20) usleep(100);
    }
    _exit(0);
}

static int storm(void) {
    struct sigaction action = {.sa_sigaction = counted, .sa_flags = SA_SIGINFO | SA_RESTART};
    int status;
    pid_t parent = getpid();
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGTERM, end);
    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGRTMIN + 1, &action, NULL);
    pid_t child = must(fork(), "fork");
    if (!child) {
        alarm(300);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        send_for_ever(parent);
    }
    while (shared->came < 100) usleep(500);
    ready();
    while (!over) {
        queue(parent, SIGRTMIN + 1, ++sent_by_self);
        if (own != sent_by_self) wrong = 2; /* It comes before sigqueue returns. */
        usleep(50);
    }
    kill(child, SIGTERM);
    while (waitpid(child, &status, 0) == -1 && errno == EINTR) continue;
    for (int i = 0; i < 60000 && shared->came < shared->sent; i++) usleep(1000);
    int exact = !wrong && shared->came == shared->sent && own == sent_by_self && !status;
    puts(exact ? "EXACT" : "LOST");
    return !exact;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return strcmp(argv[1], "storm") ? pending() : storm();
}
