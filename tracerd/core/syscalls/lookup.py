"""Finding rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from tracerd.core.decode.words import hex_
from tracerd.core.syscalls.model import Arg, Syscall
from tracerd.core.syscalls.table import NAMES, TABLE

_SIX: Final = tuple([Arg(f"arg{n}", "word", hex_) for n in range(6)])
_SIX_INDEX: Final = {arg.name: n for n, arg in enumerate(_SIX)}


def lookup(nr: int, abi: str = "x86_64") -> Syscall:
    """Return the row of a syscall number; for one not in the table, a row made up.

    Such a row is named `syscall_0x…`, has six words as arguments, and says known=False.
    """
    if abi == "x86_64":
        row = TABLE.get(nr)
        if row is not None:
            return row
    return _unknown(nr, abi)


@lru_cache(maxsize=1024)  # a tracee can call any number
def _unknown(nr: int, abi: str) -> Syscall:
    name = f"syscall_{nr:#x}"
    return Syscall(name, nr, _SIX, abi=abi, known=False, index=_SIX_INDEX)


def by_name(name: str) -> Syscall:
    """Return the row of a syscall's name.  Raises KeyError."""
    return NAMES[name]
