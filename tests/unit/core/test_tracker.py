"""The state machine of tracees, fed by hand; no kernel needed."""

import signal

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
