/* Provokes: everything that programs do with processes, again and again; checks itself meanwhile.
 *
 * many_lives KIND SEED: leads one life after another, of KIND (a name below, or `mixed`: each time
 * another one), until SIGTERM; then the line `whole` and exit code 0.  If anything was not as it is
 * without a tracer: the line `BROKEN KIND LINE ERRNO` and exit code 1.  READY once it has begun. */
#include "tracee.h"
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

static const char *life = "none";
static unsigned long state;

#define CHECK(truth) ((truth) ? (void)0 : broken(__LINE__))

static void broken(int line) {
    printf("BROKEN %s %d %d\n", life, line, errno);
    fflush(stdout);
    _exit(1);
}

static unsigned pick(unsigned below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static pid_t child(void) {
    pid_t made = fork();
    CHECK(made >= 0);
    if (!made) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGTERM, SIG_DFL);
    }
    return made;
}

static int ended(pid_t pid) {
    int status = -1;
    while (waitpid(pid, &status, 0) != pid) CHECK(errno == EINTR);
    return status;
}

static void forking(void) {
    int code = pick(100);
    pid_t made = child();
    if (!made) _exit(code);
    CHECK(ended(made) == code << 8);
}

static void *add(void *argument) {
    for (int i = 0; i < 20; i++) syscall(SYS_gettid);
    atomic_fetch_add((atomic_int *)argument, 1);
    return NULL;
}

static void threading(void) {
    atomic_int sum = 0;
    pthread_t made[4];
    for (int i = 0; i < 4; i++) made[i] = thread(add, &sum);
    for (int i = 0; i < 4; i++) pthread_join(made[i], NULL);
    CHECK(atomic_load(&sum) == 4);
}

static void execing(void) {
    pid_t made = child();
    if (!made) {
        execl("/proc/self/exe", "many_lives", "exit", "23", NULL);
        _exit(98);
    }
    CHECK(ended(made) == 23 << 8);
}

static void *exec_here(void *argument) {
    execl("/proc/self/exe", "many_lives", "exit", "24", NULL);
    return argument;
}

static void execing_in_a_thread(void) {
    pid_t made = child();
    if (!made) {
        thread(exec_here, NULL);
        for (;;) pause();
    }
    CHECK(ended(made) == 24 << 8);
}

static void vforking(void) {
    pid_t made = vfork();
    if (!made) {
        execl("/proc/self/exe", "many_lives", "exit", "25", NULL);
        _exit(98);
    }
    CHECK(made > 0);
    CHECK(ended(made) == 25 << 8);
}

static volatile sig_atomic_t handled;

static void handle(int signo) {
    handled += signo == SIGUSR1;
}

static void signalling(void) {
    struct sigaction action = {.sa_handler = handle};
    CHECK(!sigaction(SIGUSR1, &action, NULL));
    handled = 0;
    for (int i = 0; i < 10; i++) CHECK(!raise(SIGUSR1));
    CHECK(handled == 10);
}

static void stopping(void) {
    int status;
    pid_t made = child();
    if (!made) {
        raise(SIGSTOP);
        _exit(7);
    }
    CHECK(waitpid(made, &status, WUNTRACED) == made && WIFSTOPPED(status));
    CHECK(WSTOPSIG(status) == SIGSTOP);
    CHECK(!kill(made, SIGCONT));
    CHECK(ended(made) == 7 << 8);
}

static void crashing(void) {
    pid_t made = child();
    if (!made) {
        prctl(PR_SET_DUMPABLE, 0);
        raise(SIGSEGV);
    }
    int status = ended(made);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void sleeping(void) { /* Stops and continues of the whole end it too: so may a tracer not. */
    struct epoll_event event;
    int set = epoll_create1(EPOLL_CLOEXEC);
    int got = epoll_wait(set, &event, 1, 30);
    CHECK(got == 0 || (errno == EINTR && getenv("MAY_BE_STOPPED")));
    close(set);
}

static void spinning(void) {
    for (int i = 0; i < 300; i++) CHECK(syscall(SYS_getppid) > 0);
}

static void opening(void) {
    char byte;
    int file = open("/etc/hostname", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0 && read(file, &byte, 1) == 1 && !close(file));
    CHECK(open("/does/not/exist", O_RDONLY) == -1 && errno == ENOENT);
}

static const struct { const char *name; void (*lead)(void); } lives[] = {
    {"fork", forking}, {"threads", threading}, {"exec", execing}, {"vfork", vforking},
    {"thread_exec", execing_in_a_thread}, {"signals", signalling}, {"stop", stopping},
    {"crash", crashing}, {"epoll", sleeping}, {"busy", spinning}, {"open", opening},
};
enum { LIVES = sizeof lives / sizeof *lives };

int main(int argc, char **argv) {
    sigset_t term, pending;
    if (argc != 3) return 2;
    if (!strcmp(argv[1], "exit")) return atoi(argv[2]);
    int which = LIVES;
    for (int i = 0; i < LIVES; i++)
        if (!strcmp(lives[i].name, argv[1])) which = i;
    state = strtoul(argv[2], NULL, 10);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    block(SIGTERM);
    ready();
    do {
        int now = which < LIVES ? which : (int)pick(LIVES);
        life = lives[now].name;
        lives[now].lead();
        CHECK(!sigpending(&pending));
    } while (!sigismember(&pending, SIGTERM));
    puts("whole");
    return 0;
}
