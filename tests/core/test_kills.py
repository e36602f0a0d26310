"""SIGKILL between any two steps of the tracer: ten thousand deaths, and nothing is left of them.

The victims, and the moments in which they are killed, are those of kill_many.c.  A thread's death
is not counted, only its process's.
"""

import gc
import logging
import subprocess
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from itertools import cycle
from pathlib import Path

import pytest
from real import DEADLINE, EVERYTHING, LIFECYCLE, command, until

from tracerd import errors
from tracerd.core.commands import AttachCommand, Barrier, ReleaseCommand
from tracerd.protocol.events import (
    Detached,
    Exec,
    Exit,
    GroupStop,
    NewChild,
    SignalExit,
    SignalStop,
    SyscallExit,
)

KILLS = {"lifecycle": 5500, "calls": 1500, "changing": 1800, "thread_exec": 600}
BATCHES = 25
"""Of twelve victims, killed while attached to, and as many while detached."""
assert sum(KILLS.values()) + 2 * 12 * BATCHES >= 10_000

LIMIT = 240.0
"""Seconds that some thousand kills may take on a machine that does other things too."""

THREAD_EXEC = "a thread killed in execve, after it took the leader's id, is kept for ever"
ADOPTED = "a task with the id of one that was adopted before is never told of"

TOO_LATE = (errors.NoSuchProcess, errors.ZombieProcess, errors.ExitingProcess)


def tables(tracer):
    """Whatever the tracer keeps by task or process, if it still keeps any."""
    scene = tracer._scene
    kept = {
        "tasks": scene.tracker.tasks,
        "processes": scene.processes,
        "comms": scene.comms,
        "targets": scene.targets,
        "leavings": scene.leavings,
        "jobs": tracer._attacher._jobs,
        "told_tasks": tracer._teller._tasks,
        "told_processes": tracer._teller._processes,
        **scene.pump.kept(),
    }
    return {name: list(table) for name, table in kept.items() if table}


def descriptors():
    gc.collect()  # errors refer to frames, and these to what they had open
    found = Counter()
    for link in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # the one that the directory itself was read through
            found[str(link.readlink())] += 1
    return found


@pytest.fixture
def nothing_left(tracing, caplog):
    """At the end: no exception was logged, nothing is kept, and the tracer waits for nobody."""
    caplog.set_level(logging.WARNING)
    before = descriptors()
    yield
    tracing.command(Barrier())
    until(lambda: tables(tracing.tracer) == {})
    assert [record.getMessage() for record in caplog.records] == []
    assert tracing.tracer.statistics.anomalies == 0
    assert descriptors() == before


def check_births_and_ends(events, root=None):
    """Every task that was told of has one end and no event after it; a tid may be used again.

    The end of a thread that execs is its taking of the leader's id.  root: the only task that
    was not born under trace, if there is only one.
    """
    alive = {} if root is None else {root: root}
    for event in events:
        assert root is None or event.tid in alive, event
        match event:
            case NewChild(child=child):
                assert child not in alive, event
                alive[child] = event.pid if event.thread else child
            case Exec(former_tid=int(former)):
                alive.pop(former, None)
            case Exit() | SignalExit():
                alive.pop(event.tid, None)
        if isinstance(event, Detached) or (root is None and getattr(event, "process", False)):
            # Threads leave trace without a word; the end of the process is theirs too.
            alive = {tid: pid for tid, pid in alive.items() if pid != event.pid}
    assert alive == {}


def doing(event):
    match event:
        case SyscallExit(unfinished=True):
            return "inside a call"
        case SyscallExit():
            return "after a call"
        case SignalStop() | GroupStop():
            return f"{type(event).__name__} {event.signal}"
        case Exit() | SignalExit():
            return "its threads end"
    return type(event).__name__


def show_moments(events):
    """Print how often a killed process was last seen doing what (with pytest -s)."""
    last, seen = {}, Counter()
    for event in events:
        if isinstance(event, SignalExit) and event.process and event.signal == "SIGKILL":
            seen[last.pop(event.pid, "new")] += 1
        else:
            last[event.pid] = doing(event)
    print(*(f"{count:5} {what}" for what, count in seen.most_common()), sep="\n")


def kill_under_trace(tracing, tmp_path, moment, kills, meanwhile=None):
    """Run kill_many under trace; see that each of its victims is told of; return its pid."""
    output = tmp_path / "tally"
    argv = command("kill_many", moment, kills, 1)
    launcher, pid, owner = tracing.start(*argv, output=str(output))
    while meanwhile is not None and launcher.poll() is None:
        meanwhile()
    assert launcher.wait(LIMIT) == 0
    tracing.wait_for(lambda: tracing.ended(owner))
    said = output.read_text()
    print(said)
    tally = [(int(made), int(by)) for _, made, by in map(str.split, said.splitlines())]
    victims = sum(made for made, _ in tally)
    assert victims >= kills
    assert moment != "any" or sum(by_siblings for _, by_siblings in tally) > 0
    born = {e.seq: e.child for e in tracing.of(NewChild) if e.pid == pid}
    killed = Counter(e.pid for e in tracing.of(SignalExit) if e.process and e.signal == "SIGKILL")
    assert len(born) == victims
    assert Counter(born.values()) <= killed
    show_moments(tracing.events)
    return pid


