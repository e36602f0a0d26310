"""Finding rows."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

from tracerd.core.decode.words import hex_
from tracerd.core.syscalls.i386 import I386, I386_NAMES
from tracerd.core.syscalls.model import Arg, Syscall
from tracerd.core.syscalls.table import NAMES, TABLE
from tracerd.protocol.catalogue import BY_NUMBER

TABLED: Final = ("x86_64", "i386", "aarch64")
"""ABIs with a table.  x32 has none: its calls have numbers that are in no table."""
_MADE_HERE: Final = {"aarch64": ("aarch64",)}.get(os.uname().machine, ("x86_64", "i386"))
"""ABIs of which this machine can make calls."""
_SIX: Final = tuple([Arg(f"arg{n}", "word", hex_) for n in range(6)])
_SIX_INDEX: Final = {arg.name: n for n, arg in enumerate(_SIX)}


class Table(NamedTuple):
    """The rows of an ABI."""

    by_number: Mapping[int, Syscall]
    by_name: Mapping[str, Syscall]


@cache
def table(abi: str) -> Table:
    """Return the table of an ABI; an empty one for those that have none.

    That of aarch64 is built when it is first asked for.
    """
    if abi == "x86_64":
        return Table(TABLE, NAMES)
    if abi == "i386":
        return Table(I386, I386_NAMES)
    if abi == "aarch64":
        from tracerd.core.syscalls.aarch64 import AARCH64, AARCH64_NAMES  # noqa: PLC0415  see above

        return Table(AARCH64, AARCH64_NAMES)
    return Table({}, {})


def lookup(nr: int, abi: str = "x86_64") -> Syscall:
    """Return the row of a syscall number; for one not in the table, a row made up.

    Such a row is named `syscall_0x…`, has six words as arguments, and says known=False.
    """
    row = table(abi).by_number.get(nr)
    return _unknown(nr, abi) if row is None else row


@lru_cache(maxsize=1024)  # a tracee can call any number
def _unknown(nr: int, abi: str) -> Syscall:
    name = f"syscall_{nr:#x}"
    return Syscall(name, nr, _SIX, abi=abi, known=False, index=_SIX_INDEX)


@lru_cache(maxsize=4096)  # likewise
def kinds(nr: int, abi: str) -> Mapping[str, str]:
    """Return the kinds of a call's arguments, by name."""
    return {each.name: each.kind for each in lookup(nr, abi).args}


def numbers(names: Collection[str]) -> dict[str, list[int]]:
    """Return the numbers of calls, in order, by ABI, of those that this machine has.

    Numbers have 32 bits, as seccomp filters see them.
    """
    unknown = {int(name[8:], 16) & 0xFFFF_FFFF for name in names if BY_NUMBER.fullmatch(name)}
    found: dict[str, list[int]] = {}
    for abi in _MADE_HERE:
        rows = table(abi).by_number
        known = {nr for nr, row in rows.items() if row.name in names}
        found[abi] = sorted(known | (unknown - rows.keys()))
    return found


def by_name(name: str, abi: str = "x86_64") -> Syscall:
    """Return the row of a syscall's name.  Raises KeyError."""
    return table(abi).by_name[name]
