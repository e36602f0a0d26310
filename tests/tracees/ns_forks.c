/* Provokes: a chain of processes, each the child of the one before.
 *
 * ns_forks DEPTH: each waits for its child; the last says that it is there; the exit code of each
 * is that of its child, and one more, modulo 100. */
#include "tracee.h"

int main(int count, char **words) {
    int status, depth = count > 1 ? atoi(words[1]) : 0;
    alarm(300);
    for (; depth > 0; depth--) {
        pid_t child = (pid_t)must(fork(), "fork");
        if (child == 0) continue;
        must(waitpid(child, &status, 0), "waitpid");
        return (WEXITSTATUS(status) + 1) % 100;
    }
    puts("here");
    return 0;
}
