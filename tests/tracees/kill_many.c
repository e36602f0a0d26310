/* Provokes: SIGKILL between any two steps of a tracer, thousands of times.
 *
 * kill_many MOMENT ROUNDS SEED: keeps a few victims alive, each busy with MOMENT (a name below, or
 * `any`: each another one, but none `thread_exec`), and kills one after a random time, until
 * ROUNDS have died so; those of the moment `siblings` kill each other.  Then a line `MOMENT MADE
 * BY_SIBLINGS` for each, the second number being of those that a sibling killed, and exit code 0:
 * all of them were killed.
 * kill_many MOMENT 0 SEED: on a byte `n` of stdin makes a batch of victims and prints their ids in
 * a line; on `k` kills them, a random time apart, reaps them and prints the line `DEAD`; ends with
 * stdin. */
#include "tracee.h"
#include <sys/prctl.h>

enum { LIVE = 12, SPIN = 4000, LIMIT_S = 300 };

static struct { pid_t pid; int pidfd, moment, ours; } live[LIVE];
static unsigned long state;

static unsigned pick(unsigned below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static void spin(unsigned most) {
    for (volatile unsigned left = pick(most); left; left--) continue;
}

static void again(const char *moment) {
    execl("/proc/self/exe", "kill_many", "be", moment, NULL);
    _exit(98);
}

static void in_fork(void) {
    pid_t child = fork();
    if (!child) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
}

static void in_vfork(void) {
    pid_t child = vfork();
    if (!child) {
        if (state & 1) again("end");
        _exit(0);
    }
    if (child > 0) waitpid(child, NULL, 0);
    state++;
}

static void *nothing(void *argument) {
    return argument;
}

static void in_clone(void) {
    pthread_join(thread(nothing, NULL), NULL);
}

static void *call(void *argument) {
    for (;;) {
        for (int i = 0; i < 20; i++) syscall(SYS_getppid);
        usleep(100); /* Or they would leave no time to whoever kills them. */
    }
    return argument;
}

static void in_crowd(void) {
    thread(call, NULL);
    call(NULL);
}

static void in_exec(void) {
    again("exec");
}

static void *exec_again(void *argument) {
    again(argument);
    return NULL;
}

static void in_thread_exec(void) {
    thread(exec_again, "thread_exec");
    pause();
}

static void in_stop(void) {
    raise(SIGSTOP);
}

static void handle(int signo) {
    (void)signo;
}

static void in_signal(void) {
    signal(SIGUSR1, handle);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
}

static void in_calls(void) {
    char byte;
    int file = open("/dev/null", O_RDONLY);
    (void)!read(file, &byte, 1);
    close(file);
    usleep(100);
}

static void in_sleep(void) {
    pause();
}

static void siblings(void) { /* Kills those that were alive when it was made. */
    for (int i = 0; i < LIVE; i++) {
        spin(SPIN);
        if (live[i].pid) syscall(SYS_pidfd_send_signal, live[i].pidfd, SIGKILL, NULL, 0);
    }
}

static void end(void) {
    _exit(0);
}

static const struct { const char *name; void (*step)(void); } moments[] = {
    {"fork", in_fork}, {"vfork", in_vfork}, {"clone", in_clone}, {"crowd", in_crowd},
    {"exec", in_exec}, {"stop", in_stop}, {"signal", in_signal}, {"calls", in_calls},
    {"sleep", in_sleep}, {"siblings", siblings}, {"thread_exec", in_thread_exec}, {"end", end},
};
enum { ALL = sizeof moments / sizeof *moments, ANY = ALL - 2 }; /* `any`: of the first ANY. */

static int moment_of(const char *name) {
    for (int i = 0; i < ALL; i++)
        if (!strcmp(moments[i].name, name)) return i;
    return ALL;
}

static void be(int moment) {
    alarm(LIMIT_S);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) moments[moment].step();
}

static long made[ALL], by_siblings[ALL];

static void make(int slot, int moment) {
    if (moment == ALL) moment = pick(ANY);
    unsigned long seed = state * 2654435761u + 1;
    pid_t child = must(fork(), "fork");
    if (!child) {
        state = seed;
        be(moment);
    }
    made[moment]++;
    live[slot].pid = child;
    live[slot].moment = moment;
    live[slot].ours = 0;
    live[slot].pidfd = must(syscall(SYS_pidfd_open, child, 0), "pidfd_open");
}

static int reap(int flags) { /* One victim; 0: none. */
    int status;
    pid_t dead = waitpid(-1, &status, flags);
    if (dead <= 0) return 0;
    for (int i = 0; i < LIVE; i++) {
        if (live[i].pid != dead) continue;
        live[i].pid = 0;
        close(live[i].pidfd);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) exit(97);
        by_siblings[live[i].moment] += !live[i].ours;
    }
    return 1;
}

static int slay(int slot) { /* 0: it is dead or dying already. */
    if (!live[slot].pid || live[slot].ours) return 0;
    live[slot].ours = 1;
    kill(live[slot].pid, SIGKILL);
    return 1;
}

static void rounds(int moment, long wanted) {
    for (long left = wanted; left > 0;) {
        for (int i = 0; i < LIVE; i++)
            if (!live[i].pid) make(i, moment);
        spin(SPIN);
        if (!slay(pick(LIVE))) left -= reap(0);
        while (reap(WNOHANG)) left--;
        int other = pick(LIVE); /* Whoever stopped itself may go on. */
        if (live[other].pid) kill(live[other].pid, SIGCONT);
    }
    for (int i = 0; i < LIVE; i++) slay(i);
    while (reap(0)) continue;
    for (int i = 0; i < ALL; i++)
        if (made[i]) printf("%s %ld %ld\n", moments[i].name, made[i], by_siblings[i]);
}

static void on_command(int moment) {
    char byte;
    while (read(0, &byte, 1) == 1) {
        for (int i = 0; i < LIVE && byte == 'n'; i++) {
            make(i, moment);
            printf("%d%c", live[i].pid, i < LIVE - 1 ? ' ' : '\n');
        }
        for (int i = 0; i < LIVE && byte == 'k'; i++) {
            spin(1000 * SPIN);
            slay(i);
        }
        while (byte == 'k' && reap(0)) continue;
        if (byte == 'k') puts("DEAD");
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    if (argc == 3) be(moment_of(argv[2]));
    if (argc != 4) return 2;
    state = 0x9e3779b97f4a7c15u ^ strtoul(argv[3], NULL, 10);
    alarm(LIMIT_S);
    if (atol(argv[2]))
        rounds(moment_of(argv[1]), atol(argv[2]));
    else
        on_command(moment_of(argv[1]));
    return 0;
}
