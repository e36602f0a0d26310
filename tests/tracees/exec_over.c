/* Provokes: an exec by a thread, over a leader and siblings in every state.
 *
 * exec_over WHAT, called by its path: a thread execs it with `end`, which says END and exits with
 * 9, while
 *   sleepers   the leader is in nanosleep, three threads in read, in futex and in poll
 *   gone       the leader has ended (exit(2) with 5)
 *   joined     the leader has ended by pthread_exit, and a sibling is in read
 *   leader     no thread: the leader execs, over the same three threads */
#include "task_state.h"

#include <poll.h>
#include <time.h>

static const char *own_path;
static int pipes[2];
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void *reads(void *unused) {
    char byte;
    (void)!read(pipes[0], &byte, 1);
    return unused;
}

static void *locks(void *unused) {
    pthread_mutex_lock(&held);
    return unused;
}

static void *polls(void *unused) {
    struct pollfd one = {.fd = pipes[0], .events = POLLIN};
    poll(&one, 1, -1);
    return unused;
}

static void execs(void) {
    char *words[] = {"exec_over", "end", NULL};
    execv(own_path, words); /* /proc/self/exe is dead with the leader. */
    die("execv");
}

static void siblings(void) {
    pthread_mutex_lock(&held);
    thread(reads, NULL);
    thread(locks, NULL);
    thread(polls, NULL);
    until_asleep(getpid(), SYS_read);
    until_asleep(getpid(), SYS_futex);
    until_asleep(getpid(), SYS_poll);
}

static void *over_sleepers(void *unused) {
    siblings();
    until_asleep(getpid(), SYS_clock_nanosleep);
    execs();
    return unused;
}

static void *over_the_dead(void *unused) {
    while (state_of(getpid(), getpid()) != 'Z') usleep(1000);
    execs();
    return unused;
}

static void *over_dead_and_sibling(void *unused) {
    thread(reads, NULL);
    until_asleep(getpid(), SYS_read);
    return over_the_dead(unused);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    own_path = argv[0];
    alarm(300);
    must(pipe(pipes), "pipe");
    if (!strcmp(argv[1], "end")) {
        puts("END");
        return 9;
    }
    if (!strcmp(argv[1], "leader")) {
        siblings();
        execs();
    }
    if (!strcmp(argv[1], "gone")) {
        thread(over_the_dead, NULL);
        syscall(SYS_exit, 5);
    }
    if (!strcmp(argv[1], "joined")) {
        thread(over_dead_and_sibling, NULL);
        pthread_exit(NULL);
    }
    thread(over_sleepers, NULL);
    for (;;) {
        struct timespec long_time = {.tv_sec = 1000};
        clock_nanosleep(CLOCK_REALTIME, 0, &long_time, NULL);
    }
}
