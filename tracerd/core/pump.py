"""The pump: from wait to resume, for the stops that come by the hundred thousand.

Contract, the same for every pump (a C accelerator replaces this module and
touches nothing else):

* `wait` blocks until at least one task stopped, drains all that are ready, and
  returns records in the order seen.  Gather first, then handle: handling one at
  a time lets busy tasks starve the rest.
* A plain syscall stop of a watched task is handled and the task resumed before
  `wait` returns; it gives a Call if its action asks for one.
* Every other stop, every stop of a task in `manual` and every stop of an unknown
  task is returned as a Stop, the task left stopped.
* A pump knows no names and decides nothing about lifecycles.
"""

from __future__ import annotations

import errno
import os
import time
from typing import NamedTuple, Protocol, TypeAlias

from tracerd.core import kernel, procfs
from tracerd.core.actions import Action, Actions
from tracerd.core.capture import Capturer
from tracerd.core.memory import Memory
from tracerd.core.syscalls.model import Captured
from tracerd.core.wait_status import STOPPING_MASK, SYSCALL_STOP

MAX_BATCH = 256
"""Statuses gathered before they are handled: bounds how long the first one waits."""


class Stop(NamedTuple):
    """A status for the state machine; the task stays stopped.  when_ns: CLOCK_MONOTONIC."""

    tid: int
    status: int
    when_ns: int


class Call(NamedTuple):
    """A syscall stop that was recorded; the task runs again.

    At an enter-stop `ret` and `failed` mean nothing; at an exit-stop action, nr and args are
    those of the entry.  changed: which paths captured at entry (indices) another thread wrote
    over during the call; looked for in processes of several tasks.
    """

    tid: int
    entering: bool
    action: Action
    nr: int
    args: tuple[int, ...]
    ret: int
    failed: bool
    when_ns: int
    captured: tuple[Captured, ...]
    changed: tuple[int, ...] = ()


Record: TypeAlias = Stop | Call

_Inside: TypeAlias = tuple[Action, int, tuple[int, ...], tuple[Captured, ...]]
_new = tuple.__new__
"""A NamedTuple made so costs half of one made by its constructor."""


def will_run_again(tid: int) -> bool:
    """Whether a call that ends with EINTR will be run again (see Tracer._on_stop).

    So it is if only signals ended it that the program has no handler for; those that stop it are
    as they are without a tracer.  At the syscall-exit-stop.
    """
    status = procfs.status(tid)
    if status is None:
        return False
    waiting = (status.pending | status.shared_pending) & ~status.blocked
    return bool(waiting) and not waiting & (status.caught | STOPPING_MASK)


class Pump(Protocol):
    """See the head of this file."""

    name: str
    manual: set[int]

    def watch(self, tid: int, tgid: int, *, hidden: bool = False) -> None:
        """Handle this task's syscall stops from now on."""

    def forget(self, tid: int) -> None:
        """The task is gone or detached."""

    def new_image(self, tid: int, former: int) -> None:
        """The task exec'ed: its memory is another, and its tid was `former`."""

    def ended_process(self, tgid: int) -> None:
        """The process is gone: drop what is kept of its memory."""

    def use(self, actions: Actions) -> None:
        """Replace the action table."""

    def resume(self, tid: int, signo: int = 0) -> bool:
        """Resume a stopped task as the action table asks: with or without syscall stops."""

    def skip(self, tid: int) -> None:
        """Resume a task at a syscall-exit-stop whose call is to be run again, unrecorded."""

    def handle(self, tid: int) -> Call | None:
        """Do for a task held at a syscall stop what `wait` does for others."""

    def wait(self) -> list[Record]:
        """See the head of this file."""

    def close(self) -> None:
        """Drop all resources."""


