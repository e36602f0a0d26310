"""Signals and group-stops: a traced program sees what it would see alone, and it is all told."""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from beside import same
from real import DEADLINE, LIFECYCLE, Program, command, until

from tracerd.core import kernel, procfs
from tracerd.core.commands import Snapshot
from tracerd.core.tracker import Observation, Resume, Tracker
from tracerd.core.wait_status import Kind, WaitStatus, classify
from tracerd.protocol.events import (
    Exit,
    GroupStop,
    NewChild,
    Resumed,
    SignalExit,
    SignalStop,
    SyscallExit,
)
from tracerd.protocol.filters import Interest

RT = signal.SIGRTMIN
OWN_UID = os.getuid()

ENDS = Interest(types=LIFECYCLE.types | {"syscall_exit"}, exit=frozenset({"exit_group"}))
"""All calls make stops, few make events."""


def stops(tracing):
    return [(e.signal, e.code) for e in tracing.of(SignalStop)]


def root(tracing):
    """The pid of the program that was run."""
    return tracing.events[0].pid


# --- origins ----------------------------------------------------------------------------------


@pytest.mark.ptrace_case(13)
def test_sent_by_kill_raise_and_a_child(tracing, tmp_path):
    same(tracing, tmp_path, "signal_origins", "kill")
    [child] = [e.child for e in tracing.of(NewChild)]
    told = [(e.code, e.sender_pid, e.sender_uid) for e in tracing.of(SignalStop)]
    us = root(tracing)
    first = [("SI_USER", us, OWN_UID), ("SI_TKILL", us, OWN_UID), ("SI_USER", child, OWN_UID)]
    assert told[:3] == first
    assert stops(tracing)[3:] in ([], [("SIGCHLD", "CLD_EXITED")])  # its child's end
    assert {e.tid for e in tracing.of(SignalStop)} == {us}


@pytest.mark.ptrace_case(13)
def test_sent_to_one_thread(tracing, tmp_path):
    same(tracing, tmp_path, "signal_origins", "tgkill")
    [thread] = [e.child for e in tracing.of(NewChild)]
    assert set(stops(tracing)) == {("SIGUSR1", "SI_TKILL")}
    assert {(e.tid, e.pid) for e in tracing.of(SignalStop)} == {(thread, root(tracing))}


@pytest.mark.ptrace_case(13)
def test_queued_signals_keep_their_order_and_values(tracing, tmp_path):
    said = same(tracing, tmp_path, "signal_origins", "sigqueue").said
    values = [line.rpartition(" ")[2] for line in said.splitlines() if "value" in line]
    assert values == ["6", "3", "2", "4", "-8", "5", "1", "9"]
    numbers = [10, 12, RT, RT, RT, RT + 1, RT + 2, RT + 3]
    assert [e.signo for e in tracing.of(SignalStop)] == numbers
    senders = [e.sender_pid for e in tracing.of(SignalStop)]
    assert senders[:-1] == [root(tracing)] * 7
    assert stops(tracing)[-1][1] == "-42"  # a siginfo the program made up


@pytest.mark.ptrace_case(13)
def test_signals_of_timers(tracing, tmp_path):
    same(tracing, tmp_path, "signal_origins", "timer")
    codes = ["SI_TIMER", "SI_KERNEL", "SI_KERNEL", "SI_TIMER"]
    assert [e.code for e in tracing.of(SignalStop)] == codes
    assert [e.signo for e in tracing.of(SignalStop)] == [RT + 4, 14, 26, RT + 4]


def test_a_timer_has_no_sender(tracing):
    assert tracing.run(*command("signal_origins", "timer")) == 0
    assert {(e.sender_pid, e.sender_uid) for e in tracing.of(SignalStop)} == {(None, None)}


@pytest.mark.ptrace_case(13)
def test_a_signal_of_input(tracing, tmp_path):
    assert same(tracing, tmp_path, "signal_origins", "io").said == "code 1 band 0x41 its fd 1\n"
    [told] = tracing.of(SignalStop)
    assert (told.signo, told.sender_pid) == (RT + 5, None)


