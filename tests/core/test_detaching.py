"""Detaching in whatever state a program is: it goes on as if never traced."""

import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from functools import cache, partial

import pytest
from real import Program, SwitchedGate, Tracing, asked, ended, living, tracers, until

from tracerd.core import kernel, procfs
from tracerd.core.commands import ReleaseCommand, ReleaseResult, Snapshot, Stop
from tracerd.protocol.events import Attached, Exit, NewChild, SignalStop
from tracerd.protocol.filters import Interest

MINE = 1_000
"""An owner that Tracing.attach does not give out."""

RESTART_SYSCALL = 219

WAITS = {
    "read": 0,
    "futex": 202,
    "futex_timed": 202,
    "nanosleep": 230,
    "epoll_wait": 232,
    "epoll_timed": 232,
    "poll": 7,
    "select": 270,
    "semop": 65,
    "sigtimedwait": 128,
    "recv_timed": 45,
    "read_timed": 0,
    "accept_timed": 43,
    "readv_timed": 19,
    "recvmmsg_timed": 299,
    "send_timed": 44,
}
"""What detach_calls can wait in, and the number of the call it is then in."""


EVERYTHING, NOTHING = "all calls watched", "nobody watches"


@pytest.fixture(params=[EVERYTHING, NOTHING])
def watched(request, quiet_tracing):
    """A tracer, with and without syscall stops."""
    quiet_tracing.interest() if request.param == EVERYTHING else quiet_tracing.interest(Interest())
    return quiet_tracing


def states(pid):
    return {one.state for one in living(pid).values()}


def ended_or_waits_in(pid, call):
    """Whether the leader sleeps in this call; if it has ended, what it said tells why."""
    status = procfs.status(pid)
    if status is None or status.state == "Z":
        return True
    words = (procfs.read(f"/proc/{pid}/syscall") or b"").split()
    inside = bool(words) and words[0].isdigit() and int(words[0]) in {call, RESTART_SYSCALL}
    return inside and status.state == "S"


def life(name, *args, meanwhile):
    """Run a program that waits for a byte; return how it ended and what it said."""
    with Program(name, *args) as program:
        meanwhile(program)
        program.tell()
        return program.wait(), program.stdout.read()


def in_call(call, program):
    until(lambda: ended_or_waits_in(program.pid, WAITS[call]))


@cache
def life_alone(call):
    return life("detach_calls", call, meanwhile=partial(in_call, call))


@pytest.mark.ptrace_case(45)
@pytest.mark.parametrize("call", WAITS)
def test_in_a_call(watched, call):
    """Both while it waits since before the attach, and once it waits again under trace."""

    def traced(program):
        in_call(call, program)
        for again in (False, True, False):
            owner = watched.attach(program.pid)
            if again:
                in_call(call, program)
            watched.release(owner)
            assert tracers(program.pid) <= {0}
            in_call(call, program)

    assert life("detach_calls", call, meanwhile=traced) == life_alone(call)


@pytest.mark.ptrace_case(45)
def test_running(watched):
    with Program("getppid16", 0, 4) as busy:
        for _ in range(20):
            watched.release(watched.attach(busy.pid))
            assert tracers(busy.pid) == {0}
        workers = [tid for tid in procfs.tasks(busy.pid) if tid != busy.pid]
        for tid in workers:
            until(lambda tid=tid: procfs.status(tid).state == "R")
        until(lambda: procfs.status(busy.pid).state == "S")


@pytest.mark.ptrace_case(45)
@pytest.mark.parametrize("signo", [signal.SIGSTOP, signal.SIGTSTP])
def test_in_a_group_stop(watched, signo):
    """Stopped under trace, all threads of it; it stays stopped, and one SIGCONT is enough."""
    with Program("detach_stopped", 3) as program:
        owner = watched.attach(program.pid)
        program.send(signo)
        until(lambda: states(program.pid) <= {"t", "T"})
        watched.command(Snapshot())
        watched.release(owner)
        assert tracers(program.pid) == {0}
        until(lambda: states(program.pid) == {"T"})
        program.tell()
        watched.release(watched.attach(program.pid))
        until(lambda: states(program.pid) == {"T"})
        program.send(signal.SIGCONT)
        assert program.stdout.readline() == "ALIVE 1\n"
        until(lambda: states(program.pid) <= {"S", "R"})


