"""What the kernel opens by itself at an exec: `#!` interpreters and the ELF loader.

No call names them, so they are found by reading the file that was executed, as
the kernel did (execve(2), elf(5)).
"""

from __future__ import annotations

import enum
import os
import struct
from typing import NamedTuple

from tracerd.core import procfs
from tracerd.core.paths import seen_from

MAX_DEPTH = 5
"""`#!` lines the kernel follows (fs/exec.c)."""
HEADER = 256
"""BINPRM_BUF_SIZE: how much of a file the kernel looks at."""
_PT_INTERP = 3
_MAX_SEGMENTS = 128


class Kind(enum.Enum):
    """What the kernel takes a file for."""

    SCRIPT = enum.auto()
    ELF = enum.auto()
    OTHER = enum.auto()
    """Nothing that the kernel runs by itself: a handler of binfmt_misc, if any (proc(5))."""


class Program(NamedTuple):
    """A file that is executed.  following: what it names to be opened next; None: nothing."""

    kind: Kind
    following: bytes | None
    identity: tuple[int, int]


class Interpreters:
    """Finds implied opens; remembers them by device, inode and time of change."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], Program] = {}

    def implied(self, tid: int, path: bytes, root: str) -> list[bytes | None]:
        """Return the files the kernel opened to execute `path` in the view of `tid`, in order.

        Of a task that has just executed it.  root: its root directory as we see it.  None in the
        list: something that cannot be told.
        """
        exe = f"/proc/{tid}/exe"
        running = self._look(exe)
        name = procfs.link(exe)
        if running is None or name is None:
            return [None]
        found: list[bytes | None] = []
        program = self._look(b"/proc/%d/root" % tid + path) if path.startswith(b"/") else None
        if program is None:
            # Deleted, or not for us to read: it may be the program itself, or name it.
            itself = name.removesuffix(b" (deleted)") == path
            return [running.following] if itself and running.following else [None] * (not itself)
        for _ in range(MAX_DEPTH + 1):
            if program.kind is not Kind.SCRIPT and program.identity != running.identity:
                found.append(seen_from(root, name))  # a handler that we know nothing of chose it
                program = running
            if program.following is None:
                break
            following = _absolute(tid, program.following)
            found.append(following)
            if program.kind is Kind.ELF:
                break
            looked = None if following is None else self._look(b"/proc/%d/root" % tid + following)
            if looked is None:
                found.append(None)
                break
            program = looked
        return found

    def _look(self, path: bytes | str) -> Program | None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError):
            return None
        try:
            found = os.fstat(fd)
            key = (found.st_dev, found.st_ino, found.st_ctime_ns)
            if key not in self._known:
                if len(self._known) > 4096:
                    self._known.clear()
                self._known[key] = Program(*_read(fd), key[:2])
            return self._known[key]
        except OSError:
            return None
        finally:
            os.close(fd)


def _absolute(tid: int, path: bytes) -> bytes | None:
    """Return a path that the kernel took from the working directory."""
    if path.startswith(b"/"):
        return path
    start = procfs.link(f"/proc/{tid}/cwd")
    return None if start is None else start.rstrip(b"/") + b"/" + path


def _read(fd: int) -> tuple[Kind, bytes | None]:
    head = os.pread(fd, HEADER, 0)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].split()
        return (Kind.SCRIPT, words[0]) if words else (Kind.OTHER, None)
    if head.startswith(b"\x7fELF"):
        return Kind.ELF, _loader(fd, head)
    return Kind.OTHER, None


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
