"""The state machine of tracees against a model of the kernel, driven by hypothesis.

The first machine plays the kernel and the engine by their rules: in whatever order legal stops
arrive, nobody is left stopped without a reason and nothing is told twice.  The second feeds
whatever comes to mind.
"""

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracerd.core import tracker as tracker_module
from tracerd.core.tracker import (
    MOST_EARLY,
    Anomaly,
    Continued,
    Decision,
    Ended,
    Executed,
    GroupStopped,
    Left,
    Made,
    Observation,
    Resume,
    Signalled,
    Started,
    State,
    Tracker,
)
from tracerd.core.wait_status import ENDINGS, MAKERS, STOPPING_SIGNALS, Kind, WaitStatus

FORGET_AFTER = 60
"""Stands in for the tracker's own, so that a tid can come round within one history.  More than a
history has steps: no status waits that long to be seen."""

INTERRUPT = WaitStatus(Kind.INTERRUPT)
SYSCALL = WaitStatus(Kind.SYSCALL)
STOPPED = WaitStatus(Kind.GROUP_STOP, signal.SIGSTOP)
EXITED = WaitStatus(Kind.EXITED, 0)
KILLED = WaitStatus(Kind.SIGNALED, signal.SIGKILL)
FORKED = WaitStatus(Kind.FORK)
GOES_ON = {Resume.RUN, Resume.INJECT}
DETACHES = {Resume.DETACH, Resume.DETACH_INJECT}


@dataclass(eq=False)
class Real:
    """A task as the kernel knows it.

    state: `running`; `stopped`; `zombie`, a leader whose threads live; `free`, detached; `gone`.
    pending: what wait would return: status, message, the child's tgid.
    """

    tid: int
    tgid: int
    maker: "Real | None" = None
    state: str = "running"
    pending: tuple[WaitStatus, int, int] | None = None
    fresh: bool = True
    asked: bool = True
    """An interrupt of ours, or of its birth, has not been answered."""
    listening: bool = False
    held: bool = False
    waits_for: "Real | None" = None
    """The child of its vfork."""
    in_exec: bool = False
    former: int = 0
    """Its tid before the exec that the tracer has not seen yet."""

    @property
    def can_stop(self):
        return self.state == "running" and self.waits_for is None and not self.in_exec

    @property
    def can_call(self):
        """A child that its maker made under trace stops before its first instruction."""
        return self.can_stop and not (self.fresh and self.maker)

    def report(self, status, message=0, child_tgid=0):
        self.state, self.pending = "stopped", (status, message, child_tgid)
        self.asked = self.listening = self.held = False


class Kernel:
    """What the kernel does with tasks, as far as their tracer sees it."""

    def __init__(self):
        self.tasks = {}
        self.retired = {}  # tid -> the time its last task was reaped at
        self.newest = 100
        self.time = 0

    def new_tid(self, reuse=None):
        if reuse is None:
            self.newest += 1
            return self.newest
        del self.retired[reuse]
        return reuse

    def reusable(self):
        tgids = {task.tgid for task in self.tasks.values()}
        old = [t for t, at in self.retired.items() if self.time - at > FORGET_AFTER]
        return [t for t in old if t not in tgids and t not in self.tasks]

    def new(self, tid, tgid, maker=None):
        self.tasks[tid] = Real(tid, tgid, maker)
        return self.tasks[tid]

    def group(self, tgid):
        return [task for task in self.tasks.values() if task.tgid == tgid]

    def remove(self, task):
        task.state, task.pending = "gone", None
        del self.tasks[task.tid]
        self.retired[task.tid] = self.time
        self.end_vfork(task)

    def end_vfork(self, child):
        for task in self.tasks.values():
            if task.waits_for is child:
                task.waits_for = None
                if task.state == "running":
                    task.report(WaitStatus(Kind.VFORK_DONE))

    def reaped(self, task):
        self.remove(task)
        self.settle(task.tgid)

    def detached(self, task):
        task.state, task.held, task.listening = "free", False, False
        self.end_vfork(task)
        if all(other.state == "free" for other in self.group(task.tgid)):
            for other in self.group(task.tgid):
                del self.tasks[other.tid]  # its tid is not free: the program lives on

    def end(self, task, status):
        """End a task: reported now, or for a leader once its threads are gone."""
        if task.pending and task.pending[0].kind in ENDINGS:
            return
        task.waits_for, task.in_exec = None, False
        if task.state == "free":
            self.remove(task)
        else:
            task.report(status)
            if task.tid == task.tgid and len(self.group(task.tgid)) > 1:
                task.state = "zombie"
        self.settle(task.tgid)

    def end_all(self, tgid, status, spared=None):
        if spared is None:
            for task in self.group(tgid):
                task.in_exec = False
        for task in self.group(tgid):
            if task is not spared:
                self.end(task, status)

    def settle(self, tgid):
        """Do what waited for the other threads of a process to be gone."""
        group = self.group(tgid)
        leader = self.tasks.get(tgid)
        caller = next((task for task in group if task.in_exec), None)
        if caller is not None and all(task in (caller, leader) for task in group):
            caller.in_exec = False
            self.end_vfork(caller)
            if caller is not leader:
                if leader is not None:
                    leader.state = "gone"
                del self.tasks[caller.tid]
                caller.state = "gone"
                self.retired[caller.tid] = self.time
                leader = self.new(tgid, tgid)
            leader.fresh = False
            leader.former = caller.tid
            leader.report(WaitStatus(Kind.EXEC), caller.tid)
        elif group == [leader] and leader.state == "zombie":
            leader.state = "stopped"

    def waitable(self):
        return [t for t in self.tasks.values() if t.pending and t.state == "stopped"]


