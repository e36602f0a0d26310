"""Calls that are interrupted and run again: by us, by the kernel, by a signal."""

import contextlib
import os
import re
import signal
import subprocess
import threading
from itertools import product

import build
import pytest
from beside import same
from real import DEADLINE, EVERYTHING, Program, until

from tracerd import errors
from tracerd.core import calls, kernel, procfs
from tracerd.core.commands import AttachCommand, ReleaseCommand
from tracerd.protocol.events import EVENT_TYPES, Exec, SyscallEnter, SyscallExit
from tracerd.protocol.filters import Interest

PROGRAMS = ["wait_call", "wait_call32"]
NOBODY = Interest()
STOPS = Interest(types=frozenset({"syscall_exit"}), exit=frozenset({"getpgrp"}))
"""Every call makes its stops, and nothing is told."""
WITH_ENTRIES = Interest(types=frozenset(EVENT_TYPES), enter=None, exit=None, string_limit=32)
NOT_RESTARTED = re.compile("timed_|socketcall_|epoll_|sem|ipc_|rt_sig|sigwait|io_|int80_|.*_const")
NO_ENTRY = {"execve"}
BUSY = {"terminal_drain", "terminal_set", "fallocate_", "getrandom_"}


def sleeps(program):
    with build.tracee(program).open("rb") as file:
        assert (file.read(5)[4] == 1) == (program == "wait_call32")  # ELFCLASS32
    listed = subprocess.run(build.command(program), stdout=subprocess.PIPE, text=True, check=True)
    return listed.stdout.split()


class Sleepers:
    """Many programs, each asleep in a call, that are attached to and let go together."""

    def __init__(self, tracing, program, names):
        self._tracing = tracing
        self._stack = contextlib.ExitStack()
        self.programs = {n: self._stack.enter_context(Program(program, n)) for n in names}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _all(self, commands):
        answers, done = [], threading.Semaphore(0)

        def answer(result):
            answers.append(result)
            done.release()

        for command in commands:
            self._tracing.tracer.submit(command, answer)
        for _ in commands:
            assert done.acquire(timeout=DEADLINE)
        gone = (errors.NoSuchProcess, errors.ZombieProcess)  # `end` tells of them
        assert [a for a in answers if isinstance(a, Exception) and not isinstance(a, gone)] == []

    def attach(self):
        self.asleep()
        self._all([AttachCommand(p.pid, p.pid) for p in self.programs.values()])
        self.asleep()

    def release(self):
        self._all([ReleaseCommand(p.pid) for p in self.programs.values()])
        self.asleep()

    def interest(self, interest):
        self._tracing.interest(interest)
        self.asleep()

    def asleep(self):
        waiting = {n: p.pid for n, p in self.programs.items() if n not in BUSY}

        def all_asleep():
            for name, pid in list(waiting.items()):
                stat = procfs.stat(pid)
                if stat is None or stat.state in "SZ":
                    del waiting[name]
            return not waiting

        until(all_asleep)

    def disturb(self):
        """Attach, detach, attach, change interest there and back, detach; nobody is awake."""
        self.attach()
        self.release()
        self.attach()
        self.interest(STOPS)
        self.interest(NOBODY)
        self.interest(STOPS)
        self.release()
        self.interest(NOBODY)

    def end(self):
        """Wake everyone by a signal; return those who saw something else than that."""
        for program in self.programs.values():
            with contextlib.suppress(ProcessLookupError):
                program.send(signal.SIGUSR1)
        ends = {n: (p.wait(), p.stdout.readline()) for n, p in self.programs.items()}
        return {name: end for name, end in ends.items() if end != (0, "signal\n")}


@pytest.mark.ptrace_case(2)
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_sleep_is_ended_by_our_interrupt(quiet_tracing, program):
    names = [n for n in sleeps(program) if n not in BUSY and not NOT_RESTARTED.match(n)]
    assert len(names) > 40
    with Sleepers(quiet_tracing, program, names) as sleepers:
        for _ in range(5):
            sleepers.disturb()
        assert sleepers.end() == {}


