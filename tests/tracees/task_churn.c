/* Provokes: births by the thousand, from several threads at once.
 *
 * task_churn ROUNDS: four threads; in each round each forks a child that exits at once, starts a
 * thread that ends at once, and waits for both.  Says how many of each it made and lost. */
#include "tracee.h"

enum { MAKERS = 4 };

static int rounds;
static int forked, reaped, started, joined;

static void *nothing(void *unused) { return unused; }

static void *makes(void *unused) {
    for (int i = 0; i < rounds; i++) {
        int status;
        pid_t pid = (pid_t)must(fork(), "fork");
        if (pid == 0) _exit(3);
        __atomic_add_fetch(&forked, 1, __ATOMIC_RELAXED);
        pthread_t made = thread(nothing, NULL);
        __atomic_add_fetch(&started, 1, __ATOMIC_RELAXED);
        if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3)
            __atomic_add_fetch(&reaped, 1, __ATOMIC_RELAXED);
        if (!pthread_join(made, NULL)) __atomic_add_fetch(&joined, 1, __ATOMIC_RELAXED);
    }
    return unused;
}

int main(int argc, char **argv) {
    pthread_t makers[MAKERS];
    rounds = argc > 1 ? atoi(argv[1]) : 100;
    alarm(300);
    for (int i = 0; i < MAKERS; i++) makers[i] = thread(makes, NULL);
    for (int i = 0; i < MAKERS; i++) pthread_join(makers[i], NULL);
    printf("%d forked, %d reaped, %d started, %d joined\n", forked, reaped, started, joined);
    return 0;
}
