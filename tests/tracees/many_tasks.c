/* Provokes: very many tracees at once.
 *
 * many_tasks threads|processes|tree N: N tasks beside the first, which sleep in a futex, each after
 * some calls of its own (getppid, as often as its number says, from 1 to 5).  `tree`: processes,
 * each the child of one of the first twenty; all alive at once, then all end.  The others: READY
 * once all sleep; on SIGUSR1 all make their calls again; on SIGTERM all end.  Then the line
 * `N whole`: each made all its calls and ended by itself. */
#include "tracee.h"
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { BRANCHES = 20, OVER = -1 };
static struct {
    atomic_int awake, rounds; /* rounds: how often all are to make their calls; OVER: to end. */
    atomic_long calls;
} *all; /* Shared. */
static int tasks, rounds;

static void calls(long number) {
    for (long i = 0; i <= number % 5; i++) {
        syscall(SYS_getppid);
        atomic_fetch_add(&all->calls, 1);
    }
    atomic_fetch_add(&all->awake, 1);
}

static void *body(void *argument) {
    for (int seen = 0;;) {
        int wanted = atomic_load(&all->rounds);
        if (wanted == OVER) return NULL;
        if (wanted == seen)
            syscall(SYS_futex, &all->rounds, FUTEX_WAIT, seen, NULL, NULL, 0);
        else
            for (; seen < wanted; seen++) calls((long)argument);
    }
}

static void tell(int wanted) {
    atomic_store(&all->rounds, wanted);
    syscall(SYS_futex, &all->rounds, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

static void child(long number) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body((void *)number);
    _exit(0);
}

static void branch(long first) { /* Every twentieth, from the first on. */
    long made = 0;
    int status, whole = 1;
    for (long i = first; i < tasks; i += BRANCHES, made++)
        if (!must(fork(), "fork")) child(i);
    while (made--) whole &= wait(&status) > 0 && !status;
    _exit(!whole);
}

static void again(void) {
    tell(++rounds);
    while (atomic_load(&all->awake) < tasks * rounds) usleep(10000);
}

int main(int argc, char **argv) {
    long expected = 0;
    int status, whole = 1, got;
    sigset_t set;
    if (argc != 3) return 2;
    alarm(300);
    tasks = atoi(argv[2]);
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) die("mmap");
    block(SIGUSR1);
    block(SIGTERM);
    pthread_t *made = calloc(tasks, sizeof *made);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    int threads = !strcmp(argv[1], "threads"), tree = !strcmp(argv[1], "tree");
    for (long i = 0; i < (tree ? BRANCHES : tasks); i++) {
        if (threads) {
            if ((errno = pthread_create(&made[i], &small, body, (void *)i))) die("pthread_create");
        } else if (!must(fork(), "fork")) {
            if (tree) branch(i);
            child(i);
        }
    }
    again();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    if (!tree) ready();
    while (!tree && !sigwait(&set, &got) && got == SIGUSR1) {
        again();
        puts("AGAIN");
        fflush(stdout);
    }
    tell(OVER);
    for (long i = 0; i < (tree ? BRANCHES : tasks); i++) {
        if (threads)
            pthread_join(made[i], NULL);
        else
            whole &= wait(&status) > 0 && !status;
    }
    for (long i = 0; i < tasks; i++) expected += rounds * (i % 5 + 1);
    whole &= atomic_load(&all->calls) == expected;
    printf("%d %s\n", tasks, whole ? "whole" : "NOT WHOLE");
    return !whole;
}
