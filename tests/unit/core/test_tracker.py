"""The state machine of tracees, fed by hand and by hypothesis; no kernel needed."""

import signal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracerd.core.tracker import (
    FORGET_AFTER,
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
from tracerd.core.wait_status import Kind, WaitStatus

INTERRUPT = WaitStatus(Kind.INTERRUPT)
SYSCALL = WaitStatus(Kind.SYSCALL)
STOPPED = WaitStatus(Kind.GROUP_STOP, signal.SIGSTOP)
EXITED = WaitStatus(Kind.EXITED, 0)
KILLED = WaitStatus(Kind.SIGNALED, signal.SIGKILL)


def running(tid=10, tgid=10):
    tracker = Tracker()
    tracker.seized(tid, tgid)
    tracker.feed(Observation(tid, INTERRUPT))
    return tracker


def test_any_stop_counts_as_the_first_one():
    for status in (INTERRUPT, SYSCALL, STOPPED, WaitStatus(Kind.VFORK_DONE)):
        tracker = Tracker()
        tracker.seized(10, 10)
        assert Started(10) in tracker.feed(Observation(10, status)).facts


def test_a_signal_is_injected_as_it_was():
    decision = running().feed(Observation(10, WaitStatus(Kind.SIGNAL, signal.SIGUSR1)))
    assert decision == Decision(Resume.INJECT, (Signalled(10, signal.SIGUSR1),))


def test_a_group_stop_is_kept_and_told_once():
    tracker = running()
    assert tracker.feed(Observation(10, STOPPED)) == Decision(
        Resume.LISTEN, (GroupStopped(10, signal.SIGSTOP),)
    )
    assert tracker.feed(Observation(10, STOPPED)) == Decision(Resume.LISTEN)
    assert tracker.feed(Observation(10, INTERRUPT)) == Decision(Resume.RUN, (Continued(10),))
    assert tracker.feed(Observation(10, WaitStatus(Kind.SIGNAL, signal.SIGCONT))).facts == (
        Signalled(10, signal.SIGCONT),
    )


def test_a_child_is_known_before_its_first_stop():
    tracker = running()
    made = tracker.feed(Observation(10, WaitStatus(Kind.FORK), message=11, child_tgid=11))
    assert made == Decision(Resume.RUN, (Made(10, 11, Kind.FORK, thread=False),))
    assert tracker.feed(Observation(11, INTERRUPT)) == Decision(Resume.RUN, (Started(11),))
    assert tracker.tasks[11].tgid == 11


def test_a_child_that_stops_first_waits_for_its_maker():
    tracker = running()
    assert tracker.feed(Observation(11, INTERRUPT)) == Decision(Resume.HOLD)
    assert tracker.parked() == [11]
    made = tracker.feed(Observation(10, WaitStatus(Kind.CLONE), message=11, child_tgid=10))
    assert made.facts == (Made(10, 11, Kind.CLONE, thread=True), Started(11))
    assert made.others == ((11, Resume.RUN),)
    assert tracker.tasks[11].tgid == 10


def test_a_child_killed_before_its_maker_tells_of_it():
    tracker = running()
    tracker.feed(Observation(11, INTERRUPT))
    assert tracker.feed(Observation(11, KILLED)).facts == ()
    made = tracker.feed(Observation(10, WaitStatus(Kind.FORK), message=11, child_tgid=11))
    assert made.facts == (
        Made(10, 11, Kind.FORK, thread=False),
        Ended(11, 11, KILLED, process=True),
    )
    assert set(tracker.tasks) == {10}


def test_an_end_that_nobody_told_of_is_not_taken_for_that_of_a_later_task():
    tracker = running()
    tracker.feed(Observation(11, KILLED))
    for _ in range(FORGET_AFTER):
        tracker.feed(Observation(10, INTERRUPT))
    made = tracker.feed(Observation(10, WaitStatus(Kind.FORK), message=11, child_tgid=11))
    assert made.facts == (Made(10, 11, Kind.FORK, thread=False),)
    assert tracker.feed(Observation(11, INTERRUPT)).resume is Resume.RUN


def test_an_adopted_child_is_not_told_twice():
    tracker = running()
    tracker.feed(Observation(11, INTERRUPT))
    adopted = tracker.announce(10, 11, Kind.CLONE, 11, adopted=True)
    assert adopted.others == ((11, Resume.RUN),)
    late = tracker.feed(Observation(10, WaitStatus(Kind.FORK), message=11, child_tgid=11))
    assert late == Decision(Resume.RUN)


def test_an_adopted_child_that_is_gone_does_not_come_back():
    tracker = running()
    tracker.feed(Observation(11, INTERRUPT))
    tracker.announce(10, 11, Kind.CLONE, 11, adopted=True)
    tracker.feed(Observation(11, EXITED))
    tracker.feed(Observation(10, WaitStatus(Kind.FORK), message=11, child_tgid=11))
    assert set(tracker.tasks) == {10}


def test_exec_by_a_thread_takes_the_leaders_tid():
    tracker = running()
    tracker.feed(Observation(10, WaitStatus(Kind.CLONE), message=12, child_tgid=10))
    tracker.feed(Observation(12, INTERRUPT))
    execed = tracker.feed(Observation(10, WaitStatus(Kind.EXEC), message=12))
    assert execed == Decision(Resume.RUN, (Executed(10, 12, superseded=True),))
    assert set(tracker.tasks) == {10}


def test_exec_when_the_leader_was_never_seized():
    tracker = Tracker()
    tracker.seized(12, 10)
    tracker.feed(Observation(12, INTERRUPT))
    execed = tracker.feed(Observation(10, WaitStatus(Kind.EXEC), message=12))
    assert execed.facts == (Executed(10, 12, superseded=True),)
    assert tracker.tasks[10].tgid == 10


def test_leaving_detaches_at_the_next_stop_whatever_it_is():
    cases = {
        INTERRUPT: Resume.DETACH,
        SYSCALL: Resume.DETACH,
        STOPPED: Resume.DETACH,
        WaitStatus(Kind.SIGNAL, signal.SIGTERM): Resume.DETACH_INJECT,
        WaitStatus(Kind.EXEC): Resume.DETACH,
    }
    for status, expected in cases.items():
        tracker = running()
        assert tracker.leave(10) == Decision(Resume.HOLD)
        assert tracker.needs_interrupt(10)
        decision = tracker.feed(Observation(10, status))
        assert decision.resume is expected
        assert decision.facts[-1] == Left(10, 10)
        assert tracker.tasks == {}


def test_a_child_made_while_leaving_leaves_too():
    tracker = running()
    tracker.leave(10)
    made = tracker.feed(Observation(10, WaitStatus(Kind.FORK), message=11, child_tgid=11))
    assert made.resume is Resume.DETACH
    assert tracker.feed(Observation(11, INTERRUPT)).resume is Resume.DETACH
    assert tracker.tasks == {}


def test_a_held_task_leaves_at_once():
    tracker = running()
    tracker.hold(10)
    assert tracker.leave(10) == Decision(Resume.DETACH, (Left(10, 10),))


def test_an_unknown_stop_is_an_anomaly_and_goes_on():
    decision = running().feed(Observation(10, WaitStatus(Kind.UNKNOWN, 0x63057F)))
    assert decision.resume is Resume.RUN
    assert isinstance(decision.facts[0], Anomaly)


class KernelHistories(RuleBasedStateMachine):
    """Legal histories of tasks, statuses arriving in any order that the kernel allows.

    The model knows which tasks exist, which are stopped and waiting for us, and what is queued;
    the tracker must resume each stop exactly once and keep nothing at the end.
    """

    def __init__(self):
        super().__init__()
        self.tracker = Tracker()
        self.tracker.seized(1, 1)
        self.next = 2
        self.tgid = {1: 1}
        self.unborn = {}  # child -> maker: the maker's event is not delivered yet
        self.never_stopped = {1}
        self.stopped = set()
        self.told = {1}
        self.ended = set()
        self.left = set()

    def deliver(self, tid, status, message=0, child_tgid=0):
        decision = self.tracker.feed(Observation(tid, status, message, child_tgid))
        self.apply(tid, decision.resume)
        for other, resume in decision.others:
            assert other in self.stopped
            self.apply(other, resume)
        for fact in decision.facts:
            if isinstance(fact, Made):
                assert fact.child not in self.told
                self.told.add(fact.child)
            elif isinstance(fact, Ended):
                assert fact.tid in self.told
                assert fact.tid not in self.ended
                self.ended.add(fact.tid)
            elif isinstance(fact, Left):
                self.left.add(fact.tid)
            else:
                assert not isinstance(fact, Anomaly)

    def apply(self, tid, resume):
        if resume in (Resume.RUN, Resume.INJECT, Resume.DETACH, Resume.DETACH_INJECT):
            self.stopped.discard(tid)
        elif resume in (Resume.HOLD, Resume.LISTEN):
            self.stopped.add(tid)

    def alive(self):
        return [t for t in self.tgid if t not in self.ended and t not in self.left]

    def free(self):
        """Tasks that can stop: alive, running, and begun."""
        return [t for t in self.alive() if t not in self.stopped and t not in self.never_stopped]

    @rule()
    def attach(self):
        tid, self.next = self.next, self.next + 1
        self.tgid[tid] = tid
        self.told.add(tid)
        self.never_stopped.add(tid)
        self.tracker.seized(tid, tid)

    @precondition(lambda self: any(t in self.told for t in self.never_stopped))
    @rule(data=st.data())
    def first_stop(self, data):
        tid = data.draw(st.sampled_from(sorted(self.never_stopped)))
        self.never_stopped.discard(tid)
        self.deliver(tid, INTERRUPT)

    @precondition(lambda self: bool(self.unborn))
    @rule(data=st.data())
    def first_stop_of_an_untold_child(self, data):
        tid = data.draw(st.sampled_from(sorted(self.unborn)))
        if tid in self.never_stopped:
            self.never_stopped.discard(tid)
            self.deliver(tid, INTERRUPT)

    @precondition(lambda self: bool(self.free()))
    @rule(data=st.data(), thread=st.booleans())
    def clone(self, data, thread):
        """The kernel makes the child; the maker's event is delivered later."""
        maker = data.draw(st.sampled_from(self.free()))
        if maker in self.unborn.values():
            return
        child, self.next = self.next, self.next + 1
        self.tgid[child] = self.tgid[maker] if thread else child
        self.unborn[child] = maker
        self.never_stopped.add(child)

    @precondition(lambda self: bool(self.unborn))
    @rule(data=st.data())
    def clone_event(self, data):
        child = data.draw(st.sampled_from(sorted(self.unborn)))
        maker = self.unborn.pop(child)
        kind = Kind.CLONE if self.tgid[child] != child else Kind.FORK
        self.deliver(maker, WaitStatus(kind), child, self.tgid[child])

    @precondition(lambda self: bool(self.free()))
    @rule(data=st.data(), signo=st.integers(1, 31))
    def signal(self, data, signo):
        tid = data.draw(st.sampled_from(self.free()))
        if tid not in self.unborn.values() and tid not in self.unborn:
            self.deliver(tid, WaitStatus(Kind.SIGNAL, signo))

    @precondition(lambda self: bool(self.free()))
    @rule(data=st.data())
    def end(self, data):
        tid = data.draw(st.sampled_from(self.free()))
        makes = tid in self.unborn.values() or tid in self.unborn
        leads = any(g == tid and t != tid and t in self.alive() for t, g in self.tgid.items())
        if not makes and not leads:
            self.deliver(tid, EXITED)

    @precondition(lambda self: bool(self.free()))
    @rule(data=st.data())
    def leave(self, data):
        tid = data.draw(st.sampled_from(self.free()))
        if tid in self.tracker.tasks:
            self.tracker.leave(tid)

    @invariant()
    def a_parked_task_waits_for_an_event_that_is_still_to_come(self):
        for tid in self.tracker.parked():
            assert tid in self.unborn

    @invariant()
    def the_table_holds_exactly_what_is_alive(self):
        assert set(self.tracker.tasks) <= set(self.tgid)
        assert not set(self.tracker.tasks) & (self.ended | self.left)

    @invariant()
    def only_parked_tasks_stay_stopped(self):
        for tid in self.stopped:
            assert self.tracker.tasks[tid].state is State.PARKED


KernelHistories.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestKernelHistories = KernelHistories.TestCase