@pytest.mark.ptrace_case(24, 45)
@pytest.mark.parametrize("threads", [1, 3])
def test_in_vfork(watched, threads):
    """The children leave at once, though their parents can not; nobody waits for anybody else."""
    with Program("attach_vfork", threads, "later") as parent:
        owner = watched.attach(parent.pid)
        parent.send(signal.SIGUSR1)
        assert parent.stdout.readline() == "INSIDE\n"
        until(lambda: states(parent.pid) == {"D"})
        children = parent.children()
        assert [procfs.status(child).tracer for child in children] == (
            [watched.tracer.tid] * threads
        )

        release = asked(watched, ReleaseCommand(owner))

        until(lambda: {procfs.status(child).tracer for child in children} == {0})
        until(lambda: {procfs.status(child).state for child in children} == {"S"})
        assert states(parent.pid) == {"D"}
        with Program("sleeper") as other:
            watched.release(watched.attach(other.pid))
        assert not release
        parent.tell("x" * threads)
        until(lambda: release)
        assert release == [ReleaseResult()]
        ended(parent, f"ENDED {threads}\n")


@pytest.mark.ptrace_case(24, 47)
def test_a_tracer_that_ends_does_not_wait_in_the_wrong_order(quiet_tracing):
    """At its stop, vfork's children are let go before their parents, who can not come first."""
    with Program("attach_vfork", 3, "later") as parent:
        quiet_tracing.attach(parent.pid)
        parent.send(signal.SIGUSR1)
        assert parent.stdout.readline() == "INSIDE\n"
        children = parent.children()
        stop = asked(quiet_tracing, Stop())
        until(lambda: {procfs.status(child).tracer for child in children} == {0})
        parent.tell("xxx")
        until(lambda: stop)
        ended(parent, "ENDED 3\n")


def moves(pid):
    """Wait until a process has run again; an exec by a thread starts the count anew."""
    before = procfs.status(pid)
    until(lambda: (now := procfs.status(pid)) and before and now.switches != before.switches)


@pytest.mark.ptrace_case(45)
@pytest.mark.parametrize("caller", ["leader", "thread"])
def test_during_exec(watched, caller):
    """Attached before the exec, and let go at any moment of it."""
    with Program("detach_exec", caller) as program:
        for number in range(40):
            owner = watched.attach(program.pid)
            for _ in range(number % 4):
                moves(program.pid)
            watched.release(owner)
            # A leader that a thread's execve is killing just then cannot be let go: it is ours to
            # its end, which is at once.
            until(lambda: tracers(program.pid) <= {0})
        assert program.finish() == (0, "SAME PROCESS\n")


@pytest.mark.ptrace_case(45)
def test_while_signals_wait(watched):
    def masks(program):
        status = procfs.status(program.pid)
        return status.pending, status.shared_pending, status.blocked

    def meanwhile(program):
        before = masks(program)
        assert before[0].bit_count() == 1
        assert before[1].bit_count() == 3
        for _ in range(10):
            owner = watched.attach(program.pid)
            assert masks(program) == before
            watched.release(owner)
            assert tracers(program.pid) == {0}
            assert masks(program) == before
        assert not watched.of(SignalStop)

    args = "detach_signals", "pending"
    assert life(*args, meanwhile=meanwhile) == life(*args, meanwhile=masks)


@pytest.mark.ptrace_case(45)
def test_while_signals_are_delivered(watched, monkeypatch):
    """Let go at the very stop for a signal, that signal is delivered, once."""
    detach, delivered = kernel.detach, []

    def noted(tid, signo=0):
        delivered.append(signo)
        return detach(tid, signo)

    monkeypatch.setattr(kernel, "detach", noted)
    with Program("detach_signals", "storm") as program:
        rounds = 0
        while rounds < 100 or (rounds < 5000 and not any(delivered)):
            watched.release(watched.attach(program.pid))
            assert tracers(program.pid) == {0}
            rounds += 1
        assert program.finish() == (0, "EXACT\n")
    assert any(delivered)


