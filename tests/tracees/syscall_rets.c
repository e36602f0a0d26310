/* Provokes: return values of every sort: two descriptors, a length, an address, an error.
 *
 * syscall_rets: makes the calls and prints for each the JSON line {"syscall", "ret", "rets",
 * "errno"} with what it got; an address is a hexadecimal string. */
#include "tracee.h"
#include <sys/mman.h>
#include <sys/socket.h>

static void report(const char *name, long ret, const int *two) {
    int error = errno;
    printf("{\"syscall\": \"%s\", \"ret\": %ld, \"rets\": ", name, ret);
    if (two && ret == 0) printf("[%d, %d]", two[0], two[1]);
    else printf("null");
    if (ret == -1) printf(", \"errno\": \"%s\"}\n", strerrorname_np(error));
    else printf(", \"errno\": null}\n");
}

int main(void) {
    int two[2];
    char buffer[4096];
    long got;
    report("pipe2", syscall(SYS_pipe2, two, O_CLOEXEC), two);
    report("write", syscall(SYS_write, two[1], "hello", 5L), NULL);
    report("read", syscall(SYS_read, two[0], buffer, 4096L), NULL);
#ifdef SYS_pipe
    report("pipe", syscall(SYS_pipe, two), two);
#endif
    report("socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, two), two);
    report("pipe2", syscall(SYS_pipe2, two, 1), two); /* EINVAL: no pair then. */
    report("dup", syscall(SYS_dup, 0), NULL);
    report("dup3", syscall(SYS_dup3, 0, 77, O_CLOEXEC), NULL);
    report("getcwd", syscall(SYS_getcwd, buffer, 4096L), NULL); /* Counts the NUL. */
    report("getppid", syscall(SYS_getppid), NULL);
    report("close", syscall(SYS_close, 999), NULL);
    report("openat", syscall(SYS_openat, AT_FDCWD, "/nonexistent/x", O_RDONLY), NULL);
    report("lseek", syscall(SYS_lseek, two[0], 0L, SEEK_SET), NULL); /* ESPIPE */
    got = syscall(SYS_mmap, 0L, 4096L, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    printf("{\"syscall\": \"mmap\", \"ret\": \"0x%lx\", \"rets\": null, \"errno\": null}\n", got);
    report("munmap", syscall(SYS_munmap, got, 4096L), NULL);
    return 0;
}
