"""Programs with a seccomp filter of their own: it decides as it does without a tracer."""

import signal

import pytest
from beside import same
from real import EVERYTHING, Program

from tracerd.core import procfs
from tracerd.core.commands import Snapshot
from tracerd.protocol.events import Exec, Exit, NewChild, SignalExit, SignalStop, SyscallExit

GETPPID = 110
SIGSYS_DEATH = 128 + signal.SIGSYS


def filtered(tracing, name="getppid"):
    """The calls that the filter is about, in order."""
    return [e for e in tracing.of(SyscallExit) if e.syscall == name]


def outcomes(tracing):
    return [(e.ret, e.errno, e.unfinished, e.restart) for e in filtered(tracing)]


@pytest.mark.ptrace_case(41, 42)
@pytest.mark.parametrize(
    ("action", "errno"), [("errno", "EDOM"), ("trace", "ENOSYS")], ids=["errno", "trace"]
)
def test_a_call_that_the_filter_fails(tracing, tmp_path, action, errno):
    """RET_TRACE too: nobody asked to be told of it, so the kernel fails the call, as untraced."""
    life = same(tracing, tmp_path, "seccomp_filter", action)
    assert (life.code, life.said) == (0, f"getppid: {errno}\n")
    assert outcomes(tracing) == [(-1, errno, False, False)]
    assert tracing.of(SignalStop) == []


@pytest.mark.ptrace_case(41)
@pytest.mark.parametrize("action", ["log", "allow"])
def test_a_call_that_the_filter_lets_through(tracing, tmp_path, action):
    life = same(tracing, tmp_path, "seccomp_filter", action)
    assert (life.code, life.said) == (0, "getppid: a pid\n")
    [(ret, errno, unfinished, _)] = outcomes(tracing)
    assert ret > 1
    assert (errno, unfinished) == (None, False)


@pytest.mark.ptrace_case(41)
def test_a_call_that_the_filter_traps(tracing, tmp_path):
    life = same(tracing, tmp_path, "seccomp_filter", "trap")
    assert life.code == 0
    assert life.said == (
        "signal 31, code 1, errno 5, getppid 1, x86-64 1, at the call 1\ngetppid: 42\n"
    )
    [stop] = tracing.of(SignalStop)
    assert (stop.signal, stop.code) == ("SIGSYS", "SYS_SECCOMP")
    [call] = filtered(tracing)
    assert call.seq < stop.seq
    # The kernel has put the number back to where it was, which is where a value would be.
    assert (call.ret, call.errno, call.unfinished) == (GETPPID, None, False)
    [end] = tracing.of(Exit)
    assert end.code == 0


@pytest.mark.ptrace_case(41, 40)
def test_a_thread_that_the_filter_kills(tracing, tmp_path):
    """It dies in its call; its process goes on."""
    life = same(tracing, tmp_path, "seccomp_filter", "kill-thread")
    assert (life.code, life.said) == (0, "the thread is gone\n")
    assert outcomes(tracing) == [(None, None, True, False)]
    [death] = tracing.of(SignalExit)
    assert (death.signal, death.process) == ("SIGSYS", False)
    assert death.tid == filtered(tracing)[0].tid != death.pid
    assert [(e.code, e.process) for e in tracing.of(Exit)] == [(0, True)]
    assert tracing.of(SignalStop) == []


@pytest.mark.ptrace_case(41)
@pytest.mark.parametrize(("action", "threads"), [("kill-alone", 1), ("kill-process", 2)])
def test_a_process_that_the_filter_kills(tracing, tmp_path, action, threads):
    life = same(tracing, tmp_path, "seccomp_filter", action)
    assert (life.code, life.said) == (SIGSYS_DEATH, "")
    deaths = tracing.of(SignalExit)
    assert {e.signal for e in deaths} == {"SIGSYS"}
    assert len(deaths) == threads
    assert [e.process for e in deaths].count(True) == 1
    assert deaths[-1].process
    assert tracing.of(SignalStop) == []  # it cannot be caught, so there is no delivery
    assert len(filtered(tracing)) == 1
    assert tracing.command(Snapshot()) == []


@pytest.mark.ptrace_case(41, 50)
def test_the_filter_is_inherited_with_the_trace(tracing, tmp_path):
    life = same(tracing, tmp_path, "seccomp_filter", "inherited")
    assert (life.code, life.said) == (0, "getppid: EDOM\ngetppid: EDOM\nstatus 0\n")
    assert outcomes(tracing) == [(-1, "EDOM", False, False)] * 2
    [made] = tracing.of(NewChild)
    assert {e.pid for e in filtered(tracing)} == {made.child}
    assert [e.pid for e in tracing.of(Exec)] == [made.pid, made.child]


@pytest.mark.ptrace_case(41, 40)
def test_strict_mode_lets_its_own_exit_through(tracing, tmp_path):
    life = same(tracing, tmp_path, "seccomp_strict", "exit")
    assert (life.code, life.said) == (3, "strict\n")
    last = tracing.of(SyscallExit)[-1]
    assert (last.syscall, last.unfinished) == ("exit", True)
    assert [e.code for e in tracing.of(Exit)] == [3]


@pytest.mark.ptrace_case(41, 40)
def test_strict_mode_kills_for_another_call(tracing, tmp_path):
    life = same(tracing, tmp_path, "seccomp_strict", "kill")
    assert (life.code, life.said) == (128 + signal.SIGKILL, "strict\n")
    assert outcomes(tracing) == [(None, None, True, False)]
    [death] = tracing.of(SignalExit)
    assert (death.signal, death.process) == ("SIGKILL", True)


@pytest.mark.ptrace_case(41)
def test_what_a_supervisor_answers(tracing, tmp_path):
    """It lets a call go on, fails one, gives one a value and one a descriptor."""
    life = same(tracing, tmp_path, "seccomp_notify")
    assert (life.code, life.said) == (0, "a pid\nEXDEV\n42\n5 bytes of it: given\n")
    first, *others = outcomes(tracing)
    assert first[0] > 1
    assert others == [(-1, "EXDEV", False, False), (42, None, False, False)]
    [opened] = filtered(tracing, "open")
    assert isinstance(opened.ret, int)
    assert opened.ret >= 3
    [access] = opened.files
    # Asked for one file and given another: both are told.
    assert (access.path, access.op, access.fd) == ("/no/such/file", "read", opened.ret)
    assert access.real.startswith("/memfd:given")


@pytest.mark.ptrace_case(41)
def test_attach_and_detach_while_a_supervisor_has_a_call(tracing):
    with Program("seccomp_notify", "wait") as program:
        tracing.release(tracing.attach(program.pid))
        owner = tracing.attach(program.pid)
        assert all(procfs.status(t).tracer for t in procfs.tasks(program.pid))
        program.send(signal.SIGUSR1)
        assert (program.wait(), program.stdout.read()) == (0, "42\n")
        tracing.wait_for(lambda: tracing.ended(owner))
    answered = [e for e in tracing.of(SyscallExit) if e.ret == 42]
    assert [e.syscall for e in answered] == ["getppid"]


@pytest.mark.ptrace_case(41)
def test_a_change_of_interest_while_a_supervisor_has_a_call(quiet_tracing):
    tracing = quiet_tracing
    with Program("seccomp_notify", "wait") as program:
        owner = tracing.attach(program.pid)
        tracing.interest(EVERYTHING)
        program.send(signal.SIGUSR1)
        assert (program.wait(), program.stdout.read()) == (0, "42\n")
        tracing.wait_for(lambda: tracing.ended(owner))
    assert [e.signal for e in tracing.of(SignalExit)] == []