@dataclass
class Life:
    tgid: int
    started: bool = False
    stopped: bool = False


class Book:
    """What has been told; refuses what may not be told then."""

    def __init__(self):
        self.lives = {}

    def threads(self, tgid):
        return [tid for tid, life in self.lives.items() if life.tgid == tgid]

    def begin(self, tid, tgid):
        assert tid not in self.lives, "a second beginning"
        self.lives[tid] = Life(tgid)

    def tell(self, fact):
        assert not isinstance(fact, Anomaly), fact
        life = self.lives[fact.tid] if not isinstance(fact, Executed) else None
        match fact:
            case Made():
                self.begin(fact.child, life.tgid if fact.thread else fact.child)
            case Started():
                assert not life.started
                life.started = True
            case Executed():
                if fact.superseded:
                    caller = self.lives.pop(fact.former)
                    self.lives.setdefault(fact.tid, Life(caller.tgid))
                self.lives[fact.tid].started = True
            case GroupStopped() | Continued():
                assert life.stopped == isinstance(fact, Continued)
                life.stopped = not life.stopped
            case Ended() | Left():
                assert life.tgid == fact.tgid
                if isinstance(fact, Ended) and fact.process != (fact.tid == fact.tgid):
                    assert fact.process  # its leader was none of ours
                    assert self.threads(fact.tgid) == [fact.tid]
                del self.lives[fact.tid]
            case Signalled():
                assert life.started


