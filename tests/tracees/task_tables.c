/* Provokes: one descriptor number that means different directories in different tasks.
 *
 * task_tables DIR: DIR has the directories common, own, changed and copied.  Descriptor 10 is
 * common; a thread that has left the table (unshare) makes its own 10 own; both create a file
 * there.  Then a child process that shares the table makes 10 changed for all who share it, and a
 * child that has a copy makes its 10 copied.  Each creates a file named after itself. */
#include "tracee.h"

static pthread_barrier_t both;

static void become(const char *name) {
    int fd = (int)must(open(name, O_RDONLY | O_DIRECTORY), name);
    must(dup2(fd, 10), "dup2");
    close(fd);
}

static void create(const char *name) {
    close((int)must(openat(10, name, O_CREAT | O_WRONLY, 0600), name));
}

static void *alone(void *unused) {
    must(unshare(CLONE_FILES), "unshare");
    become("own");
    pthread_barrier_wait(&both);
    create("by-the-thread");
    pthread_barrier_wait(&both);
    return unused;
}

static void in_child(int flags, const char *name, const char *file) {
    long made = must(syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0), "clone");
    if (made == 0) {
        become(name);
        create(file);
        _exit(0);
    }
    must(waitpid((pid_t)made, NULL, 0), "waitpid");
}

int main(int argc, char **argv) {
    if (argc != 2 || chdir(argv[1])) return 2;
    become("common");
    pthread_barrier_init(&both, NULL, 2);
    pthread_t other = thread(alone, NULL);
    pthread_barrier_wait(&both);
    create("by-the-leader");
    pthread_barrier_wait(&both);
    pthread_join(other, NULL);
    in_child(CLONE_FILES, "changed", "by-the-sharer");
    create("by-the-leader-again");
    in_child(0, "copied", "by-the-copier");
    create("by-the-leader-at-last");
    return 0;
}
