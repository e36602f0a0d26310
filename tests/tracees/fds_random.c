/* Provokes: every way to make a descriptor, to lose it, and to share it, in any order.
 *
 * fds_random DIR SEED STEPS: each task does STEPS things one after the other, under a lock that
 * all share, and after each uses a descriptor: readlink of its link in /proc, then lseek of it.
 * Some of these tasks are threads, some processes with a copy of the table or with the same one,
 * and those with a copy execute the program anew (depth: how deep). */
#include "tracee.h"

#include "fds_random.h"

static pthread_mutex_t *lock;
static int depth;

static void uses(int fd) {
    char link[48], target[256];
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
    if (readlink(link, target, sizeof target) < 0) target[0] = 0;
    lseek(fd, 0, SEEK_CUR);
}

static void *works(void *steps) {
    for (long left = (long)steps; left-- > 0;) {
        pthread_mutex_lock(lock);
        DOES[any(sizeof DOES / sizeof *DOES)]();
        uses(some());
        uses(some());
        pthread_mutex_unlock(lock);
    }
    return NULL;
}

static void *works_aside(void *seed) {
    state = (unsigned)(long)seed;
    return works((void *)40L);
}

static void begets(int flags, char **argv) { /* flags of clone */
    char number[16], deeper[16];
    snprintf(number, sizeof number, "%u", any(1000));
    snprintf(deeper, sizeof deeper, "%d", depth - 1);
    pid_t made = flags & CLONE_VFORK ? vfork() : (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    must(made, "clone");
    if (made == 0) {
        if (!(flags & CLONE_VFORK)) works((void *)30L);
        if (!(flags & CLONE_FILES)) execl(argv[0], argv[0], argv[1], number, "20", deeper, NULL);
        _exit(0);
    }
    must(waitpid(made, NULL, 0), "waitpid");
}

int main(int argc, char **argv) {
    if (argc < 4 || chdir(argv[1])) return 2;
    depth = argc > 4 ? atoi(argv[4]) : 2;
    state = (unsigned)atoi(argv[2]);
    int file = (int)must(open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600), "lock");
    int fresh = lseek(file, 0, SEEK_END) == 0;
    if (fresh) must(ftruncate(file, 4096), "ftruncate");
    lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (fresh) {
        pthread_mutexattr_t shared;
        pthread_mutexattr_init(&shared);
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_mutex_init(lock, &shared);
    }
    long steps = atol(argv[3]);
    works((void *)steps);
    pthread_t others[3];
    for (long each = 0; each < 3; each++) others[each] = thread(works_aside, (void *)(each + state));
    if (depth > 0) {
        begets(0, argv);
        begets(CLONE_FILES, argv);
        begets(CLONE_VFORK, argv);
    }
    works((void *)steps);
    for (int each = 0; each < 3; each++) pthread_join(others[each], NULL);
    works((void *)steps);
    return 0;
}
