/* The body of wait_call and wait_call32, which differ in what they are compiled for. */
#ifndef WAIT_CALL_H
#define WAIT_CALL_H
#include "tracee.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/aio_abi.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

#define SECONDS 1000
typedef long long time64[2]; /* struct __kernel_timespec, on both architectures */

static const char *name;
static volatile sig_atomic_t signalled;
static int always_restarts; /* Even a signal with a handler does not end the call. */
static int busy;            /* The call does not sleep; it is made again and again. */
static const struct timespec in_rodata = {SECONDS, 0};
static const time64 long_time = {SECONDS, 0};
static char bytes[4096];
static struct iovec vector = {bytes, sizeof bytes};
static struct epoll_event event;

static void say(const char *what) { must(write(1, what, strlen(what)), "write"); }

static void handler(int signo) {
    (void)signo;
    signalled = 1;
    if (always_restarts) {
        say("signal\n");
        _exit(0);
    }
}

/* --- what is waited for ------------------------------------------------------------------- */

static int socket_ends[2], pipe_ends[2];

static int pair(void) {
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends), "socketpair");
    return socket_ends[0];
}

static int timed(int fd) {
    struct timeval time = {SECONDS, 0};
    must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), "SO_RCVTIMEO");
    must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time), "SO_SNDTIMEO");
    return fd;
}

static int fill(int fd) {
    int flags = must(fcntl(fd, F_GETFL), "F_GETFL");
    must(fcntl(fd, F_SETFL, flags | O_NONBLOCK), "F_SETFL");
    while (write(fd, bytes, sizeof bytes) > 0) {}
    must(fcntl(fd, F_SETFL, flags), "F_SETFL");
    return fd;
}

static int empty_pipe(void) {
    must(pipe(pipe_ends), "pipe");
    return pipe_ends[0];
}

static int full_pipe(void) {
    empty_pipe();
    return fill(pipe_ends[1]);
}

static int other_pipe(void) {
    int ends[2];
    must(pipe(ends), "pipe");
    return ends[1];
}

static int epoll(void) { return must(epoll_create1(0), "epoll_create1"); }

static struct sockaddr_un unix_address(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "wait_call.%d", getpid());
    return address;
}

static int listener(int backlog) {
    struct sockaddr_un address = unix_address();
    int fd = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    must(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    must(listen(fd, backlog), "listen");
    return fd;
}

/* Where we may, System V ids get a namespace of their own, which goes with us. */
static int semaphore(void) {
    (void)!unshare(CLONE_NEWIPC);
    return must(semget(IPC_PRIVATE, 1, 0600), "semget");
}

static int messages(void) {
    (void)!unshare(CLONE_NEWIPC);
    return must(msgget(IPC_PRIVATE, 0600), "msgget");
}

static mqd_t queue(int size) {
    char path[32];
    struct mq_attr how = {.mq_maxmsg = 1, .mq_msgsize = 8};
    snprintf(path, sizeof path, "/wait_call.%d", getpid());
    mqd_t made = must(mq_open(path, O_CREAT | O_RDWR, 0600, &how), "mq_open");
    mq_unlink(path);
    for (int i = 0; i < size; i++) must(mq_send(made, "x", 1, 0), "mq_send");
    return made;
}

static void sleeping_child(void (*first)(int), int argument) { /* first(argument), then sleeps */
    int told[2];
    must(pipe(told), "pipe");
    if (!must(fork(), "fork")) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (first) first(argument);
        must(write(told[1], "x", 1), "write");
        for (;;) pause();
    }
    must(read(told[0], bytes, 1), "read");
}

static void only(sigset_t *set, int signo) {
    sigemptyset(set);
    sigaddset(set, signo);
}


static int temporary(void) { return must(memfd_create("wait_call", 0), "memfd_create"); }