class Histories(RuleBasedStateMachine):
    """All legal histories: the kernel's rules, and what the engine makes of the decisions."""

    def __init__(self):
        super().__init__()
        self.patches = ExitStack()
        self.patches.enter_context(mock.patch.object(tracker_module, "FORGET_AFTER", FORGET_AFTER))
        self.tracker, self.kernel, self.book = Tracker(), Kernel(), Book()
        self.leaving = set()  # tgids
        self.late = (
            set()
        )  # children whose maker was gone before they stopped: only the engine can help them
        self.attach(1, leader_gone=False)

    def teardown(self):
        try:
            self.everybody_ends()
        finally:
            self.patches.close()

    def everybody_ends(self):
        for tgid in sorted({task.tgid for task in self.kernel.tasks.values()}):
            self.kernel.end_all(tgid, KILLED)
        while ready := self.kernel.waitable():
            self.deliver(ready[0])
        assert self.kernel.tasks == {}, self.kernel.tasks
        assert self.tracker.tasks == {}
        assert self.book.lives == {}
        assert len(self.tracker._ended_early) <= MOST_EARLY

    # --- the engine ---------------------------------------------------------------------------

    def deliver(self, task):
        kernel = self.kernel
        (status, message, child_tgid), task.pending = task.pending, None
        kernel.time += 1
        if status.ended:
            kernel.reaped(task)
        first, task.fresh = task.fresh, False
        if not status.ended:
            task.former = 0
        alive = status.kind in MAKERS and self.tracker.doubtful(message)
        alive = alive and message in [t.tid for t in self.some(lambda t: t.state != "free")]
        decision = self.tracker.feed(Observation(task.tid, status, message, child_tgid, alive))
        if status.ended and task.tid not in self.book.lives and not task.former:
            assert decision.facts == ()
        if decision.resume is Resume.HOLD:
            assert first
            assert self.tracker.tasks[task.tid].state is State.PARKED
            if task.maker.state == "gone":
                self.late.add(task.tid)
        self.carry_out(task.tid, decision)

    def carry_out(self, tid, decision):
        if decision.resume is Resume.NOTHING:
            assert tid not in self.tracker.tasks
        else:
            self.apply(tid, decision.resume)
        for other, resume in decision.others:
            self.apply(other, resume)
        for fact in decision.facts:
            if isinstance(fact, Ended):
                self.adopt(fact.tgid)
            self.tell(fact)

    def tell(self, fact):
        self.book.tell(fact)
        if isinstance(fact, Made) and self.book.lives[fact.tid].tgid in self.leaving:
            self.leaving.add(self.book.lives[fact.child].tgid)
        if isinstance(fact, (Ended, Left)) and not self.book.threads(fact.tgid):
            self.leaving.discard(fact.tgid)

    def apply(self, tid, resume):
        if resume is Resume.HOLD:
            return
        task = self.kernel.tasks[tid]
        if task.pending:
            return  # killed as it waited: no request reaches it
        if resume in GOES_ON:
            assert task.state == "stopped"
            task.state, task.held = "running", False
        elif resume in DETACHES:
            self.kernel.detached(task)
        elif resume is Resume.LISTEN:
            task.listening = True

    def maker_may_tell(self, child):
        """Whether the maker's event, or a death that lets the engine take the child in, comes."""
        maker = child.maker
        says = maker.pending and maker.pending[1] == child.tid
        return bool(says or self.book.threads(maker.tgid) or self.book.threads(child.tgid))

    def adopt(self, dead):
        """As Tracer._adopt: `dead` has lost a task, which is in the book still."""
        for tid in self.tracker.parked():
            child = self.kernel.tasks[tid]
            parent = child.maker.tgid if self.kernel.group(child.maker.tgid) else 1
            if child.tgid != tid:
                maker = child.tgid
            elif self.book.threads(parent) and parent != dead:
                continue
            else:
                maker = dead
            threads = self.book.threads(maker)
            if threads:
                teller = maker if maker in threads else threads[0]
                leaving = maker in self.leaving
                told = self.tracker.announce(
                    teller, tid, Kind.CLONE, child.tgid, leaving=leaving, adopted=True
                )
                self.late.discard(tid)
                self.carry_out(teller, told)

    # --- what happens -------------------------------------------------------------------------

    def pick(self, data, tasks):
        return self.kernel.tasks[data.draw(st.sampled_from(sorted(task.tid for task in tasks)))]

    def reused(self, reuse):
        """A tid that comes round, if there is one."""
        old = self.kernel.reusable()
        return old[0] if reuse and old else None

    def some(self, what):
        return [task for task in self.kernel.tasks.values() if what(task)]

    @rule(threads=st.integers(1, 3), leader_gone=st.booleans())
    def attach(self, threads, leader_gone):
        tgid = self.kernel.new_tid()
        tids = [tgid, *(self.kernel.new_tid() for _ in range(threads - 1))]
        for tid in tids[leader_gone and threads > 1 :]:
            self.kernel.new(tid, tgid)
            self.tracker.seized(tid, tgid)
            self.book.begin(tid, tgid)

    @precondition(lambda self: self.kernel.waitable())
    @rule(data=st.data())
    def a_status_is_waited_for(self, data):
        self.deliver(self.pick(data, self.kernel.waitable()))

    @precondition(lambda self: self.some(lambda t: t.can_stop and t.asked))
    @rule(data=st.data(), stopped=st.booleans())
    def an_interrupt_stops_a_task(self, data, stopped):
        """In a group-stop if one came just then."""
        task = self.pick(data, self.some(lambda t: t.can_stop and t.asked))
        task.report(STOPPED if stopped else INTERRUPT)

    @precondition(lambda self: self.some(lambda t: t.can_call))
    @rule(
        data=st.data(),
        status=st.sampled_from(
            [
                SYSCALL,
                *(WaitStatus(Kind.GROUP_STOP, signo) for signo in sorted(STOPPING_SIGNALS)),
                *(WaitStatus(Kind.SIGNAL, signo) for signo in (1, 17, 18, 19, 31, 64)),
            ]
        ),
    )
    def a_task_stops(self, data, status):
        self.pick(data, self.some(lambda t: t.can_call)).report(status)

    @precondition(lambda self: self.some(lambda t: t.listening))
    @rule(data=st.data(), again=st.booleans())
    def a_group_stop_ends_or_is_renewed(self, data, again):
        self.pick(data, self.some(lambda t: t.listening)).report(STOPPED if again else INTERRUPT)

    @precondition(lambda self: self.some(lambda t: t.can_call))
    @rule(
        data=st.data(),
        kind=st.sampled_from([Kind.FORK, Kind.VFORK, Kind.CLONE]),
        thread=st.booleans(),
        old=st.booleans(),
    )
    def a_task_makes_another(self, data, kind, thread, old):
        maker = self.pick(data, self.some(lambda t: t.can_call))
        tid = self.kernel.new_tid(self.reused(old))
        tgid = maker.tgid if thread and kind is Kind.CLONE else tid
        child = self.kernel.new(tid, tgid, maker)
        maker.report(WaitStatus(kind), tid, tgid)
        if kind is Kind.VFORK:
            maker.waits_for = child

    def can_exec(self, task):
        group = self.kernel.group(task.tgid)
        return task.can_call and not any(t.in_exec or t.state == "free" for t in group)

    @precondition(lambda self: self.some(self.can_exec))
    @rule(data=st.data())
    def a_task_execs(self, data):
        caller = self.pick(data, self.some(self.can_exec))
        caller.in_exec = True
        self.kernel.end_all(caller.tgid, KILLED, spared=caller)
        self.kernel.settle(caller.tgid)

    @precondition(lambda self: self.some(lambda t: t.can_call))
    @rule(data=st.data())
    def a_task_exits(self, data):
        self.kernel.end(self.pick(data, self.some(lambda t: t.can_call)), EXITED)

    @precondition(lambda self: self.kernel.tasks)
    @rule(data=st.data(), status=st.sampled_from([KILLED, EXITED]))
    def a_process_is_killed(self, data, status):
        """Whatever its tasks are doing; what they were about to report is lost."""
        self.kernel.end_all(self.pick(data, self.some(lambda _: True)).tgid, status)

    # --- what the engine does of itself -------------------------------------------------------

    def can_be_held(self, task):
        known = self.tracker.tasks.get(task.tid)
        return task.can_call and known and known.state is State.RUNNING and not known.leaving

    @precondition(lambda self: self.some(self.can_be_held))
    @rule(data=st.data())
    def a_task_is_held(self, data):
        task = self.pick(data, self.some(self.can_be_held))
        self.tracker.tasks[task.tid].interrupted = task.asked = False
        self.tracker.hold(task.tid)
        task.state, task.held = "stopped", True

    @precondition(lambda self: self.some(lambda t: t.held))
    @rule(data=st.data())
    def a_held_task_is_let_on(self, data):
        task = self.pick(data, self.some(lambda t: t.held))
        self.tracker.unhold(task.tid)
        task.state, task.held = "running", False

    @precondition(lambda self: self.tracker.tasks)
    @rule()
    def all_are_interrupted(self):
        for tid, known in self.tracker.tasks.items():
            if known.state is State.RUNNING and not known.interrupted:
                known.interrupted = True
                self.interrupt(self.kernel.tasks.get(tid))

    def interrupt(self, task):
        if task is not None and task.listening:
            task.report(STOPPED)
        elif task is not None:
            task.asked = True

    @precondition(lambda self: self.book.lives)
    @rule(data=st.data())
    def a_process_is_released(self, data):
        tgid = data.draw(st.sampled_from(sorted({life.tgid for life in self.book.lives.values()})))
        self.leaving.add(tgid)
        for tid in self.book.threads(tgid):
            task = self.kernel.tasks.get(tid)  # None: about to be seen to have exec'ed
            needs = self.tracker.needs_interrupt(tid)
            decision = self.tracker.leave(tid)
            if decision.resume is not Resume.HOLD:
                self.carry_out(tid, decision)
            elif needs:
                self.tracker.tasks[tid].interrupted = True
                self.interrupt(task)

    @precondition(lambda self: self.some(lambda t: t.can_call))
    @rule(data=st.data())
    def time_passes(self, data):
        task = self.pick(data, self.some(lambda t: t.can_call))
        while ready := self.kernel.waitable():
            self.deliver(ready[0])
        for _ in range(FORGET_AFTER + 1):
            if task.can_call:
                task.report(SYSCALL)
                self.deliver(task)

    # --- what must always be true -------------------------------------------------------------

    @invariant()
    def nobody_is_left_stopped_without_a_reason(self):
        for task in self.kernel.tasks.values():
            if task.state == "stopped" and not task.pending:
                known = self.tracker.tasks[task.tid].state
                if task.listening:
                    assert known is State.LISTENING
                elif task.held:
                    assert known is State.HELD
                else:
                    assert known is State.PARKED
                    assert self.maker_may_tell(task) or task.tid in self.late

    @invariant()
    def the_table_holds_what_is_traced(self):
        ours = {t.tid for t in self.some(lambda t: t.state != "free")}
        ours |= {t.former for t in self.some(lambda t: t.former)}
        known = set(self.tracker.tasks)
        assert known <= ours
        for task in self.some(lambda t: t.state != "free" and t.tid not in known):
            tid = task.tid
            assert tid not in self.book.lives
            assert (task.maker and task.fresh) or (task.pending and task.state != "running")

    @invariant()
    def the_book_agrees_with_the_table(self):
        told = {tid for tid, t in self.tracker.tasks.items() if t.state is not State.PARKED}
        assert told == set(self.book.lives)


