/* Provokes: a signal that nobody takes, for a program asleep in a call.
 *
 * signal_sleeps CALL WHAT: it sleeps in CALL; a child sends WHAT: `ignored` and `default` ones
 * (SIGUSR1 set to SIG_IGN; SIGWINCH, SIGURG and SIGCHLD as they are), `cont` (a SIGCONT for a
 * program that is not stopped), `thread` (the same, but it is another thread that sleeps) or
 * `blocked` (SIGUSR2), and then what CALL waits for.  The line says how CALL ended. */
#include "tracee.h"
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

static int ends[2], pair[2], sems;
static sem_t *semaphore;
static volatile pid_t *sleeper; /* the thread that is to sleep */
static volatile int *seen;      /* it was seen asleep */

static long in_read(void) { return read(ends[0], &(char){0}, 1); }
static long in_poll(void) { return poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, -1); }
static long in_nanosleep(void) { return nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL); }
static long in_futex(void) { return sem_wait(semaphore); }
static long in_select(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, NULL);
}
static long in_epoll(void) {
    int epoll = must(epoll_create1(0), "epoll_create1");
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
    return epoll_wait(epoll, &event, 1, -1);
}
static long in_semtimedop(void) {
    return semtimedop(sems, &(struct sembuf){.sem_op = -1}, 1, &(struct timespec){.tv_sec = 50});
}
static long in_recv(void) { /* with a timeout it is not restarted */
    struct timeval limit = {.tv_sec = 50};
    must(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), "SO_RCVTIMEO");
    return recv(pair[0], &(char){0}, 1, 0);
}
static long in_sigwait(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    return sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 50}) == SIGRTMIN;
}

static const struct {
    const char *name;
    int number;
    long (*call)(void);
} table[] = {{"read", SYS_read, in_read},
             {"poll", SYS_poll, in_poll},
             {"select", SYS_pselect6, in_select},
             {"nanosleep", SYS_clock_nanosleep, in_nanosleep},
             {"futex", SYS_futex, in_futex},
             {"epoll_wait", SYS_epoll_wait, in_epoll},
             {"semtimedop", SYS_semtimedop, in_semtimedop},
             {"recv", SYS_recvfrom, in_recv},
             {"sigtimedwait", SYS_rt_sigtimedwait, in_sigwait}};
enum { CALLS = sizeof table / sizeof *table };

static int asleep(pid_t pid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0; /* a thread that has ended */
    if (!fgets(line, sizeof line, file)) strcpy(line, ") X");
    fclose(file);
    return strrchr(line, ')')[2] == 'S';
}

static int in_call(pid_t pid, int number) {
    char path[64];
    int found = -1;
    snprintf(path, sizeof path, "/proc/%d/syscall", pid);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%d", &found) == EOF) _exit(97);
    fclose(file);
    return found == number && asleep(pid);
}

static int pending(pid_t pid) { /* of those that are not blocked */
    char path[64], line[512];
    unsigned long long mask, found = 0, blocked = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) _exit(97);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "SigPnd: %llx", &mask) == 1) found |= mask;
        if (sscanf(line, "ShdPnd: %llx", &mask) == 1) found |= mask;
        if (sscanf(line, "SigBlk: %llx", &mask) == 1) blocked = mask;
    }
    fclose(file);
    return (found & ~blocked) != 0;
}

static void disturb(int number, const char *what) {
    pid_t us = getppid();
    int ignored[] = {SIGUSR1, 0}, by_default[] = {SIGWINCH, SIGURG, SIGCHLD, 0};
    int cont[] = {SIGCONT, 0}, blocked[] = {SIGUSR2, 0}, *signals = blocked;
    if (!strcmp(what, "ignored")) signals = ignored;
    if (!strcmp(what, "default")) signals = by_default;
    if (!strcmp(what, "cont") || !strcmp(what, "thread")) signals = cont;
    while (!*sleeper || !in_call(*sleeper, number));
    *seen = 1;
    /* pthread_create blocks all signals for a moment, and one that is blocked is not ignored. */
    while (us != *sleeper && !in_call(us, SYS_futex));
    for (; *signals; signals++) must(kill(us, *signals), "kill");
    while (pending(us) || !asleep(us) || !asleep(*sleeper)) /* it sleeps again, or has said how the call ended */
        if (sem_trywait(semaphore + 1) == 0) _exit(0);
    must(kill(us, SIGRTMIN), "kill");
    must(write(ends[1], "x", 1), "write");
    must(write(pair[1], "x", 1), "write");
    must(semop(sems, &(struct sembuf){.sem_op = 1}, 1), "semop");
    must(sem_post(semaphore), "sem_post");
    _exit(0);
}

static void *sleeps(void *entry) {
    int i = (long)entry;
    *sleeper = gettid();
    long got;
    do /* again if it was over (nanosleep) before it was seen */
        got = table[i].call();
    while (!*seen);
    printf("%s %ld %s\n", table[i].name, got, got < 0 ? strerrorname_np(errno) : "");
    sem_post(semaphore + 1);
    *sleeper = getpid(); /* which is there to the end */
    return NULL;
}

int main(int argc, char **argv) {
    int status;
    long i = 0;
    if (argc < 3) return 98;
    while (i < CALLS && strcmp(argv[1], table[i].name)) i++;
    if (i == CALLS) return 98;
    alarm(300);
    must(pipe(ends), "pipe");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    must(sems = semget(IPC_PRIVATE, 1, 0600), "semget");
    semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sleeper = (pid_t *)(semaphore + 2);
    seen = (int *)(sleeper + 1);
    sem_init(semaphore, 1, 0);
    sem_init(semaphore + 1, 1, 0);
    signal(SIGUSR1, SIG_IGN);
    block(SIGUSR2);
    block(SIGRTMIN);
    pid_t child = must(fork(), "fork");
    if (child == 0) disturb(table[i].number, argv[2]);
    if (strcmp(argv[2], "thread")) sleeps((void *)i);
    else pthread_join(thread(sleeps, (void *)i), NULL);
    waitpid(child, &status, 0);
    semctl(sems, 0, IPC_RMID);
    return 0;
}