static int reopened(int fd, int flags) { /* A description of its own. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return must(open(path, flags), path);
}

static int terminal(int *slave) {
    int master = must(posix_openpt(O_RDWR | O_NOCTTY), "posix_openpt");
    must(grantpt(master), "grantpt");
    must(unlockpt(master), "unlockpt");
    *slave = must(open(ptsname(master), O_RDWR | O_NOCTTY), "pts");
    return master;
}

static int notifier(int number) { /* Calls of this number wait for an answer that never comes. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    return must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &program), "seccomp");
}

/* --- the calls ---------------------------------------------------------------------------- */

static struct {
    const char *name;
    long (*call)(void);
} table[256];
static int rows;

/* The body sets up, says READY and gives what the call gives. */
#define CALL(NAME, ...) \
    static long NAME(void); \
    __attribute__((constructor)) static void has_##NAME(void) { \
        table[rows].name = #NAME; \
        table[rows++].call = NAME; \
    } \
    static long NAME(void) __VA_ARGS__
#define READY(...) (ready(), __VA_ARGS__)
#define RAW(...) (ready(), syscall(__VA_ARGS__))

#ifdef SYS_epoll_wait
CALL(epoll_wait_, { int fd = epoll(); return RAW(SYS_epoll_wait, fd, &event, 1, -1); })
CALL(epoll_wait_timeout, { int fd = epoll(); return RAW(SYS_epoll_wait, fd, &event, 1, 1000000); })
#endif
CALL(epoll_pwait_, {
    sigset_t none; /* The signal is blocked but in the call: no wake-up can be lost. */
    int fd = epoll();
    block(SIGUSR1);
    sigemptyset(&none);
    return RAW(SYS_epoll_pwait, fd, &event, 1, -1, &none, 8);
})
CALL(epoll_pwait2_, {
    int fd = epoll();
    return RAW(SYS_epoll_pwait2, fd, &event, 1, long_time, NULL, 8);
})

static struct sembuf down = {0, -1, 0};
CALL(semop_, { int id = semaphore(); return READY(semop(id, &down, 1)); })
CALL(semtimedop_, { int id = semaphore(); return READY(semtimedop(id, &down, 1, &in_rodata)); })
#ifdef SYS_semtimedop_time64
CALL(semtimedop_time64, {
    int id = semaphore();
    return RAW(SYS_semtimedop_time64, id, &down, 1, long_time);
})
#endif
#ifdef SYS_ipc
CALL(ipc_semop, { int id = semaphore(); return RAW(SYS_ipc, 1, id, 1, 0, &down); })
CALL(ipc_semtimedop, { int id = semaphore(); return RAW(SYS_ipc, 4, id, 1, 0, &down, &in_rodata); })
#endif
CALL(msgrcv_, { int id = messages(); return READY(msgrcv(id, bytes, 8, 0, 0)); })
CALL(msgsnd_, {
    struct { long type; char text[1024]; } message = {1, ""};
    int id = messages();
    while (!msgsnd(id, &message, 1024, IPC_NOWAIT)) {}
    return READY(msgsnd(id, &message, 1024, 0));
})
CALL(mq_timedreceive_, {
    struct timespec end = {time(NULL) + SECONDS, 0};
    mqd_t fd = queue(0);
    return READY(mq_timedreceive(fd, bytes, 8, NULL, &end));
})
CALL(mq_timedsend_, {
    struct timespec end = {time(NULL) + SECONDS, 0};
    mqd_t fd = queue(1);
    return READY(mq_timedsend(fd, "x", 1, 0, &end));
})

CALL(rt_sigtimedwait_, {
    sigset_t set;
    block(SIGUSR2);
    only(&set, SIGUSR2);
    return RAW(SYS_rt_sigtimedwait, &set, NULL, &in_rodata, 8);
})
CALL(sigwaitinfo_, {
    sigset_t set;
    block(SIGUSR2);
    only(&set, SIGUSR2);
    return RAW(SYS_rt_sigtimedwait, &set, NULL, NULL, 8);
})
#ifdef SYS_rt_sigtimedwait_time64
CALL(rt_sigtimedwait_time64, {
    sigset_t set;
    block(SIGUSR2);
    only(&set, SIGUSR2);
    return RAW(SYS_rt_sigtimedwait_time64, &set, NULL, long_time, 8);
})
#endif
CALL(pause_, { return READY(pause()); })
CALL(sigsuspend_, {
    sigset_t none;
    block(SIGUSR1);
    sigemptyset(&none);
    return READY(sigsuspend(&none));
})

