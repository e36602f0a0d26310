/* Placement: the tracer follows a lone busy tracee to its CPU.
 *
 * On an idle machine nearly all of what a stop costs is the waking of a sleeping core, for the
 * kernel wakes the tracer on another CPU than the tracee's, and the tracee on another than the
 * tracer's.  If the tracer binds itself to the tracee's CPU and waits as SCHED_IDLE, the kernel
 * takes that CPU for idle and leaves the tracee there: both run in turn on one core.  Nothing of
 * the tracee is changed, neither mask nor policy.
 *
 * But a SCHED_IDLE tracer starves beside other work on that core, and what it gains depends on
 * the machine.  So the gaps between stops are measured without and with it, it is left at the
 * first sign that it does no good, and then not tried again for a while. */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { US = 1000, SECOND = 1000000000 };

enum {
    ALONE = 32,              /* stops of one task in a row before it is thought of */
    JUDGED = PLACE_WINDOW,   /* stops between two judgements */
    SHORT_NS = 150 * US,     /* what the usual gap must be below */
    SLOW_NS = 250 * US,      /* a gap that speaks against it, and how many of 16 may be so */
    MOST_SLOW = 2,
    STAT_CPU = 39, /* number of the field in /proc/TID/stat: see proc(5) */
};

static const int64_t MEASURE_EVERY_NS = SECOND; /* then the gap without it is looked at anew */
static const int64_t FIRST_PENALTY_NS = SECOND;
static const int64_t MOST_PENALTY_NS = (int64_t)60 * SECOND;

void place_init(struct place *place, bool wanted) {
    memset(place, 0, sizeof *place);
    place->wanted = wanted;
}

/* --- whether it can be done ------------------------------------------------------------------------ */

/* Whether a thread that became SCHED_IDLE may become SCHED_OTHER again. */
static void *try_it(void *answer) {
    struct sched_param none = {0};
    *(bool *)answer = sched_setscheduler(0, SCHED_IDLE, &none) == 0 &&
                      sched_setscheduler(0, SCHED_OTHER, &none) == 0;
    return NULL;
}

static bool find_out(void) {
    cpu_set_t mask;
    if (sched_getscheduler(0) != SCHED_OTHER) return false;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0 || CPU_COUNT(&mask) < 2) return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_t thread;
    bool answer = false;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, try_it, &answer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) return false;
    pthread_join(thread, NULL);
    return answer;
}

/* Return the CPU that a task ran on last, or -1. */
static int cpu_of(int tid) {
    char text[1024], name[32];
    snprintf(name, sizeof name, "/proc/%d/stat", tid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0) return -1;
    text[length] = 0;
    const char *at = strrchr(text, ')'); /* the name, field 2, may have spaces in it */
    for (int field = 2; at && field < STAT_CPU; field++) {
        at = strchr(at, ' ');
        if (at) at++;
    }
    return at ? atoi(at) : -1;
}

/* --- doing and undoing ------------------------------------------------------------------------------ */

static bool narrow(struct place *place) {
    int cpu = cpu_of(place->tid);
    if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (sched_setaffinity(0, sizeof only, &only) != 0) return false;
    place->cpu = cpu;
    return true;
}

/* Put the mask back, unless somebody else has set another meanwhile. */
static void widen(const struct place *place) {
    cpu_set_t only, now;
    CPU_ZERO(&only);
    CPU_SET(place->cpu, &only);
    if (sched_getaffinity(0, sizeof now, &now) != 0 || !CPU_EQUAL(&now, &only)) return;
    sched_setaffinity(0, sizeof place->mask, &place->mask);
}

void place_awake(struct place *place) {
    if (!place->idle) return;
    struct sched_param none = {0};
    place->idle = false;
    if (sched_setscheduler(0, SCHED_OTHER, &none) != 0) place->wanted = false; /* no more of it */
    widen(place);
    place->last = 0; /* the gap that follows says nothing */
}

static void penalise(struct place *place, int64_t now) {
    place->penalty = place->penalty ? place->penalty * 2 : FIRST_PENALTY_NS;
    if (place->penalty > MOST_PENALTY_NS) place->penalty = MOST_PENALTY_NS;
    place->retry = now + place->penalty;
    place->forgiven = place->retry;
}

void place_leave(struct place *place, enum leaving why, int64_t now) {
    place->count = 0;
    place->last = 0;
    if (!place->in) return;
    place->in = false;
    place_awake(place);
    atomic_fetch_add_explicit(&place->left[why], 1, memory_order_relaxed);
    if (why == LEFT_SLOW || why == LEFT_NO_GAIN || why == LEFT_FAILED) penalise(place, now);
}

void place_sleep(struct place *place) {
    if (!place->in || place->idle) return;
    struct sched_param none = {0};
    bool done = sched_getscheduler(0) == SCHED_OTHER &&
                sched_getaffinity(0, sizeof place->mask, &place->mask) == 0 && narrow(place);
    place->idle = done;
    if (!done || sched_setscheduler(0, SCHED_IDLE, &none) != 0)
        place_leave(place, LEFT_FAILED, now_ns());
}

/* --- judging ------------------------------------------------------------------------------------------ */

static int ascending(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static int64_t usual(const struct place *place) {
    int64_t sorted[PLACE_WINDOW];
    memcpy(sorted, place->gaps, place->count * sizeof *sorted);
    qsort(sorted, place->count, sizeof *sorted, ascending);
    return sorted[place->count / 2];
}

static void consider(struct place *place, int64_t now) {
    int64_t gap = usual(place);
    bool steady = __builtin_popcount(place->slow) <= 1;
    place->count = 0;
    if (gap >= SHORT_NS || !steady || now < place->retry) return;
    if (!place->known) {
        place->known = true;
        place->wanted = find_out();
        if (!place->wanted) return;
    }
    place->unplaced = gap;
    place->in = true;
    place->slow = 0;
    place->since = now;
    atomic_fetch_add_explicit(&place->entered, 1, memory_order_relaxed);
}

static void judge(struct place *place, int64_t now) {
    int64_t gap = usual(place);
    place->count = 0;
    if (gap * 10 > place->unplaced * 9) {
        place_leave(place, LEFT_NO_GAIN, now);
        return;
    }
    if (place->penalty && now - place->forgiven > place->penalty) {
        place->penalty = place->penalty > FIRST_PENALTY_NS ? place->penalty / 2 : 0;
        place->forgiven = now;
    }
    if (now - place->since > MEASURE_EVERY_NS)
        place_leave(place, LEFT_TO_MEASURE, now);
    else if (place->idle && cpu_of(place->tid) != place->cpu && !narrow(place))
        place_leave(place, LEFT_FAILED, now);
}

void place_stop(struct place *place, int tid, int64_t now) {
    if (!place->wanted) return;
    if (tid != place->tid) {
        place_leave(place, LEFT_OTHER_TASK, now);
        place->tid = tid;
        place->slow = 0;
    }
    int64_t last = place->last;
    place->last = now;
    if (last == 0) return;
    int64_t gap = now - last;
    place->slow = place->slow << 1 | (gap > SLOW_NS);
    place->gaps[place->count++] = gap;
    if (!place->in) {
        if (place->count == ALONE) consider(place, now);
    } else if (__builtin_popcount(place->slow & 0xffff) > MOST_SLOW) {
        place_leave(place, LEFT_SLOW, now);
    } else if (place->count == JUDGED) {
        judge(place, now);
    }
}