@pytest.mark.ptrace_case(13)
def test_what_a_parent_is_told_of_its_children(tracing, tmp_path):
    same(tracing, tmp_path, "signal_origins", "child")
    first, second = (e.child for e in tracing.of(NewChild))
    told = [(e.code, e.sender_pid) for e in tracing.of(SignalStop) if e.signal == "SIGCHLD"]
    codes = ["CLD_STOPPED", "CLD_CONTINUED", "CLD_KILLED"]
    assert told == [("CLD_EXITED", first), *((code, second) for code in codes)]


@pytest.mark.ptrace_case(13)
def test_faults_handled_and_fatal(tracing, tmp_path):
    assert same(tracing, tmp_path, "signal_origins", "fault").code == 128 + signal.SIGSEGV
    assert stops(tracing) == [
        ("SIGSEGV", "SEGV_MAPERR"),
        ("SIGSEGV", "SEGV_ACCERR"),
        ("SIGFPE", "FPE_INTDIV"),
        ("SIGILL", "ILL_ILLOPN"),
        ("SIGBUS", "BUS_ADRERR"),
        ("SIGSEGV", "SI_KERNEL"),
        ("SIGSEGV", "SEGV_MAPERR"),
    ]
    told = tracing.of(SignalStop)
    assert {e.sender_pid for e in told} == {None}
    assert told[0].addr == told[-1].addr == "0x10"
    assert int(told[4].addr, 16) - int(told[1].addr, 16) == 4096 + 32 - 24
    [end] = tracing.of(SignalExit)
    assert end.signal == "SIGSEGV"


@pytest.mark.ptrace_case(13)
def test_signals_that_are_read_are_not_delivered(tracing, tmp_path):
    same(tracing, tmp_path, "signal_origins", "reading")
    assert stops(tracing) == [("SIGCHLD", "CLD_EXITED")]


# --- flags, masks, dispositions -----------------------------------------------------------------


@pytest.mark.ptrace_case(13)
@pytest.mark.parametrize(
    ("what", "delivered"),
    [
        ("restart", {"SIGUSR1": 4, "SIGCHLD": 4}),
        ("nodefer", {"SIGUSR1": 8}),
        ("onstack", {"SIGUSR1": 2}),
        ("resethand", {"SIGUSR1": 2}),
        ("mask", {"SIGUSR1": 2, "SIGUSR2": 2}),
        # The kernel reports to a tracer what it would have dropped.
        ("ignore", {"SIGUSR1": 5, "SIGCHLD": 1, "SIGURG": 1, "SIGWINCH": 1, "SIGCONT": 1}),
    ],
)
def test_what_a_program_says_of_its_signals(tracing, tmp_path, what, delivered):
    same(tracing, tmp_path, "signal_flags", what)
    assert Counter(e.signal for e in tracing.of(SignalStop)) == delivered


@pytest.mark.ptrace_case(13)
def test_every_signal_at_its_default(tracing, tmp_path):
    same(tracing, tmp_path, "signal_flags", "default")
    children = {e.child for e in tracing.of(NewChild)}
    killed = {e.tid: e.signo for e in tracing.of(SignalExit)}
    exited = {e.tid: e.code for e in tracing.of(Exit) if e.tid in children}
    assert set(killed) | set(exited) == children
    assert set(exited.values()) == {0}
    assert len(exited) == 4  # SIGCHLD, SIGCONT, SIGURG and SIGWINCH kill nobody
    before = {e.tid: e.signo for e in tracing.of(SignalStop) if e.tid in killed}
    before |= {tid: signo for tid, signo in killed.items() if signo == signal.SIGKILL}
    assert before == killed


RESTARTED = ["read", "poll", "select", "nanosleep", "futex"]
NOT_RESTARTED = ["epoll_wait", "semtimedop", "recv", "sigtimedwait"]


