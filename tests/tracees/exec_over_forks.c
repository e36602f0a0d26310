/* Provokes: an exec by a thread while the leader forks without end: the leader dies in fork.
 *
 * exec_over_forks ROUNDS: the image of each round waits for all children of the one before, then
 * does it again; the last says how many children ended in another way than by exit code 3. */
#include "tracee.h"

static char **next;
static volatile int born;

static void *execs(void *unused) {
    while (born < 5) sched_yield();
    execv("/proc/self/exe", next);
    die("execv");
    return unused;
}

int main(int argc, char **argv) {
    char left[16], bad[16];
    int status;
    if (argc < 2) return 2;
    alarm(300);
    int rounds = atoi(argv[1]), odd = argc > 2 ? atoi(argv[2]) : 0;
    while (waitpid(-1, &status, 0) != -1) odd += !WIFEXITED(status) || WEXITSTATUS(status) != 3;
    if (rounds == 0) {
        printf("%d odd\n", odd);
        return 9;
    }
    snprintf(left, sizeof left, "%d", rounds - 1);
    snprintf(bad, sizeof bad, "%d", odd);
    next = (char *[]){argv[0], left, bad, NULL};
    thread(execs, NULL);
    for (;;) {
        if (must(fork(), "fork") == 0) _exit(3);
        born++;
    }
}
