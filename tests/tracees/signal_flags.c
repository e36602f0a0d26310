/* Provokes: what sigaction's flags, dispositions and masks change of a delivery.
 *
 * signal_flags WHAT: see the table at the end. */
#include "tracee.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>

static volatile sig_atomic_t count, depth, deepest, limit;
static volatile sig_atomic_t *shared;
static char *low_stack, order[16];

static void handle(int signo, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    must(sigaction(signo, &action, NULL), "sigaction");
}

static void counting(int signo) {
    (void)signo;
    (*shared)++;
}

static void nesting(int signo) {
    if (++depth > deepest) deepest = depth;
    if (++count < limit) raise(signo);
    depth--;
}

static void where(int signo) {
    char here;
    (void)signo;
    deepest = &here >= low_stack && &here < low_stack + SIGSTKSZ;
}

static void ordering(int signo) {
    size_t end = strlen(order);
    if (end + 2 >= sizeof order) return;
    order[end] = signo == SIGUSR1 ? 'a' : 'b';
    if (signo == SIGUSR1) raise(SIGUSR2);
    order[strlen(order)] = signo == SIGUSR1 ? 'A' : 'B';
}

/* A child that sends us a signal once we sleep in a call, and ends the call if that did not. */
static pid_t disturb(int number, int ends[2]) {
    pid_t us = getpid(), child = must(fork(), "fork");
    char path[64], line[256];
    if (child) return child;
    for (;;) {
        int found = -1;
        snprintf(path, sizeof path, "/proc/%d/syscall", us);
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%d", &found) == EOF) _exit(97);
        fclose(file);
        if (found != number) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", us);
        if (!(file = fopen(path, "r")) || !fgets(line, sizeof line, file)) _exit(97);
        fclose(file);
        if (strrchr(line, ')')[2] == 'S') break;
    }
    kill(us, SIGUSR1);
    while (!*shared);
    must(write(ends[1], "x", 1), "write");
    _exit(0);
}

static void restarts(void) {
    int ends[2];
    char byte;
    must(pipe(ends), "pipe");
    for (int again = 0; again < 2; again++) {
        struct pollfd polled = {.fd = ends[0], .events = POLLIN};
        *shared = 0;
        handle(SIGUSR1, counting, again ? SA_RESTART : 0);
        pid_t child = disturb(SYS_read, ends);
        long got = read(ends[0], &byte, 1);
        printf("read %ld %s, handled %d\n", got, got < 0 ? strerrorname_np(errno) : "", *shared);
        must(waitpid(child, NULL, 0), "waitpid");
        if (got < 0) must(read(ends[0], &byte, 1), "read");
        *shared = 0;
        child = disturb(SYS_poll, ends); /* never restarted once a handler has run */
        got = poll(&polled, 1, -1);
        printf("poll %ld %s, handled %d\n", got, got < 0 ? strerrorname_np(errno) : "", *shared);
        must(waitpid(child, NULL, 0), "waitpid");
        must(read(ends[0], &byte, 1), "read");
    }
}

static void nests(void) {
    int flags[] = {0, SA_NODEFER};
    limit = 4;
    for (int i = 0; i < 2; i++) {
        count = deepest = 0;
        handle(SIGUSR1, nesting, flags[i]);
        raise(SIGUSR1);
        printf("handled %d, %d deep\n", count, deepest);
    }
}

static void stacks(void) {
    stack_t other = {.ss_size = SIGSTKSZ, .ss_sp = low_stack = malloc(SIGSTKSZ)};
    must(sigaltstack(&other, NULL), "sigaltstack");
    for (int i = 0; i < 2; i++) {
        handle(SIGUSR1, where, i ? SA_ONSTACK : 0);
        raise(SIGUSR1);
        printf("on the other stack: %d\n", deepest);
    }
}

static void resets(void) {
    struct sigaction now;
    handle(SIGUSR1, counting, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &now);
    printf("handled %d, default now %d\n", *shared, now.sa_handler == SIG_DFL);
    fflush(stdout);
    raise(SIGUSR1);
}

static void orders(void) { /* sa_mask keeps b out of a's handler */
    struct sigaction action = {.sa_handler = ordering};
    handle(SIGUSR2, ordering, 0);
    for (int i = 0; i < 2; i++) {
        memset(order, 0, sizeof order);
        if (i) sigaddset(&action.sa_mask, SIGUSR2);
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
        puts(order);
    }
}

static void ignores(void) {
    int by_default[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
    sigset_t set, pending;
    signal(SIGUSR1, SIG_IGN);
    for (int i = 0; i < 3; i++) must(kill(getpid(), SIGUSR1), "kill");
    for (int i = 0; i < 4; i++) must(kill(getpid(), by_default[i]), "kill");
    /* Blocked, it is pending even so; let in, it is nothing. */
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    must(kill(getpid(), SIGUSR1), "kill");
    sigpending(&pending);
    printf("pending %d\n", sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    sigpending(&pending);
    printf("pending %d\n", sigismember(&pending, SIGUSR1));
    /* Ignored before, a handler set after it sees nothing of it. */
    must(kill(getpid(), SIGUSR1), "kill");
    handle(SIGUSR1, counting, 0);
    printf("handled %d\n", *shared);
}

static void dies(void) { /* of whatever kills by default */
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int signo = 1; signo <= SIGRTMIN; signo++) {
        int status;
        if (signo > SIGSYS && signo < SIGRTMIN) continue;
        if (signo == SIGSTOP || signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU) continue;
        pid_t child = must(fork(), "fork");
        if (child == 0) {
            signal(signo, SIG_DFL);
            raise(signo);
            _exit(0);
        }
        must(waitpid(child, &status, 0), "waitpid");
        printf("%d: %s %d\n", signo, WIFSIGNALED(status) ? "killed" : "exit",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*provoke)(void);
    } table[] = {{"restart", restarts}, {"nodefer", nests}, {"onstack", stacks},
                 {"resethand", resets}, {"mask", orders},   {"ignore", ignores},
                 {"default", dies}};
    alarm(300);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; argc > 1 && i < sizeof table / sizeof *table; i++) {
        if (strcmp(argv[1], table[i].name)) continue;
        table[i].provoke();
        return 0;
    }
    return 98;
}
