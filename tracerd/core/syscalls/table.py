"""The whole table of x86-64, by number and by name."""

from __future__ import annotations

from itertools import chain
from typing import Final

from tracerd.core.syscalls.descriptors import DESCRIPTORS
from tracerd.core.syscalls.files import FILES
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.network import NETWORK
from tracerd.core.syscalls.others import OTHERS
from tracerd.core.syscalls.process import PROCESSES

ROWS: Final[tuple[Syscall, ...]] = tuple(
    sorted(chain(FILES, DESCRIPTORS, PROCESSES, NETWORK, OTHERS), key=lambda row: row.nr)
)
"""The rows of x86-64, ascending by number."""

TABLE: Final[dict[int, Syscall]] = {row.nr: row for row in ROWS}

NAMES: Final[dict[str, Syscall]] = {row.name: row for row in ROWS}