@pytest.mark.ptrace_case(45)
def test_in_the_middle_of_making_threads(watched):
    """A thread that is made by one that leaves must leave too."""
    with Program("attach_churn", 4) as churn:
        for _ in range(40):
            owner = watched.attach(churn.pid)
            churn.send(signal.SIGUSR1)
            assert churn.stdout.readline() == "MOVED\n"
            watched.release(owner)
            assert tracers(churn.pid) == {0}
            assert not states(churn.pid) & {"t", "T"}
        churn.send(signal.SIGUSR1)
        assert churn.stdout.readline() == "MOVED\n"
        assert churn.finish() == (0, "")
    assert watched.tracer.statistics.tracees == 0


@pytest.mark.ptrace_case(45)
def test_held_by_a_closed_gate():
    """All that do calls are held at one, and let go with what they had begun."""
    gate = SwitchedGate()
    tracing = Tracing(gate)
    try:
        tracing.interest()
        with Program("detach_busy") as busy:
            for _ in range(20):
                owner = tracing.attach(busy.pid)
                gate.closed = True
                tracing.wait_for(lambda: tracing.tracer.statistics.held >= 3)
                tracing.release(owner)
                assert tracers(busy.pid) == {0}
                assert not states(busy.pid) & {"t", "T"}
                gate.closed = False
            assert busy.finish() == (0, "HEALTHY\n")
        assert tracing.tracer.statistics.held == 0
        assert tracing.tracer.statistics.anomalies == 0
    finally:
        tracing.stop()


@pytest.mark.ptrace_case(45, 46)
def test_a_thousand_rounds_leave_a_busy_program_healthy(tracing):
    with Program("detach_busy") as busy:
        for _ in range(1000):
            tracing.release(tracing.attach(busy.pid))
        assert tracers(busy.pid) == {0}
        assert busy.finish() == (0, "HEALTHY\n")
    assert tracing.tracer.statistics.tracees == 0