class PythonPump:
    """The pump in pure Python: always there."""

    name = "python"

    def __init__(self, actions: Actions, hidden: Actions) -> None:
        self.manual: set[int] = set()
        self._memory = Memory()
        self._capturer = Capturer(self._memory)
        self._actions = actions
        self._hidden_actions = hidden
        self._all_calls = False
        self._spaces: dict[int, int] = {}
        self._crowds: dict[int, int] = {}
        """How many tasks a process has, by tgid."""
        self._hidden: set[int] = set()
        self._inside: dict[int, _Inside] = {}
        """Calls entered, by tid, that have an action."""
        self._next: tuple[int, int] | None = None
        """A second status of a task already in the batch: it opens the next one."""
        self.use(actions)

    def watch(self, tid: int, tgid: int, *, hidden: bool = False) -> None:
        """Handle this task's syscall stops from now on."""
        if tid not in self._spaces:
            self._crowds[tgid] = self._crowds.get(tgid, 0) + 1
        self._spaces[tid] = tgid
        if hidden:
            self._hidden.add(tid)
        else:
            self._hidden.discard(tid)

    def forget(self, tid: int) -> None:
        """The task is gone or detached."""
        tgid = self._spaces.pop(tid, None)
        if tgid is not None:
            self._crowds[tgid] -= 1
            if not self._crowds[tgid]:
                del self._crowds[tgid]
        self._inside.pop(tid, None)
        self._hidden.discard(tid)
        self.manual.discard(tid)

    def new_image(self, tid: int, former: int) -> None:
        """The task exec'ed: its memory is another, and its tid was `former`."""
        inside = self._inside.pop(former, None)
        if former != tid:
            self._inside.pop(tid, None)
            self.forget(former)
        if inside is not None:
            self._inside[tid] = (*inside[:3], ())  # what was passed is gone
        self._memory.forget(self._spaces.get(tid, tid))

    def ended_process(self, tgid: int) -> None:
        """The process is gone: drop what is kept of its memory."""
        self._memory.forget(tgid)

    def use(self, actions: Actions) -> None:
        """Replace the action table."""
        self._actions = actions
        self._all_calls = actions.any_calls

    def resume(self, tid: int, signo: int = 0) -> bool:
        """Resume a stopped task as the action table asks: with or without syscall stops."""
        if self._all_calls or tid in self.manual or tid in self._hidden:
            return kernel.resume(kernel.SYSCALL, tid, signo)
        self._inside.pop(tid, None)
        return kernel.resume(kernel.CONT, tid, signo)

    def wait(self) -> list[Record]:
        """See the head of this file."""
        first = self._next or os.waitpid(-1, kernel.WAIT_FLAGS)
        self._next = None
        statuses = {first[0]: first[1]}
        # Else there is nobody else to stop; but whoever rings often must not starve the tracee.
        if len(self._spaces) > 1 or first[0] not in self._spaces:
            self._gather(statuses)
        records: list[Record] = []
        spaces, manual, clock = self._spaces, self.manual, time.monotonic_ns
        for tid, status in statuses.items():
            if status == SYSCALL_STOP and tid in spaces and tid not in manual:
                call = self.handle(tid)
                if call is not None:
                    records.append(call)
            else:
                records.append(Stop(tid, status, clock()))
        return records

    def _gather(self, statuses: dict[int, int]) -> None:
        wait, flags = os.waitpid, kernel.WAIT_FLAGS | os.WNOHANG
        while len(statuses) < MAX_BATCH:
            try:
                tid, status = wait(-1, flags)
            except ChildProcessError:
                return
            if tid == 0:
                return
            if tid in statuses:
                self._next = (tid, status)
                return
            statuses[tid] = status

    def skip(self, tid: int) -> None:
        """Resume a task at a syscall-exit-stop whose call is to be run again, unrecorded."""
        self._inside.pop(tid, None)
        self.resume(tid)

    def handle(self, tid: int) -> Call | None:
        """Record a plain syscall stop if its action asks for it, and resume the task."""
        when_ns = time.monotonic_ns()
        op, info = kernel.syscall_info(tid)
        call = None
        if op == kernel.EXIT:
            inside = self._inside.pop(tid, None)
            if inside is not None:
                call = self._returned(tid, inside, info, when_ns)
        elif op:
            actions = self._hidden_actions if tid in self._hidden else self._actions
            action = actions.find(info[0], info[1])
            if action is not None:
                call = self._entered(tid, action, info, when_ns)
            elif self._inside:
                self._inside.pop(tid, None)
        self.resume(tid)
        return call

    def _entered(self, tid: int, action: Action, info: tuple[int, ...], when_ns: int) -> Call:
        args = info[2:]
        captured: tuple[Captured, ...] = ()
        if action.enter:
            captured = self._capturer.read(action.enter, tid, self._spaces[tid], args, -1)
        self._inside[tid] = (action, info[1], args, captured)
        return _new(Call, (tid, True, action, info[1], args, 0, False, when_ns, captured, ()))

    def _returned(self, tid: int, inside: _Inside, info: tuple[int, ...], when_ns: int) -> Call:
        action, nr, args, before = inside
        _, ret, failed = info
        captured: tuple[Captured, ...] = ()
        changed: tuple[int, ...] = ()
        space = self._spaces[tid]
        if action.plan.paths and self._crowds[space] > 1 and before:
            changed = self._changed(action, tid, args, before)
        if failed and ret == -errno.EINTR and action.again and will_run_again(tid):
            ret = -kernel.ERESTARTNOHAND
        if action.exit and not failed:
            captured = self._capturer.read(action.exit, tid, space, args, ret)
        return _new(
            Call, (tid, False, action, nr, args, ret, failed != 0, when_ns, captured, changed)
        )

    def _changed(
        self, action: Action, tid: int, args: tuple[int, ...], before: tuple[Captured, ...]
    ) -> tuple[int, ...]:
        """Return which of the paths captured at entry read otherwise now."""
        again = [action.enter[at] for at in action.plan.paths]
        now = self._capturer.read(again, tid, self._spaces[tid], args, -1)
        return tuple(
            [at for at, path in zip(action.plan.paths, now, strict=True) if path != before[at]]
        )

    def close(self) -> None:
        """Drop all resources."""
        self._memory.close()
