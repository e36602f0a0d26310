/* Says all that a program can tell about itself, its surroundings and whoever started it.
 *
 * show_self FILE WORDS...: writes it to FILE.  What differs from one run to the next is left out,
 * or told by what it is equal to. */
#include "tracee.h"

#include <dirent.h>
#include <grp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

static FILE *out;
static char text[65536];

static void file(const char *name, const char *start) { /* Its lines that start so. */
    char path[64];
    FILE *from;
    snprintf(path, sizeof path, "/proc/self/%s", name);
    from = fopen(path, "r");
    if (!from) return; /* not every kernel has it */
    while (fgets(text, sizeof text, from))
        if (!strncmp(text, start, strlen(start))) fprintf(out, "%s: %s", name, text);
    if (!strchr(text, '\n')) fputc('\n', out);
    fclose(from);
}

static void link_of(const char *name) {
    char path[64];
    ssize_t size;
    snprintf(path, sizeof path, "/proc/self/%s", name);
    size = readlink(path, text, sizeof text - 1);
    fprintf(out, "%s: %.*s\n", name, (int)size, text);
}

static void signals(void) {
    sigset_t blocked, pending;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    sigpending(&pending);
    for (int signo = 1; signo <= 64; signo++) {
        struct sigaction action;
        if (sigaction(signo, NULL, &action)) continue; /* libc's own */
        fprintf(out, "signal %d: %s, flags %#x%s%s\n", signo,
                action.sa_handler == SIG_IGN   ? "ignored"
                : action.sa_handler == SIG_DFL ? "default"
                                               : "handled",
                (unsigned)action.sa_flags,
                sigismember(&blocked, signo) ? ", blocked" : "",
                sigismember(&pending, signo) ? ", pending" : "");
    }
}

static void descriptors(void) {
    for (int fd = 0; fd < 1024; fd++) {
        struct stat found;
        char link[32];
        ssize_t size;
        int flags = fcntl(fd, F_GETFD);
        if (flags == -1) continue;
        must(fstat(fd, &found), "fstat");
        snprintf(link, sizeof link, "fd/%d", fd);
        fprintf(out, "descriptor %d: type %#o, flags %#x, status %#x, at %ld\n", fd,
                found.st_mode & S_IFMT, (unsigned)flags, (unsigned)fcntl(fd, F_GETFL),
                (long)lseek(fd, 0, SEEK_CUR));
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        size = readlink(link, text, sizeof text);
        fprintf(out, "descriptor %d: %.*s\n", fd, (int)size, text);
    }
}

static void limits(void) {
    for (int which = 0; which < RLIM_NLIMITS; which++) {
        struct rlimit limit;
        must(getrlimit(which, &limit), "getrlimit");
        fprintf(out, "limit %d: %#lx, %#lx\n", which, (long)limit.rlim_cur, (long)limit.rlim_max);
    }
}

static void group(void) {
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    fprintf(out, "group: the parent's %d; session: the parent's %d\n",
            getpgrp() == getpgid(getppid()), getsid(0) == getsid(getppid()));
    if (terminal == -1) fprintf(out, "terminal: %s\n", strerrorname_np(errno));
    else fprintf(out, "terminal: foreground %d\n", tcgetpgrp(terminal) == getpgrp());
    for (int fd = 0; fd < 3; fd++)
        if (isatty(fd)) fprintf(out, "terminal: %d is %s\n", fd, ttyname(fd));
    if (terminal != -1) close(terminal);
}

static void scheduling(void) {
    struct sched_param parameters;
    cpu_set_t cpus;
    int policy = sched_getscheduler(0);
    sched_getparam(0, &parameters);
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    fprintf(out, "nice %d, policy %d, priority %d, io priority %ld, slack %d, processors",
            getpriority(PRIO_PROCESS, 0), policy, parameters.sched_priority,
            syscall(SYS_ioprio_get, 1, 0), prctl(PR_GET_TIMERSLACK));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &cpus)) fprintf(out, " %d", cpu);
    fputc('\n', out);
}

static void attributes(void) {
    struct itimerval timer;
    stack_t stack;
    int death = 0, reaper = 0;
    prctl(PR_GET_PDEATHSIG, &death);
    prctl(PR_GET_CHILD_SUBREAPER, &reaper);
    getitimer(ITIMER_REAL, &timer);
    sigaltstack(NULL, &stack);
    fprintf(out, "no new privileges %d, dumpable %d, parent's death %d, reaper %d, personality %#x\n",
            prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE), death, reaper,
            (unsigned)personality(0xffffffff));
    fprintf(out, "keep capabilities %d, secure %lu, timer %d, own stack for signals %d\n",
            prctl(PR_GET_KEEPCAPS), getauxval(AT_SECURE),
            timer.it_value.tv_sec || timer.it_value.tv_usec, !(stack.ss_flags & SS_DISABLE));
    errno = 0;
    fprintf(out, "children: %s\n",
            waitpid(-1, NULL, WNOHANG | __WALL) == -1 ? strerrorname_np(errno) : "some");
}

int main(int count, char **words) {
    char *said;
    size_t size;
    FILE *to;
    char **variable;
    if (count < 2) return 98;
    out = open_memstream(&said, &size); /* no descriptor: those that we were given are told */
    if (!out) die("open_memstream");
    for (int n = 0; n < count; n++) fprintf(out, "word %d: %s\n", n, words[n]);
    for (variable = environ; *variable; variable++)
        if (strncmp(*variable, "_=", 2)) /* what the shell was told to run */
            fprintf(out, "environment: %s\n", *variable);
    signals();
    descriptors();
    limits();
    group();
    scheduling();
    attributes();
    fprintf(out, "umask %#o, name %s\n", umask(0), program_invocation_short_name);
    link_of("cwd");
    link_of("root");
    link_of("exe");
    for (const char *const *name = (const char *const[]){
             "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts", NULL};
         *name; name++) {
        char path[32];
        snprintf(path, sizeof path, "ns/%s", *name);
        link_of(path);
    }
    file("cgroup", "");
    file("oom_score_adj", "");
    file("coredump_filter", "");
    file("loginuid", "");
    file("comm", "");
    for (const char *const *start =
             (const char *const[]){"Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Threads",
                                   "Speculation", "Cpus_allowed", "Mems_allowed", "THP", NULL};
         *start; start++)
        file("status", *start);
    if (fclose(out) || !(to = fopen(words[1], "w")) || fwrite(said, 1, size, to) != size) die(words[1]);
    return fclose(to) ? 97 : 0;
}
