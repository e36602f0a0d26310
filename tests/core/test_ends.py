"""Ends: of calls, of tasks, of leaders before their threads, and what parents learn of them."""

import os
import signal

import pytest
from beside import same
from lives import ENDS, kept, untold
from real import EVERYTHING, LIFECYCLE, Program, Tracing, command, until

from tracerd.core import procfs
from tracerd.core.commands import Snapshot
from tracerd.core.python_pump import PythonPump
from tracerd.core.wait_status import SYSCALL_STOP
from tracerd.protocol.events import Exec, Exit, NewChild, SignalExit, SignalStop, SyscallExit


def _calls(tracing, name):
    return [e for e in tracing.of(SyscallExit) if e.syscall == name]


def _opened(tracing, path):
    [call] = [e for e in _calls(tracing, "openat") if e.ret_path == str(path)]
    return call


@pytest.fixture
def work(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def leaderless(work):
    """Make a process whose leader has ended: LAST is how it will end, on SIGTERM."""
    programs = []

    def make(last):
        programs.append(Program("end_leader", "5", last, work, "wait"))
        assert procfs.status(programs[-1].pid).state == "Z"
        return programs[-1]

    yield make
    for program in programs:
        with program:
            pass


# --- leaders that end before their threads ----------------------------------------------------


@pytest.mark.ptrace_case(4, 28)
@pytest.mark.parametrize("how", ["pthread", "5"])
@pytest.mark.parametrize(("last", "code"), [("thread", 1), ("7", 7)])
def test_a_leader_that_ends_first_is_told_last(tracing, tmp_path, work, how, last, code):
    assert same(tracing, tmp_path, "end_leader", how, last, work).code == code
    [end] = [e for e in tracing.of(Exit) if e.process]
    assert end is tracing.events[-1]
    assert (end.tid, end.code) == (end.pid, code)
    [call] = [e for e in _calls(tracing, "exit") if e.tid == end.pid]
    assert (call.unfinished, call.ret) == (True, None)
    for name in ("early", "late"):
        opened = _opened(tracing, work / name)
        assert opened.tid != opened.pid
        assert opened.files[0].path == str(work / name)
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(4, 28)
@pytest.mark.parametrize(("last", "code"), [("thread", 1), ("7", 7)])
def test_attach_where_the_leader_has_ended(tracing, work, leaderless, last, code):
    program = leaderless(last)
    owner = tracing.attach(program.pid)
    [process] = tracing.command(Snapshot())
    assert process.threads == set(procfs.tasks(program.pid)) - {program.pid}
    assert process.root == "/"
    program.send(signal.SIGTERM)
    tracing.wait_for(lambda: tracing.ended(owner))
    assert program.wait() == code
    opened = _opened(tracing, work / "late")
    assert opened.files[0].path == str(work / "late")
    assert (opened.pid, opened.tid in process.threads) == (program.pid, True)
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(28)
@pytest.mark.parametrize(("last", "code"), [("thread", 1), ("7", 7)])
def test_the_end_of_a_process_is_told_though_its_leader_was_never_ours(
    tracing, leaderless, last, code
):
    program = leaderless(last)
    owner = tracing.attach(program.pid)
    program.send(signal.SIGTERM)
    tracing.wait_for(lambda: tracing.ended(owner))
    ends = [e for e in tracing.of(Exit) if e.process]
    assert [(e.pid, e.code) for e in ends] == [(program.pid, code)]


@pytest.mark.ptrace_case(27, 28)
def test_an_exec_where_the_leader_had_ended_before_the_attach(tracing, leaderless):
    program = leaderless("exec")
    owner = tracing.attach(program.pid)
    [process] = tracing.command(Snapshot())
    program.send(signal.SIGTERM)
    tracing.wait_for(lambda: tracing.ended(owner))
    assert program.wait() == 9
    [event] = tracing.of(Exec)
    assert (event.pid, event.tid, event.former_tid) == (program.pid, program.pid, *process.threads)
    assert [(e.tid, e.ret) for e in _calls(tracing, "execve")] == [(program.pid, 0)]
    assert (tracing.of(Exit)[-1].code, tracing.of(Exit)[-1].process) == (9, True)
    assert kept(tracing) == {}


@pytest.fixture
def beheaded(tracing, tmp_path, work):
    """A traced process whose leader ends under trace: it waits for SIGTERM.  Gives pid, owner."""
    argv = command("end_leader", "5", "thread", work, "wait")
    launcher, pid, owner = tracing.start(*argv)
    until(lambda: procfs.status(pid).state == "Z")
    until(lambda: any(procfs.status(t).state == "S" for t in procfs.tasks(pid)))
    yield pid, owner
    os.kill(pid, signal.SIGTERM)
    assert launcher.wait(60) == 1


@pytest.mark.ptrace_case(28)
def test_a_process_whose_leader_has_ended_is_let_go(tracing, beheaded):
    pid, owner = beheaded
    tracing.release(owner)
    [thread] = [t for t in procfs.tasks(pid) if t != pid]
    assert procfs.status(thread).tracer == 0
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(28)
def test_a_change_of_interest_does_not_wait_for_an_ended_leader(tracing, beheaded):
    tracing.interest(LIFECYCLE)
    tracing.interest(EVERYTHING)


# --- calls that never return ------------------------------------------------------------------


@pytest.mark.ptrace_case(20, 31, 40)
@pytest.mark.parametrize(
    ("how", "code", "calls"),
    [
        ("exit", 5, {"exit"}),
        ("group", 5, {"exit_group"}),
        ("thread-group", 6, {"exit_group"}),
        ("thread-exit", 5, {"exit", "exit_group"}),
    ],
)
def test_calls_that_end_a_task_are_told_once(tracing, tmp_path, how, code, calls):
    assert same(tracing, tmp_path, "end_calls", how).code == code
    told = [e for e in tracing.of(SyscallExit) if e.unfinished]
    assert {(e.ret, e.errno) for e in told} == {(None, None)}
    names = [e.syscall for e in told]
    assert len(names) == len(set(names))
    # The leader may not have come to its pause, nor out of the call before.
    assert calls <= set(names) <= calls | {"pause", "alarm"}
    assert [e.syscall for e in tracing.of(SyscallExit) if e.syscall in calls] == [
        e.syscall for e in told if e.syscall in calls
    ]
    assert (tracing.events[-1].process, tracing.events[-1].code) == (True, code)
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(20, 31, 40)
@pytest.mark.parametrize("call", ["read", "futex", "nanosleep", "all"])
@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGTERM])
def test_calls_in_which_a_task_is_killed_are_told_once(tracing, tmp_path, call, signo):
    """SIGKILL ends them without a return; another signal first makes one call return, for later.

    The task that takes the signal sees its call interrupted; its siblings are killed in theirs.
    """
    same(tracing, tmp_path, "end_in_call", call, int(signo))
    ends = tracing.of(SignalExit)
    assert {e.signal for e in ends} == {signo.name}
    assert [e.process for e in ends].count(True) == 1
    dead = {e.tid for e in ends}
    calls = ["read", "futex", "nanosleep"] if call == "all" else [call]
    last = {e.tid: e for e in tracing.of(SyscallExit) if e.tid in dead}
    assert sorted(e.syscall for e in last.values()) == sorted(calls)
    assert {e.ret for e in last.values()} == {None}
    takers = [e.tid for e in tracing.of(SignalStop) if e.tid in dead]
    assert len(takers) == (signo != signal.SIGKILL)
    for event in last.values():
        assert (event.unfinished, event.restart) == (event.tid not in takers, event.tid in takers)
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(40)
def test_the_value_of_a_sigreturn_is_no_error(tracing, tmp_path):
    """It is whatever the interrupted code had in that register: here EINTR, 0 and a restart."""
    said = same(tracing, tmp_path, "end_calls", "sigreturn").said
    assert said == "pause: EINTR\nwaitpid: 1, code 5, handled 3\n"
    returns = _calls(tracing, "rt_sigreturn")
    assert len(returns) == 3
    assert [(e.errno, e.restart, e.unfinished) for e in returns] == [(None, False, False)] * 3
    assert {e.ret for e in returns}.isdisjoint({-1})


