"""What the rest of the house may ask of the tracer thread, and what it hears from it.

Shapes only.  Commands are queued with `Tracer.submit` from any thread; answers come where events
are published: on the thread of the teller (see telling.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from tracerd.core.pidfd import PidFd
from tracerd.core.tracee import Identity, Process
from tracerd.protocol.detail import Detail, seen
from tracerd.protocol.events import Event, SyscallEnter, SyscallExit
from tracerd.protocol.interest import Interest


@dataclass(frozen=True, slots=True)
class AttachCommand:
    """Bring process `pid` under trace on behalf of `owner` (any id not in use).

    A process already traced for another owner is shared.  Answer: AttachResult, or raises
    NoSuchProcess, PermissionDenied, AlreadyTraced, KernelThread, OwnDaemon, ZombieProcess,
    ExitingProcess, InitProcess, LimitReached (there are too many tracees).
    The answer comes when every thread has stopped once, or at ExpireAttach.

    held: names the process for good; `pid` is it only while that lives.
    calls: names of the calls that a seccomp filter of ours will make it stop at, which it installs
    before its exec (until_exec).  It cannot go on without its tracer then: it dies with us, and
    refuses to be released.
    """

    pid: int
    owner: int
    until_exec: bool = False
    by_uid: int | None = None
    held: PidFd | None = None
    trace_init: bool = False
    calls: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ExpireAttach:
    """Answer the attach of `owner` now, with the threads that are still pending."""

    owner: int


@dataclass(frozen=True, slots=True)
class ReleaseCommand:
    """`owner` no longer needs its processes: those without another owner are detached.

    Answer: ReleaseResult, when all of them have left trace, or at ExpireRelease; or raises
    SeccompFiltered, and `owner` keeps its processes: one of them cannot go on without us.
    """

    owner: int
    why: str = "detach"


@dataclass(frozen=True, slots=True)
class ExpireRelease:
    """Answer the release of `owner` now, with the tasks that are still to leave."""

    owner: int


def everybody(_process: Identity) -> bool:
    """Cover every process."""
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """What one filter of a live subscription wants, and of whom.

    covers: judged when a process comes under trace, executes, or changes its credentials.
    """

    interest: Interest
    covers: Callable[[Identity], bool] = everybody


class Lag(NamedTuple):
    """How much may have been recorded and not been told yet: calls, and bytes as recorded."""

    calls: int
    size: int


@dataclass(frozen=True, slots=True)
class SetInterest:
    """What all live subscriptions want, from now on.  Answer: None, once it is in force.

    lag: None: as much as the pump has room for.
    """

    wishes: tuple[Wish, ...] = ()
    lag: Lag | None = None


@dataclass(frozen=True, slots=True)
class ExpireInterest:
    """Answer every SetInterest now, though some task cannot stop (a dead network file system).

    It is switched over when it does stop.
    """


@dataclass(frozen=True, slots=True)
class Recheck:
    """The gate may have opened: resume the held tracees it no longer covers."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Answer: list[Process] of all traced processes (a copy of the table; read-only)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Tell what the processes are that are covered, as they are now.

    Answer: list[tuple[Attached, Identity]]; the events are of the seq at which the answer comes.
    """

    covers: Callable[[Identity], bool] = everybody


@dataclass(frozen=True, slots=True)
class Checkup:
    """Look for tracees that have been stopped for `after_ns` and more though nobody asked for it.

    Answer: None; what was found is in Statistics.stuck.  To be asked again and again: one look
    shows nothing.
    """

    after_ns: int


@dataclass(frozen=True, slots=True)
class Barrier:
    """Answer: seq of the newest event, once all before it have been published."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Detach everything, answer, and end the tracer thread.

    patient: stay, without telling anything, as long as there are programs that cannot go on
    without us; else they end with us.
    """

    why: str = "shutdown"
    patient: bool = False


Command: TypeAlias = (
    AttachCommand
    | ExpireAttach
    | ReleaseCommand
    | ExpireRelease
    | SetInterest
    | ExpireInterest
    | Recheck
    | Snapshot
    | Survey
    | Checkup
    | Barrier
    | Stop
)


@dataclass(frozen=True, slots=True)
class AttachResult:
    """Threads under trace, and those seized that have not stopped yet.

    calls: those of AttachCommand, if the process may install a filter for them now; None: it must
    not (it was under trace before, without PTRACE_O_TRACESECCOMP).
    """

    pid: int
    threads: list[int]
    pending: list[int] = field(default_factory=list)
    calls: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """Tasks that have not stopped yet (a parent in vfork cannot): they leave when they do."""

    pending: list[int] = field(default_factory=list)


class UndescribedError(Exception):
    """A fault of ours: an event could not be put together from what was recorded."""


class Published:
    """An event and the process that made it, as it was then (for filters and access rules).

    kind: the event's type.  facts: what filters are to look at, instead of the event.  captured:
    the level of detail up to which it is known.
    """

    __slots__ = ("_event", "captured", "kind", "pid", "process", "seq", "syscall")

    kind: type[Event]
    syscall: str
    """The call's name; empty for an event of another type."""

    def __init__(self, event: Event, process: Identity) -> None:
        self.kind = type(event)
        self.seq = event.seq
        self.pid = event.pid
        self.process = process
        self.captured = Detail.FULL
        self.syscall = event.syscall if isinstance(event, SyscallEnter | SyscallExit) else ""
        self._event = event

    @property
    def facts(self) -> Any:
        """What filters are to look at."""
        return self._event

    @property
    def event(self) -> Event:
        """All that there is of it."""
        return self.at(Detail.FULL)

    def at(self, detail: Detail) -> Event:
        """Return the event as it is seen at a level.  Raises UndescribedError."""
        return seen(self._event, self.process, detail)


