"""Finding rows."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from tracerd.core.decode.words import hex_
from tracerd.core.syscalls.i386 import I386, I386_NAMES
from tracerd.core.syscalls.model import Arg, Syscall
from tracerd.core.syscalls.table import NAMES, TABLE

TABLES: Final[dict[str, dict[int, Syscall]]] = {"x86_64": TABLE, "i386": I386}
"""The tables by ABI.  x32 has none: its calls have numbers that are in no table."""
_SIX: Final = tuple([Arg(f"arg{n}", "word", hex_) for n in range(6)])
_NAMES: Final = {"x86_64": NAMES, "i386": I386_NAMES}
_SIX_INDEX: Final = {arg.name: n for n, arg in enumerate(_SIX)}


def lookup(nr: int, abi: str = "x86_64") -> Syscall:
    """Return the row of a syscall number; for one not in the table, a row made up.

    Such a row is named `syscall_0x…`, has six words as arguments, and says known=False.
    """
    table = TABLES.get(abi)
    row = None if table is None else table.get(nr)
    return _unknown(nr, abi) if row is None else row


@lru_cache(maxsize=1024)  # a tracee can call any number
def _unknown(nr: int, abi: str) -> Syscall:
    name = f"syscall_{nr:#x}"
    return Syscall(name, nr, _SIX, abi=abi, known=False, index=_SIX_INDEX)


def numbers(names: Collection[str]) -> dict[str, list[int]]:
    """Return the numbers of calls, in order, by ABI."""
    return {
        abi: sorted(nr for nr, row in table.items() if row.name in names)
        for abi, table in TABLES.items()
    }


def by_name(name: str, abi: str = "x86_64") -> Syscall:
    """Return the row of a syscall's name.  Raises KeyError."""
    return _NAMES[abi][name]
