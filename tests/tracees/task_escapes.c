/* Provokes: a child that tracing cannot follow (CLONE_UNTRACED) and that outlives its parent.
 *
 * task_escapes FIFO: clones such a child and exits; the child reads the FIFO to its end. */
#include "tracee.h"

int main(int argc, char **argv) {
    char byte;
    if (argc != 2) return 2;
    long made = must(syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0), "clone");
    if (made) return 0;
    alarm(300);
    int fifo = (int)must(open(argv[1], O_RDONLY), "open");
    return read(fifo, &byte, 1) != 0;
}
