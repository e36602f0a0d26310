/* Provokes: job control, in a process group that is not orphaned: SIGTSTP stops it.
 *
 * detach_stopped [THREADS]: THREADS (1) threads, the leader among them.  READY; each byte of
 * standard input gives the line `ALIVE n`, n the SIGCONTs its handler has seen, once all other
 * threads have run again too; end of file: exit code 0. */
#include "tracee.h"
#include <stdatomic.h>
#include <sys/prctl.h>

static atomic_int continued;
static atomic_long beats[64];

static void count(int signo) {
    if (signo == SIGCONT) atomic_fetch_add(&continued, 1);
}

static void *beating(void *argument) {
    for (;;) {
        atomic_fetch_add(&beats[(long)argument], 1);
        usleep(1000);
    }
    return NULL;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    long before[64];
    char byte;
    if (threads < 1 || threads > 64) return 2;
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    must(setpgid(0, 0), "setpgid");
    for (long i = 1; i < threads; i++) thread(beating, (void *)i);
    sigaction(SIGCONT, &action, NULL);
    ready();
    while (read(0, &byte, 1) == 1) {
        for (int i = 1; i < threads; i++) before[i] = atomic_load(&beats[i]);
        for (int i = 1; i < threads; i++)
            while (atomic_load(&beats[i]) == before[i]) usleep(500);
        printf("ALIVE %d\n", atomic_load(&continued));
        fflush(stdout);
    }
    return 0;
}
