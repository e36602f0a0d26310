"""The syscalls: a table that is data, and what is asked of it."""

from __future__ import annotations

from tracerd.core.syscalls.catalogue import CATALOGUE, CLASSES
from tracerd.core.syscalls.decoding import decode_args, decode_ret
from tracerd.core.syscalls.kinds import KINDS
from tracerd.core.syscalls.lookup import by_name, lookup
from tracerd.core.syscalls.plan import Plan, plan_for
from tracerd.core.syscalls.table import ROWS, TABLE

__all__ = [
    "CATALOGUE",
    "CLASSES",
    "KINDS",
    "ROWS",
    "TABLE",
    "Plan",
    "by_name",
    "decode_args",
    "decode_ret",
    "lookup",
    "plan_for",
]
