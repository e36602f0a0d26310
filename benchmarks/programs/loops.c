/* Programs that do little else than call the kernel.
 *
 * loops getppid N: N calls of getppid, the cheapest there is.
 * loops open FILE N: N times open, read, close.
 * loops mixed FILE N: N times 19 calls of getppid and one of access: 1 call in 20 is a file call. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char buffer[256];
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