Histories.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestHistories = Histories.TestCase


# --- what no kernel would say -------------------------------------------------------------------

TIDS = st.integers(1, 8)
STATUSES = st.builds(WaitStatus, st.sampled_from(list(Kind)), st.integers(0, 64))
SANE = {
    Resume.RUN: {State.RUNNING, State.STARTING},  # one that made itself is to start again
    Resume.INJECT: {State.RUNNING},
    Resume.LISTEN: {State.LISTENING},
    Resume.HOLD: {State.PARKED},
}


class Nonsense(RuleBasedStateMachine):
    """Any task, any status, any message, any order."""

    def __init__(self):
        super().__init__()
        self.tracker = Tracker()
        self.early = 1000

    @rule(tid=TIDS, tgid=TIDS)
    def seize(self, tid, tgid):
        self.tracker.seized(tid, tgid)

    @rule(tid=TIDS, status=STATUSES, message=st.integers(0, 9), child_tgid=st.integers(0, 9))
    def feed(self, tid, status, message, child_tgid):
        before = self.tracker.tasks.get(tid)
        twice = set(self.tracker.tasks) - set(self.tracker.parked())
        twice -= {*self.tracker._ended_early, *self.tracker._adopted}  # said in good faith
        parked = before is not None and before.state is State.PARKED
        leaving = before is not None and before.leaving
        decision = self.tracker.feed(Observation(tid, status, message, child_tgid))
        self.check(tid, decision, leaving=leaving)
        odd = [fact for fact in decision.facts if isinstance(fact, Anomaly)]
        if status.ended:
            assert decision.resume is Resume.NOTHING
            assert not odd
        elif before is None and decision.resume is Resume.HOLD:
            assert bool(odd) == (status.kind not in (Kind.INTERRUPT, Kind.GROUP_STOP))
        elif before is not None and not parked:
            assert decision.resume is not Resume.NOTHING
            if (
                status.kind is Kind.UNKNOWN
                or (status.kind in MAKERS and message == 0)
                or (status.kind in MAKERS and message in twice)
            ):
                assert odd

    @rule(tid=TIDS, child=TIDS, tgid=st.integers(0, 9), leaving=st.booleans(), late=st.booleans())
    def announce(self, tid, child, tgid, leaving, late):
        decision = self.tracker.announce(
            tid, child, Kind.CLONE, tgid, leaving=leaving, adopted=late
        )
        assert decision.resume is Resume.HOLD
        self.check(tid, decision, leaving=True)

    @rule(tid=TIDS)
    def leave(self, tid):
        if tid in self.tracker.tasks:
            self.check(tid, self.tracker.leave(tid), leaving=True)

    @rule(tid=TIDS, on=st.booleans())
    def hold(self, tid, on):
        if tid in self.tracker.tasks:
            (self.tracker.hold if on else self.tracker.unhold)(tid)

    @rule()
    def many_end_that_nobody_made(self):
        for _ in range(MOST_EARLY):
            self.early += 1
            assert self.tracker.feed(Observation(self.early, KILLED)).resume is Resume.NOTHING

    def check(self, tid, decision, *, leaving):
        for other, resume in ((tid, decision.resume), *decision.others):
            assert isinstance(resume, Resume)
            known = self.tracker.tasks.get(other)
            if resume in DETACHES:
                assert known is None
            elif resume is Resume.NOTHING:
                assert other == tid
                assert known is None
            elif not leaving:
                assert known is not None
                assert known.state in SANE[resume]
        assert len(decision.others) <= 1

    @invariant()
    def what_is_kept_is_bounded(self):
        assert set(self.tracker.tasks) <= set(range(10))
        assert len(self.tracker._ended_early) <= MOST_EARLY
        assert len(self.tracker._adopted) <= MOST_EARLY
        assert set(self.tracker.parked()) <= set(self.tracker.tasks)

    def teardown(self):
        """Afterwards, others live as ever."""
        tracker = self.tracker
        tracker.seized(50, 50)
        assert tracker.feed(Observation(50, INTERRUPT)) == Decision(Resume.RUN, (Started(50),))
        assert tracker.feed(Observation(51, INTERRUPT)) == Decision(Resume.HOLD)
        made = tracker.feed(Observation(50, WaitStatus(Kind.CLONE), 51, 50))
        assert made.facts == (Made(50, 51, Kind.CLONE, thread=True), Started(51))
        assert made.others == ((51, Resume.RUN),)
        execed = tracker.feed(Observation(50, WaitStatus(Kind.EXEC), 51))
        assert execed == Decision(Resume.RUN, (Executed(50, 51, superseded=True),))
        forked = tracker.feed(Observation(50, FORKED, 52, 52))
        assert forked == Decision(Resume.RUN, (Made(50, 52, Kind.FORK, thread=False),))
        stopped = tracker.feed(Observation(52, STOPPED))
        assert stopped.facts == (Started(52), GroupStopped(52, signal.SIGSTOP))
        assert tracker.leave(52) == Decision(Resume.HOLD)
        assert tracker.feed(Observation(52, STOPPED)) == Decision(Resume.DETACH, (Left(52, 52),))
        ended = tracker.feed(Observation(50, EXITED))
        assert ended.facts == (Ended(50, 50, EXITED, process=True),)
        assert not {50, 51, 52} & set(tracker.tasks)


