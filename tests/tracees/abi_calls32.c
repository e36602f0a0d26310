/* Makes calls of many shapes by their i386 numbers; build it with -m32.

   Arguments: a directory to work in, then what to exec at the end (or nothing).  Each call is
   made once and by number, so that its event is known; what it gave is checked here, for a call
   must do under trace what it does without. */
#include "tracee.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <linux/net.h>
#include <sched.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#define FAR 0x100000005ull /* beyond 4 GiB */
#define HALVES(offset) (uint32_t)(offset), (uint32_t)((uint64_t)(offset) >> 32)

static void check(int right, const char *what) {
    if (!right) {
        printf("wrong: %s\n", what);
        exit(98);
    }
}

static long ok(long value, const char *what) {
    return must(value, what);
}

static void files(void) {
    char stat[96];
    int fd = ok(syscall(SYS_open, "one", O_RDWR | O_CREAT | O_EXCL, 0640), "open");
    ok(syscall(SYS_openat, AT_FDCWD, "two", O_WRONLY | O_CREAT, 0600), "openat");
    ok(syscall(SYS_mkdir, "dir", 0700), "mkdir");
    ok(syscall(SYS_rename, "two", "dir/three"), "rename");
    ok(syscall(SYS_stat64, "one", stat), "stat64");
    ok(syscall(SYS_lstat64, "dir", stat), "lstat64");
    ok(syscall(SYS_fstat64, fd, stat), "fstat64");
    ok(syscall(SYS_fstatat64, AT_FDCWD, "dir/three", stat, AT_SYMLINK_NOFOLLOW), "fstatat64");
    check(syscall(SYS_stat64, "none", stat) == -1 && errno == ENOENT, "stat64 of nothing");
    ok(syscall(SYS_stat, "one", stat), "stat");
    ok(syscall(SYS_statfs64, ".", 84, stat), "statfs64");
    ok(syscall(SYS_chown32, "one", -1, -1), "chown32");
    ok(syscall(SYS_lchown, "one", -1, -1), "lchown");
    ok(syscall(SYS_unlink, "dir/three"), "unlink");
    ok(syscall(SYS_rmdir, "dir"), "rmdir");
    check(syscall(SYS_umount, "nowhere") == -1, "umount");
}

static void transfers(void) {
    char first[4], second[4];
    struct iovec in[2] = {{first, 3}, {second, 4}};
    struct iovec out[2] = {{(void *)"abc", 3}, {(void *)"defg", 4}};
    loff_t where = 0;
    struct flock64 lock = {.l_type = F_WRLCK, .l_start = FAR, .l_len = 7};
    int fd = ok(syscall(SYS_open, "one", O_RDWR | O_LARGEFILE), "open");
    check(syscall(SYS_writev, fd, out, 2) == 7, "writev");
    check(syscall(SYS__llseek, fd, 0, 0, &where, SEEK_SET) == 0, "_llseek");
    check(syscall(SYS_readv, fd, in, 2) == 7, "readv");
    check(syscall(SYS_pwrite64, fd, "far", 3, HALVES(FAR)) == 3, "pwrite64");
    check(syscall(SYS_pread64, fd, first, 3, HALVES(FAR)) == 3, "pread64");
    check(!memcmp(first, "far", 3), "what pread64 read");
    check(syscall(SYS__llseek, fd, HALVES(FAR << 32 | FAR >> 32), &where, SEEK_SET) == 0, "seek");
    check(where == FAR, "where _llseek went");
    ok(syscall(SYS_fcntl64, fd, F_OFD_SETLK, &lock), "fcntl64");
    ok(syscall(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE, HALVES(FAR), HALVES(4096)), "fallocate");
    ok(syscall(SYS_fadvise64_64, fd, HALVES(FAR), HALVES(FAR), POSIX_FADV_NORMAL), "fadvise");
    ok(syscall(SYS_ftruncate64, fd, HALVES(FAR)), "ftruncate64");
    ok(syscall(SYS_truncate64, "one", HALVES(9)), "truncate64");
    check(syscall(SYS_lseek, fd, -2, SEEK_END) == 7, "lseek");
}

