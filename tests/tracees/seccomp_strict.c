/* Provokes: seccomp's strict mode, in which there is read, write, exit and sigreturn.
 *
 * seccomp_strict exit: writes a line and exits with 3 by the only exit it has.
 * seccomp_strict kill: makes another call, of which it dies. */
#include "tracee.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>

int main(int count, char **words) {
    int obeys = count > 1 && !strcmp(words[1], "exit");
    alarm(300);
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0), "PR_SET_SECCOMP");
    must(write(1, "strict\n", 7), "write");
    if (!obeys) syscall(SYS_getppid);
    syscall(SYS_exit, 3);
}
