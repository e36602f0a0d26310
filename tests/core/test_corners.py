"""Corners of ptrace, on tracees that provoke them."""

import signal
from collections import Counter

import pytest
from real import Program, SwitchedGate, Tracing, command, until

from tracerd.core import procfs
from tracerd.core.commands import Recheck, Snapshot
from tracerd.protocol.events import Exec, Exit, NewChild, SignalStop, SyscallExit
from tracerd.protocol.filters import Interest


def untraced(pid, tracer):
    """Threads of a process that live and are not traced by us."""
    found = []
    for tid in procfs.tasks(pid) or ():
        status = procfs.status(tid)
        if status is not None and status.state not in "ZX" and status.tracer != tracer:
            found.append(tid)
    return found


def test_our_interrupt_is_never_seen_as_eintr(tracing):
    with Program("epoll_sleep") as sleeper:
        for _ in range(20):
            tracing.release(tracing.attach(sleeper.pid))
        assert sleeper.finish() == (0, "TERM 0\n")


def test_a_change_of_interest_is_never_seen_as_eintr(quiet_tracing):
    tracing = quiet_tracing
    with Program("epoll_sleep") as sleeper:
        owner = tracing.attach(sleeper.pid)
        for _ in range(10):
            tracing.interest()
            tracing.interest(Interest())
        tracing.release(owner)
        assert sleeper.finish() == (0, "TERM 0\n")


def test_signals_are_delivered_as_sent(tracing):
    with Program("sigs") as sigs:
        tracing.attach(sigs.pid)
        for number in range(1, 6):
            sigs.send(signal.SIGUSR1)
            assert sigs.stdout.readline() == f"USR1 {number}\n"
        sigs.send(signal.SIGUSR2)
        assert sigs.wait() == 128 + signal.SIGPIPE
        tracing.wait_for(lambda: "SIGPIPE" in [e.signal for e in tracing.of(SignalStop)])
    names = Counter(e.signal for e in tracing.of(SignalStop))
    assert names["SIGUSR1"] == 5


def test_children_of_threads_are_followed(tracing, tmp_path):
    with Program("threadfork", tmp_path, 8) as parent:
        owner = tracing.attach(parent.pid)
        parent.send(signal.SIGUSR1)
        assert parent.stdout.readline() == "DONE 8\n"
        tracing.wait_for(lambda: tracing.ended(owner))
    opened = {
        access.path
        for e in tracing.of(SyscallExit)
        for access in e.files
        if access.path.startswith(str(tmp_path)) and access.op == "create"
    }
    assert opened == {f"{tmp_path}/child-{n}" for n in range(8)}
    makers = {e.tid for e in tracing.of(NewChild) if not e.thread}
    assert makers
    assert parent.pid not in makers


def test_exec_by_a_thread(tracing):
    assert tracing.run(*command("exec_from_thread", "true")) == 0
    execs = [e for e in tracing.of(Exec) if e.former_tid is not None]
    assert len(execs) == 1
    assert execs[0].tid == execs[0].pid
    assert execs[0].former_tid != execs[0].pid
    assert tracing.command(Snapshot()) == []


def test_vfork_and_exec(tracing, tmp_path):
    assert tracing.run(*command("vfork_exec", tmp_path)) == 0
    assert "vfork" in {e.kind for e in tracing.of(NewChild)}


def test_exit_group_with_live_threads(tracing):
    tracing.run(*command("exitgroup_threads"))
    ends = tracing.of(Exit)
    assert [e.process for e in ends].count(True) == 1
    assert ends[-1].process
    made = [e for e in tracing.of(NewChild) if e.thread]
    assert len(ends) == len(made) + 1


def test_two_hundred_forks_and_execs(tracing):
    assert tracing.run("sh", *command("forkexec200")) == 0
    assert len([e for e in tracing.of(NewChild) if not e.thread]) >= 200
    assert tracing.command(Snapshot()) == []


@pytest.fixture
def held():
    """Four busy threads, all held at a syscall stop."""
    gate = SwitchedGate()
    tracing = Tracing(gate)
    try:
        tracing.interest()
        with Program("getppid16", 0, 4) as busy:
            owner = tracing.attach(busy.pid)
            gate.closed = True
            tracing.wait_for(lambda: tracing.tracer.statistics.held == 4)
            yield tracing, gate, busy, owner
    finally:
        tracing.stop()


def test_a_closed_gate_holds_at_syscall_stops(held):
    tracing, gate, busy, _ = held
    seen = len(tracing.events)
    assert all(procfs.status(t).state == "t" for t in procfs.tasks(busy.pid)[1:])
    assert len(tracing.events) == seen
    gate.closed = False
    tracing.command(Recheck())
    assert tracing.tracer.statistics.held == 0
    tracing.wait_for(lambda: len(tracing.events) > seen + 100)


def test_a_held_program_can_be_killed(held):
    tracing, _, busy, owner = held
    busy.send(signal.SIGKILL)
    tracing.wait_for(lambda: tracing.ended(owner))
    assert busy.wait() == 128 + signal.SIGKILL
    assert tracing.tracer.statistics.held == 0


def test_a_held_program_can_be_detached(held):
    tracing, _, busy, owner = held
    tracing.release(owner)
    assert untraced(busy.pid, 0) == []
    until(lambda: procfs.status(procfs.tasks(busy.pid)[-1]).state in "RS")


def test_kill_while_blocked_gives_an_unfinished_call(tracing):
    with Program("killed_in_read") as reader:
        owner = tracing.attach(reader.pid)
        until(lambda: procfs.status(reader.pid).state == "S")
        reader.send(signal.SIGKILL)
        tracing.wait_for(lambda: tracing.ended(owner))
    last = tracing.of(SyscallExit)[-1]
    assert (last.syscall, last.unfinished, last.ret) == ("read", True, None)
