"""Who may see a process that changes who it is: the rule for events, held against the kernel's own.

After each change the kernel is asked, by the judge as the peer, and the rule is applied to what the
process was at that moment by the tracer's account.  What the rule shows the kernel must allow.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from build import tracee
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real import EVERYTHING, LIFECYCLE, Program, Tracing

from tracerd.core import procfs
from tracerd.core.commands import Published, Snapshot
from tracerd.core.pidfd import PidFd
from tracerd.protocol.events import SyscallExit
from tracerd.server.access import Peer
from tracerd.server.judging import Judge, Verdict

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges")

X, Y = 48_201, 48_202
"""Users, and groups, that nobody is."""
PEERS = {"x": Peer(X, X, 0), "y": Peer(Y, Y, 0), "x of group y": Peer(X, Y, 0)}


@pytest.fixture(scope="module")
def judge():
    running = Judge()
    yield running
    running.close()


@pytest.fixture(scope="module")
def programs():
    """Copies of the tracee that everybody may execute, by what they give."""
    with tempfile.TemporaryDirectory(prefix="tracerd-test-") as name:
        if os.statvfs(name).f_flag & os.ST_NOSUID:
            pytest.skip(f"{name} is mounted nosuid")
        Path(name).chmod(0o755)
        found = {}
        for kind, mode in (("plain", 0o755), ("set-user-id", 0o4755), ("set-group-id", 0o2755),
                           ("unreadable", 0o711)):  # fmt: skip
            found[kind] = path = Path(name, kind)
            shutil.copyfile(tracee("priv_turns"), path)
            path.chmod(mode)
        yield found


class Turns:
    """A program that does as it is told, under trace."""

    def __init__(self, tracing, judge, programs):
        self._tracing, self._judge, self._programs = tracing, judge, programs
        self._program = Program("priv_turns")
        self.pid = self._program.pid
        self._turns = 0

    def close(self):
        self._program.__exit__()

    def attach(self):
        self._tracing.attach(self.pid)

    def turn(self, command):
        """Have it do something; return who it was when that was done."""
        word, _, program = command.partition(" ")
        if word == "exec":
            command = f"exec {self._programs[program]}"
        self._program.tell(command + "\n")
        if word == "exec":
            assert self._program.stdout.readline() == "READY\n"
            return
        pid, ok = self._program.stdout.readline().split()
        assert ok == "ok"
        self.pid = int(pid)
        self._turns += 1

    def told(self):
        """Return the process of the newest event of a turn that has been told."""
        turns = []
        self._tracing.wait_for(lambda: turns.extend(self._marks()) or len(turns) >= self._turns)
        return self._marks()[-1]

    def _marks(self):
        return [
            item.process
            for item in self._tracing.items
            if isinstance(item, Published)
            and isinstance(item.event, SyscallExit)
            and item.event.args.get("filename") == "/turn"
        ]

    def known(self):
        """Return the process as it is known."""
        [found] = [each for each in self._tracing.command(Snapshot()) if each.pid == self.pid]
        return found

    def seen_and_allowed(self, process):
        """Return for each peer whether the rule lets it see, and what the kernel says."""
        held, tids = PidFd(self.pid), procfs.tasks(self.pid)
        return {
            name: (peer.may_see(process), self._judge.ask(peer, held, tids) is Verdict.MAY)
            for name, peer in PEERS.items()
        }


@pytest.fixture
def turns(judge, programs):
    """Return a function that starts a program under a tracer with such an interest."""
    with contextlib.ExitStack() as stack:

        def start(interest=EVERYTHING, *, attach=True):
            tracing = Tracing()
            stack.callback(tracing.stop)
            tracing.interest(interest)
            program = stack.enter_context(contextlib.closing(Turns(tracing, judge, programs)))
            if attach:
                program.attach()
            return program

        yield start


BECOME_X = [f"gids {X} {X} {X}", f"uids {X} {X} {X}", "exec plain"]

NOBODY, ONLY_X = set(), {"x"}

CASES = {
    "root": (["dumpable 1"], NOBODY),
    "drops root, executes nothing": (BECOME_X[:2], NOBODY),
    "drops root, says it is dumpable": ([*BECOME_X[:2], "dumpable 1"], ONLY_X),
    "drops root, executes": ([*BECOME_X, "dumpable 1"], ONLY_X),
    "keeps the group": ([BECOME_X[1], "exec plain", "dumpable 1"], NOBODY),
    "keeps root in reserve": ([BECOME_X[0], f"uids {X} {X} 0", "dumpable 1"], NOBODY),
    "another group": ([f"gids {Y} {Y} {Y}", *BECOME_X[1:], "dumpable 1"], {"x of group y"}),
    "is not dumpable": ([*BECOME_X, "dumpable 0"], NOBODY),
    "is again": ([*BECOME_X, "dumpable 0", "dumpable 1"], ONLY_X),
    "executes, not being dumpable": ([*BECOME_X, "dumpable 0", "exec plain", "fork"], ONLY_X),
    "its child is not either": ([*BECOME_X, "dumpable 0", "fork"], NOBODY),
    "was made not dumpable by a child": ([*BECOME_X, "vfork"], NOBODY),
    "set-user-ID": ([*BECOME_X, "exec set-user-id", "dumpable 1"], NOBODY),
    "set-user-ID, and drops it": (
        [*BECOME_X, "exec set-user-id", f"uids {X} {X} {X}", "dumpable 1"], ONLY_X
    ),
    "set-group-ID": ([*BECOME_X, "exec set-group-id", "dumpable 1"], NOBODY),
    "unreadable": ([*BECOME_X, "exec unreadable", "fork"], NOBODY),
    "a thread of another": (
        [BECOME_X[0], f"thread uids {Y} {Y} {Y}", f"alone uids {X} {X} {X}", "dumpable 1"], NOBODY
    ),
    "a thread that kept root": (
        [BECOME_X[0], f"thread uids {X} {X} 0", f"alone uids {X} {X} {X}", "dumpable 1"], NOBODY
    ),
    "a thread of another group": (
        [f"thread gids {X} {Y} {X}", f"alone gids {X} {X} {X}", BECOME_X[1], "dumpable 1"], NOBODY
    ),
    "all threads, one by one": (
        [BECOME_X[0], f"thread uids {X} {X} {X}", f"alone uids {X} {X} {X}", "dumpable 1"], ONLY_X
    ),
    # Who made a user namespace has all capabilities there, whatever his group.
    "its own user namespace": ([*BECOME_X, "namespace"], {"x", "x of group y"}),
    "executes there": ([*BECOME_X, "namespace", "exec plain", "fork"], {"x", "x of group y"}),
    "not dumpable in it": ([*BECOME_X, "namespace", "dumpable 0"], NOBODY),
    "root's user namespace": (["namespace", "dumpable 1"], NOBODY),
    "capabilities kept": (
        [BECOME_X[0], "dumpable 1", f"uids {X} 0 {X}", f"thread uids {X} {X} {X}", "dumpable 1"],
        NOBODY,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("commands", "seen"), CASES.values(), ids=CASES)
@pytest.mark.ptrace_case(30, 54)
def test_what_is_shown_of_a_process_that_changes(turns, commands, seen):
    program = turns()
    for command in commands:
        program.turn(command)
    found = program.seen_and_allowed(program.told())
    assert found == {name: (name in seen, name in seen) for name in PEERS}
    assert found == program.seen_and_allowed(program.known())


@pytest.mark.parametrize(("commands", "seen"), CASES.values(), ids=CASES)
@pytest.mark.ptrace_case(30, 54)
def test_of_one_whose_calls_do_not_stop(turns, commands, seen):
    """What it is is looked at when it matters."""
    program = turns(LIFECYCLE)
    for command in commands:
        program.turn(command)
    found = program.seen_and_allowed(program.known())
    assert found == {name: (name in seen, name in seen) for name in PEERS}


@pytest.mark.parametrize("case", ["set-user-ID", "a thread of another", "is again"])
@pytest.mark.ptrace_case(30, 54)
def test_of_one_that_changed_before_it_was_traced(turns, case):
    program = turns(attach=False)
    commands, seen = CASES[case]
    for command in commands:
        program.turn(command)
    program.attach()
    found = program.seen_and_allowed(program.known())
    assert found == {name: (name in seen, name in seen) for name in PEERS}


IDS = st.sampled_from([0, X, Y])
COMMANDS = st.one_of(
    st.builds("{0}ids {1} {2} {3}".format, st.sampled_from("ug"), IDS, IDS, IDS),
    st.builds(
        "{0} {1}ids {2} {3} {4}".format,
        st.sampled_from(["thread", "alone"]), st.sampled_from("ug"), IDS, IDS, IDS,
    ),
    st.sampled_from(
        ["dumpable 0", "dumpable 1", "dumpable 1", "caps 0", "namespace", "fork", "vfork",
         "exec plain", "exec set-user-id", "exec set-group-id", "exec unreadable"]
    ),
)  # fmt: skip


@settings(
    max_examples=15, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.lists(COMMANDS, min_size=1, max_size=7))
@pytest.mark.ptrace_case(30, 54)
def test_nothing_is_shown_that_the_kernel_would_hide(judge, programs, commands):
    with contextlib.ExitStack() as stack:
        tracing = Tracing()
        stack.callback(tracing.stop)
        tracing.interest()
        program = stack.enter_context(contextlib.closing(Turns(tracing, judge, programs)))
        program.attach()
        for command in commands:
            try:
                program.turn(command)
            except ValueError:  # it may not do that, and has ended
                return
            if command.startswith("exec "):
                continue
            for seen, allowed in program.seen_and_allowed(program.told()).values():
                assert allowed or not seen
