/* Provokes: socket addresses of every common family.
 *
 * sockets DIR: binds and connects, and prints for each call the JSON line {"syscall", "family",
 * "path" or "abstract" or "address" and "port", "errno"}. */
#include "tracee.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static void call(int binds, int fd, const void *address, socklen_t length, int error,
                 const char *text) {
    int got = binds ? bind(fd, address, length) : connect(fd, address, length);
    if ((got ? errno : 0) != error) die(text);
    printf("{\"syscall\": \"%s\", %s, ", binds ? "bind" : "connect", text);
    printf(error ? "\"errno\": \"%s\"}\n" : "\"errno\": null}\n", strerrorname_np(error));
}

static void unix_pair(const char *name, int abstract) { /* An abstract name begins with a NUL. */
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[512];
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + abstract + strlen(name) + !abstract;
    snprintf(address.sun_path + abstract, sizeof address.sun_path - abstract, "%s", name);
    snprintf(text, sizeof text, "\"family\": \"AF_UNIX\", \"%s\": \"%s\"",
             abstract ? "abstract" : "path", name);
    int server = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
    call(1, server, &address, length, 0, text);
    must(listen(server, 1), "listen");
    call(0, must(socket(AF_UNIX, SOCK_STREAM, 0), "socket"), &address, length, 0, text);
}

int main(int argc, char **argv) {
    char name[128], text[128];
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t length = sizeof address;
    if (argc != 2) return 2;
    if (snprintf(name, sizeof name, "%s/socket", argv[1]) > 107) return 2; /* sun_path holds 108. */
    unix_pair(name, 0);
    snprintf(name, sizeof name, "tracerd-test-%d", getpid());
    unix_pair(name, 1);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    call(1, server, &address, length, 0,
         "\"family\": \"AF_INET\", \"address\": \"127.0.0.1\", \"port\": 0");
    must(getsockname(server, (struct sockaddr *)&address, &length), "getsockname");
    int port = ntohs(address.sin_port);
    sprintf(text, "\"family\": \"AF_INET\", \"address\": \"127.0.0.1\", \"port\": %d", port);
    call(0, must(socket(AF_INET, SOCK_STREAM, 0), "socket"), &address, length, ECONNREFUSED, text);
    must(listen(server, 1), "listen");
    call(0, must(socket(AF_INET, SOCK_STREAM, 0), "socket"), &address, length, 0, text);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0); /* Left out where there is no IPv6. */
    six.sin6_port = htons(9);
    if (fd != -1 && !connect(fd, (struct sockaddr *)&six, sizeof six))
        puts("{\"syscall\": \"connect\", \"family\": \"AF_INET6\", \"address\": \"::1\", "
             "\"port\": 9, \"errno\": null}");
    return 0;
}
