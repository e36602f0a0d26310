"""What the kernel opens by itself at an exec: `#!` interpreters and the ELF loader.

No call names them, so they are found by reading the file that was executed, as
the kernel did (execve(2), elf(5)).
"""

from __future__ import annotations

import os
import struct

MAX_DEPTH = 5
"""`#!` lines the kernel follows (fs/exec.c)."""
HEADER = 256
"""BINPRM_BUF_SIZE: how much of a file the kernel looks at."""
_PT_INTERP = 3
_MAX_SEGMENTS = 128


class Interpreters:
    """Finds implied opens; remembers them by device, inode and time of change."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], bytes | None] = {}

    def implied(self, tid: int, path: bytes) -> list[bytes]:
        """Return the files the kernel opened to execute `path` in the view of `tid`, in order."""
        found: list[bytes] = []
        for _ in range(MAX_DEPTH):
            following = self._interpreter(tid, path)
            if following is None:
                break
            found.append(following)
            path = following
        return found

    def _interpreter(self, tid: int, path: bytes) -> bytes | None:
        if not path.startswith(b"/"):
            return None
        try:
            fd = os.open(b"/proc/%d/root" % tid + path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        try:
            found = os.fstat(fd)
            key = (found.st_dev, found.st_ino, found.st_ctime_ns)
            if key not in self._known:
                if len(self._known) > 4096:
                    self._known.clear()
                self._known[key] = _read(fd)
            return self._known[key]
        except OSError:
            return None
        finally:
            os.close(fd)


def _read(fd: int) -> bytes | None:
    head = os.pread(fd, HEADER, 0)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].split()
        return words[0] if words else None
    if head.startswith(b"\x7fELF"):
        return _loader(fd, head)
    return None


def _loader(fd: int, head: bytes) -> bytes | None:
    """Return the path in the PT_INTERP segment; None for a static program."""
    if len(head) < 64 or head[5] != 1:  # only little-endian
        return None
    if head[4] == 2:  # 64-bit
        (offset,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        where, length = "<8xQ16xQ", 40
    else:
        (offset,) = struct.unpack_from("<I", head, 28)
        size, count = struct.unpack_from("<HH", head, 42)
        where, length = "<4xI8xI", 20
    if size < length:
        return None
    for index in range(min(count, _MAX_SEGMENTS)):
        segment = os.pread(fd, size, offset + index * size)
        if len(segment) < length:
            return None
        if struct.unpack_from("<I", segment)[0] == _PT_INTERP:
            start, stored = struct.unpack_from(where, segment)
            return os.pread(fd, min(stored, 4096), start).split(b"\0", 1)[0] or None
    return None