Nonsense.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestNonsense = Nonsense.TestCase


# --- histories that were once not got right -------------------------------------------------------


def test_the_tid_of_an_adopted_child_can_be_used_again():
    tracker = Tracker()
    tracker.seized(10, 10)
    tracker.feed(Observation(10, INTERRUPT))
    tracker.feed(Observation(11, INTERRUPT))
    tracker.announce(10, 11, Kind.CLONE, 11, adopted=True)
    tracker.feed(Observation(11, EXITED))
    for _ in range(tracker_module.FORGET_AFTER):
        tracker.feed(Observation(10, SYSCALL))
    made = tracker.feed(Observation(10, FORKED, 11, 11))
    assert made.facts == (Made(10, 11, Kind.FORK, thread=False),)
    assert tracker.feed(Observation(11, INTERRUPT)).resume is Resume.RUN


@pytest.mark.parametrize("leader", [True, False])
def test_a_thread_that_dies_between_its_exec_and_the_stop_is_gone(leader):
    """It has the leader's tid by then, so its end is reported as the leader's."""
    tracker = Tracker()
    for tid in (10, 11) if leader else (11,):
        tracker.seized(tid, 10)
        tracker.feed(Observation(tid, INTERRUPT))
    told = tracker.feed(Observation(10, KILLED)).facts
    assert {fact.tid for fact in told} == ({10, 11} if leader else {11})
    assert tracker.tasks == {}


def test_a_child_that_waited_for_its_maker_in_a_group_stop_is_told_as_stopped():
    tracker = Tracker()
    tracker.seized(10, 10)
    tracker.feed(Observation(10, INTERRUPT))
    assert tracker.feed(Observation(11, STOPPED)).resume is Resume.HOLD
    made = tracker.feed(Observation(10, FORKED, 11, 11))
    assert made.others == ((11, Resume.LISTEN),)
    assert made.facts[1:] == (Started(11), GroupStopped(11, signal.SIGSTOP))