static void memory(void) {
    int fd = ok(syscall(SYS_open, "one", O_RDWR), "open");
    uint32_t words[6] = {0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0};
    void *new = (void *)syscall(SYS_mmap2, NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    void *old = (void *)syscall(SYS_mmap, words);
    check(new != MAP_FAILED && old != MAP_FAILED, "mmap");
    ok(syscall(SYS_munmap, old, 4096), "munmap");
}

static void sockets(void) {
    struct sockaddr_un unix_ = {AF_UNIX, "socket"};
    struct sockaddr_in inet = {AF_INET, htons(9), {htonl(INADDR_LOOPBACK)}, {0}};
    uint32_t words[6] = {AF_UNIX, SOCK_STREAM, 0};
    int bound = ok(syscall(SYS_socketcall, SYS_SOCKET, words), "socketcall socket");
    uint32_t bind[3] = {bound, (uint32_t)&unix_, sizeof unix_}, listen[2] = {bound, 5};
    ok(syscall(SYS_socketcall, SYS_BIND, bind), "socketcall bind");
    ok(syscall(SYS_socketcall, SYS_LISTEN, listen), "socketcall listen");
    uint32_t to_unix[3] = {socket(AF_UNIX, SOCK_STREAM, 0), (uint32_t)&unix_, sizeof unix_};
    ok(syscall(SYS_socketcall, SYS_CONNECT, to_unix), "socketcall connect");
    uint32_t accept[3] = {bound, 0, 0};
    ok(syscall(SYS_socketcall, SYS_ACCEPT, accept), "socketcall accept");
    int direct = ok(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0), "socket");
    ok(syscall(SYS_connect, direct, &unix_, sizeof unix_), "connect");
    int udp = ok(syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0), "socket");
    ok(syscall(SYS_connect, udp, &inet, sizeof inet), "connect");
    uint32_t to_inet[3] = {udp, (uint32_t)&inet, sizeof inet};
    ok(syscall(SYS_socketcall, SYS_CONNECT, to_inet), "socketcall connect");
    check(syscall(SYS_socketcall, 77, words) == -1 && errno == EINVAL, "socketcall 77");
    check(syscall(SYS_socketcall, SYS_CONNECT, (void *)8) == -1 && errno == EFAULT, "no words");
}

static void messages(void) {
    int pair[2], passed;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } sent = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct iovec hello[2] = {{(void *)"hel", 3}, {(void *)"lo", 2}};
    struct msghdr out = {NULL, 0, hello, 2, &sent, sizeof sent, 0};
    struct mmsghdr two[2] = {{{NULL, 0, hello, 1, NULL, 0, 0}, 0}, {{NULL, 0, hello, 2, NULL, 0, 0}, 0}};
    char text[16], room[64];
    struct iovec into = {text, sizeof text};
    struct msghdr in = {NULL, 0, &into, 1, room, sizeof room, 0};
    struct timeval soon = {3, 0};
    ok(syscall(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
    passed = pair[0];
    memcpy(CMSG_DATA(&sent.head), &passed, sizeof passed);
    check(syscall(SYS_sendmsg, pair[0], &out, 0) == 5, "sendmsg");
    check(syscall(SYS_recvmsg, pair[1], &in, 0) == 5, "recvmsg");
    check(syscall(SYS_sendmmsg, pair[0], two, 2, 0) == 2, "sendmmsg");
    two[0].msg_hdr.msg_iov = &into;
    two[0].msg_hdr.msg_iovlen = 1;
    check(syscall(SYS_recvmmsg, pair[1], two, 1, 0, NULL) == 1, "recvmmsg");
    ok(syscall(SYS_setsockopt, pair[0], SOL_SOCKET, 20, &soon, 8), "setsockopt");
    uint32_t sendto[6] = {pair[0], (uint32_t)"xyz", 3, 0, 0, 0};
    check(syscall(SYS_socketcall, SYS_SENDTO, sendto) == 3, "socketcall sendto");
    uint32_t recv[4] = {pair[1], (uint32_t)text, sizeof text, MSG_PEEK};
    check(syscall(SYS_socketcall, SYS_RECV, recv) == 2 + 3, "socketcall recv");
}

static void signals_and_times(void) {
    uint32_t old[4] = {(uint32_t)SIG_IGN, 1u << (SIGHUP - 1), SA_RESTART, 0}, was[4];
    struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } new = {
        SIG_DFL, SA_RESTART, NULL, 1ull << (SIGTERM - 1)};
    uint32_t set = 1u << (SIGUSR1 - 1);
    uint64_t wide = 1ull << (SIGUSR2 - 1);
    int32_t spec[2] = {0, 1000}, now[2];
    int64_t now64[2];
    ok(syscall(SYS_sigaction, SIGUSR1, old, was), "sigaction");
    ok(syscall(SYS_rt_sigaction, SIGUSR2, &new, NULL, 8), "rt_sigaction");
    ok(syscall(SYS_sigprocmask, SIG_BLOCK, &set, was), "sigprocmask");
    ok(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &wide, NULL, 8), "rt_sigprocmask");
    ok(syscall(SYS_nanosleep, spec, NULL), "nanosleep");
    ok(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now), "clock_gettime");
    ok(syscall(SYS_clock_gettime64, CLOCK_MONOTONIC, now64), "clock_gettime64");
    check(now64[0] - now[0] < 60, "clocks");
    ok(syscall(SYS_gettimeofday, now, NULL), "gettimeofday");
    int64_t times[4] = {5000000000, 7, 0, UTIME_OMIT};
    ok(syscall(SYS_utimensat_time64, AT_FDCWD, "one", times, 0), "utimensat_time64");
}

