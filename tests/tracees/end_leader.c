/* Provokes: a leader that ends before its threads.
 *
 * end_leader HOW LAST DIR [wait]: in DIR the leader ends, HOW being `pthread` (pthread_exit) or a
 * number (exit(2) with it).  A thread that has seen it dead creates `early`; with `wait` it says
 * READY and waits for SIGTERM; then it creates `late`, and a second thread ends; then it ends
 * itself, LAST being `thread` (exit(2) with 1, the whole process's code then), `exec` (a shell
 * that exits with 9) or a number (exit_group(2) with it). */
#include "task_state.h"

static const char *last;
static int waits;

static void create(const char *name) {
    close((int)must(open(name, O_CREAT | O_WRONLY, 0600), name));
}

static void *second(void *unused) { return unused; }

static void *survives(void *unused) {
    while (state_of(getpid(), getpid()) != 'Z') usleep(1000);
    create("early");
    if (waits) {
        ready();
        await(SIGTERM);
    }
    create("late");
    pthread_join(thread(second, NULL), NULL);
    if (!strcmp(last, "exec")) execl("/bin/sh", "sh", "-c", "exit 9", NULL);
    if (strcmp(last, "thread")) syscall(SYS_exit_group, atoi(last));
    syscall(SYS_exit, 1);
    return unused;
}

int main(int argc, char **argv) {
    if (argc < 4 || chdir(argv[3])) return 2;
    waits = argc > 4;
    last = argv[2];
    alarm(300);
    block(SIGTERM);
    thread(survives, NULL);
    if (!strcmp(argv[1], "pthread")) pthread_exit(NULL);
    syscall(SYS_exit, atoi(argv[1]));
}
