"""Decoders of messages: struct msghdr, vectors of them, and their control messages."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from tracerd.core.decode.descriptor import link_text
from tracerd.core.decode.names.network import LEVEL, MSG, SCM
from tracerd.core.decode.names.sockopts import OPTIONS
from tracerd.core.decode.sockaddr import sockaddr_of
from tracerd.core.decode.text import content
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import (
    Captured,
    Decode,
    Message,
    Pair,
    Several,
    Words,
)

SOL_SOCKET: Final = 1
_CMSGHDR: Final = {8: struct.Struct("<Qii"), 4: struct.Struct("<Iii")}
"""struct cmsghdr, by the size of a pointer; the next one begins at a multiple of that."""
_CREDENTIALS: Final = struct.Struct("<iII")


def _ints(data: bytes) -> list[int]:
    return [item for (item,) in struct.iter_unpack("<i", data[: len(data) & ~3])]


def _socket_control(number: int, data: bytes, links: Iterator[Captured]) -> dict[str, Any] | None:
    """Return what a control message of SOL_SOCKET carries, if it is known."""
    if number == SCM.values["SCM_RIGHTS"]:
        fds = _ints(data)
        paths = [link_text(link) for link in islice(links, len(fds))]
        return {"fds": fds, "paths": paths} if paths else {"fds": fds}
    if number == SCM.values["SCM_CREDENTIALS"] and len(data) >= _CREDENTIALS.size:
        return dict(zip(("pid", "uid", "gid"), _CREDENTIALS.unpack_from(data), strict=True))
    if number == SCM.values["SCM_PIDFD"] and len(data) >= 4:
        return {"pidfd": _ints(data[:4])[0]}
    return None


def _type(level: int, number: int) -> str | int:
    """Return the name of a control message: most bear that of the option that asks for them."""
    names = SCM if level == SOL_SOCKET else OPTIONS.get(level)
    return number if names is None else names.render(number)


def control(data: bytes, width: int = 8, passed: Iterable[Captured] = ()) -> list[dict[str, Any]]:
    """Return the control messages of a msghdr; the last says truncated if it is not all.

    passed: as model.Message has it.
    """
    head = _CMSGHDR[width]
    links = iter(passed)
    found: list[dict[str, Any]] = []
    at = 0
    while at + head.size <= len(data):
        length, level, number = head.unpack_from(data, at)
        if length < head.size:
            break
        payload = data[at + head.size : at + length]
        own = level == SOL_SOCKET
        known = _socket_control(number, payload, links) if own else None
        item = {
            "level": LEVEL.render(level),
            "type": _type(level, number),
            **({"data": payload.hex()} if known is None else known),
        }
        if at + length > len(data):
            item["truncated"] = True
        found.append(item)
        at += (length + width - 1) & -width
    return found


def _message(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": sockaddr_of(message.name) if message.name else None,
        "namelen": message.namelen,
        **content(message.data.data),
        "lengths": list(message.data.lengths),
        "iovlen": message.iovlen,
        "controllen": message.controllen,
    }
    if message.control:
        shown["control"] = control(message.control, message.width, message.passed)
    shown["flags"] = MSG.render(message.flags & 0xFFFF_FFFF)
    return shown


def msghdr(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a struct msghdr: address, beginning of the payload, control messages, lengths."""
    return _message(captured) if isinstance(captured, Message) else address(word)


def _filled(namelen_at: int) -> Decode:
    """Return the decoder of a msghdr that was filled, and of the room there was for the name."""

    def decode(word: int, captured: Captured, _call: Words) -> Any:
        if not isinstance(captured, Pair) or not isinstance(captured.after, Message):
            return address(word)
        shown, before = _message(captured.after), captured.before
        if shown["name"] is not None and type(before) is bytes and len(before) >= NAMELEN_END:
            given = int.from_bytes(before[namelen_at : namelen_at + 4], "little", signed=True)
            if given != shown["namelen"]:
                shown["namelen"] = [given, shown["namelen"]]
        return shown

    return decode


NAMELEN_END: Final = 12
msghdr_filled: Final = _filled(8)
msghdr_filled32: Final = _filled(4)


def mmsghdr(count_at: int) -> Decode:
    """Return the decoder of a vector of messages: how many, and the first of them.

    count_at: the argument that says how many there may be; those received the call returns.
    """

    def decode(word: int, captured: Captured, call: Words) -> Any:
        if not isinstance(captured, Several):
            return address(word)
        count = call.args[count_at] & 0xFFFF_FFFF
        return _vector(count, captured)

    return decode


def mmsghdr_filled(word: int, captured: Captured, call: Words) -> Any:
    """Decode a vector of messages received."""
    if not isinstance(captured, Several):
        return address(word)
    return _vector(max(call.ret, 0), captured)


def _vector(count: int, captured: Several) -> dict[str, Any]:
    messages = [msghdr(0, item, NO_CALL) for item in captured.items[:count]]
    shown: dict[str, Any] = {"count": count, "messages": messages}
    if len(messages) < count:
        shown["truncated"] = True
    return shown


NO_CALL: Final = Words(())
