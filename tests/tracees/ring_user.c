/* Provokes: files opened by an io_uring, or, where there is none to be had, by a call.
 *
 * ring_user FILE [wait]: sets up a ring (then, if told to wait, READY, and goes on at SIGUSR1),
 * forks a child that does nothing, reads FILE and prints "ring: ..." or "call: ...", its text. */
#include "tracee.h"
#include <linux/io_uring.h>
#include <sys/mman.h>

static char text[256];

static long by_ring(int ring, const struct io_uring_params *about, const char *path) {
    size_t size = about->sq_off.array + about->sq_entries * sizeof(unsigned);
    char *sq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    size = about->cq_off.cqes + about->cq_entries * sizeof(struct io_uring_cqe);
    char *cq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *sqe = mmap(NULL, sizeof *sqe * about->sq_entries, PROT_READ | PROT_WRITE,
                                    MAP_SHARED, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED) die("mmap");
    *sqe = (struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
                                 .addr = (unsigned long)path, .open_flags = O_RDONLY};
    ((unsigned *)(sq + about->sq_off.array))[0] = 0;
    *(volatile unsigned *)(sq + about->sq_off.tail) += 1;
    must(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), "enter");
    return ((struct io_uring_cqe *)(cq + about->cq_off.cqes))[0].res;
}

int main(int argc, char **argv) {
    struct io_uring_params about = {0};
    if (argc < 2) return 2;
    block(SIGUSR1);
    int ring = (int)syscall(SYS_io_uring_setup, 1, &about);
    if (ring == -1 && errno != ENOSYS && errno != EPERM) die("io_uring_setup");
    if (argc > 2) {
        ready();
        await(SIGUSR1);
    }
    if (!must(fork(), "fork")) _exit(0);
    wait(NULL);
    int fd = (int)(ring == -1 ? open(argv[1], O_RDONLY) : by_ring(ring, &about, argv[1]));
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0) die(argv[1]);
    printf("%s: %s", ring == -1 ? "call" : "ring", text);
    return 0;
}
