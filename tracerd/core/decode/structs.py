"""What decoders of C structures are made of.

A structure is a struct.Struct and a function from its fields to a JSON value; `record`
makes a decoder of the two, `array` one of many such structures in a row.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Decode, Words

Build: TypeAlias = Callable[..., Any]
"""Fields of one structure -> JSON value.  Total."""


def record(layout: str, build: Build, *, least: int | None = None) -> Decode:
    """Return the decoder of one structure.

    layout: see struct; little-endian, with its padding spelt out.  least: the size of its
    oldest version, for structures that grow; what is missing is zero.
    """
    fields = struct.Struct(layout)
    full = fields.size
    enough = full if least is None else least

    def decode(word: int, captured: Captured, _call: Words) -> Any:
        data = captured.data if isinstance(captured, Cut) else captured
        if type(data) is bytes and len(data) >= enough:
            return build(*fields.unpack_from(data.ljust(full, b"\0")))
        return address(word)

    return decode


def array(layout: str, build: Build) -> Decode:
    """Return the decoder of an array: a list, or items and truncated when it was cut."""
    fields = struct.Struct(layout)

    def items(data: bytes) -> list[Any]:
        whole = len(data) - len(data) % fields.size
        return [build(*each) for each in fields.iter_unpack(data[:whole])]

    def decode(word: int, captured: Captured, _call: Words) -> Any:
        if type(captured) is bytes:
            return items(captured)
        if isinstance(captured, Cut):
            return {"items": items(captured.data), "truncated": True}
        return address(word)

    return decode


def size_of(layout: str) -> int:
    """Return the size of a structure in bytes."""
    return struct.calcsize(layout)
