"""Carrying out a capture plan at a stop: what a call names, read before the tracee goes on.

One function per model.How.  Unreadable memory is a value (Fault), never an error.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from tracerd.core.descriptors import DELETED, examined, opened
from tracerd.core.links import LONGEST, link_on_the_way
from tracerd.core.memory import Memory
from tracerd.core.presence import Presence
from tracerd.core.remembered import Remembered
from tracerd.core.syscalls.model import (
    Capture,
    Captured,
    Cut,
    Fault,
    How,
    Message,
    Named,
    OpenedFile,
    Part,
    Several,
    Strings,
    Vector,
)

AT_FDCWD = -100
AF_UNIX = b"\1\0"
"""As a socket address begins."""
PATH_MAX = 4096
O_CREAT, O_EXCL = os.O_CREAT, os.O_EXCL
MAX_IOVECS = 64
"""iovecs looked at; the payload limit is reached long before."""
MAX_POINTED = 64
"""Pointers of an array that are followed."""
MAX_MESSAGES = 16
"""Messages of one sendmmsg or recvmmsg that are looked at."""
MAX_STRINGS = 131_072
"""Strings of one vector; the kernel's own bound on argv is of this order."""
MAX_SIZE = (1 << 63) - 1
"""The kernel refuses more in a call; a sum of what was passed can be any number."""
MAX_WORD = (1 << 64) - 1
MAX_CONTROL = 256
"""Bytes of control messages read: room for sixty descriptors."""
DETAILS = 1
"""Capture.c of How.FD and How.RET_FD, limit of How.BASE: all that can be known is wanted."""
POINTERS_READ = 64
"""Pointers of a vector of strings that are fetched at a time."""


class _Layout(NamedTuple):
    """How programs of one width lay out what captures follow; pairs: iovecs.

    mmsghdr: how far the messages of a vector are from each other; msg_len follows the msghdr.
    """

    pointer: struct.Struct
    pair: struct.Struct
    msghdr: struct.Struct
    mmsghdr: int


_LAYOUTS = {
    8: _Layout(struct.Struct("<Q"), struct.Struct("<QQ"), struct.Struct("<Qi4xQQQQi4x"), 64),
    4: _Layout(struct.Struct("<I"), struct.Struct("<II"), struct.Struct("<IiIIIIi"), 32),
}
"""By Capture.width."""


SCM_RIGHTS = (1, 1)
"""cmsg_level (SOL_SOCKET) and cmsg_type of a control message that passes descriptors."""
_CMSGHDR = {8: struct.Struct("<Qii"), 4: struct.Struct("<Iii")}


def fds_of(control: bytes, width: int) -> list[int]:
    """Return the descriptors in control messages.  width: as Capture.width."""
    head = _CMSGHDR[width]
    found: list[int] = []
    at = 0
    while at + head.size <= len(control):
        length, *kind = head.unpack_from(control, at)
        if length < head.size:
            break
        if tuple(kind) == SCM_RIGHTS:
            fds = control[at + head.size : at + length]
            found += [fd for (fd,) in struct.iter_unpack("<i", fds[: len(fds) & ~3])]
        at += (length + width - 1) & -width
    return found


def as_int(word: int) -> int:
    """Read the low half of a register as the kernel reads an int argument."""
    word &= 0xFFFF_FFFF
    return word - (1 << 32) if word & 0x8000_0000 else word