@pytest.mark.ptrace_case(2)
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_work_is_ended_by_our_interrupt(quiet_tracing, program):
    with Sleepers(quiet_tracing, program, BUSY) as workers:
        for _ in range(3):
            workers.disturb()
        assert workers.end() == {}


@pytest.mark.ptrace_case(2, 37)
@pytest.mark.parametrize(("program", "rounds"), [("wait_call", 40), ("wait_call32", 15)])
def test_what_the_kernel_does_not_restart_is_run_again(quiet_tracing, program, rounds):
    names = [name for name in sleeps(program) if NOT_RESTARTED.match(name)]
    assert len(names) > 25
    with Sleepers(quiet_tracing, program, names) as sleepers:
        for _ in range(rounds):
            sleepers.disturb()
        assert sleepers.end() == {}


@pytest.mark.parametrize(("column", "header"), [(0, "unistd_64.h"), (1, "unistd_32.h")])
def test_the_numbers_of_what_is_run_again(column, header):
    rows = calls.NOT_RESTARTED.items()
    source = f"#include <asm/{header}>\n" + "".join(f"{n}=__NR_{n}\n" for n, _ in rows)
    gcc = subprocess.run(
        ["gcc", "-E", "-P", "-"], input=source, stdout=subprocess.PIPE, text=True, check=True
    )
    known = dict(line.split("=") for line in gcc.stdout.splitlines() if "=" in line)
    ours = {name: row[column] for name, row in rows if row[column] is not None}
    assert ours == {name: int(nr) for name, nr in known.items() if nr.isdigit()}


@pytest.mark.parametrize(
    ("arch", "nr", "args"),
    [
        (kernel.X86_64, 3, (0, 0, 0)),  # close
        (kernel.I386, 6, (0, 0, 0)),  # close
        (kernel.X86_64, 16, (0, calls.TCSBRK, 0)),  # would send a second break
        (kernel.X86_64, 16, (0, 0xAE80, 0)),  # an ioctl that is not known
        (kernel.X86_64, kernel.X32_BIT, (0, 0, 0)),  # not the read of x86-64
        (kernel.X86_64, (1 << 64) - 1, (0, 0, 0)),  # no call
        (kernel.I386, 102, (1, 0, 0)),  # socket, by socketcall
    ],
)
def test_what_is_not_run_again(arch, nr, args):
    assert not calls.runs_again(kernel.Interrupted(arch, nr, args, at_exit=False))


@pytest.fixture
def signal_after_rewind(monkeypatch):
    """A signal comes when a call has just been made to run again."""
    rewound = []
    rewind = kernel.rewind

    def rewind_and_signal(tid, *args):
        done = rewind(tid, *args)
        rewound.append(tid)
        os.kill(tid, signal.SIGUSR1)
        return done

    monkeypatch.setattr(kernel, "rewind", rewind_and_signal)
    return rewound


@pytest.mark.ptrace_case(2)
@pytest.mark.parametrize("traced_before", [False, True])
def test_a_signal_on_the_heels_of_our_interrupt_still_ends_the_call(
    quiet_tracing, signal_after_rewind, traced_before
):
    """The program sleeps for ever if this wake-up is lost."""
    with Sleepers(quiet_tracing, "wait_call", ["epoll_pwait_", "timed_read"]) as sleepers:
        if traced_before:
            quiet_tracing.interest()
        sleepers.attach()
        if traced_before:
            sleepers.release()
        ends = [(p.wait(), p.stdout.readline()) for p in sleepers.programs.values()]
        assert ends == [(0, "signal\n")] * 2
        assert len(signal_after_rewind) == 2


@pytest.mark.ptrace_case(2)
@pytest.mark.parametrize("interest", [EVERYTHING, NOBODY])
def test_an_ignored_signal_is_never_seen_as_eintr(quiet_tracing, interest):
    """Untraced it would not even be woken."""
    quiet_tracing.interest(interest)
    names = ["epoll_wait_", "epoll_pwait_", "semop_", "timed_read"]
    with Sleepers(quiet_tracing, "wait_call", names) as sleepers:
        sleepers.attach()
        for _ in range(5):
            for program in sleepers.programs.values():
                program.send(signal.SIGWINCH)
            sleepers.asleep()
        assert sleepers.end() == {}


