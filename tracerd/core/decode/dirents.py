"""Decoders of the directory entries that getdents gives."""

from __future__ import annotations

import struct
from typing import Any, Final

from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Decode, Words
from tracerd.protocol.text import shown

DIRENT_NAME: Final = 18
DIRENT64_NAME: Final = 19
"""Where the name begins: after d_ino, d_off, d_reclen, and in the newer one d_type."""
NAMES_LIMIT: Final = 32
DIRENT_NAME_I386: Final = 10
_LENGTH: Final = struct.Struct("<H")


def _names(data: bytes, start: int, length_at: int) -> list[str]:
    """Return the names of the entries that are wholly in `data`."""
    names: list[str] = []
    at = 0
    while at + start < len(data):
        (length,) = _LENGTH.unpack_from(data, at + length_at)
        if length <= start or at + length > len(data):
            break
        names.append(shown(data[at + start : at + length].split(b"\0", 1)[0]))
        at += length
    return names


def dirents(start: int, *, length_at: int = 16) -> Decode:
    """Return the decoder of a buffer of entries whose names begin at `start`.

    length_at: where d_reclen is, after d_ino and d_off.  `entries` is how many there are, if all
    of them were read.
    """

    def decode(word: int, captured: Captured, _call: Words) -> Any:
        if isinstance(captured, Cut):
            names = _names(captured.data, start, length_at)
            return {"names": names[:NAMES_LIMIT], "size": captured.size, "truncated": True}
        if type(captured) is not bytes:
            return address(word)
        names = _names(captured, start, length_at)
        found: dict[str, Any] = {"entries": len(names), "names": names[:NAMES_LIMIT]}
        if len(names) > NAMES_LIMIT:
            found["truncated"] = True
        return found

    return decode
