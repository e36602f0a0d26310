"""A pid that names another process by now: nothing is attached to, nothing is told of it."""

import signal
import subprocess
from pathlib import Path

import pytest
from real import command, until

from tracerd import errors
from tracerd.core import attach, procfs
from tracerd.core.pidfd import PidFd
from tracerd.protocol.events import Attached, Detached

pytestmark = pytest.mark.alone  # others would take the pid that is wanted again

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")


def ended():
    """Return the pid of a process that is gone, and a hold on it."""
    process = subprocess.Popen(["sleep", "60"])
    held = PidFd(process.pid)
    process.kill()
    process.wait()
    return process.pid, held


def reborn(pid):
    """Start another process with this pid."""
    for _ in range(1000):
        LAST_PID.write_text(str(pid - 1))
        process = subprocess.Popen(command("sleeper"), stdout=subprocess.PIPE)
        if process.pid == pid:
            assert process.stdout.readline() == b"READY\n"
            return process
        process.kill()
        process.wait()
        process.stdout.close()
    pytest.fail("could not have the pid again")


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.ptrace_case(26)
@pytest.mark.parametrize("_", range(5))
def test_a_recycled_pid_is_not_attached_to(tracing, _):
    pid, held = ended()
    other = reborn(pid)
    with pytest.raises(errors.NoSuchProcess):
        tracing.attach(pid, held=held)
    until(lambda: procfs.status(pid).tracer == 0)
    until(lambda: procfs.status(pid).state == "S")  # it goes on as before
    end(other)
    assert not tracing.of(Attached)
    assert not tracing.of(Detached)
    until(lambda: not tracing.tracer.statistics.tracees)


@pytest.mark.ptrace_case(26)
def test_a_pid_recycled_between_the_look_and_the_seizing(tracing, monkeypatch):
    """The tracer opens its own hold before it looks: what comes later is another process."""
    check, others = attach.check, []

    def slow(pid, *others_, **options):
        check(pid, *others_, **options)
        victim.kill()
        victim.wait()
        others.append(reborn(pid))

    victim = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(attach, "check", slow)
    with pytest.raises(errors.NoSuchProcess):
        tracing.attach(victim.pid)
    monkeypatch.undo()
    until(lambda: procfs.status(victim.pid).tracer == 0)
    assert not tracing.events
    # The same pid, asked for as what it is now.
    owner = tracing.attach(victim.pid)
    tracing.release(owner)
    others[0].send_signal(signal.SIGKILL)
    end(others[0])


@pytest.mark.ptrace_case(26)
def test_a_thread_seized_by_mistake_is_let_go(tracing, monkeypatch):
    """The task list was read, a thread ended, and its tid went to another program."""
    first = subprocess.Popen(command("sleeper"), stdout=subprocess.PIPE)
    second = subprocess.Popen(command("sleeper"), stdout=subprocess.PIPE)
    for each in (first, second):
        assert each.stdout.readline() == b"READY\n"
    tasks = procfs.tasks
    monkeypatch.setattr(
        procfs, "tasks", lambda pid: [pid, second.pid] if pid == first.pid else tasks(pid)
    )
    tracing.attach(first.pid)
    until(lambda: procfs.status(second.pid).tracer == 0)
    assert procfs.status(first.pid).tracer == tracing.tracer.tid
    assert {event.pid for event in tracing.events} <= {first.pid}
    monkeypatch.undo()
    tracing.stop()
    for each in (first, second):
        assert procfs.status(each.pid).state in "SR"
        end(each)