@pytest.mark.ptrace_case(13)
@pytest.mark.parametrize("what", ["ignored", "default", "cont", "thread"])
@pytest.mark.parametrize("call", RESTARTED)
def test_a_sleeper_does_not_notice_a_signal_it_ignores(tracing, tmp_path, call, what):
    same(tracing, tmp_path, "signal_sleeps", call, what)
    sent = {"ignored": ["SIGUSR1"], "default": ["SIGURG", "SIGWINCH"]}
    told = [name for name, _ in stops(tracing) if name != "SIGCHLD"]
    assert sorted(told) == sent.get(what, ["SIGCONT"])


@pytest.mark.ptrace_case(13)
@pytest.mark.parametrize("what", ["ignored", "default", "cont"])
@pytest.mark.parametrize("call", NOT_RESTARTED)
def test_a_call_that_is_not_restarted_does_not_notice_it_either(tracing, tmp_path, call, what):
    same(tracing, tmp_path, "signal_sleeps", call, what)


@pytest.mark.ptrace_case(13)
def test_nor_does_a_thread_that_is_not_the_one_to_take_it(tracing, tmp_path):
    """Which thread takes it is a matter of luck: often enough it is the other one."""
    for _ in range(6):
        for call in NOT_RESTARTED:
            same(tracing, tmp_path, "signal_sleeps", call, "thread")


@pytest.mark.ptrace_case(13)
@pytest.mark.parametrize("call", ["read", *NOT_RESTARTED])
def test_a_blocked_signal_is_not_reported(tracing, tmp_path, call):
    same(tracing, tmp_path, "signal_sleeps", call, "blocked")
    assert [name for name, _ in stops(tracing) if name != "SIGCHLD"] == []


# --- SIGTRAP ----------------------------------------------------------------------------------


@pytest.mark.ptrace_case(12, 14)
def test_traps_of_the_programs_own(tracing, tmp_path):
    same(tracing, tmp_path, "signal_traps")
    us = root(tracing)
    codes = Counter(e.code for e in tracing.of(SignalStop) if e.tid == us and e.signo == 5)
    # Three breakpoints, four steps; kill; raise, handled and ignored; sigqueue.  The blocked one
    # is taken by sigwait.
    expected = {"SI_KERNEL": 3, "TRAP_TRACE": 4, "SI_USER": 1, "SI_TKILL": 2, "SI_QUEUE": 1}
    assert codes == expected
    assert [e.signal for e in tracing.of(SignalExit)] == ["SIGTRAP"] * 3


# --- SIGKILL ----------------------------------------------------------------------------------


@pytest.mark.ptrace_case(13, 34)
def test_killed_at_any_moment_of_its_signals(tracing, tmp_path):
    assert same(tracing, tmp_path, "signal_busy", 100).said == "killed 100\n"
    assert tracing.command(Snapshot()) == []
    assert tracing.tracer.statistics.tracees == 0
    children = [e.child for e in tracing.of(NewChild) if not e.thread]
    ends = [e.pid for e in tracing.of(SignalExit) if e.process]
    assert len(children) == 100
    assert sorted(ends) == sorted(children)
    threads = Counter(e.child for e in tracing.of(NewChild))
    ended = Counter(e.tid for e in tracing.events if isinstance(e, Exit | SignalExit))
    assert ended == threads + Counter([root(tracing)])


# --- group-stops --------------------------------------------------------------------------------


