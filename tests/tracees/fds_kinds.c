/* Provokes: a descriptor of every kind, and sockets in every state.
 *
 * fds_kinds DIR: makes them and asks for the flags of each (fcntl), whatever that gives; passes the
 * first one, a file, and a socket to itself in a message; then says READY, and once it is told to go
 * on asks again. */
#include "tracee.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static int first, last;

static void ask(int fd) { fcntl(fd, F_GETFL); }

static int made(int fd) {
    if (fd > last) last = fd;
    ask(fd);
    return fd;
}

static void speaks(int family, const void *address, socklen_t size) { /* all ends of a connection */
    struct sockaddr_storage own;
    socklen_t room = sizeof own;
    int listener = made((int)must(socket(family, SOCK_STREAM, 0), "socket"));
    int caller = made((int)must(socket(family, SOCK_STREAM, 0), "socket"));
    must(bind(listener, address, size), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (void *)&own, &room), "getsockname");
    ask(listener);
    must(connect(caller, (void *)&own, room), "connect");
    ask(caller);
    made((int)must(accept(listener, NULL, NULL), "accept"));
}

static void passes(int fd) { /* to itself */
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
    char byte = 0, room[CMSG_SPACE(2 * sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){CMSG_LEN(2 * sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(head), (int[]){fd, pair[0]}, 2 * sizeof fd);
    must(sendmsg(pair[1], &message, 0), "sendmsg");
    must(recvmsg(pair[0], &message, 0), "recvmsg");
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    fcntl(fd, F_GETFD);
}

int main(int argc, char **argv) {
    if (argc != 2 || chdir(argv[1])) return 2;
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 inet6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un named = {AF_UNIX, "s"}, hidden = {AF_UNIX, "\0fds_kinds"};
    struct sockaddr_nl netlink = {.nl_family = AF_NETLINK};
    sigset_t none;
    sigemptyset(&none);
    sprintf(hidden.sun_path + 1, "fds_kinds-%d", getpid());
    first = made((int)must(open("file", O_RDWR | O_CREAT, 0600), "file"));
    made((int)must(open(".", O_RDONLY | O_DIRECTORY), "."));
    made((int)must(open("/dev/null", O_RDONLY), "null"));
    made(eventfd(0, 0));
    made(epoll_create1(0));
    made(timerfd_create(CLOCK_MONOTONIC, 0));
    made(signalfd(-1, &none, 0));
    made(inotify_init1(0));
    made(memfd_create("name", 0));
    made((int)syscall(SYS_pidfd_open, getpid(), 0));
    int ends[2];
    must(pipe(ends), "pipe");
    made(ends[0]);
    speaks(AF_INET, &inet, sizeof inet);
    speaks(AF_INET6, &inet6, sizeof inet6);
    speaks(AF_UNIX, &named, sizeof named);
    speaks(AF_UNIX, &hidden, (socklen_t)(sizeof(sa_family_t) + 1 + strlen(hidden.sun_path + 1)));
    int datagrams = made((int)must(socket(AF_INET, SOCK_DGRAM, 0), "udp"));
    inet.sin_port = htons(9);
    must(connect(datagrams, (void *)&inet, sizeof inet), "connect");
    ask(datagrams);
    int route = made((int)must(socket(AF_NETLINK, SOCK_RAW, 0), "netlink"));
    must(bind(route, (void *)&netlink, sizeof netlink), "bind");
    ask(route);
    made(socket(AF_PACKET, SOCK_RAW, 0)); /* for root only */
    passes(first);
    ready();
    if (getchar() == EOF) return 0;
    for (int fd = first; fd <= last; fd++) ask(fd);
    puts("DONE");
    fflush(stdout);
    getchar();
    return 0;
}
