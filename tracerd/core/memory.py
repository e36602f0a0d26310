"""Reading a tracee's memory.

Through /proc/TID/mem, which from Python costs half of process_vm_readv.  Its
descriptor stays bound to the address space it was opened on, so it is dropped
at every exec (`forget`).  A read that runs into an unmapped page gives what came
before it: a string at the end of a mapping is no failure.
"""

from __future__ import annotations

import os
from collections import OrderedDict

FIRST_READ = 256
"""Bytes fetched at first for a string: most paths are shorter."""
MAX_OPEN = 256
"""Descriptors kept; the least recently used one makes room."""
_LIMIT = 1 << 63


class Memory:
    """Memory of all tracees, by address space (one per process)."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, int] = OrderedDict()
        self.reads = 0
        """Tried so far."""

    def read(self, tid: int, space: int, address: int, size: int) -> bytes:
        """Return up to `size` bytes at `address`; fewer, or none, where memory ends.

        space: any key that is the same for all tasks sharing the memory; the tgid.
        """
        if not 0 < address < _LIMIT or size <= 0:
            return b""
        fd = self._open.get(space)
        if fd is None:
            fd = self._fetch(tid, space)
            if fd < 0:
                return b""
        self.reads += 1
        try:
            data = os.pread(fd, size, address)
        except (OSError, OverflowError):
            return b""
        if not data:
            # Read returns nothing at all on a dead address space: an exec not told of yet.
            self.forget(space)
        return data

    def cstring(self, tid: int, space: int, address: int, limit: int) -> tuple[bytes, bool]:
        """Return a NUL-terminated string without its NUL, and whether the NUL was found."""
        data = self.read(tid, space, address, min(FIRST_READ, limit))
        end = data.find(b"\0")
        if end >= 0:
            return data[:end], True
        if len(data) == FIRST_READ < limit:
            data += self.read(tid, space, address + FIRST_READ, limit - FIRST_READ)
            end = data.find(b"\0")
            if end >= 0:
                return data[:end], True
        return data, False

    def forget(self, space: int) -> None:
        """Drop the descriptor: the process exec'ed or ended."""
        fd = self._open.pop(space, None)
        if fd is not None:
            os.close(fd)

    def kept(self) -> list[int]:
        """Return the address spaces that are open."""
        return list(self._open)

    def close(self) -> None:
        """Drop all descriptors."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _fetch(self, tid: int, space: int) -> int:
        try:
            fd = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return -1
        self._open[space] = fd
        if len(self._open) > MAX_OPEN:
            os.close(self._open.popitem(last=False)[1])
        return fd