@dataclass(frozen=True, slots=True)
class TargetEnded:
    """The attach of `owner` (root process `pid`) has no traced process left."""

    owner: int
    pid: int


Item: TypeAlias = Published | TargetEnded

Publish: TypeAlias = Callable[[Sequence[Item]], None]
"""Called by the teller with what it took from the queue, in order.  Must not block, must not
raise."""

Answer: TypeAlias = Callable[[object], None]
"""Called by the teller with the result, or with the exception as a value, after all that was
published before the answer was given."""


class Gate(Protocol):
    """Says which processes must wait at their next syscall stop.

    Read by the tracer thread and by the teller.
    """

    @property
    def closed(self) -> bool:
        """Whether any process must wait at all (quick; checked at every stop)."""

    @property
    def closings(self) -> int:
        """Differs from what it was before, if processes must wait that did not have to."""

    def covers(self, process: Identity) -> bool:
        """Whether this process must wait now."""


@dataclass(frozen=True, slots=True, eq=False)
class Stuck:
    """A tracee that is stopped and should not be.  process: None if not known."""

    tid: int
    process: Process | None
    lasted_ns: int
    why: str


class Waiting(NamedTuple):
    """A process that the gate makes wait, and its tasks that do so already."""

    process: Process
    tids: tuple[int, ...]


@dataclass(slots=True)
class Statistics:
    """Plain counters, read by anyone; each is written by one thread.

    head, stops, untold: the teller.  The others: the tracer thread.
    """

    pump: str = ""
    head: int = 0
    tracees: int = 0
    processes: int = 0
    held: int = 0
    waiting: tuple[Waiting, ...] = ()
    stops: int = 0
    odd_stops: int = 0
    """That no rule of the state machine covers, or that made us fail."""
    untold: int = 0
    """Things recorded of which no event could be made."""
    let_go: int = 0
    """New processes that went untraced because there were too many tracees."""
    reads: Callable[[], int] = int
    """Of tracees' memory, at calls, so far."""
    stuck: tuple[Stuck, ...] = ()
    histogram: Callable[[], list[int]] = list
    """Of how long tasks stand still at a call: see pump.Pump."""
    placements: Callable[[], dict[str, int]] = dict

    @property
    def anomalies(self) -> int:
        """Faults of ours; each was logged."""
        return self.odd_stops + self.untold
