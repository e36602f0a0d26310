/* Provokes: a vfork child that shares its parent's memory until it execs, and then does not.
 *
 * vfork_exec DIR [HOLD_MS]: makes DIR/parent-file and DIR/child-file, vforks; the child opens
 * DIR/child-file, sleeps HOLD_MS (0; the parent cannot stop meanwhile), and execs this program
 * again, which opens DIR/child-file from the buffer where the parent holds DIR/parent-file: a
 * tracer that goes on reading the old memory sees the wrong name.  With HOLD_MS: READY before
 * the sleep.  Both are told apart by their modes: the child's last open is O_RDWR. */
#include "tracee.h"
#include <time.h>

static char name[4096];

int main(int argc, char **argv) {
    char child_name[4096], *again[] = {argv[0], argv[1], "0", "again", NULL};
    if (argc < 2) return 2;
    snprintf(child_name, sizeof child_name, "%s/child-file", argv[1]);
    if (argc > 3) {
        strcpy(name, child_name);
        return open(name, O_RDWR) == -1;
    }
    int hold = argc > 2 ? atoi(argv[2]) : 0, status;
    struct timespec time = {hold / 1000, hold % 1000 * 1000000L};
    snprintf(name, sizeof name, "%s/parent-file", argv[1]);
    must(open(name, O_CREAT | O_WRONLY, 0644), name);
    close(must(open(child_name, O_CREAT | O_WRONLY, 0644), child_name));
    pid_t child = must(vfork(), "vfork");
    if (!child) {
        if (open(child_name, O_RDONLY) == -1) _exit(98);
        if (hold) {
            (void)!write(1, "READY\n", 6);
            nanosleep(&time, NULL);
        }
        execv("/proc/self/exe", again);
        _exit(97);
    }
    must(open(name, O_RDONLY), name);
    must(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}
