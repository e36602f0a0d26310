/* Provokes: namespaces of the program's own.
 *
 * ns_nest pid: in a new user, pid and mount namespace, with its own /proc.  Its init says what it
 * calls itself, makes a child and a thread, looks for the child by a signal, and says how that
 * went; in the child, a grandchild does the same with a pid namespace within it.
 * ns_nest orphan: the init of the namespace ends before its children: they are killed.
 * ns_nest user: in a new user namespace without any ids mapped; does some file calls. */
#include "tracee.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static void put(const char *path, const char *text) {
    int fd = (int)must(open(path, O_WRONLY), path);
    must(write(fd, text, strlen(text)), path);
    close(fd);
}

static void own(int namespaces) { /* As root of a new user namespace. */
    char map[64];
    unsigned uid = geteuid(), gid = getegid();
    must(unshare(CLONE_NEWUSER | namespaces), "unshare");
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    put("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    put("/proc/self/gid_map", map);
}

static void dies_with_us(void) {
    must(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
}

static int ended(pid_t pid) {
    int status;
    must(waitpid(pid, &status, 0), "waitpid");
    return status;
}

static void *says_ids(void *unused) {
    printf("thread: pid %d, tid %d\n", getpid(), gettid());
    return unused;
}

static void init(int deeper) {
    pid_t child;
    char link[32] = "";
    printf("init: pid %d, parent %d, uid %u\n", getpid(), getppid(), getuid());
    fflush(stdout);
    child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        for (;;) pause();
    }
    printf("child %d\n", child);
    pthread_join(thread(says_ids, NULL), NULL);
    must(kill(child, SIGTERM), "kill");
    printf("child ended with %d\n", ended(child));
    if (kill(12345, 0) != -1 || errno != ESRCH) die("kill 12345");
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount /");
    must(mount("proc", "/proc", "proc", 0, NULL), "mount /proc");
    must(readlink("/proc/self", link, sizeof link - 1), "/proc/self");
    printf("/proc/self is %s\n", link);
    fflush(stdout);
    if (deeper) {
        must(unshare(CLONE_NEWPID), "unshare again");
        child = (pid_t)must(fork(), "fork");
        if (child == 0) {
            printf("within: pid %d, parent %d\n", getpid(), getppid());
            exit(9);
        }
        printf("within it is our %d, ended with %#x\n", child, (unsigned)ended(child));
    }
}

static int nested(void) {
    pid_t child;
    own(CLONE_NEWPID | CLONE_NEWNS);
    child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        dies_with_us();
        init(1);
        exit(7);
    }
    printf("%#x\n", (unsigned)ended(child));
    return 0;
}

static int orphan(void) {
    pid_t child;
    int ends[2];
    own(CLONE_NEWPID);
    must(pipe(ends), "pipe");
    child = (pid_t)must(fork(), "fork");
    if (child == 0) {
        char word;
        dies_with_us();
        for (int n = 0; n < 3; n++) {
            if (fork() == 0) {
                must(write(ends[1], "x", 1), "write");
                for (;;) pause();
            }
            must(read(ends[0], &word, 1), "read");
        }
        exit(7);
    }
    printf("%#x\n", (unsigned)ended(child));
    return 0;
}

static int nameless(void) {
    char text[8];
    int dir = (int)must(open("/", O_PATH | O_DIRECTORY), "open /"), fd;
    must(unshare(CLONE_NEWUSER), "unshare");
    printf("uid %u, gid %u\n", getuid(), getgid());
    fd = (int)must(openat(dir, "etc/passwd", O_RDONLY), "openat");
    must(read(fd, text, sizeof text), "read");
    if (openat(dir, "no/such", O_RDONLY) != -1 || errno != ENOENT) die("openat no/such");
    return 0;
}

int main(int count, char **words) {
    const char *mode = count > 1 ? words[1] : "";
    alarm(300);
    if (!strcmp(mode, "pid")) return nested();
    if (!strcmp(mode, "orphan")) return orphan();
    if (!strcmp(mode, "user")) return nameless();
    return 98;
}
