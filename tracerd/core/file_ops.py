"""What a call does to a file, where its arguments decide that: flags, requests, protections."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tracerd.core.capture import as_int
from tracerd.core.decode.names.descriptors import FCNTL
from tracerd.core.decode.names.ioctls import IOCTL
from tracerd.core.decode.names.memory import MAP, PROT
from tracerd.core.pump import Call
from tracerd.core.syscalls.model import Cut
from tracerd.protocol.events import Created

Ops: TypeAlias = tuple[str, ...]

O_PATH: Final = 0o10000000
O_TMPFILE: Final = 0o20200000
CREAT_FLAGS: Final = os.O_CREAT | os.O_WRONLY | os.O_TRUNC

ACCESS_MODES: Final[dict[int, Ops]] = {
    0: ("read",),
    1: ("write",),
    2: ("read", "write"),
    3: ("attr",),  # neither: the descriptor is good for ioctl only
}


# Opening.


def open_flags(entry: Call) -> int:
    """Return the open flags of any call of the open family."""
    syscall = entry.action.syscall
    if syscall.name == "creat":
        return CREAT_FLAGS
    if "flags" in syscall.index:
        return as_int(entry.args[syscall.index["flags"]]) & 0xFFFFFFFF
    how = syscall.index.get("how")
    if how is not None:
        at = entry.action.plan.arg_enter[how]
        data = entry.captured[at] if at >= 0 else None
        data = data.data if isinstance(data, Cut) else data
        if isinstance(data, bytes):
            return int.from_bytes(data[:8], "little")
    return 0


def open_ops(flags: int, created: Created | None) -> Ops:
    """Return what an open asks for.  O_RDONLY is zero; O_PATH is no read."""
    if flags & O_PATH:
        return ("stat",)
    ops = ACCESS_MODES[flags & os.O_ACCMODE]
    if flags & O_TMPFILE != O_TMPFILE and flags & os.O_DIRECTORY and ops == ("read",):
        ops = ("list",)
    if flags & os.O_TRUNC:
        ops = (*ops, "truncate")
    if created:
        ops = ("create", *ops)
    return ops


def created_by(entry: Call, flags: int, *, failed: bool) -> Created | None:
    """Return whether an open made its file; None if it could not have."""
    if flags & O_TMPFILE == O_TMPFILE:
        return not failed
    if not flags & os.O_CREAT:
        return None
    if failed:
        return False
    if flags & os.O_EXCL:
        return True
    present = entry.action.plan.present
    before = entry.captured[present] if present >= 0 else None
    return not before if isinstance(before, bool) else "unknown"


# Calls on descriptors.

READS: Final = PROT.parse(["PROT_READ"])
WRITES: Final = PROT.parse(["PROT_WRITE"])
EXECUTES: Final = PROT.parse(["PROT_EXEC"])
ANONYMOUS: Final = MAP.parse(["MAP_ANONYMOUS"])
MAP_TYPE: Final = 0x0F
SHARED: Final = frozenset({1, 3})
"""MAP_SHARED, MAP_SHARED_VALIDATE."""

IOCTL_OPS: Final[Mapping[int, Ops]] = {
    IOCTL.values[name]: (op,)
    for op, names in {
        "write": "FICLONE FICLONERANGE FITRIM BLKDISCARD BLKSECDISCARD BLKZEROOUT",
        "read": "FIDEDUPERANGE",
        "attr": "FS_IOC_FSSETXATTR FS_IOC_SETFLAGS FS_IOC_SETVERSION",
        "stat": "FS_IOC_FSGETXATTR FS_IOC_GETFLAGS FS_IOC_GETVERSION FS_IOC_FIEMAP FIBMAP",
        "sync": "FIFREEZE FITHAW",
    }.items()
    for name in names.split()
    if name in IOCTL.values
} | {0x40046602: ("attr",), 0x40047602: ("attr",), 0x80046601: ("stat",), 0x80047601: ("stat",)}
"""By request; the last are FS_IOC_SETFLAGS and its like for programs with longs of 32 bits."""

FCNTL_OPS: Final[Mapping[int, Ops]] = {
    FCNTL.values[name]: (op,)
    for op, names in {
        "lock": "F_SETLK F_SETLKW F_GETLK F_OFD_SETLK F_OFD_SETLKW F_OFD_GETLK F_SETLEASE",
        "attr": "F_ADD_SEALS",
        "watch": "F_NOTIFY",
    }.items()
    for name in names.split()
} | {12: ("lock",), 13: ("lock",), 14: ("lock",)}
"""By command; the last are F_GETLK64 and its like, of i386."""

IOCB_OPS: Final[Mapping[int, Ops]] = {
    0: ("read",),
    1: ("write",),
    2: ("sync",),
    3: ("sync",),
    7: ("read",),
    8: ("write",),
}
"""By IOCB_CMD_* of linux/aio_abi.h."""


def _value(entry: Call, *names: str) -> int:
    index = entry.action.syscall.index
    return next((entry.args[index[name]] for name in names if name in index), 0)


def protection(entry: Call) -> str:
    """Return how a mapping may be used, as `r-x`."""
    prot = _value(entry, "prot")
    bits = ((READS, "r"), (WRITES, "w"), (EXECUTES, "x"))
    return "".join(letter if prot & bit else "-" for bit, letter in bits)


def is_shared(entry: Call) -> bool:
    """Whether what is written to a mapping reaches the file."""
    return _value(entry, "flags") & MAP_TYPE in SHARED


def _map_ops(entry: Call) -> Ops:
    if _value(entry, "flags") & ANONYMOUS:
        return ()
    return ("map", "write") if is_shared(entry) and _value(entry, "prot") & WRITES else ("map",)


def _iocb_ops(entry: Call) -> Ops:
    return IOCB_OPS.get(_value(entry, "opcode", "fildes") & 0xFFFF, ())


DECIDED: Final[Mapping[str, Callable[[Call], Ops]]] = {
    "map": _map_ops,
    "ioctl": lambda entry: IOCTL_OPS.get(_value(entry, "cmd") & 0xFFFF_FFFF, ()),
    "fcntl": lambda entry: FCNTL_OPS.get(_value(entry, "cmd") & 0xFFFF_FFFF, ()),
    "aio": _iocb_ops,
}
"""Words that stand in rows for the operation on a descriptor, where the call's arguments decide."""
