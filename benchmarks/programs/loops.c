/* Programs that do little else than call the kernel.
 *
 * loops getppid N: N calls of getppid, the cheapest there is.
 * loops open FILE N: N times open, read, close.
 * loops read FILE N: N times read, of 256 bytes.
 * loops connect PATH N: N times connect to a socket that is not there.
 * loops exec N: executes itself N times.
 * loops mixed FILE N: N times 19 calls of getppid and one of access: 1 call in 20 is a file call. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char buffer[256];
    if (argc == 3 && !strcmp(argv[1], "exec")) {
        long n = atol(argv[2]);
        snprintf(buffer, sizeof buffer, "%ld", n - 1);
        return n > 0 ? execl(argv[0], argv[0], "exec", buffer, NULL) : 0;
    }
    if (argc == 4 && !strcmp(argv[1], "read")) {
        int fd = open(argv[2], O_RDONLY);
        for (long n = atol(argv[3]); n > 0; n--)
            if (read(fd, buffer, sizeof buffer) == -1) return 1;
        return 0;
    }
    if (argc == 4 && !strcmp(argv[1], "connect")) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
        for (long n = atol(argv[3]); n > 0; n--)
            if (!connect(fd, (struct sockaddr *)&address, sizeof address)) return 1;
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "getppid")) {
        for (long n = atol(argv[2]); n > 0; n--) syscall(SYS_getppid);
        return 0;
    }
    if (argc == 4 && !strcmp(argv[1], "open")) {
        for (long n = atol(argv[3]); n > 0; n--) {
            int fd = open(argv[2], O_RDONLY);
            if (fd == -1 || read(fd, buffer, sizeof buffer) == -1 || close(fd)) return 1;
        }
        return 0;
    }
    if (argc == 4 && !strcmp(argv[1], "mixed")) {
        for (long n = atol(argv[3]); n > 0; n--) {
            for (int i = 0; i < 19; i++) syscall(SYS_getppid);
            if (access(argv[2], R_OK)) return 1;
        }
        return 0;
    }
    return 2;
}
