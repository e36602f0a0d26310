"""The first stop after an attach: which one comes, and what it comes in the middle of."""

import itertools
import re
import signal
import time

import pytest
from real import Program, until

from tracerd.core import kernel, procfs
from tracerd.core.tracker import State
from tracerd.core.wait_status import Kind
from tracerd.protocol.events import (
    EVENT_TYPES,
    Attached,
    Detached,
    Exec,
    NewChild,
    SyscallEnter,
    SyscallExit,
)
from tracerd.protocol.filters import Interest

WITH_ENTRIES = Interest(types=frozenset(EVENT_TYPES), enter=None, exit=None, string_limit=32)


@pytest.fixture
def unhurried(monkeypatch):
    """Between seizing a task and interrupting it there is time, in most rounds, for a call.

    Alone, a thousand attaches find the middle of a fork or vfork hardly ever.
    """
    interrupt, rounds = kernel.interrupt, itertools.count()

    def interrupt_later(tid):
        end = time.monotonic_ns() + next(rounds) % 10 * 30_000
        while time.monotonic_ns() < end:
            pass
        return interrupt(tid)

    monkeypatch.setattr(kernel, "interrupt", interrupt_later)


@pytest.fixture
def first_stops(tracing):
    """What kinds of stops were the first of tasks that were attached to, in order."""
    tracker = tracing.tracer._scene.tracker
    feed, kinds = tracker.feed, []

    def listening_feed(seen):
        task = tracker.tasks.get(seen.tid)
        if task is not None and task.state is State.STARTING and task.interrupted:
            kinds.append(seen.status.kind)
        return feed(seen)

    tracker.feed = listening_feed
    return kinds


def strays(events):
    """Exits told without their entries, since the attach that each comes after."""
    inside, found = {}, []
    for event in events:
        task = (event.pid, event.tid)
        if isinstance(event, SyscallEnter):
            inside[task] = event.syscall
        elif isinstance(event, SyscallExit):
            if inside.pop(task, None) != event.syscall:
                found.append(event)
        elif isinstance(event, Detached):
            inside = {task: name for task, name in inside.items() if task[0] != event.pid}
    return found


@pytest.mark.ptrace_case(1, 6, 7)
@pytest.mark.parametrize(
    ("how", "other"),
    [
        ("vfork", Kind.VFORK),
        ("fork", Kind.FORK),
        ("thread", Kind.CLONE),
        ("exec", Kind.EXEC),
        ("signal", Kind.SIGNAL),
    ],
)
def test_any_stop_counts_as_the_first(tracing, unhurried, first_stops, how, other):
    """Attach until another event has taken the place of the interrupt's own a few times."""
    tracing.interest(WITH_ENTRIES)
    rounds = 0
    with Program("wait_stops", how) as program:

        def enough():
            return rounds >= 20 and (first_stops.count(other) >= 3 or rounds >= 1000)

        while not enough():
            rounds += 1
            seen = len(tracing.events)
            owner = tracing.attach(program.pid)
            # It goes on, and is followed: the attach has not only stopped it.
            tracing.wait_for(lambda seen=seen: len(tracing.events) > seen + 5)
            tracing.release(owner)
            assert tracing.tracer.statistics.anomalies == 0
        assert program.finish()[0] == 0
    assert first_stops.count(other) >= 3, (rounds, first_stops)
    assert strays(tracing.events) == []
    assert len(tracing.of(Attached)) == rounds


@pytest.mark.ptrace_case(7)
@pytest.mark.parametrize(("how", "told"), [("fork", NewChild), ("exec", Exec)])
def test_an_attach_inside_a_call_gives_its_event_but_not_its_return(tracing, unhurried, how, told):
    """The maker's or exec's own event is seen; the exit-stop after it has no entry."""
    tracing.interest(WITH_ENTRIES)
    caught = []
    with Program("wait_stops", how) as program:

        def own(seen):
            return [e for e in tracing.events[seen:] if e.tid == program.pid]

        for _ in range(1000):
            seen = len(tracing.events)
            owner = tracing.attach(program.pid)
            tracing.wait_for(lambda seen=seen: len(own(seen)) > 5)
            tracing.release(owner)
            mine = own(seen)
            first = next(e for e in mine if not isinstance(e, Attached))
            if isinstance(first, told):
                caught.append(mine)
                if len(caught) == 3:
                    break
        assert program.finish()[0] == 0
    assert len(caught) == 3
    for mine in caught:
        calls = [e for e in mine if isinstance(e, SyscallEnter | SyscallExit)]
        assert isinstance(calls[0], SyscallEnter)


ASLEEP = {
    "nanosleep_": "nanosleep",
    "clock_nanosleep_": "clock_nanosleep",
    "poll_timeout": "poll",
    "futex_wait_timeout": "futex",
}


@pytest.mark.ptrace_case(8)
@pytest.mark.parametrize(("sleep", "resumed"), ASLEEP.items())
def test_attach_to_a_sleeper_tells_which_call_is_resumed(tracing, sleep, resumed):
    tracing.interest(WITH_ENTRIES)
    with Program("wait_call", sleep) as program:
        until(lambda: procfs.stat(program.pid).state == "S")
        owner = tracing.attach(program.pid)
        tracing.wait_for(lambda: tracing.of(SyscallEnter))
        first = tracing.of(SyscallEnter)[0]
        assert (first.syscall, first.resumes) == ("restart_syscall", resumed)
        program.send(signal.SIGUSR1)
        tracing.wait_for(lambda: tracing.ended(owner))
        assert program.wait() == 0
    back = tracing.of(SyscallExit)[0]
    assert (back.syscall, back.resumes, back.restart) == ("restart_syscall", resumed, True)
    assert re.match("ERESTART", back.errno)
    assert {e.resumes for e in tracing.of(SyscallExit)[1:]} == {None}


@pytest.mark.ptrace_case(8)
@pytest.mark.parametrize("sleep", ["pipe_read", "futex_wait", "plain_accept4", "epoll_wait_"])
def test_attach_to_a_sleeper_shows_the_call_itself_where_it_starts_anew(tracing, sleep):
    tracing.interest(WITH_ENTRIES)
    with Program("wait_call", sleep) as program:
        until(lambda: procfs.stat(program.pid).state == "S")
        tracing.attach(program.pid)
        tracing.wait_for(lambda: tracing.of(SyscallEnter))
        first = tracing.of(SyscallEnter)[0]
        assert first.syscall in sleep
        assert first.resumes is None
        assert tracing.of(SyscallExit) == []
        program.send(signal.SIGUSR1)
        assert program.wait() == 0
    assert strays(tracing.events) == []