# --- a status that comes while another is unhandled -------------------------------------------


@pytest.mark.ptrace_case(31, 33)
@pytest.mark.parametrize("stop", ["call", "other"])
def test_a_death_queued_behind_a_stop_comes_after_it(monkeypatch, stop):
    """Children are killed when a stop of theirs has been taken and is not handled yet."""
    tracing = Tracing(pump=PythonPump())
    tracing.interest()
    gather, killed = PythonPump._gather, set()

    def kills(pump, statuses):
        [(tid, status)] = statuses.items()
        task = tracing.tracer._scene.tracker.tasks.get(tid)
        parent = tracing.events[0].pid if tracing.events else tid
        fresh = task is not None and tid not in killed | {parent} and os.WIFSTOPPED(status)
        if fresh and (status == SYSCALL_STOP) is (stop == "call"):
            killed.add(tid)
            os.kill(tid, signal.SIGKILL)
            os.waitid(os.P_PID, tid, os.WEXITED | os.WNOWAIT)
        gather(pump, statuses)

    monkeypatch.setattr(PythonPump, "_gather", kills)
    assert tracing.run(*command("end_statuses", "anybody")) == 0
    assert killed
    assert {e.tid for e in tracing.of(SignalExit) if e.signal == "SIGKILL"} == killed
    assert sum(isinstance(e, ENDS) for e in tracing.events) == 41
    assert untold(tracing.events) == []
    assert kept(tracing) == {}
    tracing.stop()


# --- what parents learn -----------------------------------------------------------------------


@pytest.mark.ptrace_case(35)
def test_every_exit_code(tracing, tmp_path):
    assert same(tracing, tmp_path, "end_statuses", "codes").said == ""
    codes = [e.code for e in tracing.of(Exit)[:-1]]
    assert codes == list(range(256))
    assert untold(tracing.events) == []


@pytest.mark.ptrace_case(35)
def test_deaths_by_signals(tracing, tmp_path, work):
    said = same(tracing, tmp_path, "end_statuses", "signals", work).said
    ends = tracing.of(SignalExit)
    assert len(ends) == 17
    told = [f"child: killed by {e.signo}, core {int(e.core_dumped)}" for e in ends]
    assert said.splitlines() == told
    stops = [(e.tid, e.signo) for e in tracing.of(SignalStop) if e.signal != "SIGCHLD"]
    assert stops == [(e.tid, e.signo) for e in ends if e.signal != "SIGKILL"]
    assert untold(tracing.events) == []


@pytest.mark.ptrace_case(35)
@pytest.mark.parametrize(
    ("how", "children"),
    [
        ("polling", 20),
        ("handler", 20),
        ("waitid", 10),
        ("nowait", 10),
        ("ignored", 10),
        ("anybody", 40),
    ],
)
def test_a_parent_learns_what_it_learns_alone(tracing, tmp_path, how, children):
    same(tracing, tmp_path, "end_statuses", how)
    assert len(tracing.of(NewChild)) == children
    assert sum(isinstance(e, ENDS) for e in tracing.events) == children + 1
    assert untold(tracing.events) == []
    assert kept(tracing) == {}
