/* Provokes: a child that is its maker's sibling (CLONE_PARENT).
 *
 * task_parent [wait]: forks a maker, which clones a child with CLONE_PARENT that exits with 4 and
 * then exits with 3 itself; says how each ended and whether the child knew its parent.  With
 * `wait` the child, once it runs, makes the program say READY, and ends when the program gets
 * SIGTERM.  The exit code is 0 if both were the program's to wait for. */
#include "tracee.h"

static int told[2], hold[2];

static int child(pid_t top) {
    char byte = getppid() == top ? 'y' : 'n';
    close(hold[1]);
    must(write(told[1], &byte, 1), "write");
    must(read(hold[0], &byte, 1), "read"); /* Its end is the word to go. */
    return 4;
}

static int maker(pid_t top) {
    long made = must(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0), "clone");
    if (made == 0) _exit(child(top));
    return 3;
}

int main(int argc, char **argv) {
    int waits = argc > 1 && !strcmp(argv[1], "wait"), codes = 0;
    char byte = '?';
    pid_t top = getpid();
    alarm(300);
    block(SIGTERM);
    must(pipe(told), "pipe");
    must(pipe(hold), "pipe");
    if (must(fork(), "fork") == 0) _exit(maker(top));
    must(read(told[0], &byte, 1), "read");
    if (waits) {
        ready();
        await(SIGTERM);
    }
    close(hold[1]);
    for (int i = 0; i < 2; i++) {
        int status = 0;
        must(waitpid(-1, &status, 0), "waitpid");
        codes += WIFEXITED(status) ? WEXITSTATUS(status) : 100;
    }
    printf("parent known: %c, codes add up to %d\n", byte, codes);
    return codes != 7;
}