@pytest.mark.ptrace_case(13, 15)
@pytest.mark.parametrize(
    ("what", "delivered", "stopped", "resumed"),
    [
        (
            "each",
            {"SIGSTOP": 1, "SIGTSTP": 1, "SIGTTIN": 1, "SIGTTOU": 1, "SIGCONT": 4},
            ["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"],
            4,
        ),
        ("threads", {"SIGSTOP": 3, "SIGCONT": 3}, ["SIGSTOP"] * 12, 12),
        ("handler", {"SIGSTOP": 3, "SIGCONT": 3}, ["SIGSTOP"] * 3, 3),
        ("unstopped", {"SIGTSTP": 1, "SIGTTIN": 1}, [], 0),
        ("orphan", {"SIGTSTP": 1, "SIGTTIN": 1, "SIGTTOU": 1, "SIGSTOP": 1, "SIGCONT": 1},
         ["SIGSTOP"], 1),
        ("twice", {"SIGSTOP": 1, "SIGCONT": 2}, ["SIGSTOP"], 1),
        ("meanwhile", {"SIGSTOP": 1, "SIGUSR1": 1, "SIGUSR2": 1, "SIGCONT": 1}, ["SIGSTOP"], 1),
        ("killed", {"SIGSTOP": 2, "SIGTERM": 1}, ["SIGSTOP"] * 2, 1),
        ("self", {"SIGSTOP": 1, "SIGTSTP": 1, "SIGCONT": 2}, ["SIGSTOP", "SIGTSTP"], 2),
        ("calls", {"SIGSTOP": 4, "SIGCONT": 4, "SIGUSR1": 1}, ["SIGSTOP"] * 4, 4),
    ],
)  # fmt: skip
def test_a_parent_sees_its_child_stop_and_go_on(
    tracing, tmp_path, what, delivered, stopped, resumed
):
    same(tracing, tmp_path, "signal_stops", what)
    told = [e.signal for e in tracing.of(SignalStop) if e.signal != "SIGCHLD"]
    assert Counter(told) == delivered
    assert [e.signal for e in tracing.of(GroupStop)] == stopped
    assert len(tracing.of(Resumed)) == resumed


@pytest.mark.ptrace_case(15)
def test_a_group_stop_ends_a_call_that_is_not_restarted_as_it_does_alone(tracing, tmp_path):
    said = same(tracing, tmp_path, "signal_stops", "epoll").said
    assert said.endswith("epoll_wait -1 EINTR\n")  # signal(7)


def letters(pid):
    """The states of all threads of a process."""
    return {procfs.status(tid).state for tid in procfs.tasks(pid)}


def stop(tracing, program, threads):
    program.send(signal.SIGSTOP)
    tracing.wait_for(lambda: len(tracing.of(GroupStop)) == threads)


@pytest.mark.ptrace_case(15)
@pytest.mark.parametrize("threads", [1, 4])
def test_a_stopped_program_is_told_from_a_running_one(tracing, threads):
    with Program("sleeper", threads) as program:
        tracing.attach(program.pid)
        stop(tracing, program, threads)
        until(lambda: letters(program.pid) == {"t"})
        [process] = tracing.command(Snapshot())
        assert process.stopped
        assert {e.tid for e in tracing.of(GroupStop)} == set(procfs.tasks(program.pid))
        program.send(signal.SIGCONT)
        tracing.wait_for(lambda: len(tracing.of(Resumed)) == threads)
        until(lambda: letters(program.pid) == {"S"})
        [process] = tracing.command(Snapshot())
        assert not process.stopped
        assert program.finish()[0] == 128 + signal.SIGTERM


@pytest.mark.ptrace_case(16)
@pytest.mark.parametrize("threads", [1, 4])
def test_let_go_in_a_group_stop_it_stays_stopped_and_can_be_continued(tracing, threads):
    with Program("sleeper", threads) as program:
        owner = tracing.attach(program.pid)
        stop(tracing, program, threads)
        tracing.release(owner)
        until(lambda: letters(program.pid) == {"T"})
        for tid in procfs.tasks(program.pid):
            status = procfs.status(tid)
            assert (status.tracer, status.pending, status.shared_pending) == (0, 0, 0)
        program.send(signal.SIGCONT)
        until(lambda: letters(program.pid) == {"S"})
        assert tracing.of(Resumed) == []
        assert program.finish()[0] == 128 + signal.SIGTERM


