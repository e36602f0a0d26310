/* What fds_random.c does to descriptors, each by a call or few.  FDS numbers are in use. */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { FDS = 40 };

static __thread unsigned state;

static unsigned any(unsigned below) { /* The same numbers on every run. */
    state = state * 1103515245u + 12345u;
    return (state >> 16) % below;
}

static int some(void) { return 3 + (int)any(FDS - 3); }

static void name(char *path, size_t size) { snprintf(path, size, "f%u", any(8)); }

static void opens(void) {
    char path[16];
    name(path, sizeof path);
    open(path, O_RDWR | O_CREAT | (any(2) ? O_CLOEXEC : 0), 0600);
}
static void opens_dir(void) { openat(AT_FDCWD, any(2) ? "." : "/tmp", O_RDONLY | O_DIRECTORY); }
static void opens_at(void) {
    int fd = some();
    if (openat(fd, "inside", O_RDWR | O_CREAT, 0600) >= 0) unlinkat(fd, "inside", 0);
}
static void dups(void) { dup(some()); }
static void dups2(void) { dup2(some(), some()); }
static void dups3(void) { dup3(some(), some(), O_CLOEXEC); }
static void dups_above(void) { fcntl(some(), any(2) ? F_DUPFD : F_DUPFD_CLOEXEC, some()); }
static void pipes(void) { pipe2((int[2]){0}, any(2) ? O_CLOEXEC : 0); }
static void sockets(void) { socket(any(2) ? AF_UNIX : AF_INET, SOCK_STREAM, 0); }
static void pairs(void) { socketpair(AF_UNIX, SOCK_DGRAM, 0, (int[2]){0}); }
static void makes_event(void) { eventfd(0, 0); }
static void makes_memory(void) { memfd_create("some", any(2) ? MFD_CLOEXEC : 0); }
static void closes(void) { close(some()); }
static void closes_range(void) {
    unsigned first = (unsigned)some();
    syscall(SYS_close_range, first, first + any(4), any(2) ? 4 : 0); /* CLOSE_RANGE_CLOEXEC */
}
static void unshares(void) {
    if (any(8)) return; /* seldom, else nothing is shared */
    if (any(2)) unshare(CLONE_FILES);
    else syscall(SYS_close_range, 3, 5, 2); /* CLOSE_RANGE_UNSHARE */
}
static void renames(void) {
    char from[16], to[16];
    name(from, sizeof from);
    name(to, sizeof to);
    rename(from, to);
}
static void unlinks(void) {
    char path[16];
    name(path, sizeof path);
    unlink(path);
}
static void links(void) {
    char path[16], from[32];
    name(path, sizeof path);
    snprintf(from, sizeof from, "/proc/thread-self/fd/%d", some());
    linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}
static void accepts(void) {
    struct sockaddr_un { sa_family_t family; char path[16]; } address = {AF_UNIX, {0}};
    socklen_t size = sizeof address;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)); /* a name by itself */
    getsockname(listener, (struct sockaddr *)&address, &size);
    listen(listener, 1);
    connect(other, (struct sockaddr *)&address, size);
    accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(any(2) ? listener : other);
}
static void passes(void) { /* to itself, over SCM_RIGHTS */
    int pair[2], fd = some();
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) return;
    char byte = 0, room[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room,
                             .msg_controllen = sizeof room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    if (sendmsg(pair[0], &message, 0) == 1) recvmsg(pair[1], &message, 0);
    close(pair[0]);
    close(pair[1]);
}

static void (*const DOES[])(void) = {
    opens,   opens,       opens_dir,    opens_at, dups,         dups2,    dups3,   dups_above,
    pipes,   sockets,     pairs,        accepts,  makes_event,  passes,   closes,  closes,
    closes,  makes_memory, closes_range, renames,  unlinks,      links,    unshares,
};
