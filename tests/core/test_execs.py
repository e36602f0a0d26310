"""Execs: by whom, over whom, and what is told of those who die of it."""

from collections import Counter

import pytest
from beside import same
from lives import ENDS, kept, untold
from real import LIFECYCLE

from tracerd.protocol.events import (
    EVENT_TYPES,
    Exec,
    Exit,
    NewChild,
    SyscallEnter,
    SyscallExit,
)
from tracerd.protocol.filters import Interest

BOTH_SIDES = Interest(types=frozenset(EVENT_TYPES), enter=None, exit=None, string_limit=32)


def _execves(tracing):
    return [e for e in tracing.of(SyscallExit) if e.syscall == "execve"]


def _by_thread(tracing):
    [event] = [e for e in tracing.of(Exec) if e.former_tid is not None]
    return event


def _check_successes(tracing):
    """One syscall_exit for each exec, after it and on the tid that the caller now has."""
    execs = [(e.tid, e.pid) for e in tracing.of(Exec)]
    done = [(e.tid, e.pid) for e in _execves(tracing) if e.ret == 0]
    assert done == execs
    assert all(tid == pid for tid, pid in execs)
    assert execs
    for event in tracing.of(Exec):
        back = next(e for e in _execves(tracing) if e.seq > event.seq and e.tid == event.tid)
        assert (back.ret, back.unfinished, back.errno) == (0, False, None)


@pytest.mark.ptrace_case(19, 27, 31)
@pytest.mark.parametrize("interest", [None, LIFECYCLE], ids=["calls", "no calls"])
def test_threads_that_race_to_exec(tracing, tmp_path, interest):
    if interest:
        tracing.interest(interest)
    life = same(tracing, tmp_path, "exec_race", 50, 8)
    assert (life.code, life.said) == (9, "END\n")
    execs = tracing.of(Exec)
    assert len(execs) == 51
    assert len({e.pid for e in execs}) == 1
    if interest is None:
        _check_successes(tracing)
        lost = [e for e in _execves(tracing) if e.ret != 0]
        assert all(e.unfinished for e in lost)
    born = [e.child for e in tracing.of(NewChild)]
    assert len(born) == 400
    winners = [e.former_tid for e in execs if e.former_tid is not None]
    assert set(winners) <= set(born)
    dead = [e for e in tracing.events if isinstance(e, ENDS)]
    assert sorted(e.tid for e in dead[:-1]) == sorted((Counter(born) - Counter(winners)).elements())
    assert {type(e) for e in dead} == {Exit}
    assert {e.code for e in dead[:-1]} == {0}  # the kernel calls a death by exec an exit with 0
    assert (dead[-1].process, dead[-1].code) == (True, 9)
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(20, 27, 40)
def test_an_exec_by_a_thread_ends_the_calls_of_all_others(tracing, tmp_path):
    assert same(tracing, tmp_path, "exec_over", "sleepers").said == "END\n"
    event = _by_thread(tracing)
    _check_successes(tracing)
    ended = {e.syscall: e for e in tracing.of(SyscallExit) if e.unfinished}
    assert set(ended) == {"read", "futex", "poll", "clock_nanosleep", "exit_group"}
    assert ended["clock_nanosleep"].tid == event.pid
    others = {e.tid for e in tracing.of(Exit) if not e.process}
    assert others == {ended[name].tid for name in ("read", "futex", "poll")}
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(20, 40)
def test_an_exec_by_the_leader_ends_the_calls_of_its_threads(tracing, tmp_path):
    assert same(tracing, tmp_path, "exec_over", "leader").said == "END\n"
    assert [e.former_tid for e in tracing.of(Exec)] == [None, None]
    _check_successes(tracing)
    ended = [e.syscall for e in tracing.of(SyscallExit) if e.unfinished]
    assert sorted(ended) == ["exit_group", "futex", "poll", "read"]
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(27, 28)
@pytest.mark.parametrize("how", ["gone", "joined"])
def test_an_exec_after_the_leader_has_ended(tracing, tmp_path, how):
    life = same(tracing, tmp_path, "exec_over", how)
    assert (life.code, life.said) == (9, "END\n")
    event = _by_thread(tracing)
    _check_successes(tracing)
    assert event.former_tid in {e.child for e in tracing.of(NewChild)}
    leaders = [e for e in tracing.of(SyscallExit) if e.syscall == "exit" and e.tid == event.pid]
    assert [e.unfinished for e in leaders] == [True]
    [end] = [e for e in tracing.of(Exit) if e.process]
    assert (end.tid, end.code) == (event.pid, 9)
    assert end is tracing.events[-1]
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(36)
@pytest.mark.parametrize("tracee", [("exec_race", 20, 8), ("exec_over", "gone")])
def test_every_return_is_that_of_the_entry_before_it(tracing, tmp_path, tracee):
    """An exec moves an entry to another tid; whoever counts stops is out of step after one."""
    tracing.interest(BOTH_SIDES)
    same(tracing, tmp_path, *tracee)
    inside = {}
    for event in tracing.events[2:]:  # the first exec was entered while it was hidden
        if isinstance(event, SyscallEnter):
            assert event.tid not in inside
            inside[event.tid] = event.nr
        if isinstance(event, Exec):
            inside[event.tid] = inside.pop(event.former_tid or event.tid)
        if isinstance(event, SyscallExit):
            assert inside.pop(event.tid) == event.nr
    assert inside == {}


@pytest.mark.ptrace_case(20, 40)
def test_execs_that_fail(tracing, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "text").write_text("of no known format")
    (work / "text").chmod(0o755)
    (work / "plain").touch()
    assert same(tracing, tmp_path, "exec_fails", work).code == 9
    names = ["ENOENT", "EACCES", "ENOEXEC", "ENOTDIR", "ENOENT", "EACCES", "EFAULT"]
    failed = [e for e in _execves(tracing) if e.errno]
    assert [(e.ret, e.errno) for e in failed] == [(-1, name) for name in names * 2]
    leader = tracing.of(Exec)[0].pid
    [thread] = [e.child for e in tracing.of(NewChild)]
    assert [e.tid for e in failed] == [leader] * 7 + [thread] * 7
    assert len(tracing.of(Exec)) == 2
    _check_successes(tracing)
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(23, 27)
def test_an_exec_while_the_leader_forks(tracing, tmp_path):
    """The leader dies of it without a word, perhaps before a birth of its could be told."""
    life = same(tracing, tmp_path, "exec_over_forks", 30)
    assert (life.code, life.said) == (9, "0 odd\n")
    assert len(tracing.of(Exec)) == 31
    assert untold(tracing.events) == []
    assert kept(tracing) == {}
