/* every_structure as a 32-bit program: build it with -m32. */
#include "every_structure.c"
