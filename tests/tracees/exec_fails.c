/* Provokes: exec calls that fail, by the leader and by a thread, and one that does not.
 *
 * exec_fails DIR: DIR has `text` (executable, of no known format) and `plain` (not executable). */
#include "tracee.h"

static void *fails(void *who) {
    char *words[] = {"x", NULL};
    static const char *const paths[] = {"missing", "plain", "text", "plain/below", "", "."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        execv(paths[i], words);
        printf("%s: %s: %s\n", (const char *)who, paths[i], strerrorname_np(errno));
    }
    syscall(SYS_execve, 8, words, environ);
    printf("%s: wild: %s\n", (const char *)who, strerrorname_np(errno));
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 2 || chdir(argv[1])) return 2;
    fails("leader");
    pthread_join(thread(fails, "thread"), NULL);
    fflush(stdout);
    execl("/bin/sh", "sh", "-c", "exit 9", NULL);
    die("execl");
}
