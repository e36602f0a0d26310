"""The state machine of tracees: what a stop means, and how its task goes on.

Rules of this file: everything that decides how a stopped task is resumed lives
here; nothing here asks the kernel, reads a clock or knows of syscalls' contents.
`feed(observation)` takes what was seen and returns how to resume that task, what
to do to others, and the facts to tell.  Fed by a test, it needs no kernel.

How it works.  A task is known from an attach (`seized`) or from its maker's
clone event (`announced`), and is STARTING until its first stop.  A new task's
first stop can arrive before its maker's event: it is PARKED, stopped, until the
maker's event comes or its maker's death shows that none will.  Any stop counts as
the first one: the interrupt's own stop may be swallowed by another.  A leaving
task is detached at whatever stop comes next.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from tracerd.core.wait_status import MAKERS, Kind, WaitStatus

FORGET_AFTER = 30_000
"""Observations after which an end that no maker told of belongs to nobody: its tid may be used
again, and the smallest pid_max (32,768) takes more than that to come round."""
MOST_EARLY = 256


class State(enum.Enum):
    """Where a task is, as far as its stops tell."""

    STARTING = "starting"
    RUNNING = "running"
    LISTENING = "listening"
    """In a group-stop, reporting."""
    HELD = "held"
    """Kept at a syscall stop on purpose."""
    PARKED = "parked"
    """Stopped at birth; its maker has not told of it yet."""


class Resume(enum.Enum):
    """What to do with a stopped task."""

    RUN = "run"
    """Resume, without a signal."""
    INJECT = "inject"
    """Resume, delivering the signal it stopped for."""
    LISTEN = "listen"
    DETACH = "detach"
    DETACH_INJECT = "detach-inject"
    HOLD = "hold"
    """Leave it stopped."""
    NOTHING = "nothing"
    """The task is gone."""


@dataclass(slots=True, eq=False)
class Task:
    """A tracee.  `leaving`: to be detached at its next stop."""

    tid: int
    tgid: int
    state: State = State.STARTING
    leaving: bool = False
    interrupted: bool = False
    """We sent PTRACE_INTERRUPT and no stop has come since."""
    continued: bool = False
    """Its group-stop ended, and no signal has been delivered since."""
    born_stopped: int = 0
    """Signal of the group-stop that is its first stop, at which it is PARKED."""
    vforking: bool = False
    """Waits in vfork: it cannot stop before its child execs or ends."""


@dataclass(frozen=True, slots=True)
class Observation:
    """A status, with what the engine fetched for it.

    message: PTRACE_GETEVENTMSG at fork, vfork, clone (the child's tid) and exec (the former
    tid).  child_tgid: the child's process, for those that make one; 0: not known, a process of
    its own.  let_go: the child is not to stay under trace.
    """

    tid: int
    status: WaitStatus
    message: int = 0
    child_tgid: int = 0
    child_alive: bool = False
    let_go: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The first stop of a task."""

    tid: int


@dataclass(frozen=True, slots=True)
class Made:
    """`tid` made `child`.  let_go: there are too many tracees: it goes free at its first stop."""

    tid: int
    child: int
    kind: Kind
    thread: bool
    let_go: bool = False


@dataclass(frozen=True, slots=True)
class Executed:
    """execve succeeded.

    former: the caller's tid until now.  superseded: the caller replaced a leader, whose own end
    the kernel does not report.
    """

    tid: int
    former: int
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The task is gone.  process: it was the leader, so the whole process is gone."""

    tid: int
    tgid: int
    status: WaitStatus
    process: bool


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal is about to be delivered."""

    tid: int
    signo: int


@dataclass(frozen=True, slots=True)
class GroupStopped:
    """Job control stopped the task."""

    tid: int
    signo: int


@dataclass(frozen=True, slots=True)
class Continued:
    """A group-stop ended."""

    tid: int