class Capturer:
    """Reads captures of a stopped tracee.

    remembered: looks at descriptors, kept true by whoever calls; without it, each is a new one.
    """

    def __init__(self, memory: Memory, remembered: Remembered | None = None) -> None:
        self._memory = memory
        self._presence = Presence()
        self._remembered = remembered or Remembered()
        self._how: dict[How, _Reader] = {
            How.CSTRING: self._cstring,
            How.BYTES: self._bytes,
            How.BYTES_LEN: self._bytes_len,
            How.BYTES_RET: self._bytes_ret,
            How.BYTES_LENPTR: self._bytes_lenptr,
            How.ARRAY: self._array,
            How.STRINGS: self._strings,
            How.IOVEC: self._iovec,
            How.MSGHDR: self._msghdr,
            How.FD: self._fd,
            How.RET_FD: self._ret_fd,
            How.BASE: self._base,
            How.PRESENT: self._present,
            How.SOCKADDR: self._bytes_len,
            How.BYTES_AT: self._bytes_at,
            How.PART: self._part,
            How.MMSGHDR: self._mmsghdr,
            How.POINTED: self._pointed,
        }

    def read(
        self, plan: Sequence[Capture], tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> tuple[Captured, ...]:
        """Carry out the captures of one stop.  ret: the value returned; -1 at the enter-stop."""
        how = self._how
        if plan and plan[0].width == 4:
            args = tuple([word & 0xFFFF_FFFF for word in args])
        return tuple([how[capture.how](capture, tid, space, args, ret) for capture in plan])

    def _get(self, tid: int, space: int, address: int, size: int) -> bytes | Fault | None:
        if address == 0:
            return None
        if size <= 0:
            return b""
        data = self._memory.read(tid, space, address, size)
        return data if len(data) == size else data or Fault(address)

    def _cut(
        self, tid: int, space: int, address: int, size: int, limit: int
    ) -> bytes | Cut | Fault | None:
        if size <= limit:
            return self._get(tid, space, address, size)
        data = self._get(tid, space, address, limit)
        return Cut(data, size) if isinstance(data, bytes) else data

    def _cstring(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        address = args[capture.a]
        if address == 0:
            return None
        limit = capture.limit or PATH_MAX
        data, whole = self._memory.cstring(tid, space, address, limit)
        if whole:
            return data
        if len(data) >= limit:
            return Cut(data)
        return Fault(address)

    def _bytes(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        return self._get(tid, space, args[capture.a], capture.limit)

    def _bytes_at(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        width = capture.width
        pointer = self._get(tid, space, args[capture.a], width)
        if not isinstance(pointer, bytes) or len(pointer) < width:
            return pointer
        return self._get(tid, space, int.from_bytes(pointer, "little"), capture.limit) or b""

    def _bytes_len(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        size = min(max(capture.c, 0) + args[capture.b], MAX_WORD)
        return self._cut(tid, space, args[capture.a], size, capture.limit)

    def _bytes_ret(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> Captured:
        size = max(capture.c, 0) + max(ret, 0)
        return self._cut(tid, space, args[capture.a], size, capture.limit)

    def _bytes_lenptr(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        length = self._memory.read(tid, space, args[capture.b], 4)
        if len(length) < 4:
            return None
        size = int.from_bytes(length, "little")
        return self._cut(tid, space, args[capture.a], size, capture.limit)

    def _array(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> Captured:
        count = args[capture.b] if capture.b >= 0 else max(ret, 0)
        return self._cut(tid, space, args[capture.a], count * capture.c, capture.limit)

    def _strings(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        address = args[capture.a]
        if address == 0 or capture.limit == 0:
            return None
        items: list[bytes] = []
        left, width = capture.limit, capture.width
        each = _LAYOUTS[width].pointer
        while len(items) < MAX_STRINGS:
            block = self._memory.read(tid, space, address, POINTERS_READ * width)
            block = block[: len(block) & -width]
            if not block:
                return Strings(tuple(items), whole=False) if items else Fault(address)
            for (pointer,) in each.iter_unpack(block):
                if pointer == 0:
                    return Strings(tuple(items))
                text, whole = self._memory.cstring(tid, space, pointer, min(left, PATH_MAX * 32))
                items.append(text)
                left -= len(text) + 1
                if not whole or left <= 0:
                    return Strings(tuple(items), whole=False)
            address += len(block)
        return Strings(tuple(items), whole=False)

    def _iovec(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> Captured:
        return self._vectors(capture, tid, space, args[capture.a], args[capture.b], ret)

    def _vectors(
        self, capture: Capture, tid: int, space: int, address: int, count: int, most: int
    ) -> Vector | Fault | None:
        """Return what iovecs name, up to the limit; if most >= 0, of its first bytes."""
        pair = _LAYOUTS[capture.width].pair
        table = self._get(tid, space, address, min(count, MAX_IOVECS) * pair.size)
        if not isinstance(table, bytes):
            return table
        size, parts, left, lengths = 0, [], capture.limit, []
        for base, length in pair.iter_unpack(table[: len(table) & -pair.size]):
            lengths.append(length)
            take = length if most < 0 else min(length, most - size)
            size = min(size + take, MAX_SIZE)
            if left > 0 and take > 0:
                data = self._memory.read(tid, space, base, min(take, left))
                parts.append(data)
                left -= len(data)
        data = b"".join(parts)
        return Vector(data if len(data) == size else Cut(data, size), tuple(lengths))

    def _msghdr(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> Captured:
        return self._message(capture, tid, space, args[capture.a], ret)

    def _message(
        self, capture: Capture, tid: int, space: int, address: int, most: int
    ) -> Message | Fault | None:
        """Return a struct msghdr; most: as for _vectors."""
        if address == 0:
            return None
        layout = _LAYOUTS[capture.width].msghdr
        head = self._memory.read(tid, space, address, layout.size)
        if len(head) < layout.size:
            return Fault(address)
        name, namelen, iov, iovlen, control, controllen, flags = layout.unpack(head)
        payload = self._vectors(capture, tid, space, iov, iovlen, most)
        messages = self._memory.read(tid, space, control, min(controllen, MAX_CONTROL))
        fds = fds_of(messages, capture.width)
        return Message(
            name=self._memory.read(tid, space, name, min(namelen, 128)),
            data=payload if isinstance(payload, Vector) else Vector(b"", ()),
            iovlen=iovlen,
            controllen=controllen,
            flags=flags,
            control=messages,
            width=capture.width,
            namelen=namelen,
            passed=tuple([self._descriptor(tid, fd, details=False) for fd in fds]),
        )

    def _mmsghdr(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> Captured:
        address, layout = args[capture.a], _LAYOUTS[capture.width]
        if address == 0:
            return None
        count = args[capture.b] & 0xFFFF_FFFF if ret < 0 else ret
        items: list[Captured] = []
        for _ in range(min(count, MAX_MESSAGES)):
            most = -1
            if ret >= 0:
                length = self._memory.read(tid, space, address + layout.msghdr.size, 4)
                most = int.from_bytes(length, "little")
            items.append(self._message(capture, tid, space, address, most))
            address = (address + layout.mmsghdr) & MAX_WORD
        return Several(tuple(items))

    def _pointed(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        pointer, size = _LAYOUTS[capture.width].pointer, max(capture.c, 1)
        count = min(args[capture.b], capture.limit // size, MAX_POINTED)
        table = self._get(tid, space, args[capture.a], count * pointer.size)
        if not isinstance(table, bytes):
            return table
        pointers = pointer.iter_unpack(table[: len(table) & -pointer.size])
        return Several(tuple([self._get(tid, space, each, size) for (each,) in pointers]))

    def _part(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], ret: int
    ) -> Captured:
        which = args[capture.a] & 0xFFFF_FFFF if capture.a >= 0 else 0
        part = capture.parts.get(which) if capture.parts else None
        if part is None:
            return None
        count, captures = part
        if capture.b >= 0:
            width, address = capture.width, args[capture.b]
            words = self._get(tid, space, address, count * width)
            if not isinstance(words, bytes) or len(words) < count * width:
                return words if isinstance(words, Fault) else None
            inner = _LAYOUTS[width].pointer.iter_unpack(words)
            args = (*args[: capture.b], *[word for (word,) in inner])
        return Part(which, args, self.read(captures, tid, space, args, ret))

    def _fd(
        self, capture: Capture, tid: int, _space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        fd = as_int(args[capture.a] >> max(capture.b, 0))
        return self._descriptor(tid, fd, details=capture.c == DETAILS)

    def _descriptor(self, tid: int, fd: int, *, details: bool) -> Captured:
        if fd < 0:
            return None
        value = self._remembered.recall(tid, fd, details=details)
        if value is None:
            value = opened(tid, fd, details=True) if details else _checked(f"/proc/{tid}/fd/{fd}")
            self._remembered.remember(tid, fd, value, details=details)
        return value

    def _ret_fd(
        self, capture: Capture, tid: int, _space: int, _args: tuple[int, ...], ret: int
    ) -> Captured:
        details = capture.c == DETAILS
        value = opened(tid, ret, details=details)
        if value is not None:
            self._remembered.remember(
                tid, ret, value if details else _plain(value), details=details
            )
        return value

    def _base(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        if capture.c >= 0:
            local = self._is_local(capture, tid, space, args)
            return _checked(f"/proc/{tid}/cwd") if local else None
        head = self._memory.read(tid, space, args[capture.b], LONGEST)
        if head.startswith(b"/"):
            link = link_on_the_way(head, tid)
            return None if link is None else _checked(link)
        dirfd = as_int(args[capture.a]) if capture.a >= 0 else AT_FDCWD
        if dirfd == AT_FDCWD:
            return _checked(f"/proc/{tid}/cwd")
        return self._descriptor(tid, dirfd, details=capture.limit == DETAILS)

    def _is_local(self, capture: Capture, tid: int, space: int, args: tuple[int, ...]) -> bool:
        """Whether a socket address names a file relative to the working directory."""
        address = args[capture.b]
        if capture.c == Named.MESSAGE:
            name = self._memory.read(tid, space, address, capture.width)
            address = int.from_bytes(name, "little") if len(name) == capture.width else 0
        head = self._memory.read(tid, space, address, 3)
        return head[:2] == AF_UNIX and head[2:] not in (b"", b"\0", b"/")

    def _present(
        self, capture: Capture, tid: int, space: int, args: tuple[int, ...], _ret: int
    ) -> Captured:
        flags = args[capture.c] if capture.c >= 0 else O_CREAT
        if not flags & O_CREAT or flags & O_EXCL:
            return None
        path, whole = self._memory.cstring(tid, space, args[capture.b], PATH_MAX)
        if not whole or not path or path.startswith(b"/proc/"):
            return None
        dirfd = as_int(args[capture.a]) if capture.a >= 0 else AT_FDCWD
        if path.startswith(b"/"):
            start = f"/proc/{tid}/root"
        elif dirfd == AT_FDCWD:
            start = f"/proc/{tid}/cwd"
        else:
            start = f"/proc/{tid}/fd/{dirfd}"
        return self._presence.of(tid, start, path)


_Reader: TypeAlias = Callable[[Capture, int, int, tuple[int, ...], int], Captured]


def _checked(link: str) -> Captured:
    """Return where a /proc link leads; an OpenedFile if its file may be deleted."""
    try:
        target = os.readlink(link.encode())
    except OSError:
        return None
    if target.endswith(DELETED):
        return examined(link, target)
    return target


def _plain(file: OpenedFile) -> Captured:
    """Return what `_checked` does, from what was opened."""
    return file if file.deleted or file.link.endswith(DELETED) else file.link
