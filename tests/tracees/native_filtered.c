/* Provokes: seccomp-stops of a filter of the program's own (SECCOMP_RET_TRACE), among calls that
 * make none.
 *
 * native_filtered COUNT: traps getppid and unlink, then COUNT times calls getppid, getuid, unlink
 * of a name that is not there, and getgid.  Says how many of the calls gave something else than
 * they should.  Without a tracer the trapped ones give ENOSYS. */
#include "tracee.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

int main(int count, char **words) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unlink, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    long wrong = 0, parent = syscall(SYS_getppid);
    if (count != 2) return 2;
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
    for (int i = atoi(words[1]); i > 0; i--) {
        if (syscall(SYS_getppid) != parent) wrong++;
        syscall(SYS_getuid);
        if (syscall(SYS_unlink, "/nonexistent/name") != -1 || errno != ENOENT) wrong++;
        syscall(SYS_getgid);
    }
    printf("wrong: %ld\n", wrong);
    return wrong != 0;
}
