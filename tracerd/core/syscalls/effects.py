"""What calls do to a process's table of descriptors, and to the names of what is in it.

For whoever remembers what descriptors refer to (core/remembered.py): everything that takes a
number away, or gives it another meaning, is here.  What makes a descriptor is not: it takes a
number that was free, and what that refers to is looked up.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from tracerd.core.syscalls.model import Syscall

CLONE_FILES: Final = 0x400
SECCOMP_FILTER_FLAG_NEW_LISTENER: Final = 1 << 3


class Effect(enum.IntEnum):
    """What a call changes.  `a`, `b` and `c` are positions of arguments: see Change."""

    NONE = 0
    CLOSES = 1
    """Descriptor args[a] is closed, or replaced by another one."""
    CLOSES_RANGE = 2
    """Those from args[a] to args[b], unsigned; the flags of close_range(2) are args[c]."""
    UNSHARES = 3
    """The task gets a table of its own, a copy."""
    FORGETS = 4
    """Nobody knows: any descriptor may be another."""
    ESCAPES = 5
    """Until the next exec, descriptors may change without a call."""
    RENAMES = 6
    """Files get other names or lose theirs, in whichever process they are open."""


class Change(NamedTuple):
    """An effect, and which arguments say more.  mask: only if all these bits are set in args[a]."""

    effect: Effect
    a: int = 0
    b: int = 0
    c: int = 0
    mask: int = 0


NOTHING: Final = Change(Effect.NONE)
_forgets: Final = Change(Effect.FORGETS)
_escapes: Final = Change(Effect.ESCAPES)
_renames: Final = Change(Effect.RENAMES)

CHANGES: Final[dict[str, Change]] = {
    "close": Change(Effect.CLOSES, 0),
    "dup2": Change(Effect.CLOSES, 1),
    "dup3": Change(Effect.CLOSES, 1),
    "close_range": Change(Effect.CLOSES_RANGE, 0, 1, 2),
    "unshare": Change(Effect.UNSHARES, 0, mask=CLONE_FILES),
    # A ring closes and opens by what is written to memory.
    "io_uring_setup": _escapes,
    "io_uring_enter": _escapes,
    "io_uring_register": _escapes,
    # Who listens may put descriptors in the place of others (SECCOMP_ADDFD_FLAG_SETFD).
    "seccomp": Change(Effect.ESCAPES, 1, mask=SECCOMP_FILTER_FLAG_NEW_LISTENER),
    "rename": _renames,
    "renameat": _renames,
    "renameat2": _renames,
    "unlink": _renames,
    "unlinkat": _renames,
    "rmdir": _renames,
    "mq_unlink": _renames,
    # A file without a name may get one.
    "linkat": _renames,
    "mount": _renames,
    "umount": _renames,
    "umount2": _renames,
    "move_mount": _renames,
    "pivot_root": _renames,
}
"""By the name of the call, which has the same arguments in every ABI.

Not here: fcntl and ioctl, which set FD_CLOEXEC; exec, after which all is forgotten.
"""


def change_of(syscall: Syscall) -> Change:
    """Return what a call does.  One that nobody knows may do anything."""
    return CHANGES.get(syscall.name, NOTHING) if syscall.known else _forgets
