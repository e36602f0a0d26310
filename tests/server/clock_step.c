/* A wall clock that can be stepped, for a process with this preloaded: the time is that of the
   kernel and as many nanoseconds more as the file CLOCK_STEP says, eight bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile int64_t *step;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("CLOCK_STEP");
	real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		void *found = mmap(0, sizeof *step, PROT_READ, MAP_SHARED, fd, 0);
		if (found != MAP_FAILED)
			step = found;
	}
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int failed = real(clock, now);
	if (!failed && step && clock == CLOCK_REALTIME) {
		int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + *step;
		now->tv_sec = ns / 1000000000LL;
		now->tv_nsec = ns % 1000000000LL;
	}
	return failed;
}
