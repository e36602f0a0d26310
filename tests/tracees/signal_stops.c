/* Provokes: job control of a child, as its parent sees it by waitpid.
 *
 * signal_stops WHAT: see the table at the end.  The child has a process group of its own. */
#include "tracee.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

enum { THREADS = 4 };
static struct {
    volatile int handled, conts, go, seen, over;
    volatile long turns[THREADS];
    volatile long result;
    volatile int error;
} *shared;
static pid_t child;
static int ends[2];

static void note(int signo) {
    if (signo == SIGCONT) shared->conts++;
    if (signo != SIGCONT) shared->handled++;
}

static void handle(int signo) {
    struct sigaction action = {.sa_handler = note};
    sigaction(signo, &action, NULL);
}

static void report(void) { /* The next thing that waitpid has to say. */
    int status;
    must(waitpid(child, &status, WUNTRACED | WCONTINUED), "waitpid");
    if (WIFSTOPPED(status)) printf("stopped by %d\n", WSTOPSIG(status));
    if (WIFCONTINUED(status)) puts("continued");
    if (WIFEXITED(status)) printf("exited %d\n", WEXITSTATUS(status));
    if (WIFSIGNALED(status)) printf("killed by %d\n", WTERMSIG(status));
}

static void silence(void) { /* That it has nothing to say. */
    int status;
    printf("no report: %d\n", waitpid(child, &status, WUNTRACED | WCONTINUED | WNOHANG) == 0);
}

