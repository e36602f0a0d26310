/* Provokes: pointers that lead nowhere, strings and structures at the edge of a mapping.
 *
 * edge_pointers: makes each call and prints its name, the pointer's and the error.  Pointers:
 * null; one, which no mapping reaches; kernel and noncanonical addresses; minus one; gap, an
 * unmapped page; torn, the last bytes of a mapping, with no end to the string in them; none, a
 * page without access; beyond, a page of a mapped file that has been truncated. */
#include "tracee.h"
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#define PAGE 4096ul

static struct {
    const char *name;
    uintptr_t at;
} where[] = {
    {"null", 0},
    {"one", 1},
    {"kernel", 0xffff888000000000},
    {"noncanonical", 0x8000000000000000},
    {"minus-one", UINTPTR_MAX},
    {"gap", 0},
    {"torn", 0},
    {"none", 0},
    {"beyond", 0},
};

#define TORN 7 /* Bytes before the gap. */
static char *torn;

static void told(const char *call, const char *pointer, long result) {
    printf("%s %s %s\n", call, pointer, result == -1 ? strerrorname_np(errno) : "done");
    memset(torn, 'x', TORN); /* Some calls write as much as they can. */
}

static char *pages(int count, int flags, int fd) {
    char *at = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (at == MAP_FAILED) die("mmap");
    memset(at, 'x', count * PAGE);
    return at;
}

static void calls(const char *pointer, uintptr_t at, int fd, int sock) {
    static char name[] = "/nonexistent/x", *const words[] = {name, NULL};
    told("open", pointer, syscall(SYS_openat, AT_FDCWD, at, O_RDONLY));
    told("creat", pointer, syscall(SYS_creat, at, 0600));
    told("rename", pointer, syscall(SYS_rename, at, at));
    told("unlink", pointer, syscall(SYS_unlink, at));
    told("readlink", pointer, syscall(SYS_readlink, name, at, 64));
    told("openat2", pointer, syscall(SYS_openat2, AT_FDCWD, name, at, 24));
    told("stat-path", pointer, syscall(SYS_stat, at, at));
    told("fstat", pointer, syscall(SYS_fstat, fd, at));
    told("execve-path", pointer, syscall(SYS_execve, at, words, words));
    told("execve-argv", pointer, syscall(SYS_execve, name, at, words));
    told("execve-envp", pointer, syscall(SYS_execve, name, words, at));
    told("write", pointer, syscall(SYS_write, fd, at, 64));
    told("read", pointer, syscall(SYS_read, fd, at, 64));
    told("writev", pointer, syscall(SYS_writev, fd, at, 3));
    told("readv", pointer, syscall(SYS_readv, fd, at, 3));
    told("connect", pointer, syscall(SYS_connect, sock, at, sizeof(struct sockaddr_un)));
    told("sendto", pointer, syscall(SYS_sendto, sock, "x", 1, 0, at, sizeof(struct sockaddr_un)));
    told("sendmsg", pointer, syscall(SYS_sendmsg, sock, at, 0));
    told("getsockname", pointer, syscall(SYS_getsockname, sock, at, at));
    told("nanosleep", pointer, syscall(SYS_nanosleep, at, at));
    told("clock_gettime", pointer, syscall(SYS_clock_gettime, CLOCK_REALTIME, at));
    told("utimensat", pointer, syscall(SYS_utimensat, AT_FDCWD, name, at, 0));
    told("rt_sigaction", pointer, syscall(SYS_rt_sigaction, SIGUSR1, at, at, 8));
    told("pipe", pointer, syscall(SYS_pipe, at));
    told("getdents", pointer, syscall(SYS_getdents64, fd, at, 512));
    told("poll", pointer, syscall(SYS_poll, at, 3, 0));
    told("futex", pointer, syscall(SYS_futex, at, 0, 0, at, at, 0));
}

int main(void) {
    int fd = must(open("/dev/null", O_RDWR), "null");
    int sock = must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
    int file = must(memfd_create("edge", 0), "memfd");
    must(ftruncate(file, 2 * PAGE), "ftruncate");
    char *mapped = pages(2, MAP_SHARED, file);
    char *none = pages(1, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    char *edge = pages(2, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    strcpy(none, "/etc/hostname");
    puts("pointers"); /* Whatever stdio needs is mapped before the gap is made. */
    must(ftruncate(file, PAGE), "ftruncate");
    must(mprotect(none, PAGE, PROT_NONE), "mprotect");
    must(munmap(edge + PAGE, PAGE), "munmap");
    where[5].at = (uintptr_t)edge + PAGE;
    where[6].at = (uintptr_t)(torn = edge + PAGE - TORN);
    where[7].at = (uintptr_t)none;
    where[8].at = (uintptr_t)mapped + PAGE;
    alarm(300);
    for (unsigned i = 0; i < sizeof where / sizeof *where; i++)
        calls(where[i].name, where[i].at, fd, sock);
    return 0;
}
