/* Provokes: a signal that is ignored by default, sent to one who waits in a call that is not
 * restarted.  Without a tracer the kernel drops it at once, and nobody is woken.
 *
 * detach_ignored: READY, then epoll_wait until a byte of standard input comes; signals may
 * come meanwhile.  The line `READABLE`, or `ERRNO n`; exit code 0. */
#include "tracee.h"
#include <sys/epoll.h>
#include <sys/prctl.h>

int main(void) {
    struct epoll_event got, wanted = {.events = EPOLLIN};
    alarm(300);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int poll = must(epoll_create1(0), "epoll_create1");
    must(epoll_ctl(poll, EPOLL_CTL_ADD, 0, &wanted), "epoll_ctl");
    ready();
    if (epoll_wait(poll, &got, 1, -1) == 1)
        puts("READABLE");
    else
        printf("ERRNO %d\n", errno);
    return 0;
}
