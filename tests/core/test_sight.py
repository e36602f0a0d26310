"""What cannot be seen of a process is said, once, whenever it came to be."""

import signal
import subprocess

import pytest
from build import command
from real import EVERYTHING, LIFECYCLE, Program

from tracerd.core.commands import Snapshot
from tracerd.protocol.events import Attached, Blind, NewChild, SyscallExit


@pytest.fixture(autouse=True, scope="module")
def rings():
    """Whether there are any here."""
    done = subprocess.run(command("ring_user", "/dev/null"), capture_output=True, check=False)
    if done.returncode or not done.stdout.startswith(b"ring"):
        pytest.skip("this kernel gives no io_uring")


def told(tracing):
    return [(event.pid, event.what) for event in tracing.of(Blind)]


def test_of_a_program_and_what_it_forks(tracing, tmp_path):
    (tmp_path / "f").write_text("text\n")
    assert tracing.run(*command("ring_user", tmp_path / "f"), output=str(tmp_path / "said")) == 0
    assert (tmp_path / "said").read_text() == "ring: text\n"
    [child] = tracing.of(NewChild)
    assert told(tracing) == [(child.pid, "io_uring"), (child.child, "io_uring")]
    # It is true: the file is read from, and no call has opened it.
    calls = [e for e in tracing.of(SyscallExit) for a in e.files if a.path == str(tmp_path / "f")]
    assert "read" in {call.syscall for call in calls}
    assert "openat" not in {call.syscall for call in calls}


def test_of_a_ring_that_was_there_at_the_attach(tracing):
    with Program("ring_user", "/dev/null", "wait") as program:
        owner = tracing.attach(program.pid)
        tracing.wait_for(lambda: tracing.of(Blind))
        kinds = [type(event) for event in tracing.events]
        assert kinds.index(Attached) < kinds.index(Blind)
        [known] = tracing.command(Snapshot())
        assert known.blind == {"io_uring"}
        program.send(signal.SIGUSR1)
        assert program.wait() == 0
        tracing.wait_for(lambda: tracing.ended(owner))
    [child] = tracing.of(NewChild)
    assert told(tracing) == [(program.pid, "io_uring"), (child.child, "io_uring")]


def test_to_those_who_come_later(quiet_tracing):
    """Nobody wanted to know when it came under trace; who does then is told, once."""
    tracing = quiet_tracing
    with Program("ring_user", "/dev/null", "wait") as program:
        tracing.interest(LIFECYCLE)
        tracing.attach(program.pid)
        assert told(tracing) == []
        tracing.interest(EVERYTHING)
        tracing.wait_for(lambda: tracing.of(Blind))
        tracing.interest(LIFECYCLE)
        tracing.interest(EVERYTHING)
        program.send(signal.SIGUSR1)
        assert program.wait() == 0
        tracing.wait_for(lambda: any(isinstance(e, NewChild) for e in tracing.events))
    assert [pid for pid, _ in told(tracing)].count(program.pid) == 1
