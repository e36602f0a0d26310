/* Provokes: calls with pointers and numbers that mean nothing.
 *
 * edge_random DIR SEED N: in DIR makes N calls, of numbers that cannot harm whatever they are given,
 * with random words: pointers into a page of random bytes, to its end and beyond it, to vectors of
 * such pointers, small numbers, huge ones.  Prints `N calls`.  It has no privileges, and nothing
 * but /dev/null among its first descriptors. */
#include "tracee.h"
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGE 4096ul

static uint64_t state;

static uint64_t chance(void) { /* xorshift64: the same numbers for a seed everywhere. */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* None that sleeps, kills, maps, changes who or where we are, or hands out another task. */
static const int calls[] = {
    SYS_open,       SYS_openat,       SYS_openat2,     SYS_stat,          SYS_lstat,
    SYS_fstat,      SYS_newfstatat,   SYS_statx,       SYS_access,        SYS_faccessat2,
    SYS_readlink,   SYS_readlinkat,   SYS_rename,      SYS_renameat2,     SYS_link,
    SYS_linkat,     SYS_symlink,      SYS_symlinkat,   SYS_unlink,        SYS_unlinkat,
    SYS_mkdir,      SYS_mkdirat,      SYS_rmdir,       SYS_mknod,         SYS_mknodat,
    SYS_chmod,      SYS_fchmodat,     SYS_chown,       SYS_lchown,        SYS_fchownat,
    SYS_truncate,   SYS_utime,        SYS_utimes,      SYS_utimensat,     SYS_statfs,
    SYS_fstatfs,    SYS_getxattr,     SYS_lgetxattr,   SYS_setxattr,      SYS_listxattr,
    SYS_removexattr, SYS_execve,      SYS_execveat,    SYS_write,         SYS_writev,
    SYS_pwrite64,   SYS_pwritev,      SYS_getcwd,      SYS_mount,         SYS_umount2,
    SYS_swapon,     SYS_acct,         SYS_inotify_add_watch, SYS_getdents64, SYS_lseek,
    SYS_bind,       SYS_connect,      SYS_sendto,      SYS_sendmsg,       SYS_sendmmsg,
    SYS_getsockname, SYS_getpeername, SYS_setsockopt,  SYS_getsockopt,    SYS_socketpair,
    SYS_ioctl,      SYS_mincore,      SYS_sysinfo,     SYS_uname,         SYS_times,
    SYS_getrusage,  SYS_getrlimit,    SYS_sigaltstack,  SYS_clock_getres,  SYS_clock_gettime,
    SYS_gettimeofday, SYS_getgroups,  SYS_getresuid,   SYS_sched_getparam, SYS_sched_getaffinity,
    SYS_capget,     SYS_quotactl,     SYS_add_key,     SYS_request_key,   SYS_bpf,
    SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_fanotify_mark, SYS_perf_event_open,
    SYS_move_mount, SYS_fsopen,       SYS_mount_setattr, SYS_landlock_create_ruleset,
    SYS_move_pages, SYS_process_vm_readv, SYS_mq_unlink,  SYS_timer_create,
    SYS_memfd_create, SYS_init_module, SYS_get_mempolicy, SYS_kcmp,       SYS_futex_waitv,
};

static void confine(void) {
    struct rlimit none = {0, 0}, few = {16, 16};
    must(setrlimit(RLIMIT_CORE, &none), "core");
    must(setrlimit(RLIMIT_NOFILE, &few), "nofile");
    must(setrlimit(RLIMIT_MEMLOCK, &none), "memlock");
    must(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0, "sigpipe");
    if (geteuid() == 0) {
        must(setgid(65534), "setgid");
        must(setuid(65534), "setuid");
    }
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges");
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    must(chdir(argv[1]), argv[1]);
    state = strtoull(argv[2], NULL, 0) | 1;
    int count = atoi(argv[3]);
    alarm(300);
    unsigned char *page =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) die("mmap");
    must(munmap(page + PAGE, PAGE), "munmap");
    for (unsigned i = 0; i < PAGE; i++) page[i] = chance() >> 32;
    for (unsigned i = 0; i < PAGE; i += 256) { /* Vectors of pointers into it, and of wild ones. */
        uint64_t word = i % 512 ? (uint64_t)(page + chance() % PAGE) : chance();
        memcpy(page + i + 64, &word, sizeof word);
    }
    int out = must(fcntl(1, F_DUPFD, 15), "out"), null = must(open("/dev/null", O_RDWR), "null");
    for (int fd = 0; fd < 3; fd++) must(dup2(null, fd), "dup2");
    close(null);
    confine();
    for (int i = 0; i < count; i++) {
        int which = chance() % (sizeof calls / sizeof *calls);
        uint64_t words[6];
        for (int j = 0; j < 6; j++) {
            switch (chance() % 6) {
            case 0: words[j] = (uint64_t)(page + chance() % PAGE); break;
            case 1: words[j] = (uint64_t)(page + PAGE - chance() % 32); break;
            case 2: words[j] = chance(); break;
            case 3: words[j] = chance() % 4; break;
            case 4: words[j] = -(chance() % 200); break;
            default: words[j] = (uint64_t)(page + 64 + 8 * (chance() % 32)); break;
            }
        }
        long made = syscall(calls[which], words[0], words[1], words[2], words[3], words[4], words[5]);
        if (made > 2 && made != out && made < 16) close(made);
    }
    alarm(0);
    dprintf(out, "%d calls\n", count);
    return 0;
}
