/* Changes who it is, as it is told on standard input, a line each; says READY first, and after each
 * line, when access("/turn") has been called, "PID ok".  It ends with its input.
 *
 * nothing.  uids|gids R E S: of all its threads.  thread uids|gids R E S: of a new thread alone,
 * which stays.  alone uids|gids R E S: of the first thread alone.  dumpable 0|1.  caps 0: gives all up.
 * namespace: makes a user namespace.  fork: goes on as a child.  vfork: has one that shares its
 * memory make itself non-dumpable.  exec PATH: is that program then. */
#include "tracee.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>

static char command[4096];

static void become(int all, char whose, unsigned r, unsigned e, unsigned s) {
    if (!all)
        must(syscall(whose == 'u' ? SYS_setresuid : SYS_setresgid, r, e, s), command);
    else
        must(whose == 'u' ? setresuid(r, e, s) : setresgid(r, e, s), command);
}

static void alone(void) {
    unsigned r, e, s;
    char whose;
    if (sscanf(command, "%*s %cids %u %u %u", &whose, &r, &e, &s) != 4) die(command);
    become(0, whose, r, e, s);
}

static void *another(void *done) {
    alone();
    pthread_mutex_unlock(done);
    for (;;) pause(); /* The C library interrupts it, to have it change its ids. */
    return NULL;
}

static void drop(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    must(syscall(SYS_capset, &header, none), "capset");
}

static void obey(void) {
    unsigned a, b, c;
    char whose;
    if (sscanf(command, "%cids %u %u %u", &whose, &a, &b, &c) == 4) {
        become(1, whose, a, b, c);
    } else if (!strncmp(command, "thread ", 7)) {
        static pthread_mutex_t done = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_lock(&done);
        thread(another, &done);
        pthread_mutex_lock(&done);
        pthread_mutex_unlock(&done);
    } else if (!strncmp(command, "alone ", 6)) {
        alone();
    } else if (sscanf(command, "dumpable %u", &a) == 1) {
        must(prctl(PR_SET_DUMPABLE, a, 0, 0, 0), command);
    } else if (!strcmp(command, "nothing")) {
    } else if (!strcmp(command, "caps 0")) {
        drop();
    } else if (!strcmp(command, "namespace")) {
        must(unshare(CLONE_NEWUSER), command);
    } else if (!strcmp(command, "fork")) {
        pid_t child = (pid_t)must(fork(), command);
        if (child) {
            int status;
            must(waitpid(child, &status, 0), "waitpid");
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
        }
    } else if (!strcmp(command, "vfork")) {
        if (vfork() == 0) {
            prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
            _exit(0);
        }
    } else if (!strncmp(command, "exec ", 5)) {
        execl(command + 5, command + 5, (char *)NULL);
        die(command);
    } else {
        die(command);
    }
}

int main(void) {
    alarm(300);
    ready();
    for (size_t length = 0;; length = 0) {
        ssize_t got; /* By the byte: what follows is for the program that this may become. */
        while ((got = read(0, command + length, 1)) == 1 && command[length] != '\n') length++;
        if (got != 1) return 0;
        command[length] = 0;
        obey();
        access("/turn", F_OK);
        printf("%d ok\n", getpid());
        if (fflush(stdout)) die("stdout");
    }
}
