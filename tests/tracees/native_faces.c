/* Provokes: a tracee whose affinity or scheduling a tracer might change, and who would notice.
 *
 * native_faces SECONDS: calls getppid without a break; every 64th time also asks for its own mask,
 * policy and nice value, and says at the end how often one of them was not what it was at first. */
#include "tracee.h"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

int main(int count, char **words) {
    cpu_set_t first, mask;
    long other = 0, looks = 0;
    if (count != 2) return 2;
    double end = now() + atof(words[1]);
    int policy = sched_getscheduler(0), nice = getpriority(PRIO_PROCESS, 0);
    must(sched_getaffinity(0, sizeof first, &first), "sched_getaffinity");
    ready();
    while (now() < end) {
        for (int i = 0; i < 64; i++) syscall(SYS_getppid);
        must(sched_getaffinity(0, sizeof mask, &mask), "sched_getaffinity");
        looks++;
        other += !CPU_EQUAL(&mask, &first) || sched_getscheduler(0) != policy ||
                 getpriority(PRIO_PROCESS, 0) != nice;
    }
    printf("looks: %s\nother: %ld\n", looks > 0 ? "some" : "none", other);
    return other != 0;
}
