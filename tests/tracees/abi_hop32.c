/* abi_hop as a 32-bit program: build it with -m32. */
#include "abi_hop.c"
