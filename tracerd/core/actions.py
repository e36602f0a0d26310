"""What a pump does at each syscall: the interest of all subscriptions, turned into a table.

An Action is all that the hot loop looks at.  No action: the call is resumed and
forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tracerd.core.calls import NOT_RESTARTED
from tracerd.core.socket_table import MAKERS as SOCKET_CALLS
from tracerd.core.state_calls import EXECS, STATE_CALLS
from tracerd.core.syscalls import TABLED, lookup
from tracerd.core.syscalls.effects import NOTHING as NOTHING_CHANGES
from tracerd.core.syscalls.effects import Change, change_of
from tracerd.core.syscalls.model import WIDTHS, Capture, How, Syscall
from tracerd.core.syscalls.plan import NOTHING as NO_PLAN
from tracerd.core.syscalls.plan import Plan, plan_for
from tracerd.protocol.detail import Detail
from tracerd.protocol.interest import NOTHING, Interest, either

ABIS: dict[int, str] = {0xC000003E: "x86_64", 0x40000003: "i386", 0xC00000B7: "aarch64"}
"""AUDIT_ARCH_* of <linux/audit.h>."""

CONTENT = frozenset({How.BYTES_LEN, How.BYTES_RET, How.IOVEC, How.MSGHDR, How.MMSGHDR})
"""Captures of buffer contents, whose limit is the subscribers' string limit."""

DETAILS = 1
"""Capture.c of How.FD and How.RET_FD, limit of How.BASE: all that can be known is wanted."""


WITH_HEAD = frozenset({How.BYTES_LEN, How.BYTES_RET})
"""Captures that may begin with so many bytes, `c`, that are no contents."""


class Action(NamedTuple):
    """How a pump treats one call.

    tell_enter, tell_exit: whether anyone asked for the event.  noted: the call changes what the
    tracer knows (STATE_CALLS).
    """

    syscall: Syscall
    plan: Plan
    enter: tuple[Capture, ...]
    exit: tuple[Capture, ...]
    tell_enter: bool
    tell_exit: bool
    noted: bool
    again: bool = False
    """A call of calls.NOT_RESTARTED."""
    prefixes: tuple[bytes, ...] | None = None
    """If not None, it is told only if it may have to do with a path that begins so."""
    detail: Detail = Detail.FULL
    """What was captured is enough for this level."""
    change: Change = NOTHING_CHANGES
    """What it does to descriptors, which the pump remembers."""
    fd_info: bool = False
    """Descriptors are captured in detail."""


class Actions:
    """The table for what is wanted of a process.  `find` is called at every syscall-enter-stop.

    interests: of all wishes that cover it.  calls: whether any call has to stop.  exec_detail: how
    much is wanted of what it executes.  becoming: the same, of who it may be after its next exec.
    """

    def __init__(self, interests: Iterable[Interest] = (), becoming: Detail = Detail.NAMES) -> None:
        self.interests = tuple(interests)
        self.interest = NOTHING
        for each in self.interests:
            self.interest = self.interest.union(each)
        self.calls = _any_calls(self.interest)
        self.exec_detail = exec_detail(self.interests)
        self._becoming = becoming
        self._found: dict[int, dict[int, Action | None]] = {}

    def find(self, arch: int, nr: int) -> Action | None:
        """Return the action for a call, or None to let it pass.  arch: AUDIT_ARCH_*."""
        try:
            return self._found[arch][nr]
        except KeyError:
            action = self._make(lookup(nr, ABIS.get(arch, f"{arch:#x}")))
            of_arch = self._found.setdefault(arch, {})
            if len(of_arch) < 4096:  # a tracee can call any number
                of_arch[nr] = action
            return action

    def _make(self, syscall: Syscall) -> Action | None:
        interest, name = self.interest, syscall.name
        tell_enter = interest.enter is None or name in interest.enter
        tell_exit = interest.exit is None or name in interest.exit
        foreign = syscall.abi not in TABLED
        change = change_of(syscall)
        teaches = interest.fd_info and name in SOCKET_CALLS
        if not (tell_enter or tell_exit or foreign or teaches or name in STATE_CALLS):
            if not change.effect:
                return None
            return Action(syscall, NO_PLAN, (), (), False, False, noted=False, change=change)
        detail = max(self._detail(name), Detail.ARGS) if teaches else self._detail(name)
        plan = plan_for(syscall, detail)
        limit = self._content_limit(detail)
        enter = [_limited(capture, limit) for capture in plan.enter]
        exit_ = [_limited(capture, limit) for capture in plan.exit]
        fd_info = interest.fd_info and detail >= Detail.ARGS
        if fd_info:
            enter, exit_ = [[_detailed(each) for each in captures] for captures in (enter, exit_)]
        if name == "clone3" and detail < Detail.ARGS and "blind" in interest.types:
            enter = [_flags_of_clone3(syscall)]  # a child that escapes is to be told of
        envp = syscall.index.get("envp", -1) if detail >= Detail.ARGS else -1
        if envp >= 0 and not interest.envp:
            at = plan.arg_enter[envp]
            enter[at] = enter[at]._replace(limit=0)  # read nothing
        return Action(
            syscall,
            plan,
            tuple(enter),
            tuple(exit_),
            tell_enter,
            tell_exit,
            noted=name in STATE_CALLS or not syscall.known or (teaches and not tell_exit),
            again=name in NOT_RESTARTED,
            prefixes=self._prefixes(name, plan),
            detail=detail,
            change=change,
            fd_info=fd_info,
        )

    def _detail(self, name: str) -> Detail:
        """Return the most that anyone wants of a call."""
        detail = Detail.NAMES
        if name in EXECS:
            detail = max(self.exec_detail, self._becoming)
        for each in self.interests:
            if each.detail > detail and (
                (each.exit is None or name in each.exit)
                or (each.enter is None or name in each.enter)
            ):
                detail = each.detail
        return detail

    def _content_limit(self, detail: Detail) -> int | None:
        """Return where contents are cut, bytes; None: where the table has them cut."""
        if detail < Detail.FULL:
            return 0
        return self.interest.string_limit or None

    def _prefixes(self, name: str, plan: Plan) -> tuple[bytes, ...] | None:
        """Return what paths of a call must begin with for anyone to want it."""
        if not plan.base or plan.links or len(plan.paths) < len(plan.base):
            return None  # what it does to files may come by other ways
        prefixes: set[bytes] = set()
        for each in self.interests:
            if each.exit is None or name in each.exit:
                if each.paths is None:
                    return None
                prefixes.update(path.encode() for path in each.paths)
        return tuple(sorted(prefixes))


