/* Provokes: every call that touches the file system, each at least once.
 *
 * file_calls DIR: in DIR (empty), which it makes the root of mounts of its own, prepares files and
 * makes the calls.  Right before each it writes a label to descriptor -1; some fail, and are meant
 * to (no module is loaded, nothing is swapped on).  Needs root.  DIR is left full. */
#include "file_calls.h"
