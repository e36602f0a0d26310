"""The syscalls: a table that is data, and what is asked of it."""

from __future__ import annotations

from tracerd.core.syscalls.catalogue import CATALOGUE, CLASSES
from tracerd.core.syscalls.decoding import decode_args, decode_ret, part_of
from tracerd.core.syscalls.i386 import I386, I386_ROWS, LISTED
from tracerd.core.syscalls.kinds import KINDS
from tracerd.core.syscalls.lookup import TABLES, by_name, lookup, numbers
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
    "TABLES",
    "Plan",
    "by_name",
    "decode_args",
    "decode_ret",
    "lookup",
    "numbers",
    "part_of",
    "plan_for",
]