@pytest.mark.ptrace_case(45, 46)
def test_other_tracers_can_have_it_after_us(tracing, tmp_path):
    with Program("detach_busy", "rough") as busy:
        tracing.release(tracing.attach(busy.pid))

        words = [*("gdb", "-nx", "-batch", "-p", str(busy.pid)), "-ex", "info threads"]
        gdb = subprocess.run(
            [*words, "-ex", "detach"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert gdb.returncode == 0, gdb.stderr
        assert gdb.stdout.count("LWP") >= 9
        assert tracers(busy.pid) == {0}

        tracing.release(tracing.attach(busy.pid))
        log = tmp_path / "log"
        words = ["strace", "-f", "-o", str(log), "-p", str(busy.pid)]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as strace:
            until(lambda: log.exists() and log.read_bytes().count(b"\n") > 1000)
            strace.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                strace.wait(5)
            strace.kill()  # on a busy machine it may wait for ever, alone too
        assert tracers(busy.pid) == {0}

        tracing.release(tracing.attach(busy.pid))
        assert tracers(busy.pid) == {0}
        assert busy.finish() == (0, "HEALTHY\n")


@pytest.mark.ptrace_case(45)
@pytest.mark.parametrize("signo", [signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH])
def test_a_signal_that_is_ignored_ends_no_call(tracing, signo):
    """Untraced, the kernel would drop it unseen; a tracer is told of it, and the call is woken."""
    with Program("detach_ignored") as program:
        tracing.attach(program.pid)
        until(lambda: procfs.status(program.pid).state == "S")
        program.send(signo)
        tracing.wait_for(lambda: tracing.of(SignalStop))
        program.tell()
        assert (program.wait(), program.stdout.read()) == (0, "READABLE\n")


@pytest.mark.ptrace_case(46)
def test_each_thread_is_detached_once(tracing, monkeypatch):
    """Of two owners, whoever gives it up, and whatever is asked for at the same time."""
    detach, done = kernel.detach, Counter()

    def noted(tid, signo=0):
        done[tid] += 1
        assert detach(tid, signo)
        return True

    monkeypatch.setattr(kernel, "detach", noted)
    with Program("sleeper", 20) as program:
        tids = procfs.tasks(program.pid)
        for rounds in range(1, 21):
            owners = [tracing.attach(program.pid) for _ in range(2)]
            answers = [asked(tracing, ReleaseCommand(owner)) for owner in owners * 2]
            tracing.interest(Interest() if rounds % 2 else Interest(exit=None))
            until(lambda answers=answers: all(answers))
            assert answers == [[ReleaseResult()]] * 4
            assert done == dict.fromkeys(tids, rounds)
        tracing.attach(program.pid)
        asked(tracing, ReleaseCommand(21))
        tracing.stop()
        assert done == dict.fromkeys(tids, 21)


@pytest.mark.ptrace_case(46)
def test_a_process_that_ends_while_it_is_let_go(tracing):
    """What has ended is not detached, and whoever waits for the release is answered."""
    for _ in range(50):
        with Program("sleeper", 8) as program:
            owner = tracing.attach(program.pid)
            release = asked(tracing, ReleaseCommand(owner))
            program.send(signal.SIGKILL)
            until(lambda release=release: release)
            assert release == [ReleaseResult()]
            assert program.wait() == 128 + signal.SIGKILL
    assert tracing.command(Snapshot()) == []


def second_life(tid):
    """Another program in a process with this id, which counts its signals."""
    return Program("detach_same_tid", tid)


@pytest.mark.ptrace_case(26, 46)
def test_a_task_id_that_is_used_again_after_detach_is_not_touched(tracing):
    with Program("sleeper") as first:
        tid = first.pid
        tracing.release(tracing.attach(tid))
        first.send(signal.SIGKILL)
    told = len(tracing.events)
    with second_life(tid) as shell, Program("getppid16", 0, 2) as other:
        assert shell.pid != tid
        owner = tracing.attach(other.pid)
        for number in range(10):  # whatever makes the tracer look at its tasks
            tracing.interest(Interest())
            tracing.interest()
            seen = len(tracing.events)
            tracing.wait_for(lambda seen=seen: len(tracing.events) > seen)
            assert procfs.status(tid).tracer == 0
            tracing.release(MINE + number)
        assert [process.pid for process in tracing.command(Snapshot())] == [other.pid]
        tracing.release(owner)
        tracing.stop()
        status = procfs.status(tid)
        assert (status.tracer, status.pending, status.shared_pending) == (0, 0, 0)
        until(lambda: procfs.status(tid).state == "S")
        os.kill(tid, signal.SIGTERM)
        assert (shell.wait(), shell.stdout.read()) == (0, "SIGNALS 0\n")
    assert tid not in {event.tid for event in tracing.events[told:]}


@pytest.mark.ptrace_case(26)
def test_a_task_id_that_is_used_again_is_another_process(tracing):
    """It ended under trace; what comes with its id is known anew, with its own name."""
    with Program("sleeper") as first:
        tid = first.pid
        owner = tracing.attach(tid)
        first.send(signal.SIGKILL)
        tracing.wait_for(lambda: tracing.ended(owner))
    with second_life(tid) as shell:
        assert procfs.status(tid).tracer == 0
        owner = tracing.attach(tid)
        was, now = tracing.of(Attached)
        assert (was.pid, was.exe.rpartition("/")[2]) == (tid, "sleeper")
        assert (now.pid, now.exe.rpartition("/")[2]) == (tid, "detach_same_tid")
        tracing.release(owner)
        os.kill(tid, signal.SIGTERM)
        assert (shell.wait(), shell.stdout.read()) == (0, "SIGNALS 0\n")


@pytest.mark.ptrace_case(26)
def test_children_that_have_the_same_id_one_after_the_other(tracing, tmp_path):
    from beside import same

    assert same(tracing, tmp_path, "detach_same_tid", 0, 200).said == "AGAIN 200\n"

    [tid] = {event.child for event in tracing.of(NewChild)}
    story = [type(e) for e in tracing.events if isinstance(e, NewChild)
             or (isinstance(e, Exit) and e.pid == tid)]  # fmt: skip
    assert story == [NewChild, Exit] * 201
    assert [e.code for e in tracing.of(Exit) if e.pid == tid] == [n % 100 for n in range(201)]
