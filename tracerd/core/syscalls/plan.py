"""The capture plan of a row: all that a pump reads at the two stops of a call.

Beyond what the arguments themselves ask for, a plan looks up what must be known at the
moment of the call: where each path starts from, what each descriptor refers to, whether
a file to be opened is there already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from tracerd.core.syscalls.model import Arg, Capture, How, Syscall


class Plan(NamedTuple):
    """What to capture, and where to find each thing among the captured.

    arg_enter, arg_exit: per argument, its index in enter or exit; -1: none.
    base: position of a path argument -> index in enter of its How.BASE.
    links: position of an fd argument -> index in enter of its How.FD.
    present: index in enter of How.PRESENT, opened: in exit of How.RET_FD; -1: none.
    """

    enter: tuple[Capture, ...]
    exit: tuple[Capture, ...]
    arg_enter: tuple[int, ...]
    arg_exit: tuple[int, ...]
    base: dict[int, int]
    links: dict[int, int]
    present: int = -1
    opened: int = -1


REMEMBERED: Final = 2048
"""Rows whose plan is kept: all of the table, and what numbers a tracee makes up."""


@lru_cache(maxsize=REMEMBERED)
def plan_for(syscall: Syscall) -> Plan:
    """Return the row's plan, worked out once."""
    enter: list[Capture] = []
    exit_: list[Capture] = []
    arg_enter = tuple([_add(enter, arg.enter) for arg in syscall.args])
    arg_exit = tuple([_add(exit_, arg.exit) for arg in syscall.args])
    base: dict[int, int] = {}
    links: dict[int, int] = {}
    present = -1
    for position, arg in enumerate(syscall.args):
        if arg.kind == "path":
            start = _start(syscall, arg)
            base[position] = _add(enter, Capture(How.BASE, start, position))
            if arg.op == "open":
                flags = syscall.index.get("flags", -1)
                present = _add(enter, Capture(How.PRESENT, start, position, flags))
        elif arg.kind == "fd":
            links[position] = _add(enter, Capture(How.FD, position))
    opened = _add(exit_, Capture(How.RET_FD, -1) if syscall.ret == "fd" else None)
    return Plan(tuple(enter), tuple(exit_), arg_enter, arg_exit, base, links, present, opened)


def _start(syscall: Syscall, path: Arg) -> int:
    """Return the position of the dirfd that a path argument is relative to; -1: the cwd."""
    return syscall.index[path.at] if path.at else -1


def _add(captures: list[Capture], capture: Capture | None) -> int:
    """Add a capture, if there is one; return its index."""
    if capture is None:
        return -1
    captures.append(capture)
    return len(captures) - 1
