"""The capture plan of a row: all that a pump reads at the two stops of a call.

Beyond what the arguments themselves ask for, a plan looks up what must be known at the
moment of the call: where each path starts from, what each descriptor refers to, whether
a file to be opened is there already.  What nobody will see is not in it: see protocol.detail.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from tracerd.core.syscalls.asides import Aside, asides_of
from tracerd.core.syscalls.model import WIDTHS, Arg, Capture, How, Named, Syscall
from tracerd.protocol.detail import Detail


class Plan(NamedTuple):
    """What to capture, and where to find each thing among the captured.

    arg_enter, arg_exit: per argument, its index in enter or exit; -1: none.
    base: position of an argument that is a path, or that has one in it (a socket address with an
    op) -> index in enter of its How.BASE.
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
    part: int = -1
    """Index in both of How.PART."""
    paths: tuple[int, ...] = ()
    """Indices in enter of the paths that were passed."""
    asides: tuple[tuple[int, Aside], ...] = ()
    """Index in enter of the How.PART of each, and what it is of."""


NAMED: Final = {"sockaddr": Named.ADDRESS, "msghdr": Named.MESSAGE, "mmsghdr": Named.MESSAGE}
"""Kinds of arguments that may have a path in them."""
REMEMBERED: Final = 2048
"""Rows whose plan is kept: all of the table, and what numbers a tracee makes up."""


NOTHING: Final = Plan((), (), (), (), {}, {})
"""For who only wants to know that a call was made, and how it went."""

NAMELESS: Final = frozenset({"open_by_handle_at", "memfd_create", "memfd_secret", "pidfd_getfd"})
"""Calls that name no file but return one."""


@lru_cache(maxsize=2 * REMEMBERED)
def plan_for(syscall: Syscall, detail: Detail = Detail.FULL) -> Plan:
    """Return the row's plan at a level of detail, worked out once.

    At ARGS it is the same as at FULL: contents have other limits there, see Actions.
    """
    if detail is Detail.NAMES:
        return NOTHING
    if detail is Detail.ARGS:
        return plan_for(syscall)
    whole = detail is Detail.FULL
    opens = any(arg.op == "open" for arg in syscall.args)
    enter: list[Capture] = []
    exit_: list[Capture] = []
    arg_enter = tuple(
        [
            _add(enter, arg.enter if whole or _tells_of_files(arg, opens=opens) else None)
            for arg in syscall.args
        ]
    )
    arg_exit = tuple([_add(exit_, arg.exit if whole or arg.op else None) for arg in syscall.args])
    base: dict[int, int] = {}
    links: dict[int, int] = {}
    present = -1
    width = WIDTHS.get(syscall.abi, 8)
    for position, arg in enumerate(syscall.args):
        if not (whole or arg.op):
            continue
        if arg.kind == "path":
            start = _start(syscall, arg)
            base[position] = _add(enter, Capture(How.BASE, start, position, width=width))
            if arg.op == "open":
                flags = syscall.index.get("flags", -1)
                opening = Capture(How.PRESENT, start, position, flags, width=width)
                present = _add(enter, opening)
        elif arg.kind == "fd":
            links[position] = _add(enter, Capture(How.FD, position, width=width))
        elif arg.kind == "fd_high":
            links[position] = _add(enter, Capture(How.FD, position, 32, width=width))
        elif arg.op and arg.kind in NAMED and arg.exit is None:
            named = Capture(How.BASE, -1, position, NAMED[arg.kind], width=width)
            base[position] = _add(enter, named)
    returned = None
    if syscall.ret == "fd" and (whole or opens or syscall.name in NAMELESS):
        returned = Capture(How.RET_FD, -1, width=width)
    opened = _add(exit_, returned)
    part = -1
    if syscall.parts:
        assert not enter
        assert not exit_
        part = _add(enter, _part(syscall, detail, entering=True))
        _add(exit_, _part(syscall, detail, entering=False))
    asides = tuple([(_add(enter, _aside(syscall, each)), each) for each in asides_of(syscall)])
    paths = tuple([arg_enter[at] for at in base if syscall.args[at].kind == "path"])
    return Plan(
        tuple(enter),
        tuple(exit_),
        arg_enter,
        arg_exit,
        base,
        links,
        present,
        opened,
        part,
        paths,
        asides,
    )


def _aside(syscall: Syscall, aside: Aside) -> Capture:
    """Return the capture of what a call has in structures that name files."""
    first = syscall.index[aside.memory] if aside.memory else -1
    parts = {
        which: (len(row.args) - first if aside.memory else 0, plan_for(row).enter)
        for which, row in aside.rows.items()
    }
    which_at = syscall.index[aside.which] if aside.which else -1
    return Capture(How.PART, which_at, first, width=WIDTHS.get(syscall.abi, 8), parts=parts)


def _tells_of_files(arg: Arg, *, opens: bool) -> bool:
    """Whether what an argument points to is needed for `files`: a name, or how to open it."""
    return bool(arg.op) or (opens and arg.name == "how")


def _part(syscall: Syscall, detail: Detail, *, entering: bool) -> Capture | None:
    """Return the capture, at one stop, of a call that stands for others; None: of none of them."""
    parts: dict[int, tuple[int, tuple[Capture, ...]]] = {}
    for which, part in syscall.parts.items():
        plan = plan_for(part, detail)
        if detail is Detail.FILES and not (plan.enter or plan.exit):
            continue
        in_memory = len(part.args) - syscall.memory if syscall.memory >= 0 else 0
        parts[which] = in_memory, plan.enter if entering else plan.exit
    if not parts:
        return None
    which_at = 0 if syscall.memory else -1
    return Capture(How.PART, which_at, syscall.memory, width=WIDTHS[syscall.abi], parts=parts)


def _start(syscall: Syscall, path: Arg) -> int:
    """Return the position of the dirfd that a path argument is relative to; -1: the cwd."""
    return syscall.index[path.at] if path.at else -1


def _add(captures: list[Capture], capture: Capture | None) -> int:
    """Add a capture, if there is one; return its index."""
    if capture is None:
        return -1
    captures.append(capture)
    return len(captures) - 1
