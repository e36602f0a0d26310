/* Provokes: threads that cannot stop: each is in vfork for as long as its child lives.
 *
 * attach_vfork [THREADS [LATER]]: THREADS (1) threads, the leader among them, vfork; each child
 * reads one byte of standard input and ends with code 7.  READY once all are in vfork; with
 * LATER, READY comes first, then a SIGUSR1 sets them going and `INSIDE` says that all are in.
 * Each thread then opens /dev/null (so there is something to see).  The last line is `ENDED n`, n
 * the children that ended as they should; one byte more, or the end of file, ends it with code 0. */
#include "tracee.h"
#include <stdatomic.h>
#include <sys/prctl.h>

static atomic_int inside, well;
static int threads = 1;
static const char *all_inside = "READY\n";

static void *in_vfork(void *unused) {
    int status;
    char byte;
    pid_t child = vfork();
    if (child == -1) die("vfork");
    if (!child) { /* In the memory of the parent: the counters are its own. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (atomic_fetch_add(&inside, 1) == threads - 1)
            (void)!write(1, all_inside, strlen(all_inside));
        _exit(read(0, &byte, 1) == 1 ? 7 : 1);
    }
    close(must(open("/dev/null", O_RDONLY), "/dev/null"));
    must(waitpid(child, &status, 0), "waitpid");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 7) atomic_fetch_add(&well, 1);
    return unused;
}

int main(int argc, char **argv) {
    pthread_t made[64];
    char byte;
    if (argc > 1) threads = atoi(argv[1]);
    if (threads < 1 || threads > 64) return 2;
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc > 2) {
        all_inside = "INSIDE\n";
        block(SIGUSR1);
        ready();
        await(SIGUSR1);
    }
    for (int i = 1; i < threads; i++) made[i] = thread(in_vfork, NULL);
    in_vfork(NULL);
    for (int i = 1; i < threads; i++) pthread_join(made[i], NULL);
    printf("ENDED %d\n", atomic_load(&well));
    fflush(stdout);
    return read(0, &byte, 1) < 0;
}