@pytest.mark.alone
@pytest.mark.ptrace_case(2)
def test_attaching_and_detaching_lengthen_no_sleep(tracing):
    """A sleep that started anew at each interrupt would be nearly twice as long."""
    with Program("wait_time") as sleeper:
        rounds = 0
        with contextlib.suppress(errors.NoSuchProcess):  # it has done already: a loaded machine
            while rounds < 10:
                rounds += 1
                owner = tracing.attach(sleeper.pid)
                threading.Event().wait(0.04)  # of the second that is measured
                tracing.release(owner)
                threading.Event().wait(0.04)
        assert rounds > 2
        lines = [line.split() for line in sleeper.stdout.read().splitlines()]
        assert sleeper.wait() == 0
    results = {name: result for name, result, _ in lines}
    futexes = dict.fromkeys(("futex", "futex_until"), "ETIMEDOUT")
    others = dict.fromkeys(("nanosleep", "clock_nanosleep", "poll", "ppoll", "select"), "0")
    assert results == {**futexes, **others, "read": "some"}
    assert all(1000 <= int(ms) < 1700 for *_, ms in lines), lines


RESTART_CODES = {
    "read": "ERESTARTSYS",
    "lock": "ERESTARTNOINTR",
    "pause": "ERESTARTNOHAND",
    "nanosleep": "ERESTART_RESTARTBLOCK",
    "poll": "ERESTART_RESTARTBLOCK",
}
SYSCALLS = {"lock": "futex"}
LOCK_STOP = ("lock", "stop")


@pytest.mark.ptrace_case(39)
@pytest.mark.parametrize(
    ("call", "how"),
    # For the code of a lock it takes a signal with a handler.
    [pair for pair in product(RESTART_CODES, ["restart", "fail", "stop"]) if pair != LOCK_STOP],
)
def test_restart_codes_are_no_errors_of_the_program(tracing, tmp_path, call, how):
    tracing.interest(WITH_ENTRIES)
    life = same(tracing, tmp_path, "wait_restart", call, how)
    assert life.code == 0
    name = SYSCALLS.get(call, call)
    leader = tracing.of(Exec)[0].pid
    mine = [e for e in tracing.events if e.pid == e.tid == leader and syscall_of(e) is not None]
    codes = [e for e in mine if isinstance(e, SyscallExit) and e.restart]
    assert {e.errno for e in codes} == {RESTART_CODES[call]}
    assert {e.syscall for e in codes} <= {name, "restart_syscall"}
    assert {e.ret for e in codes} == {None}
    assert not [
        e for e in tracing.of(SyscallExit) if (e.errno or "").startswith("ERESTART") != e.restart
    ]
    matched(mine)
    after = [e for e in mine if isinstance(e, SyscallExit) and not e.restart]
    done = [e for e in after if e.syscall in (name, "restart_syscall") and e.seq > codes[-1].seq]
    if "EINTR" in life.said:
        # The handler's return is the way back into the program: no second exit of the call.
        assert not [e for e in done if e.errno is not None]
    else:
        assert done
        assert done[0].errno is None


def syscall_of(event):
    return getattr(event, "syscall", None)


def matched(events):
    """Every call that was entered came back before the next one was entered."""
    inside = None
    for event in events:
        if isinstance(event, SyscallExit):
            if event.syscall in NO_ENTRY:
                continue
            assert inside == event.syscall
            inside = None
        else:
            assert inside is None
            inside = event.syscall
    assert inside is None


@pytest.mark.ptrace_case(8, 39)
@pytest.mark.parametrize("call", ["nanosleep", "poll"])
def test_restart_syscall_says_which_call_it_resumes(tracing, call):
    tracing.interest(WITH_ENTRIES)
    assert tracing.run(*build.command("wait_restart", call, "stop")) == 0
    resumed = [e for e in tracing.events if syscall_of(e) == "restart_syscall"]
    assert {type(e) for e in resumed} == {SyscallEnter, SyscallExit}
    assert {e.resumes for e in resumed} == {call}
    others = [e for e in tracing.events if syscall_of(e) not in (None, "restart_syscall")]
    assert {e.resumes for e in others} == {None}