static void waiting(void) {
    int ends[2];
    ok(syscall(SYS_pipe, ends), "pipe");
    fd_set ready;
    FD_ZERO(&ready);
    FD_SET(ends[0], &ready);
    int32_t soon[2] = {0, 5};
    uint32_t words[5] = {ends[0] + 1, (uint32_t)&ready, 0, 0, (uint32_t)soon};
    check(syscall(SYS_select, words) == 0, "select");
    FD_SET(ends[1], &ready);
    check(syscall(SYS__newselect, ends[1] + 1, NULL, &ready, NULL, soon) == 1, "_newselect");
    int word = 0;
    check(syscall(SYS_futex, &word, FUTEX_WAKE, 1) == 0, "futex");
    check(syscall(SYS_futex_time64, &word, FUTEX_WAKE, 1) == 0, "futex_time64");
}

static void limits_and_users(void) {
    uint32_t limit[2];
    ok(syscall(SYS_ugetrlimit, RLIMIT_NOFILE, limit), "ugetrlimit");
    ok(syscall(SYS_getuid32), "getuid32");
    ok(syscall(SYS_setuid32, getuid()), "setuid32");
    ok(syscall(SYS_setfsuid, -1), "setfsuid");
}

static void structures(void) {
    char room[400], entries[1024];
    uint16_t ids16[3];
    uint32_t ids[3];
    int fd = ok(syscall(SYS_open, "one", O_RDWR), "open");
    int other = ok(syscall(SYS_open, "two", O_RDWR | O_CREAT, 0600), "open");
    ok(syscall(SYS_write, other, "0123456789", 10), "write");
    ok(syscall(SYS_oldstat, "/dev/null", room), "oldstat");
    ok(syscall(SYS_statfs, ".", room), "statfs");
    int dir = ok(syscall(SYS_open, ".", O_RDONLY | O_DIRECTORY), "open");
    check(syscall(SYS_getdents, dir, entries, sizeof entries) > 0, "getdents");
    ok(syscall(SYS_lseek, dir, 0, SEEK_SET), "lseek");
    check(syscall(SYS_getdents64, dir, entries, sizeof entries) > 0, "getdents64");
    struct { short type, whence; int32_t start, length, pid; } lock = {F_WRLCK, SEEK_SET, 3, 4, 0};
    struct flock64 lock64 = {.l_type = F_UNLCK, .l_start = 3, .l_len = FAR};
    ok(syscall(SYS_fcntl64, fd, 6 /* F_SETLK */, &lock), "F_SETLK");
    ok(syscall(SYS_fcntl64, fd, 13 /* F_SETLK64 */, &lock64), "F_SETLK64");
    int32_t from = 4;
    int64_t from64 = 1;
    check(syscall(SYS_sendfile, fd, other, &from, 3) == 3 && from == 7, "sendfile");
    check(syscall(SYS_sendfile64, fd, other, &from64, 2) == 2 && from64 == 3, "sendfile64");
    ok(syscall(SYS_readahead, other, HALVES(FAR), 10), "readahead");
    ok(syscall(SYS_sync_file_range, other, HALVES(FAR), HALVES(FAR), 2), "sync_file_range");
    ok(syscall(SYS_fadvise64, other, HALVES(FAR), 10, POSIX_FADV_NORMAL), "fadvise64");
    ok(syscall(SYS_getrusage, RUSAGE_SELF, room), "getrusage");
    ok(syscall(SYS_getrlimit, RLIMIT_CORE, ids), "getrlimit");
    ok(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, room), "prlimit64");
    ok(syscall(SYS_uname, room), "uname");
    ok(syscall(SYS_olduname, room), "olduname");
    ok(syscall(SYS_getresuid, ids16, ids16 + 1, ids16 + 2), "getresuid");
    ok(syscall(SYS_getresuid32, ids, ids + 1, ids + 2), "getresuid32");
    struct { int32_t value, signo, notify, tid[13]; } event = {0x77, SIGUSR1, 0, {0}};
    int32_t spec[4] = {1, 2, 3000, 4}, timer;
    int64_t spec64[4] = {1, 2, 3000, 4};
    ok(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), "timer_create");
    ok(syscall(SYS_timer_settime, timer, 0, spec, NULL), "timer_settime");
    ok(syscall(SYS_timer_settime64, timer, 0, spec64, NULL), "timer_settime64");
    ok(syscall(SYS_timer_delete, timer), "timer_delete");
    int32_t attr[8] = {0, 3, 64}, was[8];
    int queue = ok(syscall(SYS_mq_open, "tracerd-abi", O_RDWR | O_CREAT, 0600, attr), "mq_open");
    ok(syscall(SYS_mq_unlink, "tracerd-abi"), "mq_unlink");
    ok(syscall(SYS_mq_getsetattr, queue, NULL, was), "mq_getsetattr");
    uint64_t mask = 1ull << (SIGTERM - 1);
    uint32_t pair[2] = {(uint32_t)&mask, 8};
    int32_t nothing[2] = {0, 5};
    int64_t nothing64[2] = {0, 5};
    check(syscall(SYS_pselect6, 0, NULL, NULL, NULL, nothing, pair) == 0, "pselect6");
    check(syscall(SYS_ppoll, NULL, 0, nothing, &mask, 8) == 0, "ppoll");
    check(syscall(SYS_ppoll_time64, NULL, 0, nothing64, &mask, 8) == 0, "ppoll_time64");
    unlink("two");
}

