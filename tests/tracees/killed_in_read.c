/* Provokes: a call that never returns because its caller is killed inside it.
 *
 * killed_in_read: READY, then reads from a pipe that nobody writes to, to be killed there. */
#include "tracee.h"

int main(void) {
    int ends[2];
    char byte;
    must(pipe(ends), "pipe");
    ready();
    return read(ends[0], &byte, 1) != 0;
}
