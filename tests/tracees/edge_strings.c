/* Provokes: strings and buffers as long as can be, and as close to the end of memory.
 *
 * edge_strings whole DIR: opens names below DIR whose NUL is the last byte of a mapping; prints the
 * errors.  edge_strings long: opens strings of PATH_MAX - 1, PATH_MAX and PATH_MAX + 1 bytes with
 * their NUL.  edge_strings pages: opens a name in pages that can only be written, only executed,
 * or read after all.  edge_strings sizes: reads and writes with absurd counts and lengths.
 * edge_strings bytes DIR: makes a file of each one-byte name that can be.
 * edge_strings argv N: execs itself with N words; prints how many came. */
#include "tracee.h"
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PAGE 4096ul

static void told(const char *what, long result) {
    printf("%s %s\n", what, result == -1 ? strerrorname_np(errno) : "done");
}

static char *before_a_gap(unsigned long size) {
    char *at = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) die("mmap");
    must(munmap(at + size, PAGE), "munmap");
    return at + size;
}

static void whole(const char *dir) {
    char *end = before_a_gap(4 * PAGE), *name;
    for (int length = 1; length <= 255; length += 1 + length / 2) {
        int size = strlen(dir) + 1 + length + 1;
        name = end - size;
        sprintf(name, "%s/", dir);
        memset(name + strlen(dir) + 1, 'n', length);
        if (name[size - 1]) abort();
        int fd = open(name, O_WRONLY | O_CREAT, 0600);
        told("whole", fd);
        close(fd);
        told("stat", access(name, F_OK));
        told("cut", syscall(SYS_access, end - length, F_OK)); /* a tail of it: no such file */
    }
}

static void lengths(void) {
    char *end = before_a_gap(4 * PAGE);
    for (int size = PATH_MAX - 1; size <= PATH_MAX + 1; size++) { /* with the NUL */
        for (int slack = 0; slack <= 300; slack += 300) {
            char *name = end - slack - size;
            for (int i = 0; i < size; i++) name[i] = i % 2 ? '.' : '/';
            name[size - 1] = 0;
            told("long", open(name, O_RDONLY | O_DIRECTORY));
        }
    }
    memset(end - 2 * PATH_MAX, 'x', 2 * PATH_MAX);
    told("endless", open(end - 2 * PATH_MAX, O_RDONLY));
    told("just", open(end - PATH_MAX, O_RDONLY));
    told("torn", open(end - PATH_MAX + 1, O_RDONLY));
}

static void pages(void) {
    static const int ways[] = {PROT_READ, PROT_WRITE, PROT_EXEC, PROT_NONE, PROT_READ};
    char *at = before_a_gap(PAGE) - PAGE;
    strcpy(at, "/nonexistent/page");
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        must(mprotect(at, PAGE, ways[i]), "mprotect");
        told("page", open(at, O_RDONLY));
    }
}

static void sizes(void) {
    static char data[64];
    static const unsigned long counts[] = {1ul << 31, 1ul << 32, LONG_MAX, 1ul << 63, ULONG_MAX};
    static struct iovec many[1025];
    int null = must(open("/dev/null", O_RDWR), "null"), zero = must(open("/dev/zero", O_RDWR), "zero");
    for (int i = 0; i < 1025; i++) many[i] = (struct iovec){data, 1};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct iovec one = {data, counts[i]}, two[] = {{data, LONG_MAX}, {data, counts[i]}};
        told("write", syscall(SYS_write, null, data, counts[i]));
        told("read", syscall(SYS_read, null, data, counts[i]));
        told("vlen", syscall(SYS_writev, null, many, counts[i]));
        told("vlen", syscall(SYS_readv, null, many, counts[i]));
        told("iov_len", syscall(SYS_writev, null, &one, 1));
        told("iov_len", syscall(SYS_readv, null, &one, 1));
        told("iov_sum", syscall(SYS_writev, null, two, 2));
        told("pwrite", syscall(SYS_pwrite64, null, data, 8, counts[i]));
        told("getrandom", syscall(SYS_getrandom, (void *)1, counts[i], 0));
        told("select", syscall(SYS_select, (int)counts[i], NULL, NULL, NULL, data));
        told("poll", syscall(SYS_poll, data, counts[i], 0));
        told("getgroups", syscall(SYS_getgroups, (int)counts[i], (void *)1));
        told("setxattr", syscall(SYS_setxattr, "/dev/null", "user.x", data, counts[i], 0));
        told("getcwd", syscall(SYS_getcwd, (void *)1, counts[i]));
        told("connect", syscall(SYS_connect, null, data, (int)counts[i]));
        told("sched", syscall(SYS_sched_setaffinity, 0, counts[i], (void *)1));
    }
    told("many", writev(null, many, 1024));
    told("many", readv(zero, many, 1024));
    told("too many", syscall(SYS_writev, null, many, 1025));
}

static void bytes(const char *dir) {
    char name[] = "x";
    must(chdir(dir), "chdir");
    for (int byte = 1; byte <= 255; byte++) {
        *name = (char)byte;
        told("byte", syscall(SYS_open, name, O_WRONLY | O_CREAT, 0600));
    }
}

static void argv_of(char *self, int count) {
    char **words = calloc(count + 1, sizeof *words);
    for (int i = 0; i < count; i++) words[i] = i ? "w" : self;
    execv("/proc/self/exe", words);
    die("execv");
}

int main(int argc, char **argv) {
    alarm(300);
    if (argc > 1 && !strcmp(argv[1], "w")) return printf("%d words\n", argc) < 0;
    if (argc == 3 && !strcmp(argv[1], "argv")) argv_of(argv[0], atoi(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "whole")) return whole(argv[2]), 0;
    if (argc == 3 && !strcmp(argv[1], "bytes")) return bytes(argv[2]), 0;
    if (argc == 2 && !strcmp(argv[1], "long")) return lengths(), 0;
    if (argc == 2 && !strcmp(argv[1], "pages")) return pages(), 0;
    if (argc == 2 && !strcmp(argv[1], "sizes")) return sizes(), 0;
    return 2;
}