static void start_in(int (*group)(void), void (*body)(void)) {
    if ((child = must(fork(), "fork"))) {
        while (!shared->go) sched_yield();
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(group(), "a group of its own");
    body();
    _exit(0);
}

static int new_group(void) { return setpgid(0, 0); }
static int new_session(void) { return setsid() == -1 ? -1 : 0; }
static void start(void (*body)(void)) { start_in(new_group, body); }

static void turn(void) { /* Runs until told to stop, counting. */
    for (shared->go = 1; !shared->over; sched_yield()) shared->turns[0]++;
}

static void moves(int which) { /* Wait until a thread has gone on. */
    long before = shared->turns[which];
    while (shared->turns[which] <= before + 1) sched_yield();
}

static void stands(int threads) { /* Whether none has gone on over a span of time. */
    long before[THREADS];
    int same = 1;
    for (int i = 0; i < threads; i++) before[i] = shared->turns[i];
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    for (int i = 0; i < threads; i++) same &= shared->turns[i] == before[i];
    printf("stands: %d\n", same);
}

static void end(void) {
    shared->over = 1;
    report();
}

static void each(void) {
    int all[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    start(turn);
    for (int i = 0; i < 4; i++) {
        kill(child, all[i]), report(), stands(1);
        kill(child, SIGCONT), report(), moves(0);
    }
    end();
}

static void *counting(void *argument) {
    long number = (long)argument;
    for (; !shared->over; sched_yield()) shared->turns[number]++;
    return NULL;
}

static void in_threads(void) {
    pthread_t made[THREADS];
    for (long i = 1; i < THREADS; i++) made[i] = thread(counting, (void *)i);
    for (int i = 1; i < THREADS; i++) moves(i);
    turn();
    for (int i = 1; i < THREADS; i++) pthread_join(made[i], NULL);
}

static void threads(void) {
    start(in_threads);
    for (int again = 0; again < 3; again++) {
        kill(child, SIGSTOP), report(), stands(THREADS);
        kill(child, SIGCONT), report();
        for (int i = 0; i < THREADS; i++) moves(i);
    }
    end();
}

static void handled_turn(void) {
    handle(SIGCONT), handle(SIGUSR1), handle(SIGUSR2);
    turn();
}

static void handler(void) {
    start(handled_turn);
    for (int i = 1; i <= 3; i++) {
        kill(child, SIGSTOP), report();
        kill(child, SIGCONT), report(), moves(0);
        printf("handled %d\n", shared->conts);
    }
    end();
}

static void handled_tstp_turn(void) {
    handle(SIGTSTP);
    signal(SIGTTIN, SIG_IGN);
    turn();
}

static void not_stopping(void) { /* Handled or ignored, or in an orphaned group: no stop. */
    start(handled_tstp_turn);
    kill(child, SIGTSTP), kill(child, SIGTTIN);
    moves(0), silence();
    printf("handled %d\n", shared->handled);
    end();
}

static void orphans(void) {
    start_in(new_session, turn);
    kill(child, SIGTSTP), kill(child, SIGTTIN), kill(child, SIGTTOU);
    moves(0), silence();
    kill(child, SIGSTOP), report(), stands(1); /* which does stop it */
    kill(child, SIGCONT), report();
    end();
}

static void twice(void) {
    start(turn);
    kill(child, SIGSTOP), report();
    kill(child, SIGSTOP), kill(child, SIGTSTP), silence(), stands(1);
    kill(child, SIGCONT), report(), moves(0), silence();
    kill(child, SIGCONT), moves(0), silence(); /* nothing to continue */
    end();
}

static void meanwhile(void) { /* Signals for a stopped process wait for its SIGCONT. */
    start(handled_turn);
    kill(child, SIGSTOP), report();
    kill(child, SIGUSR1), kill(child, SIGUSR2), kill(child, SIGUSR1);
    stands(1);
    printf("handled %d\n", shared->handled);
    kill(child, SIGCONT), report(), moves(0);
    printf("handled %d and %d\n", shared->handled, shared->conts);
    end();
}

static void killed(void) {
    int status;
    start(turn);
    kill(child, SIGSTOP), report();
    kill(child, SIGKILL), report();
    shared->go = 0;
    start(turn);
    kill(child, SIGSTOP), report();
    kill(child, SIGTERM), silence(), stands(1); /* it waits as any other */
    kill(child, SIGCONT);
    must(waitpid(child, &status, 0), "waitpid"); /* "continued" may be lost to its death */
    printf("killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void self_stop(void) {
    shared->go = 1;
    raise(SIGSTOP);
    while (shared->over < 1) sched_yield(); /* so that its parent sees it continue */
    kill(getpid(), SIGTSTP);
    while (shared->over < 2) sched_yield();
    _exit(7);
}

static void by_itself(void) {
    start(self_stop);
    for (int i = 1; i <= 2; i++) {
        report(), kill(child, SIGCONT), report();
        shared->over = i;
    }
    report();
}

static long in_read(void) { return read(ends[0], &(char){0}, 1); }
static long in_poll(void) { return poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1); }
static long in_nanosleep(void) { return nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); }
static long in_pause(void) { return pause(); }
static long in_epoll(void) { /* says EINTR, see signal(7) */
    int epoll = must(epoll_create1(0), "epoll_create1");
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
    return epoll_wait(epoll, &event, 1, -1);
}

static const struct {
    const char *name;
    int number;
    long (*call)(void);
} calls[] = {{"read", SYS_read, in_read},
             {"poll", SYS_poll, in_poll},
             {"nanosleep", SYS_clock_nanosleep, in_nanosleep},
             {"pause", SYS_pause, in_pause},
             {"epoll_wait", SYS_epoll_wait, in_epoll}};
static int chosen;

static void calling(void) {
    handle(SIGUSR1);
    shared->go = 1;
    errno = 0;
    do /* again if it was over (nanosleep) before it was seen */
        shared->result = calls[chosen].call();
    while (!shared->seen);
    shared->error = errno;
    while (!shared->over) sched_yield();
}

static int in_call(void) {
    char path[64], line[512];
    int found = -1;
    snprintf(path, sizeof path, "/proc/%d/syscall", child);
    FILE *file = fopen(path, "r");
    if (!file) die(path);
    if (fscanf(file, "%d", &found) == EOF) die(path);
    fclose(file);
    snprintf(path, sizeof path, "/proc/%d/stat", child);
    if (!(file = fopen(path, "r")) || !fgets(line, sizeof line, file)) die(path);
    fclose(file);
    return found == calls[chosen].number && strrchr(line, ')')[2] == 'S';
}

static void in_calls_from(int first, int end_at) { /* Stopped and continued while asleep in one. */
    must(pipe(ends), "pipe");
    for (chosen = first; chosen < end_at; chosen++) {
        shared->go = shared->seen = shared->over = 0;
        start(calling);
        while (!in_call()) sched_yield();
        shared->seen = 1;
        printf("%s\n", calls[chosen].name);
        kill(child, SIGSTOP), report();
        kill(child, SIGCONT), report();
        if (calls[chosen].call == in_pause) kill(child, SIGUSR1);
        must(write(ends[1], "x", 1), "write");
        end();
        printf("%s %ld %s\n", calls[chosen].name, shared->result,
               shared->error ? strerrorname_np(shared->error) : "");
        if (calls[chosen].call != in_read) must(in_read(), "read");
    }
}

static void in_calls(void) { in_calls_from(0, 4); }
static void in_epoll_wait(void) { in_calls_from(4, 5); }

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*provoke)(void);
    } table[] = {{"each", each},           {"threads", threads}, {"handler", handler},
                 {"unstopped", not_stopping}, {"orphan", orphans},  {"twice", twice},
                 {"meanwhile", meanwhile}, {"killed", killed},   {"self", by_itself},
                 {"calls", in_calls},      {"epoll", in_epoll_wait}};
    alarm(300);
    setvbuf(stdout, NULL, _IOLBF, 0);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; argc > 1 && i < sizeof table / sizeof *table; i++) {
        if (strcmp(argv[1], table[i].name)) continue;
        table[i].provoke();
        return 0;
    }
    return 98;
}
