/* Provokes: calls that a supervisor answers (SECCOMP_RET_USER_NOTIF).
 *
 * seccomp_notify: a thread makes calls that its sibling lets go on, fails, gives a value to, and
 * gives a descriptor to; says what came back.
 * seccomp_notify wait: READY once a call waits for its answer, which comes after SIGUSR1; the
 * supervisor minds that a call can be taken back and made again, for a signal or for a tracer. */
#include "tracee.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

static int listener;
static pthread_barrier_t installed;

static int filter(void) { /* On this thread only. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    return (int)must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                             SECCOMP_FILTER_FLAG_NEW_LISTENER, &program), "seccomp");
}

static __u64 notified(void) {
    struct seccomp_notif asked;
    do memset(&asked, 0, sizeof asked);
    while (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) && (errno == EINTR || errno == ENOENT));
    return asked.id;
}

static int answer(__u64 id, __s64 value, __s32 error, __u32 flags) {
    struct seccomp_notif_resp response = {.id = id, .val = value, .error = error, .flags = flags};
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void asked(__s64 value, __s32 error, __u32 flags) { /* Until an answer arrived. */
    while (answer(notified(), value, error, flags))
        if (errno != ENOENT) die("SECCOMP_IOCTL_NOTIF_SEND");
}

static void give(int fd) { /* It is sent, and answered with, as one of the thread's own. */
    struct seccomp_notif_addfd added = {.srcfd = (unsigned)fd, .newfd_flags = O_CLOEXEC};
    int got;
    do {
        added.id = notified();
        added.flags = SECCOMP_ADDFD_FLAG_SEND;
        got = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &added);
    } while (got == -1 && errno == ENOENT);
    must(got, "SECCOMP_IOCTL_NOTIF_ADDFD");
}

static void say(long got) {
    if (got == -1) printf("%s\n", strerrorname_np(errno));
    else printf("%ld\n", got);
}

static void *calls(void *unused) {
    char text[16] = "";
    int fd;
    listener = filter();
    pthread_barrier_wait(&installed);
    puts(syscall(SYS_getppid) > 0 ? "a pid" : "nothing");
    say(syscall(SYS_getppid));
    say(syscall(SYS_getppid));
    fd = (int)must(syscall(SYS_open, "/no/such/file", O_RDONLY), "open");
    printf("%zd bytes of it: %s\n", read(fd, text, sizeof text - 1), text);
    return unused;
}

static void *one(void *unused) {
    listener = filter();
    pthread_barrier_wait(&installed);
    say(syscall(SYS_getppid));
    return unused;
}

static void slow(void) {
    __u64 id;
    block(SIGUSR1);
    pthread_t caller = thread(one, NULL);
    pthread_barrier_wait(&installed);
    id = notified();
    ready();
    await(SIGUSR1);
    if (answer(id, 42, 0, 0)) {
        if (errno != ENOENT) die("SECCOMP_IOCTL_NOTIF_SEND");
        asked(42, 0, 0);
    }
    pthread_join(caller, NULL);
}

int main(int count, char **words) {
    pthread_t caller;
    int fd = (int)must(memfd_create("given", 0), "memfd_create");
    (void)words;
    alarm(300);
    pthread_barrier_init(&installed, NULL, 2);
    if (count > 1) {
        slow();
        return 0;
    }
    must(write(fd, "given", 5), "write");
    must(lseek(fd, 0, SEEK_SET), "lseek");
    caller = thread(calls, NULL);
    pthread_barrier_wait(&installed);
    asked(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
    asked(0, -EXDEV, 0);
    asked(42, 0, 0);
    give(fd);
    pthread_join(caller, NULL);
    return 0;
}