@pytest.mark.ptrace_case(15, 16)
def test_attached_let_go_and_attached_again_while_stopped(tracing):
    with Program("sleeper", 4) as program:
        program.send(signal.SIGSTOP)
        until(lambda: letters(program.pid) == {"T"})
        for _ in range(10):
            owner = tracing.attach(program.pid)
            until(lambda: letters(program.pid) == {"t"})
            tracing.release(owner)
            until(lambda: letters(program.pid) == {"T"})
        tracing.attach(program.pid)
        program.send(signal.SIGCONT)
        until(lambda: letters(program.pid) == {"S"})
    assert {e.signal for e in tracing.of(GroupStop)} == {"SIGSTOP"}


@pytest.mark.ptrace_case(15, 34)
def test_killed_in_a_group_stop(tracing):
    with Program("sleeper", 4) as program:
        owner = tracing.attach(program.pid)
        stop(tracing, program, 4)
        program.send(signal.SIGKILL)
        assert program.wait() == 128 + signal.SIGKILL
        tracing.wait_for(lambda: tracing.ended(owner))
    assert tracing.of(Resumed) == []
    assert {e.signal for e in tracing.of(SignalExit)} == {"SIGKILL"}
    assert tracing.command(Snapshot()) == []


@pytest.mark.ptrace_case(15)
def test_stops_and_continues_that_overtake_each_other(tracing):
    """Sent faster than they are handled; the last one counts."""
    with Program("sleeper", 4) as program:
        tracing.attach(program.pid)
        for _ in range(100):
            program.send(signal.SIGSTOP)
            program.send(signal.SIGCONT)
        until(lambda: letters(program.pid) == {"S"})
        for _ in range(100):
            program.send(signal.SIGCONT)
            program.send(signal.SIGSTOP)
        until(lambda: letters(program.pid) == {"t"})
        until(lambda: tracing.command(Snapshot())[0].stopped)
        program.send(signal.SIGCONT)
        until(lambda: letters(program.pid) == {"S"})


@pytest.mark.ptrace_case(15)
def test_a_thread_born_into_a_group_stop_before_its_maker_says_so_stays_stopped():
    tracker = Tracker()
    tracker.seized(1, 1)
    tracker.feed(Observation(1, WaitStatus(Kind.INTERRUPT)))
    tracker.feed(Observation(2, WaitStatus(Kind.GROUP_STOP, signal.SIGSTOP)))
    decision = tracker.feed(Observation(1, WaitStatus(Kind.CLONE), message=2, child_tgid=1))
    assert decision.others == ((2, Resume.LISTEN),)


# --- what the kernel promises -------------------------------------------------------------------


def answers(*words):
    """What the program that is a tracer itself was answered."""
    argv = [sys.executable, *command("jobs_requests", *words)[1:]]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE, check=True)  # fmt: skip
    return done.stdout.splitlines()


@pytest.mark.ptrace_case(16, 17, 18)
def test_requests_in_a_group_stop():
    assert answers("stops") == [
        "stopped: Kind.SIGNAL 19",
        "listen: EIO",
        "siginfo: True",
        "stopped: Kind.GROUP_STOP 19",
        # Seized, its siginfo is the event's; EINVAL is for the tracees of PTRACE_ATTACH.
        "siginfo: None 128",
        "listen: True",
        *["listening: ESRCH"] * 4,
        "interrupt: True",
        "stopped: Kind.GROUP_STOP 19",
        "killed: ESRCH None",
        "listen: False None False",
        "ended: Kind.SIGNALED 9",
    ]


@pytest.mark.ptrace_case(12)
def test_every_kind_of_stop_is_told_from_its_status():
    code, seen = answers("kinds", *command("signal_kinds", "filter"))[-2:]
    assert code == "exit code 5"
    every = sorted(kind.name for kind in Kind if kind is not Kind.UNKNOWN)
    assert seen.split() == ["seen", *every]


