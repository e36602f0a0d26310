"""What tracerctl says, and ends with, when it cannot do as told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracerd import errors


@pytest.fixture
def sleeper(processes):
    return processes.start(["sleep", "600"])


@pytest.fixture
def zombie():
    """A child that has ended and that nobody has reaped."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    os.waitpid(pid, 0)


def unused_pid():
    return int(Path("/proc/sys/kernel/pid_max").read_text()) + 1


def refused(done, code, text):
    """Fail unless a command ended with `code`, said `text` and nothing else."""
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"tracerctl: {text}\n")


BAD = {
    "nobody": (3, "no such process: {pid}"),
    "kernel": (6, "process {pid} is a kernel thread, which cannot be traced"),
    "daemon": (7, "process {pid} is the tracing daemon itself"),
    "ancestor": (8, "process {pid} is the client that asks, or one of its ancestors"),
    "zombie": (10, "process {pid} has exited (a zombie)"),
}


@pytest.mark.parametrize("verb", ["attach", "trace", "files -p"])
@pytest.mark.parametrize("who", BAD)
def test_processes_that_cannot_be_traced(daemon, tracerctl, zombie, verb, who):
    if who == "kernel" and Path("/proc/2/comm").read_text() != "kthreadd\n":
        pytest.skip("pid 2 is no kernel thread here: a pid namespace")
    pids = {
        "nobody": unused_pid(), "kernel": 2, "daemon": daemon.pid, "ancestor": os.getpid(),
        "zombie": zombie,
    }  # fmt: skip
    code, text = BAD[who]

    done = tracerctl(*verb.split(), pids[who], socket=daemon.socket)

    refused(done, code, text.format(pid=pids[who]))


def test_the_asker_itself(daemon, tracerctl, processes):
    words = tracerctl.argv("attach", socket=daemon.socket)
    done = processes.start(
        ["sh", "-c", 'exec "$@" $$', "sh", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, err = done.communicate(timeout=60)

    assert (done.returncode, out) == (8, "")
    assert err == f"tracerctl: {errors.OwnClient(done.pid)}\n"


@pytest.mark.parametrize("verb", ["attach", "trace"])
def test_a_process_that_strace_holds(daemon, tracerctl, processes, sleeper, tracer_of, until, verb):
    strace = processes.start(["strace", "-o", "/dev/null", "-p", str(sleeper.pid)],
                             stderr=subprocess.DEVNULL)  # fmt: skip
    until(lambda: tracer_of(sleeper.pid))

    done = tracerctl(verb, sleeper.pid, socket=daemon.socket)

    refused(done, 5, f"process {sleeper.pid} is already traced by process {strace.pid}")
    assert tracer_of(sleeper.pid) == strace.pid
    strace.terminate()
    strace.wait(60)


def test_detach_of_what_is_not_traced(daemon, tracerctl, sleeper):
    refused(
        tracerctl("detach", sleeper.pid, socket=daemon.socket),
        9, f"process {sleeper.pid} is not traced",
    )  # fmt: skip
    none = unused_pid()
    done = tracerctl("detach", none, socket=daemon.socket)
    assert done.returncode in {errors.NoSuchProcess.exit_code, errors.NotTraced.exit_code}
    assert str(none) in done.stderr


def test_a_thread_is_no_process(daemon, tracerctl, processes):
    code = (
        "import threading, sys\n"
        "t = threading.Thread(target=threading.Event().wait, daemon=True); t.start()\n"
        "print(t.native_id, flush=True); sys.stdin.read()"
    )
    process = processes.start(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    tid = int(process.stdout.readline())

    done = tracerctl("attach", tid, socket=daemon.socket)

    refused(done, 2, f"pid: {tid} is a thread of process {process.pid}")


def test_of_several_the_good_ones_are_attached(daemon, tracerctl, sleeper, tracer_of):
    none = unused_pid()

    done = tracerctl("attach", none, sleeper.pid, os.getpid(), socket=daemon.socket)

    assert done.returncode == 3
    assert done.stdout == f"attached {sleeper.pid} (1 thread)\n"
    assert len(done.stderr.splitlines()) == 2
    assert tracer_of(sleeper.pid)


VERBS = (["attach", "1"], ["detach", "1"], ["list"], ["status"], ["watch"], ["syscalls"])


@pytest.mark.parametrize("words", [*VERBS, ["trace", "1"], ["run", "true"], ["files", "true"]])
def test_no_daemon_where_one_was_named(tracerctl, tmp_path, words):
    done = tracerctl(*words, socket=f"{tmp_path}/none")

    assert done.returncode == (125 if words[-1] == "true" else 1)
    assert done.stdout == ""
    assert done.stderr.startswith("tracerctl: ")
    assert f"{tmp_path}/none" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["attach", "abc"], "not a process id: abc"),
        (["attach", "0"], "not a process id: 0"),
        (["watch", "-e", "opena"], "--syscall: unknown syscall `opena`; did you mean `openat`?"),
        (["watch", "--pid", "x"], "--pid: not a number: x"),
        (["run"], "a command is missing: tracerctl run -- CMD ARGS..."),
    ],
)
def test_a_command_line_that_makes_no_sense(daemon, tracerctl, words, text):
    refused(tracerctl(*words, socket=daemon.socket), 2, text)


@pytest.mark.parametrize("option", [["-e", "%nosuch"], ["--type", "lost"], ["--op", "raed"],
                                    ["--result", "ENOENTT"]])  # fmt: skip
def test_a_bad_filter_keeps_a_program_from_running(daemon, tracerctl, tmp_path, option):
    ran = tmp_path / "ran"

    done = tracerctl("run", *option, "--", "touch", ran, socket=daemon.socket)

    assert done.returncode == 2
    assert done.stderr.startswith("tracerctl: --")
    assert done.stderr.count("\n") == 1
    assert not ran.exists()
