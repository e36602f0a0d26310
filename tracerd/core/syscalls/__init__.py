"""The syscalls: tables that are data, and what is asked of them.

One line per call, to be read from top to bottom: files.py, descriptors.py, process.py,
network.py, others.py are the table of x86-64, by what the calls are for; i386.py, i386_own.py and
i386_parts.py that of i386, aarch64.py that of aarch64, in both of which most rows are made of
those of x86-64.  vocabulary.py and what it names have the words that rows are written in.
`tracerctl syscalls --abi ABI` prints each table by number.
"""

from __future__ import annotations

from tracerd.core.syscalls.catalogue import CATALOGUE, CLASSES
from tracerd.core.syscalls.decoding import decode_args, decode_ret, part_of
from tracerd.core.syscalls.i386 import I386, I386_ROWS, LISTED
from tracerd.core.syscalls.kinds import KINDS
from tracerd.core.syscalls.lookup import TABLED, by_name, lookup, numbers, table
from tracerd.core.syscalls.plan import Plan, plan_for
from tracerd.core.syscalls.table import ROWS, TABLE

__all__ = [
    "CATALOGUE",
    "CLASSES",
    "I386",
    "I386_ROWS",
    "KINDS",
    "LISTED",
    "ROWS",
    "TABLE",
    "TABLED",
    "Plan",
    "by_name",
    "decode_args",
    "decode_ret",
    "lookup",
    "numbers",
    "part_of",
    "plan_for",
    "table",
]
