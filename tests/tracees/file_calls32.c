/* file_calls as a 32-bit program, with the calls that only such have: build it with -m32. */
#include "file_calls.h"
