"""The pump: from wait to resume, for the stops that come by the hundred thousand.

What is common to all pumps.  `python_pump` is always there, `native_pump` where its C part could
be built; nothing else differs between them.

* `wait` drains all statuses that are ready before it handles the first: handling one at a time
  lets busy tasks starve the rest.
* A plain syscall stop of a watched task is handled and the task resumed before `wait` returns.
  If its action asks for it, it is recorded: put on a queue, in order, from which `take` gives it.
  A call that the tracer itself must note is not queued but returned: the tracer puts it there.
* Every other stop, every stop of a manual task and every stop of an unknown task is returned as a
  Stop, the task left stopped.
* A pump knows no names and decides nothing about lifecycles.
"""

from __future__ import annotations

import enum
import os
from typing import NamedTuple, Protocol

from tracerd.core import procfs
from tracerd.core.actions import Action, Actions
from tracerd.core.syscalls.model import Captured
from tracerd.core.wait_status import STOPPING_MASK

MAX_BATCH = 256
"""Statuses gathered before they are handled: bounds how long the first one waits."""


class Mode(enum.IntEnum):
    """At which stops of calls a task is to stop."""

    FREE = 0
    """None."""
    CALLS = 1
    """All: syscall-enter-stops and syscall-exit-stops."""
    FILTERED = 2
    """Those that a seccomp filter of ours picks (PTRACE_EVENT_SECCOMP), and the exit-stops of those
    that have an action."""


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


class Pair(NamedTuple):
    """A call that returned: its two stops."""

    entry: Call
    back: Call

    @property
    def tid(self) -> int:
        """Whose it is; after an exec, by another name than before perhaps."""
        return self.back.tid


def will_run_again(tid: int) -> bool:
    """Whether a call that ends with EINTR will be run again (see Tracer._undo_wakening).

    So it is if only signals ended it that the program has no handler for; those that stop it are
    as they are without a tracer.  At the syscall-exit-stop.
    """
    status = procfs.status(tid)
    if status is None:
        return False
    waiting = (status.pending | status.shared_pending) & ~status.blocked
    return bool(waiting) and not waiting & (status.caught | STOPPING_MASK)


class Pump(Protocol):
    """See the head of this file.  All methods but `take` are for the tracer thread.

    threaded: whether `take` belongs on a thread of its own.
    """

    name: str
    threaded: bool

    @property
    def stops(self) -> int:
        """Syscall stops handled so far; from any thread."""

    @property
    def reads(self) -> int:
        """Reads of tracees' memory so far; from any thread."""

    def watch(self, tid: int, tgid: int, actions: Actions, mode: Mode) -> None:
        """Handle this task's syscall stops from now on, or from now on in this way."""

    def forget(self, tid: int) -> None:
        """The task is gone or detached."""

    def new_image(self, tid: int, former: int) -> None:
        """The task exec'ed: its memory is another, and its tid was `former`."""

    def ended_process(self, tgid: int) -> None:
        """The process is gone: drop what is kept of its memory."""

    def trust_descriptors(self, tgid: int) -> None:
        """Whatever happens to this process's descriptors shows in its tasks' calls.

        All of them are watched, and nobody else shares the table.  Without it, and whenever a task
        does not stop at each call, a descriptor is looked at in /proc each time it is captured.
        """

    def distrust_descriptors(self, tgid: int) -> None:
        """Not so, until its next exec."""

    def set_manual(self, tid: int, manual: bool) -> None:
        """Return all stops of this task from `wait`, or no longer; it need not be watched yet."""

    def is_manual(self, tid: int) -> bool:
        """Whether all stops of this task are returned."""

    def resume(self, tid: int, signo: int = 0) -> bool:
        """Resume a stopped task as its mode asks; a manual one with syscall stops."""

    def skip(self, tid: int) -> None:
        """Resume a task at a syscall-exit-stop whose call is to be run again, unrecorded."""

    def handle(self, tid: int) -> Pair | None:
        """Do for a task held at a syscall stop what `wait` does for others."""

    def entry(self, tid: int) -> Call | None:
        """Return the call that a task is in, if that was recorded."""

    def wait(self) -> list[Stop | Pair]:
        """Return what is for the tracer: stops, and pairs whose action is `noted`.

        It blocks until a task has stopped, and may come back with nothing.
        """

    def put(self, item: object) -> None:
        """Queue something behind all that has been recorded."""

    def limit(self, calls: int | None, size: int | None) -> None:
        """Bound what is queued to so many calls and bytes; None: to what the pump allows itself."""

    def take(self) -> list[object]:
        """Return what was recorded (Call at entry, Pair) and put, in order.

        If `threaded`, it waits until there is something; empty then means closed.
        """

    def kept(self) -> dict[str, list[int]]:
        """Return the tids and tgids of which anything is kept, by what that is."""

    def histogram(self) -> list[int]:
        """Return how many stops stood still for 2^n to 2^(n+1) ns, by n.  From any thread."""

    def placements(self) -> dict[str, int]:
        """Return how often the tracer went to a lone tracee's CPU, and left.  From any thread."""

    def looks(self) -> dict[str, int]:
        """Return how often a descriptor was looked at in /proc, and how often that was spared."""

    def close(self) -> None:
        """Drop all resources."""


def choose(*, placement: bool = True) -> Pump:
    """Return the pump that TRACERD_PUMP names (`python`, `native`); else the native one if built.

    placement: whether it may choose the CPU it runs on.  With TRACERD_LOOKS=always, what
    descriptors refer to is not remembered: for measurements.  Raises ImportError if `native` is
    asked for and was not built; ValueError for any other name.
    """
    name = os.environ.get("TRACERD_PUMP", "")
    remembers = os.environ.get("TRACERD_LOOKS") != "always"
    if name not in ("", "python", "native"):
        raise ValueError(f"TRACERD_PUMP: {name!r} is neither `python` nor `native`")
    if name != "python":
        try:
            from tracerd.core.native_pump import NativePump  # noqa: PLC0415  it may not be there

            return NativePump(placement=placement, remembers=remembers)
        except ImportError:
            if name:
                raise
    from tracerd.core.python_pump import PythonPump  # noqa: PLC0415

    return PythonPump(remembers=remembers)
