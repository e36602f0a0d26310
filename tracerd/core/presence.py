"""Looking at files without waiting for who may never answer: a dead network or FUSE server.

A tracee that waits for one waits in a call of its own; the tracer must not, for all others would
wait with it.  So the kernel is asked for what it remembers, and only where that does not do and a
file system needs nobody's answer, for the rest.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import struct
import time
from typing import Final, NamedTuple

AT_FDCWD: Final = -100
AT_EMPTY_PATH: Final = 0x1000
AT_STATX_DONT_SYNC: Final = 0x4000
STATX_BASIC_STATS: Final = 0x7FF
RESOLVE_IN_ROOT: Final = 0x10
RESOLVE_CACHED: Final = 0x20
OPENAT2: Final = 437
"""Its number on all architectures."""
BELIEVED_S: Final = 1.0
"""How long a list of mounts is taken for true."""
MOST_REMOTE: Final = 64
REMOTE: Final = re.compile(
    rb"(?:9p|afs|autofs|ceph|cifs|coda|fuse.*|gfs2|lustre|ncpfs|nfs.*|ocfs2|orangefs|smb3|smbfs"
    rb"|virtiofs)"
)
"""Types of file systems that somebody serves."""

_libc: Final = ctypes.CDLL(None, use_errno=True)
_HOW: Final = struct.Struct("=QQQ")
"""struct open_how."""
_STATX: Final = struct.Struct("=16xI8xH2xQ88xIIII")
"""Of struct statx: nlink, mode, ino, rdev and dev, major and minor each."""


class Known(NamedTuple):
    """What the kernel knows of a file, as stat(2) has it."""

    dev: int
    ino: int
    nlink: int
    mode: int
    rdev: int


def stat_known(path: bytes | str, fd: int = AT_FDCWD) -> Known | None:
    """Return what is known of a file without asking anybody; None: nothing.  Follows links."""
    room = ctypes.create_string_buffer(256)
    flags = AT_STATX_DONT_SYNC | (0 if path else AT_EMPTY_PATH)
    if _libc.statx(fd, os.fsencode(path), flags, STATX_BASIC_STATS, room) != 0:
        return None
    nlink, mode, ino, rmajor, rminor, major, minor = _STATX.unpack_from(room)
    return Known(os.makedev(major, minor), ino, nlink, mode, os.makedev(rmajor, rminor))


class Presence:
    """Tells whether files are there.  On the tracer thread."""

    def __init__(self) -> None:
        self._tid = 0
        self._when = 0.0
        self._remote: set[int] = set()

    def of(self, tid: int, start: str, path: bytes) -> bool | None:
        """Return whether a path leads to a file; None: not known.

        start: the directory it is relative to, a link in /proc; its root if the path is absolute.
        """
        try:
            directory = os.open(start, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            resolve = RESOLVE_IN_ROOT if path.startswith(b"/") else 0
            path = path.lstrip(b"/")
            error = _found_at(directory, path, resolve | RESOLVE_CACHED) if path else 0
            if error in _NOT_REMEMBERED and not self._asks_remote(tid, directory, path, resolve):
                error = _found_at(directory, path, resolve)
        finally:
            os.close(directory)
        return True if error == 0 else False if error == errno.ENOENT else None

    def _asks_remote(self, tid: int, directory: int, path: bytes, resolve: int) -> bool:
        """Whether somebody would have to be asked for what the kernel does not remember.

        That is for the file system of the nearest directory on the way that it does.
        """
        while b"/" in path:
            path = path.rpartition(b"/")[0]
            fd = _open_at(directory, path, resolve | RESOLVE_CACHED)
            if fd >= 0:
                try:
                    return self._is_remote(tid, fd)
                finally:
                    os.close(fd)
        return self._is_remote(tid, directory)

    def _is_remote(self, tid: int, fd: int) -> bool:
        known = stat_known(b"", fd)
        now = time.monotonic()
        if self._tid != tid or now - self._when > BELIEVED_S:
            self._tid, self._when, self._remote = tid, now, _remote_devices(tid)
        return known is None or known.dev in self._remote or len(self._remote) >= MOST_REMOTE


_NOT_REMEMBERED: Final = frozenset({errno.EAGAIN, errno.EINVAL, errno.ENOSYS})
"""The latter two: of kernels before 5.12, which cannot say."""


def _open_at(directory: int, path: bytes, resolve: int) -> int:
    """Open a path by O_PATH; return the descriptor, or -1 and leave errno."""
    how = _HOW.pack(os.O_PATH | os.O_CLOEXEC, 0, resolve)
    return int(_libc.syscall(ctypes.c_long(OPENAT2), directory, path, how, _HOW.size))


def _found_at(directory: int, path: bytes, resolve: int) -> int:
    """Look a path up; return 0, or why not."""
    fd = _open_at(directory, path, resolve)
    if fd >= 0:
        os.close(fd)
        return 0
    error = ctypes.get_errno()
    if error == errno.ENOSYS and not resolve & RESOLVE_CACHED:  # a kernel before 5.6
        try:
            os.stat(path, dir_fd=directory)
        except OSError as refused:
            return refused.errno or errno.EIO
        return 0
    return error


def _remote_devices(tid: int) -> set[int]:
    """Return the devices of what somebody serves, as a task has it mounted."""
    found: set[int] = set()
    try:
        with open(f"/proc/{tid}/mountinfo", "rb") as lines:
            for line in lines:
                head, _, tail = line.partition(b" - ")
                if REMOTE.fullmatch(tail.split(b" ", 1)[0]):
                    major, _, minor = head.split(b" ", 3)[2].partition(b":")
                    found.add(os.makedev(int(major), int(minor)))
                    if len(found) >= MOST_REMOTE:
                        break
    except (OSError, ValueError, IndexError):
        pass
    return found
