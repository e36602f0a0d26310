"""What goes through the queue of the pump to the teller, in order, beside the calls recorded there.

Shapes only.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from tracerd.core.commands import Answer
from tracerd.core.pump import Call
from tracerd.core.tracee import Identity
from tracerd.protocol.events import Event, FileAccess


class Told(NamedTuple):
    """An event, but for its seq, and the process that made it."""

    event: Event
    process: Identity


class Known(NamedTuple):
    """Who a process is from now on.  execs: which exec calls are wanted of it; None: all."""

    process: Identity
    execs: frozenset[str] | None


class Joined(NamedTuple):
    """A task of a known process."""

    tid: int
    pid: int
    comm: str


class Gone(NamedTuple):
    """A task that has ended or left."""

    tid: int


class GoneProcess(NamedTuple):
    """A process that has no task any more."""

    pid: int


class Resumable(NamedTuple):
    """The call that restart_syscall will go on with in a task."""

    tid: int
    name: str


class Implied(NamedTuple):
    """What the kernel opened by itself, at an exec of which the call has yet to return."""

    tid: int
    files: list[FileAccess]


class Unfinished(NamedTuple):
    """A call that will never return."""

    entry: Call
    time_ns: int
    comm: str
    process: Identity


class Reply(NamedTuple):
    """The answer to a command.  value: HEAD stands for the seq of the newest event then."""

    answer: Answer
    value: Any


HEAD: Final = object()


class End(NamedTuple):
    """Nothing comes after this."""
