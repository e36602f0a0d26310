/* Provokes: a sleep in epoll_wait, which PTRACE_INTERRUPT ends with EINTR where other sleeps
 * restart by themselves.
 *
 * epoll_sleep: READY, then epoll_wait without a timeout; `EINTR` for each time it was
 * interrupted (no signal ever is the cause: SIGTERM comes through a signalfd).  SIGTERM: the
 * line `TERM n` with the number of interruptions; exit code 0 if there was none, else 1. */
#include "tracee.h"
#include <sys/epoll.h>
#include <sys/signalfd.h>

int main(void) {
    sigset_t set;
    struct epoll_event event = {.events = EPOLLIN};
    int interrupted = 0;
    block(SIGTERM);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    int signals = must(signalfd(-1, &set, 0), "signalfd");
    int poll = must(epoll_create1(0), "epoll_create1");
    must(epoll_ctl(poll, EPOLL_CTL_ADD, signals, &event), "epoll_ctl");
    ready();
    for (;;) {
        int got = epoll_wait(poll, &event, 1, -1);
        if (got == 1) break;
        if (got == -1 && errno != EINTR) die("epoll_wait");
        interrupted++;
        puts("EINTR");
        fflush(stdout);
    }
    printf("TERM %d\n", interrupted);
    return interrupted != 0;
}
