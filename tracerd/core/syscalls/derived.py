"""Rows of another architecture, made of rows written for x86-64.

Mostly a call takes there what the x86-64 call of the same name takes, in structures or flag words
that are laid out otherwise.  So a row is written once, and here is what becomes of its
arguments: which decoder takes another's place, and how many bytes that one wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from tracerd.core.syscalls.model import WIDTHS, Arg, Capture, Decode, Syscall


class Layout(NamedTuple):
    """How an argument is decoded there.

    size: bytes to capture; element: of each element of an array; 0: as many as on x86-64.
    """

    decode: Decode
    size: int = 0
    element: int = 0


Layouts: TypeAlias = Mapping[Decode, Layout]


def derived(row: Syscall, nr: int, name: str, abi: str, layouts: Layouts) -> Syscall:
    """Return a row as one of another ABI, with the number it has there and, if given, the name."""
    width = WIDTHS[abi]
    return Syscall(
        name or row.name,
        nr,
        tuple([_derived(arg, layouts, width) for arg in row.args]),
        row.classes,
        row.level,
        row.ret,
        row.returns,
        abi,
        row.known,
        row.index,
        {which: derived(part, nr, name, abi, layouts) for which, part in row.parts.items()},
        row.memory,
        row.named,
    )


def _derived(arg: Arg, layouts: Layouts, width: int) -> Arg:
    layout = layouts.get(arg.decode)
    if layout is None and arg.enter is None and arg.exit is None:
        return arg
    # Field by field: there are two thousand, and dataclasses.replace takes five times as long.
    known = layout or Layout(arg.decode)
    return Arg(
        arg.name,
        arg.kind,
        known.decode,
        _captured(arg.enter, known, width),
        _captured(arg.exit, known, width),
        arg.at,
        arg.op,
        arg.nofollow,
        arg.empty,
        arg.both,
    )


def _captured(capture: Capture | None, layout: Layout, width: int) -> Capture | None:
    if capture is None:
        return None
    how, a, b, c, limit, _, parts = capture
    return Capture(how, a, b, layout.element or c, layout.size or limit, width, parts)
