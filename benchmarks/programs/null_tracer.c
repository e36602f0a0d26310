/* The floor: a tracer that looks at nothing.
 *
 * null_tracer [-f] [-i] CMD ARGS...: runs CMD and all its descendants under PTRACE_SEIZE and resumes
 * every stop at once; no memory, no output.  Without -f each call stops twice (PTRACE_SYSCALL);
 * with -f the child installs a seccomp filter, so that only calls that name a file stop, twice
 * again, as with strace --seccomp-bpf -e %file.  With -i it asks at each stop for
 * PTRACE_GET_SYSCALL_INFO, which tells any tracer what the stop is.  Ends with CMD's exit code. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if !defined __x86_64__
#error "the filter below is for x86-64"
#endif

static const int file_calls[] = {
    SYS_open, SYS_openat, SYS_creat, SYS_stat, SYS_lstat, SYS_newfstatat, SYS_access,
    SYS_faccessat, SYS_readlink, SYS_readlinkat, SYS_execve, SYS_execveat, SYS_chdir, SYS_chroot,
    SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_unlink, SYS_unlinkat, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_mknod, SYS_mknodat,
    SYS_truncate, SYS_chmod, SYS_fchmodat, SYS_chown, SYS_lchown, SYS_fchownat, SYS_utime,
    SYS_utimes, SYS_futimesat, SYS_utimensat, SYS_statfs, SYS_setxattr, SYS_lsetxattr,
    SYS_getxattr, SYS_lgetxattr, SYS_listxattr, SYS_llistxattr, SYS_removexattr, SYS_lremovexattr,
    SYS_pivot_root, SYS_mount, SYS_umount2, SYS_swapon, SYS_swapoff, SYS_quotactl, SYS_acct,
    SYS_inotify_add_watch, SYS_fanotify_mark, SYS_name_to_handle_at, SYS_getcwd,
#ifdef SYS_statx
    SYS_statx,
#endif
#ifdef SYS_openat2
    SYS_openat2, SYS_faccessat2,
#endif
};

enum { CALLS = sizeof file_calls / sizeof *file_calls };

static void die(const char *what) {
    perror(what);
    exit(99);
}

static void install_filter(void) {
    enum { ARCH = offsetof(struct seccomp_data, arch), NR = offsetof(struct seccomp_data, nr) };
    struct sock_filter code[CALLS + 5] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARCH),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, CALLS + 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NR),
        [CALLS + 3] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        [CALLS + 4] = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
    };
    for (int i = 0; i < CALLS; i++)
        code[3 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, file_calls[i],
                                                   CALLS - i, 0);
    struct sock_fprog program = {.len = CALLS + 5, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) die("PR_SET_NO_NEW_PRIVS");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) die("PR_SET_SECCOMP");
}

int main(int argc, char **argv) {
    int filtered = argc > 1 && !strcmp(argv[1], "-f"), code = 0, status, gate[2];
    int looks = argc > 1 + filtered && !strcmp(argv[1 + filtered], "-i");
    char **command = argv + 1 + filtered + looks;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP;
    if (!*command) return 2;
    if (pipe(gate)) die("pipe");
    pid_t child = fork(), pid;
    if (child == -1) die("fork");
    if (!child) {
        char go;
        close(gate[1]);
        if (read(gate[0], &go, 1) != 1) _exit(98);
        close(gate[0]);
        if (filtered) install_filter();
        execvp(*command, command);
        die(*command);
    }
    if (ptrace(PTRACE_SEIZE, child, NULL, options)) die("PTRACE_SEIZE");
    if (ptrace(PTRACE_INTERRUPT, child, NULL, NULL)) die("PTRACE_INTERRUPT");
    if (write(gate[1], "g", 1) != 1) die("write");
    close(gate[0]);
    close(gate[1]);
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status)) {
            if (pid == child)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        char info[128]; /* struct ptrace_syscall_info has another name in each C library. */
        if (looks && ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, info) < 0 && errno != ESRCH)
            die("PTRACE_GET_SYSCALL_INFO");
        int request = filtered ? PTRACE_CONT : PTRACE_SYSCALL;
        long event = status >> 16, signo = WSTOPSIG(status);
        if (event == PTRACE_EVENT_SECCOMP) request = PTRACE_SYSCALL;
        if (event == PTRACE_EVENT_STOP && signo != SIGTRAP) request = PTRACE_LISTEN;
        if (event || signo == (SIGTRAP | 0x80)) signo = 0;
        if (ptrace(request, pid, NULL, signo) && errno != ESRCH) die("resume");
    }
    return code;
}