@pytest.mark.ptrace_case(23, 31, 32)
@pytest.mark.parametrize(
    ("interest", "kills"),
    [
        pytest.param(LIFECYCLE, KILLS["lifecycle"], id="lifecycle"),
        pytest.param(EVERYTHING, KILLS["calls"], id="calls"),
    ],
)
def test_thousands_killed_at_any_moment(tracing, nothing_left, tmp_path, interest, kills):
    tracing.interest(interest)
    pid = kill_under_trace(tracing, tmp_path, "any", kills)
    check_births_and_ends(tracing.events, pid)


@pytest.mark.ptrace_case(31, 32)
def test_killed_while_interest_changes(tracing, nothing_left, tmp_path):
    interests = cycle([LIFECYCLE, EVERYTHING])
    changes = []

    def change():
        tracing.interest(next(interests))
        changes.append(1)

    pid = kill_under_trace(tracing, tmp_path, "any", KILLS["changing"], change)
    check_births_and_ends(tracing.events, pid)
    assert len(changes) > 50


@pytest.mark.ptrace_case(27, 32)
def test_killed_in_exec_by_a_thread(tracing, nothing_left, tmp_path):
    tracing.interest(LIFECYCLE)
    pid = kill_under_trace(tracing, tmp_path, "thread_exec", KILLS["thread_exec"])
    check_births_and_ends(tracing.events, pid)


class Answers:
    """The answers to commands that were submitted without waiting."""

    def __init__(self, tracing):
        self._tracing = tracing
        self._waiting = threading.Semaphore(0)
        self._asked = 0
        self.got = []

    def ask(self, command):
        self._asked += 1
        self._tracing.tracer.submit(command, self._answer)

    def _answer(self, result):
        self.got.append(result)
        self._waiting.release()

    def wait(self):
        """Wait for all; return how many were errors that tell of a death.  Raises the others."""
        for _ in range(self._asked):
            assert self._waiting.acquire(timeout=DEADLINE), "an answer is missing"
        failed = [result for result in self.got if isinstance(result, Exception)]
        for error in failed:
            if not isinstance(error, TOO_LATE):
                raise error
        return len(failed)


@contextmanager
def killer():
    """An untraced kill_many on command, and a function that gives it one and reads its answer."""
    process = subprocess.Popen(
        command("kill_many", "any", 0, 1), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def tell(byte):
        process.stdin.write(byte)
        process.stdin.flush()

    with process:
        try:
            yield tell, process.stdout.readline
            process.stdin.close()
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()


@pytest.mark.ptrace_case(3, 31, 32)
def test_killed_while_attached_to(tracing, nothing_left):
    missed = 0
    with killer() as (tell, line):
        for batch in range(BATCHES):
            tell("n")
            pids = [int(word) for word in line().split()]
            tell("k")
            answers = Answers(tracing)
            for number, pid in enumerate(pids):
                answers.ask(AttachCommand(pid, 1000 * batch + number))
            missed += answers.wait()
            assert line() == "DEAD\n"
    print(f"{missed} of {BATCHES * len(pids)} were dead before they were attached")
    assert 0 < missed < BATCHES * len(pids)
    until(lambda: tables(tracing.tracer) == {})  # children of the dead live on for a moment
    check_births_and_ends(tracing.events)


@pytest.mark.ptrace_case(32, 45, 46)
def test_killed_while_detached(tracing, nothing_left):
    with killer() as (tell, line):
        for batch in range(BATCHES):
            tell("n")
            owners = {1000 * batch + n: int(pid) for n, pid in enumerate(line().split())}
            attached, released = Answers(tracing), Answers(tracing)
            for owner, pid in owners.items():
                attached.ask(AttachCommand(pid, owner))
            attached.wait()  # a sibling may have killed some already
            tell("k")
            for owner in owners:
                released.ask(ReleaseCommand(owner))
            released.wait()
            assert line() == "DEAD\n"
    ends = Counter(type(e).__name__ for e in tracing.events if isinstance(e, SignalExit | Detached))
    print(ends)
    assert ends["Detached"] > BATCHES
    assert ends["SignalExit"]
    until(lambda: tables(tracing.tracer) == {})  # children of the dead live on for a moment
    check_births_and_ends(tracing.events)
