/* wait_call as a 32-bit program: build it with -m32. */
#include "wait_call.h"
