"""What descriptors refer to, as /proc says at this moment.

A look at a descriptor that is not open, or of a task that is gone, is None, never an error.
"""

from __future__ import annotations

import os
import stat
from typing import Final, NamedTuple

from tracerd.core import procfs
from tracerd.core.presence import stat_known
from tracerd.core.syscalls.model import OpenedFile
from tracerd.core.tracee import Process

DELETED: Final = b" (deleted)"
PIDFD: Final = b"anon_inode:[pidfd]"
PROTOCOL: Final = "system.sockprotoname"
"""The extended attribute of sockets that says what they speak (net/socket.c of the kernel)."""
MOST: Final = 4096
"""Descriptors of a process that are looked at: some 20 us each."""


class Descriptor(NamedTuple):
    """An open descriptor: its number, what it refers to, its open flags, its file offset.

    flags: as in open(2), O_CLOEXEC among them.
    """

    fd: int
    file: OpenedFile
    flags: int
    position: int


def opened(tid: int, fd: int, *, details: bool = False) -> OpenedFile | None:
    """Return what a descriptor refers to.  details: also what OpenedFile.more has."""
    if fd < 0:
        return None
    link = f"/proc/{tid}/fd/{fd}"
    try:
        target = os.readlink(link.encode())
    except OSError:
        return None
    return examined(link, target, details=details)


def examined(link: str, target: bytes, *, details: bool = False) -> OpenedFile:
    """Return what a /proc link leads to.  target: its text."""
    found = stat_known(link)
    if found is None:
        return OpenedFile(target, 0, 0)
    more = _more(link, target, found.mode) if details else b""
    # A directory keeps one link of its own; rmdir takes it to zero as unlink does a file's.
    deleted = found.nlink == 0 and target.endswith(DELETED)
    if deleted and not stat.S_ISLNK(found.mode):
        target = target[: -len(DELETED)]
    return OpenedFile(target, found.dev, found.ino, deleted, found.mode, found.rdev, more)


def _more(link: str, target: bytes, mode: int) -> bytes:
    if stat.S_ISSOCK(mode) and target.startswith(b"socket:"):
        try:
            return os.getxattr(link, PROTOCOL).rstrip(b"\0")
        except OSError:
            return b""
    if target == PIDFD:
        return _fdinfo(link.replace("/fd/", "/fdinfo/")).get(b"Pid", b"")
    return b""


def _fdinfo(path: str) -> dict[bytes, bytes]:
    """Return the rows of /proc/PID/fdinfo/FD, without those that come more than once."""
    rows = (line.partition(b":") for line in (procfs.read(path) or b"").split(b"\n"))
    return {name: value.strip() for name, _, value in rows}


def descriptors_of(process: Process, most: int = MOST) -> tuple[list[Descriptor], bool]:
    """Return the open descriptors of a process, lowest first, and whether these are all.

    At most so many of them.  Each is as it was at some moment of the look.  On the tracer thread it
    fits the stream: a call that returned before has been recorded before; what a call does that is
    in progress may be seen here already, and is told again when that returns.  Of a process whose
    threads have tables of their own (CLONE_FILES was not given), the table of one of them.
    """
    for tid in sorted(process.threads, key=lambda tid: tid != process.pid):
        try:
            fds = sorted(map(int, os.listdir(f"/proc/{tid}/fd")))
        except OSError:
            continue  # it has ended, though others of its process may not have
        found = [_descriptor(tid, fd) for fd in fds[:most]]
        if fds:
            return [one for one in found if one is not None], len(fds) <= most
    return [], True


def _descriptor(tid: int, fd: int) -> Descriptor | None:
    file = opened(tid, fd, details=True)
    if file is None:
        return None
    info = _fdinfo(f"/proc/{tid}/fdinfo/{fd}")
    try:
        return Descriptor(fd, file, int(info[b"flags"], 8), int(info[b"pos"]))
    except (KeyError, ValueError):
        return None  # closed meanwhile
