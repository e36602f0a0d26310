"""What a pump does at each syscall: the interest of all subscriptions, turned into a table.

An Action is all that the hot loop looks at.  No action: the call is resumed and
forgotten.
"""

from __future__ import annotations

from typing import NamedTuple

from tracerd.core.calls import NOT_RESTARTED
from tracerd.core.state_calls import STATE_CALLS
from tracerd.core.syscalls import TABLES, lookup
from tracerd.core.syscalls.model import Capture, How, Syscall
from tracerd.core.syscalls.plan import Plan, plan_for
from tracerd.protocol.filters import Interest

ABIS: dict[int, str] = {0xC000003E: "x86_64", 0x40000003: "i386", 0xC00000B7: "aarch64"}
"""AUDIT_ARCH_* of <linux/audit.h>."""

CONTENT = frozenset({How.BYTES_LEN, How.BYTES_RET, How.IOVEC, How.MSGHDR})
"""Captures of buffer contents, whose limit is the subscribers' string limit."""


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


class Actions:
    """The table for one Interest.  `find` is called at every syscall-enter-stop."""

    def __init__(self, interest: Interest) -> None:
        self.interest = interest
        self.any_calls = (
            interest.enter != frozenset()
            or interest.exit != frozenset()
            or "blind" in interest.types  # what makes blind are calls
        )
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
        foreign = syscall.abi not in TABLES
        if not (tell_enter or tell_exit or foreign or name in STATE_CALLS):
            return None
        plan = plan_for(syscall)
        enter = [self._limited(capture) for capture in plan.enter]
        envp = syscall.index.get("envp", -1)
        if envp >= 0 and not interest.envp:
            at = plan.arg_enter[envp]
            enter[at] = enter[at]._replace(limit=0)  # read nothing
        return Action(
            syscall,
            plan,
            tuple(enter),
            tuple([self._limited(capture) for capture in plan.exit]),
            tell_enter,
            tell_exit,
            noted=name in STATE_CALLS,
            again=name in NOT_RESTARTED,
        )

    def _limited(self, capture: Capture) -> Capture:
        if capture.parts is not None:
            parts = {
                which: (count, tuple([self._limited(each) for each in captures]))
                for which, (count, captures) in capture.parts.items()
            }
            return capture._replace(parts=parts)
        if capture.how in CONTENT and self.interest.string_limit:
            return capture._replace(limit=self.interest.string_limit)
        return capture


NOBODY = Interest()
"""Nobody wants anything."""


def only_exec() -> Actions:
    """Return the table for processes that are hidden until they exec: nothing is told."""
    return Actions(NOBODY)
