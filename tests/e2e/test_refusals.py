"""What `tracerctl attach` says of processes it cannot have, or not at once."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from build import command

from tracerd import errors

PAST_THE_LAST = 2**22 + 1
"""No kernel gives out such an id."""


def tasks(pid):
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")))


def children(pid):
    found = []
    for tid in tasks(pid):
        found += map(int, Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
    return found


def state(tid):
    return Path(f"/proc/{tid}/stat").read_text().rpartition(")")[2].split()[0]


def refused(done, code, text):
    """Fail unless a command ended with `code`, said `text` and nothing else."""
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"tracerctl: {text}\n")


@pytest.fixture
def told(processes):
    """`told(name, *args)`: a tracee that has said READY, with a pipe as its standard input."""

    def start(name, *args):
        process = processes.start(
            command(name, *args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "READY\n"
        return process

    return start


@pytest.mark.ptrace_case(10)
@pytest.mark.parametrize("text", ["0", "-1", "2147483648", "99999999999999999999", "1.5", "0x10"])
def test_what_is_no_process_id(daemon, tracerctl, text):
    done = tracerctl("attach", "--", text, socket=daemon.socket)
    refused(done, 2, f"not a process id: {text}")


@pytest.mark.ptrace_case(10)
@pytest.mark.parametrize("pid", [PAST_THE_LAST, 2**31 - 1])
def test_an_id_that_nobody_has(daemon, tracerctl, pid):
    done = tracerctl("attach", pid, socket=daemon.socket)
    refused(done, 3, f"no such process: {pid}")


@pytest.mark.ptrace_case(10)
def test_the_first_process_of_the_system(daemon, tracerctl, tracer_of):
    refused(tracerctl("attach", 1, socket=daemon.socket), 12, str(errors.InitProcess(1)))
    assert tracer_of(1) == 0


@pytest.mark.ptrace_case(10)
def test_a_process_that_is_exiting(daemon, tracerctl, tracee):
    parent = tracee("attach_exiting")
    [pid] = [child for child in children(parent.pid) if state(child) != "Z"]

    done = tracerctl("attach", pid, socket=daemon.socket)

    refused(done, 11, f"process {pid} is exiting")
    assert parent.finish() == (0, "")


@pytest.mark.ptrace_case(10)
def test_all_threads_of_a_program_that_strace_holds(
    daemon, tracerctl, tracee, processes, tracer_of, until
):
    program = tracee("sleeper", 3)
    strace = processes.start(
        ["strace", "-f", "-o", "/dev/null", "-p", str(program.pid)], stderr=subprocess.DEVNULL
    )
    until(lambda: {tracer_of(tid) for tid in program.threads} == {strace.pid})

    done = tracerctl("attach", program.pid, socket=daemon.socket)

    refused(done, 5, f"process {program.pid} is already traced by process {strace.pid}")
    strace.terminate()
    strace.wait(60)
    until(lambda: tracerctl("attach", program.pid, socket=daemon.socket).returncode == 0)


@pytest.mark.ptrace_case(10, 11)
def test_every_part_of_the_daemon(daemon, tracerctl, tracer_of):
    """Its process, its threads (the tracing one is among them), and its helper."""
    assert tracerctl("list", socket=daemon.socket).returncode == 0  # it traces by now
    threads = tasks(daemon.pid)
    assert len(threads) > 1
    for tid in threads:
        done = tracerctl("attach", tid, socket=daemon.socket)
        refused(done, 7, f"process {tid} is the tracing daemon itself")
    [doorbell] = children(daemon.pid)
    assert tracer_of(doorbell) in threads
    done = tracerctl("attach", doorbell, socket=daemon.socket)
    refused(done, 7, f"process {doorbell} is the tracing daemon itself")


@pytest.mark.ptrace_case(11)
def test_a_shell_that_runs_the_client(daemon, tracerctl, processes):
    """Stopped, it could not read what its own child says."""
    words = tracerctl.argv("attach", socket=daemon.socket)
    shell = processes.start(
        ["sh", "-c", 'sh -c \'"$@"; exit $?\' sh "$@" $$; code=$?; exit $code', "sh", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, err = shell.communicate(timeout=60)
    assert (shell.returncode, out) == (8, "")
    assert err == f"tracerctl: {errors.OwnClient(shell.pid)}\n"


@pytest.mark.ptrace_case(11)
@pytest.mark.parametrize("options", [[], ["-f"]])
def test_who_traces_the_daemon_is_not_traced_by_it(
    start_daemon, tracerctl, processes, tracer_of, until, options
):
    """Each would wait for the other to go on."""
    daemon = start_daemon("--log-level", "warning")
    assert tracerctl("list", socket=daemon.socket).returncode == 0  # it traces by now
    strace = processes.start(
        ["strace", *options, "-o", "/dev/null", "-p", str(daemon.pid)], stderr=subprocess.DEVNULL
    )
    traced = tasks(daemon.pid) if options else [daemon.pid]
    until(lambda: all(tracer_of(tid) == strace.pid for tid in traced))

    try:
        done = tracerctl("attach", strace.pid, socket=daemon.socket, timeout=60)
    finally:
        strace.kill()
        strace.wait(60)

    assert (done.returncode, done.stdout) == (4, "")
    assert f"not permitted to trace {strace.pid}" in done.stderr
    assert tracerctl("status", socket=daemon.socket).returncode == 0


@pytest.mark.ptrace_case(5)
def test_threads_in_vfork_are_told_as_pending(daemon, tracerctl, told, tracer_of, until):
    """After the ten seconds that an attach waits at most."""
    program = told("attach_vfork", 3)
    tids = tasks(program.pid)
    until(lambda: {state(tid) for tid in tids} == {"D"})

    done = tracerctl("attach", program.pid, socket=daemon.socket, timeout=60)

    listed = ", ".join(map(str, tids))
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"attached {program.pid} (0 threads)\n",
        f"tracerctl: {program.pid}: threads that have not stopped yet: {listed}\n",
    )
    assert {tracer_of(tid) for tid in tids} <= set(tasks(daemon.pid))
    out, _err = program.communicate("xxx", timeout=60)
    assert (program.returncode, out) == (0, "ENDED 3\n")


@pytest.mark.ptrace_case(5)
def test_an_attach_to_a_parent_in_vfork_keeps_nobody_else_waiting(
    daemon, tracerctl, told, tracee, until
):
    program = told("attach_vfork")
    until(lambda: state(program.pid) == "D")
    attach = tracerctl.start(
        "attach", program.pid, socket=daemon.socket,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: Path(f"/proc/{program.pid}/status").read_text().count("TracerPid:\t0\n") == 0)
    other = tracee("sleeper")

    assert tracerctl("attach", other.pid, socket=daemon.socket).returncode == 0
    assert tracerctl("detach", other.pid, socket=daemon.socket).returncode == 0

    assert attach.poll() is None
    program.stdin.write("x")
    program.stdin.flush()
    assert program.stdout.readline() == "ENDED 1\n"
    assert attach.communicate(timeout=60) == (f"attached {program.pid} (1 thread)\n", "")
    assert attach.returncode == 0
    program.communicate(timeout=60)
    assert program.returncode == 0


@pytest.mark.ptrace_case(9)
def test_a_stopped_program_is_attached_to_without_waiting(
    daemon, tracerctl, told, tracer_of, until
):
    program = told("detach_stopped", 3)
    os.kill(program.pid, signal.SIGTSTP)
    until(lambda: {state(tid) for tid in tasks(program.pid)} == {"T"})

    done = tracerctl("attach", program.pid, socket=daemon.socket)

    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"attached {program.pid} (3 threads)\n", "",
    )  # fmt: skip
    assert {state(tid) for tid in tasks(program.pid)} <= {"t", "T"}
    os.kill(program.pid, signal.SIGCONT)
    program.stdin.write("x")
    program.stdin.flush()
    assert program.stdout.readline() == "ALIVE 1\n"
    assert tracer_of(program.pid)


@pytest.mark.ptrace_case(26)
def test_a_process_id_that_is_used_again_is_not_attached(daemon, tracerctl, processes, until):
    """What was attached has ended: `list` and `detach` know nothing of the next one of that id."""
    first = processes.start(command("sleeper"), stdout=subprocess.DEVNULL)
    assert tracerctl("attach", first.pid, socket=daemon.socket).returncode == 0
    first.kill()
    first.wait(60)
    second = processes.start(
        command("detach_same_tid", first.pid), stdout=subprocess.PIPE, text=True
    )
    assert second.stdout.readline() == "READY\n"

    refused(
        tracerctl("detach", first.pid, socket=daemon.socket),
        9, f"process {first.pid} is not traced",
    )  # fmt: skip
    listed = tracerctl("list", socket=daemon.socket)
    assert listed.stdout == "no process is under trace\n"
    os.kill(first.pid, signal.SIGTERM)
    assert second.communicate(timeout=60)[0] == "SIGNALS 0\n"
    assert second.returncode == 0
