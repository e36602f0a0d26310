/* A 64-bit program that makes i386 calls by int 0x80, with chance in the upper halves of its
   words, between x86-64 calls and one of x32.  Argument: a directory to work in. */
#include "tracee.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define CHANCE 0x5eed000000000000ul
#define X32 0x40000000

static long int80(long nr, long one, long two, long three, long four, long five) {
    long result;
    register long fourth __asm__("rsi") = four | CHANCE, fifth __asm__("rdi") = five | CHANCE;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(nr | CHANCE), "b"(one | CHANCE), "c"(two | CHANCE), "d"(three | CHANCE),
                       "r"(fourth), "r"(fifth)
                     : "memory", "r8", "r9", "r10", "r11");
    return (int32_t)result;
}

int main(int argc, char **argv) {
    (void)argc;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT;
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    struct { uint32_t base, size; } *vector = (void *)(low + 256);
    long at = (long)low;
    int fd, nothing;
    alarm(300);
    if (low == MAP_FAILED) die("mmap");
    must(chdir(argv[1]), argv[1]);
    strcpy(low, "file");
    strcpy(low + 64, "other");
    strcpy(low + 128, "text");
    vector[0].base = vector[1].base = at + 128;
    vector[0].size = 4;
    vector[1].size = 2;
    fd = int80(5 /* open */, at, O_RDWR | O_CREAT, 0600, 0, 0);
    nothing = syscall(SYS_write, fd, "text", 4);
    printf("write %d\n", nothing);
    printf("writev %ld\n", int80(146, fd, at + 256, 2, 0, 0));
    printf("pread64 %ld\n", int80(180, fd, at + 300, 3, 2, 0));
    printf("stat64 %ld\n", int80(195, at, at + 400, 0, 0, 0));
    printf("rename %ld\n", int80(38, at, at + 64, 0, 0, 0));
    printf("openat %ld\n", int80(295, AT_FDCWD & 0xffffffff, at, O_RDONLY, 0, 0));
    printf("unlink %ld\n", int80(10, at + 64, 0, 0, 0, 0));
    printf("a number of no call %ld\n", int80(251, 1, 2, 3, 4, 5));
    errno = 0;
    printf("x32 %ld", syscall(X32 | SYS_getpid));
    printf(" %d\n", errno);
    return 0;
}
