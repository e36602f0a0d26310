/* Provokes: what lines about sockets can look like.
 *
 * text_sockets: makes each call once or twice, always the same ones. */
#include "tracee.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

int main(void) {
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP), one = 1, udp, local;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    to6.sin6_addr = in6addr_loopback;
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0text\n"};
    setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), bind(tcp, (void *)&to, sizeof to);
    listen(tcp, 5), udp = socket(AF_INET6, SOCK_DGRAM, 0), connect(udp, (void *)&to6, sizeof to6);
    shutdown(udp, SHUT_WR);
    local = socket(AF_UNIX, SOCK_DGRAM, 0);
    sendto(local, "x\0", 2, MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&abstract, 8);
    recv(local, &one, 4, MSG_DONTWAIT);
    int pair[2], sizes = sizeof one;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) return 2;
    char control[CMSG_SPACE(sizeof one)], buffer[50] = "";
    struct iovec out[2] = {{"ab", 2}, {"\377c", 2}}, in = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = out, .msg_iovlen = 2, .msg_control = control};
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof one), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &(int){0}, sizeof one);
    sendmsg(pair[0], &message, 0);
    message.msg_iov = &in, message.msg_iovlen = 1;
    recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC);
    struct sockaddr_un name;
    socklen_t length = sizeof name;
    getsockname(pair[0], (void *)&name, &length), getpeername(tcp, (void *)&name, &length);
    getsockopt(pair[0], SOL_SOCKET, SO_ACCEPTCONN, &one, (socklen_t *)&sizes);
    return accept4(udp, NULL, NULL, SOCK_NONBLOCK) < 0 ? 0 : 3;
}
