"""Whose a task is: what decides who may look into it, as /proc tells.

ptrace(2), "Ptrace access mode checking": user and group ids, capabilities, the user namespace
that these are of, and whether the process is dumpable.  All but the last belong to each thread.
"""

from __future__ import annotations

import fcntl
import functools
import os
import struct
from typing import Final, NamedTuple, TypeAlias

from tracerd.core import procfs

Four: TypeAlias = tuple[int, int, int, int]

OURS: Final = 0
"""Stands for the user namespace that the daemon is in."""
UNKNOWN: Final = -1
"""A user namespace that could not be told: nobody's but root's.  Also the id of nobody."""

_NS_GET_PARENT: Final = 0xB702
_NS_GET_OWNER_UID: Final = 0xB704
_MAX_NESTED: Final = 33
"""The kernel allows 32 user namespaces within each other (user_namespaces(7))."""
_UID: Final = struct.Struct("I")


class Credentials(NamedTuple):
    """uids, gids: real, effective, saved, file system.  caps: permitted.

    user_ns: the inode number of its user namespace, OURS or UNKNOWN.  ns_owner: the user who made
    that namespace, or the one around it, within ours: has all capabilities over what is in it.
    """

    uids: Four
    gids: Four
    caps: int = 0
    user_ns: int = OURS
    ns_owner: int = UNKNOWN


def read(tid: int) -> Credentials | None:
    """Read those of a task; None if it is gone."""
    status = procfs.status(tid)
    if status is None:
        return None
    user_ns, ns_owner = user_namespace(tid)
    return Credentials(status.uids, status.gids, status.caps, user_ns, ns_owner)


def user_namespace(tid: int) -> tuple[int, int]:
    """Return the user namespace of a task, and its owner: see Credentials."""
    path = f"/proc/{tid}/ns/user"
    try:
        number = os.stat(path).st_ino
    except OSError:
        return UNKNOWN, UNKNOWN
    if number == own_namespace():
        return OURS, UNKNOWN
    return number, _owner(path)


@functools.cache
def own_namespace() -> int:
    """Return the inode number of our user namespace."""
    return os.stat("/proc/self/ns/user").st_ino


def _owner(path: str) -> int:
    """Return who made the outermost namespace around that of `path` which is within ours."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return UNKNOWN
    try:
        for _ in range(_MAX_NESTED):
            around = fcntl.ioctl(fd, _NS_GET_PARENT)
            try:
                if os.fstat(around).st_ino == own_namespace():
                    return int(_UID.unpack(fcntl.ioctl(fd, _NS_GET_OWNER_UID, bytes(4)))[0])
                os.dup2(around, fd, inheritable=False)
            finally:
                os.close(around)
    except OSError:  # EPERM: it is not within ours
        pass
    finally:
        os.close(fd)
    return UNKNOWN
