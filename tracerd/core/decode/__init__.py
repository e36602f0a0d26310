"""From words and captured bytes to JSON values.

Every decoder is total: whatever a tracee passes, it returns a value that any codec
can carry and never raises.  Rules shared by all kinds of argument:

* a NULL pointer is null;
* a pointer that was not followed (memory not readable, a buffer the kernel has not
  filled yet, content nobody asked for) is `{"ptr": "0x…"}`;
* text that was cut says `"truncated": true`.
"""

# The table is made of decoders, and decoders speak of the model, which lies in the table's
# package: whichever of the two is asked for, that package comes first.
import tracerd.core.syscalls  # noqa: F401
