"""What cannot be attached to: each is refused with an error of its own, and left alone."""

import os
import subprocess
from pathlib import Path

import pytest
from real import Program, until

from tracerd import errors
from tracerd.core import procfs

NOBODY_HAS = [0, -1, 2**22 + 1, 2**31, 2**31 - 1, 2**63]


def child_of(pid):
    """The one child of a process that is no zombie."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    [found] = [int(child) for child in text.split() if procfs.status(int(child)).state != "Z"]
    return found


@pytest.fixture
def exiting():
    """A process that has begun to exit and cannot finish."""
    with Program("attach_exiting") as parent:
        yield child_of(parent.pid)
        assert parent.finish() == (0, "")


def refused(tracing, pid, error):
    """Refuse twice: the first must have left nothing behind."""
    for _ in range(2):
        with pytest.raises(error) as caught:
            tracing.attach(pid)
        assert type(caught.value) is error
        assert caught.value.pid == pid
    assert tracing.tracer.statistics.tracees == 0
    return caught.value


@pytest.mark.ptrace_case(10)
@pytest.mark.parametrize("pid", NOBODY_HAS)
def test_no_such_process(tracing, pid):
    refused(tracing, pid, errors.NoSuchProcess)


@pytest.mark.ptrace_case(10)
def test_a_process_that_has_ended(tracing):
    process = subprocess.Popen(["true"])
    process.wait()
    refused(tracing, process.pid, errors.NoSuchProcess)


@pytest.mark.ptrace_case(10)
def test_a_thread_that_is_no_process(tracing):
    with Program("sleeper", 3) as program:
        for tid in procfs.tasks(program.pid):
            if tid != program.pid:
                refused(tracing, tid, errors.NoSuchProcess)
        assert procfs.status(program.pid).tracer == 0


@pytest.mark.ptrace_case(10)
def test_what_strace_holds(tracing):
    with Program("sleeper", 3) as program:
        words = ["strace", "-f", "-o", "/dev/null", "-p", str(program.pid)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as strace:
            tids = procfs.tasks(program.pid)
            until(lambda: {procfs.status(tid).tracer for tid in tids} == {strace.pid})
            assert refused(tracing, program.pid, errors.AlreadyTraced).tracer == strace.pid
            assert {procfs.status(tid).tracer for tid in tids} == {strace.pid}
            strace.terminate()
        tracing.release(tracing.attach(program.pid))


@pytest.mark.ptrace_case(10)
def test_a_process_of_which_strace_holds_one_thread(tracing):
    """It is had whole or not at all."""
    with Program("sleeper", 3) as program:
        tids = procfs.tasks(program.pid)
        words = ["strace", "-o", "/dev/null", "-p", str(tids[-1])]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as strace:
            until(lambda: procfs.status(tids[-1]).tracer == strace.pid)
            assert refused_in_part(tracing, program.pid).tracer == strace.pid
            assert {procfs.status(tid).tracer for tid in tids[:-1]} == {0}
            assert procfs.status(tids[-1]).tracer == strace.pid
            strace.terminate()
        tracing.release(tracing.attach(program.pid))


def refused_in_part(tracing, pid):
    """Be refused because of one thread, when others were seized already."""
    with pytest.raises(errors.AlreadyTraced) as caught:
        tracing.attach(pid)
    until(lambda: tracing.tracer.statistics.tracees == 0)
    return caught.value


@pytest.mark.ptrace_case(10)
def test_a_zombie(tracing):
    process = subprocess.Popen(["true"])
    until(lambda: procfs.status(process.pid).state == "Z")
    refused(tracing, process.pid, errors.ZombieProcess)
    process.wait()


@pytest.mark.ptrace_case(10)
def test_a_process_that_is_exiting(tracing, exiting):
    assert procfs.status(exiting).state not in "ZX"
    refused(tracing, exiting, errors.ExitingProcess)


@pytest.mark.ptrace_case(10)
def test_init(tracing):
    refused(tracing, 1, errors.InitProcess)


@pytest.mark.ptrace_case(10)
def test_a_kernel_thread(tracing):
    threads = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
               if (stat := procfs.stat(pid)) and stat.flags & procfs.PF_KTHREAD]  # fmt: skip
    if not threads:
        pytest.skip("no kernel thread is visible: a pid namespace")
    for pid in threads[:5]:
        refused(tracing, pid, errors.KernelThread)


@pytest.mark.ptrace_case(10, 11)
def test_the_tracer_and_its_helper(tracing):
    """The process of the tracer, its tracing thread, and what it wakes itself with."""
    refused(tracing, os.getpid(), errors.OwnDaemon)
    refused(tracing, tracing.tracer._doorbell.tid, errors.OwnDaemon)
    refused(tracing, tracing.tracer.tid, errors.NoSuchProcess)  # a thread, like any other
