/* Provokes: everything that threads do at once, and sees for itself that all goes well.
 *
 * detach_busy [ROUGH]: eight threads for ever: bytes through a pipe; two that take turns under a mutex
 * and a condition; signals to itself, counted; real-time signals, taken in order; small blocks of
 * memory, filled and compared; naps and empty polls that nothing may end early; children and
 * threads, made and waited for.  READY once all have had a turn.  SIGTERM: every thread must get
 * 3 turns more; then the line `HEALTHY` and exit code 0, or `SICK name` for each thread that saw
 * something wrong or did not get on, and 1.  With ROUGH, naps may end early, which gdb, strace, and
 * the kernel when a tracer dies, do to polls; and signals may get lost, which strace does when it
 * detaches (with strace alone: in 7 runs of 60). */
#include "tracee.h"
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

enum { THREADS = 8 };
static atomic_int over, sick[THREADS];
static atomic_long turns[THREADS];
static const char *const names[] = {"pipe", "left", "right", "signals", "queued", "memory",
                                    "naps", "children"};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long turn_taken;
static int rough;
static __thread volatile long handled;

static void count(int signo) {
    (void)signo;
    handled++;
}

static int through_pipe(long i) {
    static int ends[2];
    unsigned char sent[256], got[256];
    if (!i) must(pipe(ends), "pipe");
    memset(sent, (int)i, sizeof sent);
    return write(ends[1], sent, sizeof sent) == sizeof sent &&
           read(ends[0], got, sizeof got) == sizeof got && !memcmp(sent, got, sizeof sent);
}

static int take_turn(long mine) {
    pthread_mutex_lock(&mutex);
    while (turn_taken % 2 != mine && !over) pthread_cond_wait(&condition, &mutex);
    turn_taken++;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    return 1;
}

static int signal_itself(long i) {
    pthread_kill(pthread_self(), SIGUSR1);
    return handled == i + 1 || rough;
}

static int queue_to_itself(long i) {
    union sigval value = {.sival_int = (int)i};
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    for (int k = 0; k < 3; k++, value.sival_int++)
        if (sigqueue(getpid(), SIGRTMIN, value)) return 0;
    for (int k = 0; k < 3; k++)
        if (sigwaitinfo(&set, &info) != SIGRTMIN || info.si_value.sival_int != (int)i + k) return 0;
    return 1;
}

static int use_memory(long i) {
    unsigned char *blocks[32];
    int well = 1;
    for (int k = 0; k < 32; k++) memset(blocks[k] = malloc(8 + 16 * k), (int)(i + k), 8 + 16 * k);
    for (int k = 0; k < 32; k++) {
        for (int n = 0; n < 8 + 16 * k; n++) well &= blocks[k][n] == (unsigned char)(i + k);
        free(blocks[k]);
    }
    return well;
}

static int nap(long i) {
    static int poll_fd;
    struct timespec time = {0, 200000}, none = {0, 100000};
    struct epoll_event got;
    sigset_t set;
    if (!i) poll_fd = must(epoll_create1(0), "epoll_create1");
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    int well = nanosleep(&time, NULL) == 0 && poll(NULL, 0, 1) == 0 &&
               epoll_wait(poll_fd, &got, 1, 1) == 0 && sigtimedwait(&set, NULL, &none) == -1 &&
               errno == EAGAIN;
    return well || rough;
}

static void *returns(void *argument) { return argument; }

static int make_children(long i) {
    int status;
    void *back;
    pthread_t made = thread(returns, (void *)i);
    pid_t child = i % 2 ? fork() : vfork();
    if (!child) _exit((int)(i % 100));
    if (child == -1 || waitpid(child, &status, 0) != child) return 0;
    return !pthread_join(made, &back) && back == (void *)i && WIFEXITED(status) &&
           WEXITSTATUS(status) == i % 100;
}

static int left(long i) { return i >= 0 && take_turn(0); }
static int right(long i) { return i >= 0 && take_turn(1); }

static int (*const jobs[THREADS])(long) = {through_pipe, left,       right, signal_itself,
                                           queue_to_itself, use_memory, nap,   make_children};

static void *work(void *argument) {
    long me = (long)argument;
    for (long i = 0; !atomic_load(&over); i++) {
        if (!jobs[me](i)) atomic_store(&sick[me], 1);
        atomic_fetch_add(&turns[me], 1);
    }
    return NULL;
}

static int get_on(int more) { /* Wait until each thread has had so many turns more. */
    int well = 1;
    for (int i = 0; i < THREADS; i++) {
        long wanted = atomic_load(&turns[i]) + more;
        for (int k = 0; k < 60000 && atomic_load(&turns[i]) < wanted; k++) usleep(1000);
        if (atomic_load(&turns[i]) < wanted) atomic_store(&sick[i], 1), well = 0;
    }
    return well;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    pthread_t made[THREADS];
    int well = 1;
    rough = argc > 1 && argv[1] != NULL;
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigaction(SIGUSR1, &action, NULL);
    block(SIGTERM);
    block(SIGUSR2);
    block(SIGCHLD); /* Ignored, and yet it can end a poll of somebody who is traced. */
    block(SIGRTMIN);
    for (long i = 0; i < THREADS; i++) made[i] = thread(work, (void *)i);
    get_on(1);
    ready();
    await(SIGTERM);
    well &= get_on(3);
    atomic_store(&over, 1);
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; well && i < THREADS; i++) pthread_join(made[i], NULL);
    for (int i = 0; i < THREADS; i++)
        if (atomic_load(&sick[i])) well = 0, printf("SICK %s\n", names[i]);
    if (well) puts("HEALTHY");
    return !well;
}