@pytest.mark.ptrace_case(12)
def test_each_kind_reaches_the_tracker(quiet_tracing):
    tracing, seen = quiet_tracing, Counter()
    feed = tracing.tracer._scene.tracker.feed

    def noting(observation):
        seen[observation.status.kind] += 1
        return feed(observation)

    tracing.tracer._scene.tracker.feed = noting
    tracing.interest()
    assert tracing.run(*command("signal_kinds")) == 5
    assert seen.pop(Kind.INTERRUPT) >= 3  # attach, first stops, end of the group-stop
    assert seen == {
        Kind.CLONE: 1,
        Kind.FORK: 1,
        Kind.VFORK: 1,
        Kind.EXEC: 2,
        Kind.SIGNAL: len(tracing.of(SignalStop)),
        Kind.GROUP_STOP: len(tracing.of(GroupStop)),
        Kind.EXITED: 3,
        Kind.SIGNALED: 1,
    }
    assert len(tracing.of(GroupStop)) == len(tracing.of(Resumed)) == 1
    assert tracing.of(SyscallExit)  # of which the pump keeps the tracker free


def _stopped(event, signo):
    return event << 16 | signo << 8 | 0x7F


@pytest.mark.ptrace_case(12)
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (7 << 8, WaitStatus(Kind.EXITED, 7)),
        (255 << 8, WaitStatus(Kind.EXITED, 255)),
        (9, WaitStatus(Kind.SIGNALED, 9)),
        (11 | 0x80, WaitStatus(Kind.SIGNALED, 11, core_dumped=True)),
        (RT, WaitStatus(Kind.SIGNALED, RT)),
        (_stopped(0, 5 | 0x80), WaitStatus(Kind.SYSCALL)),
        (_stopped(0, 5), WaitStatus(Kind.SIGNAL, 5)),
        (_stopped(0, 19), WaitStatus(Kind.SIGNAL, 19)),
        (_stopped(0, 64), WaitStatus(Kind.SIGNAL, 64)),
        *((_stopped(128, signo), WaitStatus(Kind.GROUP_STOP, signo)) for signo in range(19, 23)),
        (_stopped(128, 5), WaitStatus(Kind.INTERRUPT)),
        (_stopped(128, 18), WaitStatus(Kind.INTERRUPT)),
        (_stopped(1, 5), WaitStatus(Kind.FORK)),
        (_stopped(2, 5), WaitStatus(Kind.VFORK)),
        (_stopped(3, 5), WaitStatus(Kind.CLONE)),
        (_stopped(4, 5), WaitStatus(Kind.EXEC)),
        (_stopped(5, 5), WaitStatus(Kind.VFORK_DONE)),
        (_stopped(6, 5), WaitStatus(Kind.EXIT)),
        (_stopped(7, 5), WaitStatus(Kind.SECCOMP)),
        (_stopped(9, 5), WaitStatus(Kind.UNKNOWN, _stopped(9, 5))),
    ],
)
def test_a_status_is_read(raw, expected):
    assert classify(raw) == expected


# --- reaping ------------------------------------------------------------------------------------


@pytest.mark.ptrace_case(34)
def test_an_end_is_never_held(tracing):
    """Without an event stop at its end, nothing of ours stands between a death and its parent."""
    assert not kernel.OPTIONS & 1 << 6  # PTRACE_O_TRACEEXIT
    assert tracing.run("true") == 0


@pytest.fixture
def flood(tracing):
    """Sixteen threads that do nothing but make stops that nobody listens to."""
    tracing.interest(ENDS)
    with Program("getppid16", 60) as program:
        owner = tracing.attach(program.pid)
        yield
        tracing.release(owner)


@pytest.mark.ptrace_case(34)
def test_parents_learn_of_deaths_beside_a_flood(tracing, tmp_path, flood):
    assert same(tracing, tmp_path, "signal_reaped", 40).said == "40: waitpid -1 ECHILD\n"


@pytest.mark.ptrace_case(34)
def test_a_parent_that_is_not_traced_learns_of_deaths_at_once_beside_a_flood(tracing, flood):
    for _ in range(10):
        with Program("sleeper") as program:
            tracing.attach(program.pid)
            program.send(signal.SIGKILL)
            assert program.wait() == 128 + signal.SIGKILL
