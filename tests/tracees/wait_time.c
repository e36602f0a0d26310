/* Provokes: sleeps of a second that are measured by the sleeper.
 *
 * wait_time: READY, then a thread for each kind of sleep; a line `NAME RESULT MILLISECONDS` each,
 * in no order; exit code 0 when all are done. */
#include "tracee.h"
#include <linux/futex.h>
#include <poll.h>
#include <stdint.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <time.h>

static uint32_t word;
static const struct timespec second = {1, 0};

static int64_t now(void) {
    struct timespec time;
    must(clock_gettime(CLOCK_MONOTONIC, &time), "clock_gettime");
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct timespec a_second_from_now(void) {
    struct timespec time;
    must(clock_gettime(CLOCK_MONOTONIC, &time), "clock_gettime");
    time.tv_sec++;
    return time;
}

static long sleep_relative(void) { return syscall(SYS_nanosleep, &second, NULL); }
static long sleep_absolute(void) {
    struct timespec end = a_second_from_now();
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
}
static long sleep_poll(void) { return poll(NULL, 0, 1000); }
static long sleep_ppoll(void) {
    struct timespec time = second;
    return syscall(SYS_ppoll, NULL, 0, &time, NULL, 8);
}
static long sleep_select(void) {
    struct timeval time = {1, 0};
    return syscall(SYS_select, 0, NULL, NULL, NULL, &time);
}
static long sleep_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &second); }
static long sleep_futex_until(void) {
    struct timespec end = a_second_from_now();
    return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &end, NULL, -1);
}
static long sleep_read(void) { /* A wait without a timeout. */
    struct itimerspec time = {.it_value = second};
    uint64_t expired;
    int fd = must(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create");
    must(timerfd_settime(fd, 0, &time, NULL), "timerfd_settime");
    return read(fd, &expired, sizeof expired);
}

static const struct {
    const char *name;
    long (*call)(void);
} sleeps[] = {
    {"nanosleep", sleep_relative}, {"clock_nanosleep", sleep_absolute}, {"poll", sleep_poll},
    {"ppoll", sleep_ppoll},        {"select", sleep_select},            {"futex", sleep_futex},
    {"futex_until", sleep_futex_until}, {"read", sleep_read},
};
enum { SLEEPS = sizeof sleeps / sizeof *sleeps };

static void *measured(void *number) {
    int i = (intptr_t)number;
    int64_t start = now();
    long got = sleeps[i].call();
    long ms = (now() - start) / 1000000;
    printf("%s %s %ld\n", sleeps[i].name, got == -1 ? strerrorname_np(errno) : got ? "some" : "0", ms);
    return NULL;
}

int main(void) {
    pthread_t threads[SLEEPS];
    alarm(300);
    ready();
    for (intptr_t i = 0; i < SLEEPS; i++) threads[i] = thread(measured, (void *)i);
    for (int i = 0; i < SLEEPS; i++) pthread_join(threads[i], NULL);
    return 0;
}
