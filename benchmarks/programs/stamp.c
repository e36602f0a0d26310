/* The stopwatch's start: stamp [-g GATE] FIFO CMD ARGS...
 *
 * Writes the time (CLOCK_MONOTONIC, 8 bytes, ns) to FIFO and execs CMD, which inherits the open
 * end: its reader sees end-of-file when CMD and all its descendants have ended.  So a tracee's
 * time is taken without the start and end of its tracer, and without a process that waits.  With
 * -g it waits first, until somebody opens the FIFO named GATE for writing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int open_fifo(const char *path, int flags) {
    int fd;
    do fd = open(path, flags);
    while (fd == -1 && errno == EINTR);
    if (fd == -1) {
        perror(path);
        exit(99);
    }
    return fd;
}

int main(int argc, char **argv) {
    struct timespec now;
    if (argc > 2 && !strcmp(argv[1], "-g")) {
        close(open_fifo(argv[2], O_RDONLY));
        argc -= 2;
        argv += 2;
    }
    if (argc < 3) return 2;
    int fifo = open_fifo(argv[1], O_WRONLY);
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long ns = now.tv_sec * 1000000000LL + now.tv_nsec;
    if (write(fifo, &ns, sizeof ns) != sizeof ns) return 99;
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 99;
}
