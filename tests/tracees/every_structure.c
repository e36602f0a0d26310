/* Makes calls that take or give structures of many kinds, each once or twice, by number where the C
   library would make another one of it.  For what a tracer shows of them. */
#include "tracee.h"

#include <grp.h>
#include <linux/aio_abi.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>

static int pair[2], pipes[2], number;
static char text[40], other[40];

static void ipc(void) {
    struct { long type; char text[10]; } message = {5, "hello"};
    struct sembuf operations[2] = {{0, 1, SEM_UNDO}, {1, 2, IPC_NOWAIT}};
    struct msqid_ds queue;
    struct shmid_ds segment;
    struct semid_ds set;
    union { int value; void *at; } with = {7};
    int id = msgget(IPC_PRIVATE, 0600 | IPC_CREAT);
    msgsnd(id, &message, 5, IPC_NOWAIT);
    msgrcv(id, &message, 5, 0, MSG_NOERROR);
    msgctl(id, IPC_STAT, &queue);
    msgctl(id, IPC_RMID, NULL);
    id = semget(0x1234567, 2, IPC_CREAT | 0600);
    semop(id, operations, 2);
    semctl(id, 0, SETVAL, with);
    with.at = &set;
    semctl(id, 0, IPC_STAT, with);
    semctl(id, 0, IPC_RMID);
    id = shmget(IPC_PRIVATE, 4096, 0600 | IPC_CREAT);
    with.at = shmat(id, NULL, SHM_RDONLY);
    shmctl(id, IPC_STAT, &segment);
    shmdt(with.at);
    shmctl(id, IPC_RMID, NULL);
}

static void memory_and_rights(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct sets[2];
    struct iovec local = {text, 6}, remote = {other, 6};
    gid_t groups[3] = {1, 2, 3};
    strcpy(other, "remote");
    syscall(SYS_capget, &header, sets);
    syscall(SYS_capset, &header, sets);
    setgroups(3, groups);
    getgroups(3, groups);
    process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
    syscall(SYS_mincore, (long)text & -4096l, 4096, other);
    syscall(SYS_ioprio_set, 1, 0, 0x4004);
    syscall(SYS_ioprio_get, 1, 0);
    syscall(SYS_personality, 0xffffffff);
    syscall(SYS_keyctl, 0, -3, 0);
    syscall(SYS_add_key, "user", "mine", "secret", 6, -2);
    prctl(PR_GET_DUMPABLE);
    prctl(PR_SET_DUMPABLE, 1);
    prctl(PR_CAPBSET_READ, CAP_CHOWN);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0);
    prctl(PR_GET_TIMERSLACK);
}

static void times_and_waiting(void) {
    static char other_stack[9000];
    stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    struct timeval soon = {5, 0};
    struct timespec then = {5, 0};
    struct pollfd polled = {pipes[0], POLLIN, 0};
    struct rlimit limit;
    struct sysinfo system;
    struct tms used;
    long zone[2];
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipes[0], &set);
    sigaltstack(&stack, NULL);
    sigaltstack(NULL, &stack);
    sysinfo(&system);
    times(&used);
    getrlimit(RLIMIT_CORE, &limit);
    must(write(pipes[1], "x", 1), "write");
    select(pipes[0] + 1, &set, NULL, NULL, &soon);
    ppoll(&polled, 1, &then, NULL);
    syscall(SYS_gettimeofday, &soon, zone);
    syscall(SYS_membarrier, 4, 0, 0);
    syscall(SYS_sched_getscheduler, 0);
}

static void transfers(void) {
    aio_context_t context = 0;
    struct iocb request = {.aio_fildes = pipes[0], .aio_lio_opcode = IOCB_CMD_POLL};
    struct iocb *requests[] = {&request};
    struct io_event event;
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    struct iovec parts[2] = {{"two", 3}, {"parts", 5}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    struct mmsghdr messages[2] = {{message, 0}, {message, 0}};
    request.aio_buf = POLLIN;
    syscall(SYS_io_setup, 4, &context);
    syscall(SYS_io_submit, context, 1, requests);
    syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
    syscall(SYS_io_destroy, context);
    getsockname(pair[0], (void *)&address, &length);
    length = sizeof number;
    getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &number, &length);
    sendmmsg(pair[0], messages, 2, 0);
    must(writev(pair[0], parts, 2), "writev");
}

static void descriptors(void) {
    struct ifreq interface = {0};
    struct winsize window;
    struct termios settings;
    int terminal = must(open("/dev/ptmx", O_RDWR | O_NOCTTY), "/dev/ptmx");
    strcpy(interface.ifr_name, "lo");
    fcntl(pipes[0], F_GETFL);
    fcntl(pipes[0], F_SETFD, FD_CLOEXEC);
    fcntl(pipes[0], F_GETFD);
    fcntl(pipes[0], F_GETLEASE);
    ioctl(terminal, TCGETS, &settings);
    ioctl(terminal, TIOCGWINSZ, &window);
    ioctl(terminal, TIOCGPTN, &number);
    ioctl(terminal, TCFLSH, TCIFLUSH);
    ioctl(pipes[0], FIONREAD, &number);
    ioctl(pipes[0], FIONBIO, &number);
    ioctl(pipes[0], _IOR('z', 1, int), &number);
    ioctl(pair[0], SIOCGIFFLAGS, &interface);
    ioctl(pair[0], SIOCGIFMTU, &interface);
}

int main(void) {
    must(pipe(pipes), "pipe");
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
    ipc();
    memory_and_rights();
    times_and_waiting();
    transfers();
    descriptors();
    return 0;
}
