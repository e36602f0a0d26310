/* Makes every call there is, by number, from 0 up to the argument, all of them refused by a filter
   of its own with ENOSYS; only its end is real.  For what a tracer calls them.  Left out are the
   two that only code of the kernel's own may make: no filter holds them back, and they kill. */
#include "tracee.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

int main(int argc, char **argv) {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 77, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    long last = argc > 1 ? atol(argv[1]) : 0;
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "seccomp");
    for (long nr = 0; nr <= last; nr++)
        if (sizeof nr == 4 || (nr != 335 && nr != 336)) syscall(nr, 0, 0, 0, 0, 0, 0);
    syscall(SYS_exit_group, 77);
}