static aio_context_t aio(void) {
    aio_context_t context = 0;
    must(syscall(SYS_io_setup, 1, &context), "io_setup");
    return context;
}
CALL(io_getevents_, {
    struct io_event done;
    aio_context_t context = aio();
    return RAW(SYS_io_getevents, context, 1, 1, &done, NULL);
})
CALL(io_pgetevents_, {
    struct io_event done;
    aio_context_t context = aio();
    return RAW(SYS_io_pgetevents, context, 1, 1, &done, &in_rodata, NULL);
})
CALL(io_uring_enter_, {
    struct io_uring_params how = {0};
    int fd = must(syscall(SYS_io_uring_setup, 1, &how), "io_uring_setup");
    return RAW(SYS_io_uring_enter, fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
})

static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
static struct mmsghdr messages_of_one = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
#define ON_SOCKETS(PREFIX, END, FULL) \
    CALL(PREFIX##_read, { int fd = END; return RAW(SYS_read, fd, bytes, 1); }) \
    CALL(PREFIX##_readv, { int fd = END; return RAW(SYS_readv, fd, &vector, 1); }) \
    CALL(PREFIX##_preadv2, { int fd = END; return RAW(SYS_preadv2, fd, &vector, 1, -1L, -1L, 0); }) \
    CALL(PREFIX##_recvfrom, { int fd = END; return RAW(SYS_recvfrom, fd, bytes, 1, 0, NULL, 0); }) \
    CALL(PREFIX##_recvmsg, { int fd = END; return RAW(SYS_recvmsg, fd, &message, 0); }) \
    CALL(PREFIX##_recvmmsg, { \
        int fd = END; \
        return RAW(SYS_recvmmsg, fd, &messages_of_one, 1, 0, NULL); \
    }) \
    CALL(PREFIX##_write, { int fd = FULL; return RAW(SYS_write, fd, bytes, 1); }) \
    CALL(PREFIX##_writev, { int fd = FULL; return RAW(SYS_writev, fd, &vector, 1); }) \
    CALL(PREFIX##_pwritev2, { \
        int fd = FULL; \
        return RAW(SYS_pwritev2, fd, &vector, 1, -1L, -1L, 0); \
    }) \
    CALL(PREFIX##_sendto, { int fd = FULL; return RAW(SYS_sendto, fd, bytes, 1, 0, NULL, 0); }) \
    CALL(PREFIX##_sendmsg, { int fd = FULL; return RAW(SYS_sendmsg, fd, &message, 0); }) \
    CALL(PREFIX##_sendmmsg, { int fd = FULL; return RAW(SYS_sendmmsg, fd, &messages_of_one, 1, 0); }) \
    CALL(PREFIX##_splice_from, { \
        int fd = END; \
        return RAW(SYS_splice, fd, NULL, other_pipe(), NULL, 1, 0); \
    }) \
    CALL(PREFIX##_splice_to, { \
        int fd = FULL; \
        empty_pipe(); \
        must(write(pipe_ends[1], "x", 1), "write"); \
        return RAW(SYS_splice, pipe_ends[0], NULL, fd, NULL, 1, 0); \
    }) \
    CALL(PREFIX##_sendfile, { \
        int fd = FULL; \
        int file = temporary(); \
        must(ftruncate(file, 4096), "ftruncate"); \
        return RAW(SYS_sendfile, fd, file, NULL, 4096); \
    }) \
    CALL(PREFIX##_accept4, { \
        int fd = PREFIX(listener(1)); \
        return RAW(SYS_accept4, fd, NULL, NULL, 0); \
    }) \
    CALL(PREFIX##_connect, { \
        struct sockaddr_un address = unix_address(); \
        int first = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket"); \
        int fd = PREFIX(must(socket(AF_UNIX, SOCK_STREAM, 0), "socket")); \
        listener(0); \
        must(connect(first, (struct sockaddr *)&address, sizeof address), "connect"); \
        return RAW(SYS_connect, fd, &address, sizeof address); \
    })
static int plain(int fd) { return fd; }
ON_SOCKETS(plain, pair(), fill(pair()))
ON_SOCKETS(timed, timed(pair()), timed(fill(pair())))
#ifdef SYS_accept
CALL(plain_accept, { int fd = listener(1); return RAW(SYS_accept, fd, NULL, NULL); })
CALL(timed_accept, { int fd = timed(listener(1)); return RAW(SYS_accept, fd, NULL, NULL); })
#endif
CALL(recvmmsg_time, {
    struct timespec time = in_rodata;
    int fd = timed(pair());
    return RAW(SYS_recvmmsg, fd, &messages_of_one, 1, 0, &time);
})
CALL(timed_connect_tcp, {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int server = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    must(bind(server, (struct sockaddr *)&address, length), "bind");
    must(listen(server, 0), "listen");
    must(getsockname(server, (struct sockaddr *)&address, &length), "getsockname");
    for (int i = 0; i < 4; i++) { /* A full backlog answers no more. */
        int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
        connect(fd, (struct sockaddr *)&address, length);
    }
    int fd = timed(must(socket(AF_INET, SOCK_STREAM, 0), "socket"));
    return RAW(SYS_connect, fd, &address, length);
})
#ifdef SYS_socketcall
#define SUBCALL(NAME, NUMBER, FD, ...) \
    CALL(NAME, { \
        long words[] = {FD, __VA_ARGS__}; \
        return RAW(SYS_socketcall, NUMBER, words); \
    })
SUBCALL(socketcall_accept, 5, timed(listener(1)), 0, 0)
SUBCALL(socketcall_send, 9, timed(fill(pair())), (long)bytes, 1, 0)
SUBCALL(socketcall_recv, 10, timed(pair()), (long)bytes, 1, 0)
SUBCALL(socketcall_sendto, 11, timed(fill(pair())), (long)bytes, 1, 0, 0, 0)
SUBCALL(socketcall_recvfrom, 12, timed(pair()), (long)bytes, 1, 0, 0, 0)
SUBCALL(socketcall_sendmsg, 16, timed(fill(pair())), (long)&message, 0)
SUBCALL(socketcall_recvmsg, 17, timed(pair()), (long)&message, 0)
SUBCALL(socketcall_accept4, 18, timed(listener(1)), 0, 0, 0)
SUBCALL(socketcall_recvmmsg, 19, timed(pair()), (long)&messages_of_one, 1, 0, 0)
SUBCALL(socketcall_sendmmsg, 20, timed(fill(pair())), (long)&messages_of_one, 1, 0)
#endif

CALL(pipe_read, { int fd = empty_pipe(); return READY(read(fd, bytes, 1)); })
CALL(pipe_readv, { int fd = empty_pipe(); return READY(readv(fd, &vector, 1)); })
CALL(pipe_write, { int fd = full_pipe(); return READY(write(fd, bytes, 1)); })
CALL(pipe_splice, { int fd = empty_pipe(); return READY(splice(fd, NULL, other_pipe(), NULL, 1, 0)); })
CALL(pipe_tee, { int fd = empty_pipe(); return READY(tee(fd, other_pipe(), 1, 0)); })
CALL(pipe_vmsplice, { int fd = full_pipe(); return READY(vmsplice(fd, &vector, 1, 0)); })
CALL(pipe_sendfile, {
    int fd = full_pipe(), file = temporary();
    must(ftruncate(file, 4096), "ftruncate");
    return READY(sendfile(fd, file, NULL, 4096));
})
/* Open what `path` names, whose name goes away before anything can go wrong. */
static int nameless(char path[64]) {
    int fd = must(open(path, O_PATH), path);
    must(unlink(path), path);
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}
CALL(fifo_open, {
    char path[64];
    snprintf(path, sizeof path, "/tmp/wait_call.%d", getpid());
    must(mkfifo(path, 0600), path);
    nameless(path);
    return READY(open(path, O_RDONLY));
})
static void lease(int fd) {
    signal(SIGIO, SIG_IGN); /* asks for the lease, which is not given up */
    must(fcntl(fd, F_SETLEASE, F_RDLCK), "F_SETLEASE");
}
CALL(lease_open, {
    char path[64];
    snprintf(path, sizeof path, "/tmp/wait_call.%d", getpid());
    close(must(open(path, O_CREAT | O_RDWR, 0600), path));
    nameless(path);
    sleeping_child(lease, must(open(path, O_RDONLY), path));
    return READY(open(path, O_WRONLY));
})
CALL(event_read, { int fd = must(eventfd(0, 0), "eventfd"); return READY(read(fd, bytes, 8)); })
CALL(timer_read, {
    int fd = must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create");
    return READY(read(fd, bytes, 8));
})
CALL(signal_read, {
    sigset_t set;
    block(SIGUSR2);
    only(&set, SIGUSR2);
    int fd = must(signalfd(-1, &set, 0), "signalfd");
    return READY(read(fd, bytes, sizeof bytes));
})
CALL(inotify_read, {
    int fd = must(inotify_init1(0), "inotify_init1");
    return READY(read(fd, bytes, sizeof bytes));
})
CALL(terminal_read, {
    int slave;
    terminal(&slave);
    return READY(read(slave, bytes, 1));
})
CALL(terminal_write, {
    int slave;
    terminal(&slave);
    must(tcflow(slave, TCOOFF), "tcflow");
    return READY(write(slave, bytes, 1));
})
static long drain(int request, void *argument) { /* A pty is always drained. */
    int slave;
    long got;
    terminal(&slave);
    busy = 1;
    ready();
    do got = ioctl(slave, request, argument);
    while (!got && !signalled);
    return got;
}
CALL(terminal_drain, { return drain(TCSBRK, (void *)1); })
CALL(terminal_set, {
    int slave;
    struct termios how;
    terminal(&slave);
    must(tcgetattr(slave, &how), "tcgetattr");
    return drain(TCSETSW, &how);
})

static struct pollfd polled = {-1, POLLIN, 0};
#ifdef SYS_poll
CALL(poll_, { return RAW(SYS_poll, &polled, 1, -1); })
CALL(poll_timeout, { return RAW(SYS_poll, &polled, 1, 1000000); })
#endif
CALL(ppoll_, {
    struct timespec time = in_rodata;
    return RAW(SYS_ppoll, &polled, 1, &time, NULL, 8);
})
/* The kernel would write the time that is left, cannot, and so cannot restart the call either. */
CALL(ppoll_const, { return RAW(SYS_ppoll, &polled, 1, &in_rodata, NULL, 8); })
CALL(pselect6_, {
    struct timespec time = in_rodata;
    return RAW(SYS_pselect6, 0, NULL, NULL, NULL, &time, NULL);
})
CALL(pselect6_const, { return RAW(SYS_pselect6, 0, NULL, NULL, NULL, &in_rodata, NULL); })
#ifdef SYS_ppoll_time64
CALL(ppoll_time64_const, { return RAW(SYS_ppoll_time64, &polled, 1, long_time, NULL, 8); })
CALL(pselect6_time64_const, {
    return RAW(SYS_pselect6_time64, 0, NULL, NULL, NULL, long_time, NULL);
})
#endif
#ifdef SYS__newselect
#define SELECT SYS__newselect
#else
#define SELECT SYS_select
#endif
CALL(select_, { struct timeval time = {SECONDS, 0}; return RAW(SELECT, 0, NULL, NULL, NULL, &time); })
CALL(select_const, {
    static const struct timeval time = {SECONDS, 0};
    return RAW(SELECT, 0, NULL, NULL, NULL, &time);
})

CALL(nanosleep_, { return RAW(SYS_nanosleep, &in_rodata, NULL); })
CALL(clock_nanosleep_, {
    return RAW(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &in_rodata, NULL);
})
CALL(clock_nanosleep_absolute, {
    struct timespec end = {time(NULL) + SECONDS, 0};
    return RAW(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &end, NULL);
})

static uint32_t word;
static uint32_t pi;
CALL(futex_wait, { return RAW(SYS_futex, &word, FUTEX_WAIT, 0, NULL); })
CALL(futex_wait_timeout, { return RAW(SYS_futex, &word, FUTEX_WAIT, 0, &in_rodata); })
CALL(futex_wait_bitset, {
    struct timespec end = {SECONDS, 0};
    end.tv_sec += time(NULL);
    return RAW(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &end, NULL, -1);
})
static void *lock(void *unused) {
    block(SIGUSR1);
    must(syscall(SYS_futex, &pi, FUTEX_LOCK_PI, 0, NULL), "FUTEX_LOCK_PI");
    word = 1;
    for (;;) pause();
    return unused;
}
CALL(futex_lock_pi, {
    always_restarts = 1;
    thread(lock, NULL);
    while (!__atomic_load_n(&word, __ATOMIC_SEQ_CST)) sched_yield();
    return RAW(SYS_futex, &pi, FUTEX_LOCK_PI, 0, NULL);
})
CALL(futex_requeue_pi, {
    always_restarts = 1;
    return RAW(SYS_futex, &word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &pi);
})
CALL(futex_waitv, {
    struct { uint64_t value, address; uint32_t flags, unused; } each = {0, (uintptr_t)&word, 2, 0};
    return RAW(449, &each, 1, 0, NULL, 0);
})
CALL(futex2_wait, { return RAW(455, &word, 0L, 0xffffffffL, 2, NULL, 0); })

static pid_t child(void) {
    sleeping_child(NULL, 0);
    return -1;
}
CALL(wait4_, { pid_t pid = child(); return RAW(SYS_wait4, pid, NULL, 0, NULL); })
CALL(waitid_, { child(); return RAW(SYS_waitid, P_ALL, 0, NULL, WEXITED, NULL); })
CALL(waitid_pidfd, {
    pid_t pid = must(fork(), "fork");
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    int fd = must(syscall(SYS_pidfd_open, pid, 0), "pidfd_open");
    return RAW(SYS_waitid, 3 /* P_PIDFD */, fd, NULL, WEXITED, NULL);
})

static int locked;
static void take_flock(int fd) { must(flock(fd, LOCK_EX), "flock"); }
static void take_lock(int fd) {
    struct flock how = {.l_type = F_WRLCK};
    must(fcntl(fd, F_SETLK, &how), "F_SETLK");
}
CALL(flock_, {
    locked = temporary();
    int mine = reopened(locked, O_RDWR);
    take_flock(locked);
    return READY(flock(mine, LOCK_EX));
})
CALL(fcntl_setlkw, {
    struct flock how = {.l_type = F_WRLCK};
    locked = temporary();
    sleeping_child(take_lock, locked);
    return READY(fcntl(locked, F_SETLKW, &how));
})
CALL(fcntl_ofd_setlkw, {
    struct flock how = {.l_type = F_WRLCK};
    locked = temporary();
    sleeping_child(take_lock, locked);
    return READY(fcntl(locked, F_OFD_SETLKW, &how));
})

/* These two are never asleep, and never done: an interrupt finds them in the middle of the work. */
CALL(fallocate_, {
    long got;
    int fd = temporary();
    busy = 1;
    ready();
    do {
        got = fallocate(fd, 0, 0, 64 << 20);
        must(ftruncate(fd, 0), "ftruncate");
    } while (!got && !signalled);
    return got;
})
CALL(getrandom_, {
    long got;
    size_t size = 16 << 20;
    char *much = malloc(size);
    busy = 1;
    ready();
    do got = getrandom(much, size, 0);
    while (got > 0 && !signalled);
    return got;
})

CALL(notify_target, {
    notifier(SYS_getppid);
    return RAW(SYS_getppid);
})
CALL(notify_receive, {
    struct seccomp_notif seen = {0};
    int fd = notifier(SYS_getppid);
    return READY(ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &seen));
})

#ifdef MAP_32BIT
#define LOW (MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT)
#else
#define LOW (MAP_PRIVATE | MAP_ANONYMOUS)
#endif
/* A call of the other ABI from a 64-bit program; from a 32-bit one, by `int` and not sysenter. */
CALL(int80_epoll_wait, {
    int fd = epoll();
    long got;
    void *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, LOW, -1, 0);
    ready();
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(256), "b"(fd), "c"(low), "d"(1), "S"(-1) : "memory");
    errno = -(int)got;
    return (int)got < 0 ? -1 : got;
})

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = handler};
    if (argc < 2) { /* The names, one a line. */
        for (int i = 0; i < rows; i++) puts(table[i].name);
        return 0;
    }
    name = argv[1];
    alarm(300);
    must(sigaction(SIGUSR1, &action, NULL), "sigaction");
    for (int i = 0; i < rows; i++) {
        if (strcmp(name, table[i].name)) continue;
        long got = table[i].call();
        if (signalled && (got < 0 ? errno == EINTR : busy)) {
            say("signal\n");
            return 0;
        }
        dprintf(1, "%s %s\n", name, got < 0 ? strerrorname_np(errno) : "came back");
        return got < 0 && errno == EINTR ? 77 : 1;
    }
    return 2;
}
#endif
