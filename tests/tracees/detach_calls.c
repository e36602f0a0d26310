/* Provokes: one long wait in the kernel, which nobody may see the end of too early.
 *
 * detach_calls CALL: READY, then the leader waits in CALL until a byte of standard input comes
 * (another thread passes it on; `nanosleep` ends by itself after 1.5 s, `recv_timed` and the like
 * have a time limit of minutes).  Then the line `CALL RESULT ERRNO` and, as every signal there is
 * would be counted and end the wait, `SIGNALS n`; exit code 0. */
#include "tracee.h"
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

static volatile sig_atomic_t signals;
static const char *call;
static int word, event, semaphores, ends[2], listener;
static pthread_t leader;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length = sizeof address;

static void count(int signo) {
    (void)signo;
    signals++;
}

static int is(const char *name) { return !strcmp(call, name); }

static void *wake(void *unused) {
    struct sembuf up = {0, 1, 0};
    uint64_t one = 1;
    char byte, much[4096];
    if (read(0, &byte, 1) != 1) _exit(4);
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    must(write(event, &one, 8), "eventfd");
    must(semop(semaphores, &up, 1), "semop");
    if (is("sigtimedwait")) pthread_kill(leader, SIGUSR1);
    if (is("accept_timed")) {
        int caller = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
        must(connect(caller, (void *)&address, address_length), "connect");
    }
    if (is("send_timed"))
        while (read(ends[1], much, sizeof much) > 0) continue;
    else
        must(write(ends[1], "x", 1), "write");
    return unused;
}

static void give_time(int fd, int option) {
    struct timeval limit = {300, 0};
    must(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit), "setsockopt");
}

static long waited(void) {
    struct epoll_event got, wanted = {.events = EPOLLIN};
    struct timespec limit = {300, 0}, nap = {1, 500000000}, before, after;
    struct sembuf down = {0, -1, 0};
    struct pollfd one = {.fd = event, .events = POLLIN};
    struct mmsghdr messages = {0};
    char byte, much[4096] = {0};
    struct iovec part = {&byte, 1};
    uint64_t number;
    sigset_t set;
    fd_set readable;
    if (is("read")) return read(event, &number, 8);
    if (is("futex")) return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    if (is("futex_timed")) return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
    if (is("nanosleep")) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (nanosleep(&nap, NULL)) return -1;
        clock_gettime(CLOCK_MONOTONIC, &after);
        return after.tv_sec - before.tv_sec - (after.tv_nsec < before.tv_nsec) >= 1;
    }
    if (is("epoll_wait") || is("epoll_timed")) {
        int poll = must(epoll_create1(0), "epoll_create1");
        must(epoll_ctl(poll, EPOLL_CTL_ADD, event, &wanted), "epoll_ctl");
        return epoll_wait(poll, &got, 1, is("epoll_wait") ? -1 : 300000);
    }
    if (is("poll")) return poll(&one, 1, 300000);
    if (is("select")) {
        FD_ZERO(&readable);
        FD_SET(event, &readable);
        return select(event + 1, &readable, NULL, NULL, NULL);
    }
    if (is("semop")) return syscall(SYS_semop, semaphores, &down, 1);
    if (is("sigtimedwait")) {
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        return sigtimedwait(&set, NULL, &limit);
    }
    if (is("recv_timed")) return recv(ends[0], &byte, 1, 0);
    if (is("read_timed")) return read(ends[0], &byte, 1);
    if (is("readv_timed")) return readv(ends[0], &part, 1);
    if (is("recvmmsg_timed")) {
        messages.msg_hdr.msg_iov = &part;
        messages.msg_hdr.msg_iovlen = 1;
        return recvmmsg(ends[0], &messages, 1, 0, NULL);
    }
    if (is("send_timed")) {
        for (int i = 0; i < 1000; i++) { /* Until none fits, and then it waits. */
            long done = send(ends[0], much, sizeof much, 0);
            if (done != sizeof much) return done;
        }
        return 1000;
    }
    if (is("accept_timed")) return accept(listener, NULL, NULL) >= 0;
    return -2;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = count};
    if (argc < 2) return 2;
    call = argv[1];
    leader = pthread_self();
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        if (signo != SIGALRM) sigaction(signo, &action, NULL); /* Some refuse: no matter. */
    if (is("sigtimedwait")) block(SIGUSR1);
    event = must(eventfd(0, 0), "eventfd");
    semaphores = must(semget(IPC_PRIVATE, 1, 0600), "semget");
    must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), "socketpair");
    give_time(ends[0], SO_RCVTIMEO);
    give_time(ends[0], SO_SNDTIMEO);
    listener = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    must(bind(listener, (void *)&address, sizeof(sa_family_t)), "bind"); /* A name of its own. */
    must(getsockname(listener, (void *)&address, &address_length), "getsockname");
    must(listen(listener, 1), "listen");
    give_time(listener, SO_RCVTIMEO);
    thread(wake, NULL);
    ready();
    errno = 0;
    long result = waited();
    printf("%s %ld %d\nSIGNALS %d\n", call, result, result < 0 ? errno : 0, (int)signals);
    fflush(stdout);
    semctl(semaphores, 0, IPC_RMID);
    return 0;
}