@dataclass(frozen=True, slots=True)
class Left:
    """The task is detached: it runs untraced."""

    tid: int
    tgid: int


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A stop that no rule covers; handled sanely and worth a log line."""

    tid: int
    what: str


Fact: TypeAlias = (
    Started | Made | Executed | Ended | Signalled | GroupStopped | Continued | Left | Anomaly
)


@dataclass(frozen=True, slots=True)
class Decision:
    """How to resume the task, how to resume others, and what to tell, in order."""

    resume: Resume
    facts: tuple[Fact, ...] = ()
    others: tuple[tuple[int, Resume], ...] = ()


GONE = Decision(Resume.NOTHING)


_V = TypeVar("_V")


def _note(table: dict[int, _V], tid: int, value: _V) -> None:
    """Enter what may never be asked for; the oldest entry makes room."""
    if len(table) >= MOST_EARLY:
        del table[next(iter(table))]
    table[tid] = value


class Tracker:
    """All tasks, and the rules."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self._ended_early: dict[int, tuple[WaitStatus, int]] = {}
        """Ends of tasks that their makers have not told of yet, and `_fed` at the time."""
        self.leaderless: set[int] = set()
        """Processes whose leaders had ended before they were attached to."""
        self._fed = 0
        """Observations taken."""
        self._adopted: dict[int, int] = {}
        """Taken in without their makers' events, which may still come, even after their end; and
        `_fed` at the time."""

    def seized(self, tid: int, tgid: int) -> Task:
        """Note a task that was attached to and asked to stop."""
        task = Task(tid, tgid, interrupted=True)
        self.tasks[tid] = task
        return task

    def doubtful(self, child: int) -> bool:
        """Whether its maker's event may be of an earlier task with this tid: ask if it lives."""
        return child not in self.tasks and (child in self._adopted or child in self._ended_early)

    def parked(self) -> list[int]:
        """Return the tasks whose makers have not told of them."""
        return [tid for tid, task in self.tasks.items() if task.state is State.PARKED]

    def feed(self, seen: Observation) -> Decision:
        """Take one observation; see the head of this file."""
        self._fed += 1
        task = self.tasks.get(seen.tid)
        if task is None and seen.status.kind is Kind.EXEC and seen.message in self.tasks:
            # The leader had exited before the attach; its tid comes back to life.
            tgid = self.tasks[seen.message].tgid
            self.leaderless.discard(tgid)
            task = self.tasks[seen.tid] = Task(seen.tid, tgid, State.RUNNING)
        if task is None:
            return self._stranger(seen)
        if task.state is State.PARKED:
            return self._parked(task, seen)
        kind = seen.status.kind
        if seen.status.ended:
            return self._ended(task, seen.status)
        facts: tuple[Fact, ...] = ()
        if task.state is State.STARTING:
            facts = (Started(task.tid),)
        was_listening = task.state is State.LISTENING
        task.state = State.RUNNING
        task.interrupted = False
        if kind is not Kind.SIGNAL:
            task.vforking = False

        if kind is Kind.SIGNAL:
            task.continued = False
            facts = (*facts, Signalled(task.tid, seen.status.value))
            return self._go(task, Resume.INJECT, facts)
        if kind is Kind.GROUP_STOP:
            if not was_listening:
                facts = (*facts, GroupStopped(task.tid, seen.status.value))
            if not task.leaving:
                task.state = State.LISTENING
            return self._go(task, Resume.LISTEN, facts)
        if was_listening:
            task.continued = True
            facts = (*facts, Continued(task.tid))
        if kind in MAKERS:
            return self._made(task, seen, facts)
        if kind is Kind.EXEC:
            return self._executed(task, seen, facts)
        if kind is Kind.UNKNOWN:
            facts = (*facts, Anomaly(task.tid, f"unknown stop, status {seen.status.value:#x}"))
        return self._go(task, Resume.RUN, facts)

    def hold(self, tid: int) -> None:
        """Note that the engine keeps a task at a syscall stop."""
        self.tasks[tid].state = State.HELD

    def unhold(self, tid: int) -> None:
        """Note that the engine resumes a held task."""
        self.tasks[tid].state = State.RUNNING

    def leave(self, tid: int) -> Decision:
        """Ask that a task be detached: now if it is stopped, else at its next stop.

        Resume.HOLD in the answer: the engine must interrupt it (see `needs_interrupt`).
        """
        task = self.tasks[tid]
        task.leaving = True
        if task.state is State.HELD:
            return self._go(task, Resume.RUN, ())
        return Decision(Resume.HOLD)

    def lost(self, tid: int) -> Left:
        """Give up a task that makes no stops any more: see Attacher._look_again."""
        return Left(tid, self.tasks.pop(tid).tgid)

    def needs_interrupt(self, tid: int) -> bool:
        """Whether a stop has to be asked for: none is on its way."""
        task = self.tasks[tid]
        return task.state in (State.RUNNING, State.LISTENING) and not task.interrupted

    def announce(
        self,
        tid: int,
        child: int,
        kind: Kind,
        child_tgid: int,
        *,
        leaving: bool = False,
        adopted: bool = False,
        alive: bool = False,
        let_go: bool = False,
    ) -> Decision:
        """Note that `tid` made `child`; the decision's `others` release it if it waits.

        adopted: nobody said so, but the maker died before it could.  let_go: see Made.
        """
        leaving = leaving or let_go
        thread = child_tgid not in (0, child)
        tgid = child_tgid if thread else child
        made = Made(tid, child, kind, thread, let_go)
        if alive:  # so what is noted under its tid was another task's
            self._ended_early.pop(child, None)
            self._adopted.pop(child, None)
        early, at = self._ended_early.pop(child, (None, 0))
        if early is not None and self._fed - at < FORGET_AFTER:
            ended = Ended(child, tgid, early, process=not thread)
            return Decision(Resume.HOLD, (made, ended))
        if child in self._adopted and self._fed - self._adopted.pop(child) < FORGET_AFTER:
            return Decision(Resume.HOLD)
        if adopted:
            _note(self._adopted, child, self._fed)
        known = self.tasks.get(child)
        if known is None or known.state is not State.PARKED:
            facts: tuple[Fact, ...] = (made,)
            if known is not None:
                facts = (Anomaly(child, "announced while already known"), made)
            self.tasks[child] = Task(child, tgid, leaving=leaving, interrupted=True)
            return Decision(Resume.HOLD, facts)
        known.tgid = tgid
        known.leaving = leaving
        known.state = State.RUNNING
        facts = (made, Started(child))
        if known.born_stopped:
            facts = (*facts, GroupStopped(child, known.born_stopped))
            if not leaving:
                known.state = State.LISTENING
        released = self._go(known, Resume.LISTEN if known.born_stopped else Resume.RUN, facts)
        return Decision(Resume.HOLD, released.facts, ((child, released.resume),))

    def _go(self, task: Task, resume: Resume, facts: tuple[Fact, ...]) -> Decision:
        if not task.leaving:
            return Decision(resume, facts)
        del self.tasks[task.tid]
        detach = Resume.DETACH_INJECT if resume is Resume.INJECT else Resume.DETACH
        return Decision(detach, (*facts, Left(task.tid, task.tgid)))

    def _stranger(self, seen: Observation) -> Decision:
        if seen.status.ended:
            phantoms = self._take_phantoms(seen.tid)
            if phantoms:  # its leader had left trace, or ended before the attach
                last = phantoms[-1]
                facts = [Ended(t, seen.tid, seen.status, process=t == last) for t in phantoms]
                return Decision(Resume.NOTHING, tuple(facts))
            self._end_early(seen)
            return GONE
        self._ended_early.pop(seen.tid, None)  # of an earlier task with this tid
        self._adopted.pop(seen.tid, None)  # another task by now
        signo = seen.status.value if seen.status.kind is Kind.GROUP_STOP else 0
        self.tasks[seen.tid] = Task(seen.tid, 0, State.PARKED, born_stopped=signo)
        if seen.status.kind in (Kind.INTERRUPT, Kind.GROUP_STOP):
            return Decision(Resume.HOLD)
        what = f"first stop of an unknown task is {seen.status.kind.value}"
        return Decision(Resume.HOLD, (Anomaly(seen.tid, what),))

    def _parked(self, task: Task, seen: Observation) -> Decision:
        if seen.status.ended:
            del self.tasks[task.tid]
            self._end_early(seen)
            return GONE
        return Decision(Resume.HOLD)

    def _end_early(self, seen: Observation) -> None:
        """Remember an end until the maker tells of the task; it may have been killed instead."""
        _note(self._ended_early, seen.tid, (seen.status, self._fed))

    def _ended(self, task: Task, status: WaitStatus) -> Decision:
        del self.tasks[task.tid]
        process = task.tid == task.tgid
        if task.tgid in self.leaderless:
            process = process or all(t.tgid != task.tgid for t in self.tasks.values())
            if process:
                self.leaderless.discard(task.tgid)
        phantoms = self._take_phantoms(task.tgid) if process else ()
        facts = [Ended(tid, task.tgid, status, process=False) for tid in phantoms]
        return Decision(
            Resume.NOTHING, (*facts, Ended(task.tid, task.tgid, status, process=process))
        )

    def _take_phantoms(self, tgid: int) -> list[int]:
        """Remove the tasks that an ended process had by our account.

        A leader's end comes last.  What is left by then is a thread that was killed in execve
        when it had the leader's tid already, and could not tell of it any more.
        """
        tids = [tid for tid, task in self.tasks.items() if task.tgid == tgid]
        for tid in tids:
            del self.tasks[tid]
        return tids

    def _made(self, task: Task, seen: Observation, facts: tuple[Fact, ...]) -> Decision:
        if seen.message == 0:
            facts = (*facts, Anomaly(task.tid, "made a task that has no id in our namespace"))
            return self._go(task, Resume.RUN, facts)
        task.vforking = seen.status.kind is Kind.VFORK
        told = self.announce(
            task.tid,
            seen.message,
            seen.status.kind,
            seen.child_tgid,
            leaving=task.leaving,
            alive=seen.child_alive,
            let_go=seen.let_go,
        )
        mine = self._go(task, Resume.RUN, (*facts, *told.facts))
        return Decision(mine.resume, mine.facts, told.others)

    def _executed(self, task: Task, seen: Observation, facts: tuple[Fact, ...]) -> Decision:
        former = seen.message or task.tid
        superseded = False
        if former != task.tid:
            caller = self.tasks.pop(former, None)
            superseded = True
            if caller is not None:
                task.leaving = task.leaving or caller.leaving
        facts = (*facts, Executed(task.tid, former, superseded))
        return self._go(task, Resume.RUN, facts)
