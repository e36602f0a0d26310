/* Provokes: every way to make a task, one per run.
 *
 * task_kinds KIND: makes one child (or thread) that exits with 7, waits for it and says what it
 * was told: by which wait it was found, its status, and how many SIGCHLD and SIGUSR1 came. */
#include "tracee.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <spawn.h>

#define SHARED (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND)

static volatile sig_atomic_t chld, usr1;
static volatile pid_t lives = 1; /* Cleared, and woken, by the kernel when the thread is gone. */
static char stack[65536] __attribute__((aligned(16)));

static void count(int signo) {
    if (signo == SIGCHLD) chld++;
    if (signo == SIGUSR1) usr1++;
}

static int ends(void *unused) {
    (void)unused;
    syscall(SYS_exit, 7);
    return 0;
}

static pid_t clones(int flags) {
    return clone(ends, stack + sizeof stack, flags, NULL, NULL, NULL, &lives);
}

static pid_t forks(void) {
    pid_t pid = fork();
    if (pid == 0) _exit(7);
    return pid;
}

static pid_t vforks(void) {
    pid_t pid = vfork();
    if (pid == 0) _exit(7);
    return pid;
}

static pid_t clone3s(unsigned long flags, int signo) {
    struct clone_args args = {.flags = flags, .exit_signal = (unsigned)signo};
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(7);
    return pid;
}

static pid_t spawns(void) {
    char *words[] = {"sh", "-c", "exit 7", NULL};
    pid_t pid;
    if ((errno = posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ))) die("posix_spawn");
    return pid;
}

static const struct {
    const char *name;
    int flags;
} cloned[] = {
    {"clone", SIGCHLD},
    {"clone-vm", CLONE_VM | SIGCHLD},
    {"clone-vfork", CLONE_VFORK | SIGCHLD},
    {"clone-vm-vfork", CLONE_VM | CLONE_VFORK | SIGCHLD},
    {"clone-ptrace", CLONE_PTRACE | SIGCHLD},
    {"clone-untraced", CLONE_UNTRACED | SIGCHLD},
    {"clone-untraced-ptrace", CLONE_UNTRACED | CLONE_PTRACE | SIGCHLD},
    {"clone-silent", 0},
    {"clone-usr1", SIGUSR1},
    {"thread", SHARED | CLONE_THREAD | CLONE_CHILD_CLEARTID},
    {"thread-vfork", SHARED | CLONE_THREAD | CLONE_CHILD_CLEARTID | CLONE_VFORK},
};

static pid_t make(const char *kind) {
    if (!strcmp(kind, "fork")) return forks();
    if (!strcmp(kind, "raw-vfork")) return vforks();
    if (!strcmp(kind, "clone3")) return clone3s(0, SIGCHLD);
    if (!strcmp(kind, "clone3-vfork")) return clone3s(CLONE_VFORK, SIGCHLD);
    if (!strcmp(kind, "clone3-silent")) return clone3s(0, 0);
    if (!strcmp(kind, "clone3-untraced")) return clone3s(CLONE_UNTRACED, SIGCHLD);
    if (!strcmp(kind, "spawn")) return spawns();
    for (size_t i = 0; i < sizeof cloned / sizeof *cloned; i++)
        if (!strcmp(kind, cloned[i].name)) return clones(cloned[i].flags);
    errno = EINVAL;
    return -1;
}

static void tell(const char *how, int flags, pid_t child) {
    int status = 0;
    if (waitpid(-1, &status, flags) == child)
        printf("%s: exited %d, code %d\n", how, WIFEXITED(status), WEXITSTATUS(status));
    else
        printf("%s: %s\n", how, strerror(errno));
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    if (argc != 2) return 2;
    alarm(300);
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    pid_t child = (pid_t)must(make(argv[1]), argv[1]);
    if (!strncmp(argv[1], "thread", 6)) {
        pid_t seen;
        while ((seen = lives)) syscall(SYS_futex, &lives, FUTEX_WAIT, seen, NULL, NULL, 0);
    }
    tell("plain wait", 0, child);
    tell("clone wait", __WCLONE, child);
    printf("SIGCHLD %d SIGUSR1 %d\n", chld, usr1);
    return 0;
}