static void ipcs(void) {
    int sem = ok(syscall(SYS_ipc, 2 /* SEMGET */, IPC_PRIVATE, 1, 0600, 0, 0), "semget");
    uint32_t nothing = 0;
    ok(syscall(SYS_ipc, 3 /* SEMCTL */, sem, 0, IPC_RMID | 0x100, &nothing, 0), "semctl");
    int shm = ok(syscall(SYS_shmget, IPC_PRIVATE, 4096, 0600), "shmget");
    uint32_t at;
    ok(syscall(SYS_ipc, 21 /* SHMAT */, shm, 0, &at, 0, 0), "shmat");
    ok(syscall(SYS_ipc, 22 /* SHMDT */, 0, 0, 0, at, 0), "shmdt");
    ok(syscall(SYS_shmctl, shm, IPC_RMID, NULL), "shmctl");
}

static int in_thread(void *nothing) {
    (void)nothing;
    syscall(SYS_gettid);
    return 0;
}

static void *body(void *nothing) {
    in_thread(nothing);
    return NULL;
}

static void children(void) {
    int status;
    int child = ok(syscall(SYS_fork), "fork");
    if (child == 0) syscall(SYS_exit_group, 7);
    check(syscall(SYS_waitpid, child, &status, 0) == child, "waitpid");
    check(WEXITSTATUS(status) == 7, "status");
    child = ok(syscall(SYS_fork), "fork");
    if (child == 0) syscall(SYS_exit_group, 8);
    siginfo_t how;
    ok(syscall(SYS_waitid, P_PID, child, &how, WEXITED, NULL), "waitid");
    check(how.si_status == 8, "si_status");
    pthread_join(thread(body, NULL), NULL);
}

int main(int argc, char **argv) {
    alarm(300);
    must(chdir(argv[1]), argv[1]);
    files();
    transfers();
    memory();
    sockets();
    messages();
    signals_and_times();
    waiting();
    limits_and_users();
    structures();
    ipcs();
    children();
    must(unlink("one") | unlink("socket"), "unlink");
    puts("done");
    fflush(stdout);
    if (argc > 2) {
        char *args[] = {argv[2], "some", "words", NULL}, *env[] = {"A=b", NULL};
        syscall(SYS_execve, argv[2], args, env);
        die(argv[2]);
    }
    syscall(SYS_exit_group, 3);
}
