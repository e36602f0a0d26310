/* Provokes: calls that a signal interrupts while they sleep, by each restart code of the kernel.
 *
 * wait_restart CALL HOW: a line `CALL RESULT SIGNALS`; exit code 0.
 * CALL: read (ERESTARTSYS), lock (ERESTARTNOINTR), pause (ERESTARTNOHAND), nanosleep or poll
 * (ERESTART_RESTARTBLOCK).
 * HOW: `restart` and `fail`: SIGUSR1 has a handler, with SA_RESTART or not, and comes when the
 * call sleeps; `stop`: SIGSTOP and SIGCONT come instead, and for pause SIGUSR1 after them. */
#include "tracee.h"
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <time.h>

static volatile sig_atomic_t signals;
static const char *call;
static int ends[2], stops;
static uint32_t lock;
static volatile int has_lock;
static pthread_t leader;

static void count(int signo) {
    (void)signo;
    signals++;
}

static char state(int pid, int tid) {
    char path[64], line[512], *after;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    after = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return after ? after[2] : 0;
}

static void until(int pid, char wanted) { /* `T`: `t` too, as which a stop counts under trace. */
    for (;;) {
        char now = state(pid, pid);
        if (now == wanted || (wanted == 'T' && now == 't')) return;
        usleep(1000);
    }
}

/* In a thread: disturb the leader when it sleeps, then let its call end. */
static void *disturb(void *unused) {
    int pid = getpid();
    block(SIGUSR1);
    if (!strcmp(call, "lock")) {
        must(syscall(SYS_futex, &lock, FUTEX_LOCK_PI, 0, NULL), "FUTEX_LOCK_PI");
        has_lock = 1;
    }
    until(pid, 'S');
    pthread_kill(leader, SIGUSR1);
    while (!signals) usleep(1000);
    if (!strcmp(call, "read")) must(write(ends[1], "x", 1), "write");
    if (!strcmp(call, "lock")) must(syscall(SYS_futex, &lock, FUTEX_UNLOCK_PI), "FUTEX_UNLOCK_PI");
    return unused;
}

/* In a process: stop the leader when it sleeps, and let it go on. */
static void stop(void) {
    int pid = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    until(pid, 'S');
    kill(pid, SIGSTOP);
    until(pid, 'T');
    kill(pid, SIGCONT);
    if (!strcmp(call, "pause")) {
        until(pid, 'S');
        kill(pid, SIGUSR1);
    }
    if (!strcmp(call, "read")) must(write(ends[1], "x", 1), "write");
    _exit(0);
}

static long sleeps(void) {
    char byte;
    /* After a handler there is nothing to wait for: these end by the signal, or never. */
    struct timespec time = {stops ? 1 : 50, 0};
    if (!strcmp(call, "read")) return read(ends[0], &byte, 1);
    if (!strcmp(call, "lock")) return syscall(SYS_futex, &lock, FUTEX_LOCK_PI, 0, NULL);
    if (!strcmp(call, "pause")) return pause();
    if (!strcmp(call, "nanosleep")) return syscall(SYS_nanosleep, &time, NULL);
    return poll(NULL, 0, stops ? 1000 : 50000);
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = count};
    if (argc != 3) return 2;
    call = argv[1];
    stops = !strcmp(argv[2], "stop");
    if (!strcmp(argv[2], "restart")) action.sa_flags = SA_RESTART;
    alarm(300);
    must(sigaction(SIGUSR1, &action, NULL), "sigaction");
    must(pipe(ends), "pipe");
    leader = pthread_self();
    if (stops) {
        if (!must(fork(), "fork")) stop();
    } else {
        thread(disturb, NULL);
        while (!strcmp(call, "lock") && !has_lock) {}
    }
    long got = sleeps();
    printf("%s %s %d\n", call, got == -1 ? strerrorname_np(errno) : got ? "some" : "0", signals);
    return 0;
}