def _limited(capture: Capture, limit: int | None) -> Capture:
    """Return a capture with another limit, if it is one of contents.  None: as it is."""
    if limit is None:
        return capture
    if capture.parts is not None:
        parts = {
            which: (count, tuple([_limited(each, limit) for each in captures]))
            for which, (count, captures) in capture.parts.items()
        }
        return capture._replace(parts=parts)
    if capture.how not in CONTENT:
        return capture
    head = max(capture.c, 0) if capture.how in WITH_HEAD else 0
    return capture._replace(limit=limit + head)


def _detailed(capture: Capture) -> Capture:
    """Return a capture, if it is one of descriptors, that says all that can be known of them."""
    if capture.parts is not None:
        parts = {
            which: (count, tuple([_detailed(each) for each in captures]))
            for which, (count, captures) in capture.parts.items()
        }
        return capture._replace(parts=parts)
    if capture.how is How.BASE:
        return capture._replace(limit=DETAILS)
    return capture._replace(c=DETAILS) if capture.how in (How.FD, How.RET_FD) else capture


def _flags_of_clone3(syscall: Syscall) -> Capture:
    """Return the capture of the first word of struct clone_args (see calls.clone_flags)."""
    return Capture(How.BYTES, 0, limit=8, width=WIDTHS[syscall.abi])


def exec_detail(interests: Iterable[Interest]) -> Detail:
    """Return the most that anyone wants of an exec, be it of the event or of the call."""
    return max(
        (
            each.detail
            for each in interests
            if "exec" in each.types or each.exit is None or not EXECS.isdisjoint(each.exit)
        ),
        default=Detail.NAMES,
    )


def _any_calls(interest: Interest) -> bool:
    return (
        interest.enter != frozenset()
        or interest.exit != frozenset()
        or "blind" in interest.types  # what makes blind are calls
    )


def tells_return(action: Action, wanted: frozenset[str] | None) -> bool:
    """Whether the return of a call, or that it never will, is to be told.

    wanted: names of the calls of which that is wanted now; None: all.  It decides for execs, which
    may have been entered while nothing was to be told of the process.
    """
    name = action.syscall.name
    return action.tell_exit or (name in EXECS and (wanted is None or name in wanted))


def captured_names(interests: Iterable[Interest]) -> frozenset[str] | None:
    """Return the names of the calls that have to stop; None: all.

    Among them are those that the tracer itself must see, and what others go on as.
    """
    names: frozenset[str] | None = STATE_CALLS | {"restart_syscall"}
    for each in interests:
        names = either(names, either(each.enter, each.exit))
        if each.fd_info:
            names = either(names, SOCKET_CALLS)
    return names


NOBODY = Actions()
"""Nobody wants anything."""
