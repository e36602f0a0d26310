"""Attaching to programs that make it hard."""

import signal

import pytest
from real import Program, answered, asked, ended, living, tracers, until

from tracerd.core import procfs
from tracerd.core.commands import AttachCommand, ExpireAttach, ReleaseCommand, Snapshot
from tracerd.core.tracker import State
from tracerd.protocol.events import GroupStop, Resumed, SyscallExit
from tracerd.protocol.filters import Interest

MINE = 1_000
"""An owner that Tracing.attach does not give out."""


@pytest.mark.ptrace_case(3)
def test_threads_made_while_attaching(tracing):
    """Chains of threads that live for microseconds: one that is missed stays missed."""
    with Program("attach_churn", 4) as churn:
        for _ in range(50):
            owner = tracing.attach(churn.pid)
            for _ in range(3):
                assert tracers(churn.pid) == {tracing.tracer.tid}
            churn.send(signal.SIGUSR1)
            assert churn.stdout.readline() == "MOVED\n"
            tracing.release(owner)
            for _ in range(3):
                assert tracers(churn.pid) == {0}
        churn.send(signal.SIGUSR1)
        assert churn.stdout.readline() == "MOVED\n"
        assert churn.finish() == (0, "")


@pytest.mark.ptrace_case(3)
def test_many_threads_that_come_and_go(tracing):
    with Program("threads_churn", 200) as churn:
        for _ in range(10):
            owner = tracing.attach(churn.pid)
            assert tracers(churn.pid) == {tracing.tracer.tid}
            tracing.release(owner)
            assert tracers(churn.pid) == {0}
        assert churn.finish()[0] == 0


@pytest.mark.ptrace_case(5)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_parent_in_vfork_is_pending_until_its_child_ends(tracing, threads):
    with Program("attach_vfork", threads) as parent:
        tids = sorted(procfs.tasks(parent.pid))
        children = parent.children()
        until(lambda: {procfs.status(tid).state for tid in tids} == {"D"})
        answer = asked(tracing, AttachCommand(parent.pid, MINE))
        tracing.command(Snapshot())  # others are served meanwhile
        assert not answer
        tracing.command(ExpireAttach(MINE))

        result = answered(tracing, answer)

        assert (result.pid, result.threads, result.pending) == (parent.pid, [], tids)
        assert tracers(parent.pid) == {tracing.tracer.tid}
        assert {procfs.status(child).tracer for child in children} == {0}
        parent.tell("x" * threads)
        ended(parent, f"ENDED {threads}\n")
        tracing.wait_for(lambda: tracing.ended(MINE))
    opened = [e.tid for e in tracing.of(SyscallExit) if e.ret_path == "/dev/null"]
    assert sorted(opened) == tids


@pytest.mark.ptrace_case(5)
def test_of_a_process_some_threads_stop_and_others_are_pending(tracing):
    """One child ends, so that its parent joins the other, which is in vfork still."""
    with Program("attach_vfork", 2) as parent:
        until(lambda: {one.state for one in living(parent.pid).values()} == {"D"})
        parent.tell("x")
        until(lambda: len(parent.children()) == 1)
        until(lambda: {one.state for one in living(parent.pid).values()} in ({"D"}, {"D", "S"}))
        left = [tid for tid, one in living(parent.pid).items() if one.state == "D"]
        answer = asked(tracing, AttachCommand(parent.pid, MINE))
        tracing.command(Snapshot())
        assert not answer
        until(lambda: tracers(parent.pid) == {tracing.tracer.tid})
        tasks = tracing.tracer._scene.tracker.tasks
        until(lambda: [t for t, one in tasks.items() if one.state is State.STARTING] == left)
        tracing.command(ExpireAttach(MINE))

        result = answered(tracing, answer)

        assert result.pending == left
        assert sorted(result.threads + result.pending) == sorted(living(parent.pid))
        parent.tell("x")
        ended(parent, "ENDED 2\n")


@pytest.mark.ptrace_case(5, 24, 45)
def test_a_pending_attach_can_be_given_up(tracing):
    """The release waits for what cannot stop, and nobody else does."""
    with Program("attach_vfork", 2) as parent:
        answer = asked(tracing, AttachCommand(parent.pid, MINE))
        tracing.command(Snapshot())
        assert not answer
        release = asked(tracing, ReleaseCommand(MINE))
        until(lambda: answer)
        with Program("sleeper") as other:
            tracing.release(tracing.attach(other.pid))
        assert not release
        parent.tell("xx")
        answered(tracing, release)
        ended(parent, "ENDED 2\n")


@pytest.mark.ptrace_case(5)
def test_an_attach_in_vfork_is_answered_when_the_child_ends(tracing):
    with Program("attach_vfork") as parent:
        answer = asked(tracing, AttachCommand(parent.pid, MINE))
        tracing.command(Snapshot())
        assert not answer
        parent.tell()
        result = answered(tracing, answer)
        assert (result.threads, result.pending) == ([parent.pid], [])
        ended(parent, "ENDED 1\n")


@pytest.mark.parametrize(
    "args",
    [
        ("detach_exec", "leader"),
        ("detach_exec", "thread"),
        ("detach_signals", "storm"),
    ],
)
def test_a_process_whose_first_stop_is_another_than_the_one_asked_for(tracing, args):
    """Execs and signals come before, or instead of, the stop that the attach asked for."""
    with Program(*args) as program:
        for _ in range(50):
            owner = tracing.attach(program.pid)
            assert tracers(program.pid) <= {tracing.tracer.tid}
            tracing.release(owner)
            assert tracers(program.pid) <= {0}
        code, said = program.finish()
    assert code == 0
    assert said in ("SAME PROCESS\n", "EXACT\n")


@pytest.mark.ptrace_case(9)
@pytest.mark.parametrize("signo", [signal.SIGSTOP, signal.SIGTSTP])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("watched", [True, False])
def test_a_stopped_process_stays_stopped(quiet_tracing, signo, threads, watched):
    tracing = quiet_tracing
    if watched:
        tracing.interest()
    else:
        tracing.interest(Interest(types=frozenset({"group_stop", "resumed"})))
    with Program("detach_stopped", threads) as program:
        program.send(signo)
        until(lambda: {one.state for one in living(program.pid).values()} == {"T"})

        owner = tracing.attach(program.pid)

        stops = {e.tid for e in tracing.of(GroupStop)}
        assert stops == set(living(program.pid))
        assert {e.signal for e in tracing.of(GroupStop)} == {signo.name}
        program.tell()
        tracing.command(Snapshot())
        assert {one.state for one in living(program.pid).values()} <= {"T", "t"}
        tracing.release(owner)
        until(lambda: {one.state for one in living(program.pid).values()} == {"T"})
        assert tracers(program.pid) == {0}
        owner = tracing.attach(program.pid)
        program.send(signal.SIGCONT)
        assert program.stdout.readline() == "ALIVE 1\n"
        tracing.wait_for(lambda: {e.tid for e in tracing.of(Resumed)} == stops)
        tracing.release(owner)
        program.tell()
        assert program.stdout.readline() == "ALIVE 1\n"
