/* Calls at a steady rate, each with the time at which it was made.
 *
 * ticks PER_SECOND COUNT: in each millisecond PER_SECOND / 1000 calls of lseek(-1, NOW, SEEK_SET),
 * where NOW is CLOCK_MONOTONIC in ns (it fails with EBADF and does nothing); then a sleep until the
 * next millisecond.  COUNT calls in all.  A program that is late does not try to catch up. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000000, MILLISECOND = 1000000 };

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at); /* In the vDSO: no call. */
    return at.tv_sec * (long long)SECOND + at.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    long each = atol(argv[1]) / 1000, left = atol(argv[2]);
    long long next = now();
    while (left > 0) {
        for (long i = 0; i < each && left > 0; i++, left--) lseek(-1, now(), SEEK_SET);
        next += MILLISECOND;
        if (next < now()) {
            next = now();
            continue;
        }
        struct timespec until = {next / SECOND, next % SECOND};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    return 0;
}
