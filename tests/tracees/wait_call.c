/* Provokes: a sleep in one call, whichever there is.
 *
 * wait_call: the names of all sleeps, a line each.
 * wait_call NAME: READY, then the call.  EINTR without a signal: `NAME EINTR`, exit code 77.
 * SIGUSR1 has a handler without SA_RESTART and ends the call: `signal`, exit code 0. */
#include "wait_call.h"
