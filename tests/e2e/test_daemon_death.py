"""SIGKILL for the daemon, in the middle of its work: nobody else is harmed."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from build import command

KINDS = {
    "asleep": ("sleeper",),
    "asleep, many threads": ("sleeper", 20),
    "spinning": ("getppid16", 0, 1),
    "spinning, many threads": ("getppid16", 0, 3),
    "all at once": ("detach_busy", "rough"),
    "stopped": ("detach_stopped", 3),
    "in vfork": ("attach_vfork", 2, "later"),
    "in exec": ("detach_exec", "leader"),
    "in a call": ("detach_calls", "epoll_wait"),
}


def tasks(pid):
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")))


def living(pid):
    """State and tracer of each thread that has not ended."""
    found = []
    for tid in tasks(pid):
        try:
            text = Path(f"/proc/{tid}/status").read_text()
        except OSError:
            continue
        state = text.partition("\nState:\t")[2][0]
        if state not in "ZX":
            found.append((state, int(text.partition("\nTracerPid:\t")[2].split()[0])))
    return found


def states(pid):
    return {state for state, _ in living(pid)}


def tracers(pid):
    return {tracer for _, tracer in living(pid)}


def children(pid):
    found = []
    for tid in tasks(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found += map(int, Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
    return found


class Programs:
    """One program of each kind, under trace and where its name says."""

    def __init__(self, processes, tracerctl, daemon, until):
        self._until = until
        self.all = {kind: self._start(processes, kind) for kind in KINDS}
        pids = [process.pid for process in self.all.values()]
        done = tracerctl("attach", *pids, socket=daemon.socket)
        assert (done.returncode, done.stderr) == (0, "")
        os.kill(self["in vfork"].pid, signal.SIGUSR1)
        assert self["in vfork"].stdout.readline() == "INSIDE\n"
        until(lambda: states(self["in vfork"].pid) == {"D"})
        os.kill(self["stopped"].pid, signal.SIGTSTP)
        until(lambda: states(self["stopped"].pid) <= {"t", "T"})

    @staticmethod
    def _start(processes, kind):
        process = processes.start(
            command(*KINDS[kind]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "READY\n"
        return process

    def __getitem__(self, kind):
        return self.all[kind]

    def tell(self, kind, text="x"):
        self[kind].stdin.write(text)
        self[kind].stdin.flush()

    def end_well(self):
        """See that each is where it was, and lives to the end it would have had anyway."""
        until = self._until
        for kind in ("asleep", "asleep, many threads"):
            until(lambda kind=kind: states(self[kind].pid) == {"S"})
        for kind in ("spinning", "spinning, many threads"):
            until(lambda kind=kind: states(self[kind].pid) == {"R", "S"})
        for kind in ("asleep", "asleep, many threads", "spinning", "spinning, many threads"):
            assert self._ended(kind) == (-signal.SIGTERM, "")
        until(lambda: states(self["stopped"].pid) == {"T"})
        self.tell("stopped")
        os.kill(self["stopped"].pid, signal.SIGCONT)
        assert self["stopped"].communicate(timeout=60)[0] == "ALIVE 1\n"
        self.tell("in vfork", "xx")
        assert self["in vfork"].communicate(timeout=60)[0] == "ENDED 2\n"
        self.tell("in a call")
        said = self["in a call"].communicate(timeout=60)[0]
        assert said == "epoll_wait 1 0\nSIGNALS 0\n"
        assert {self[kind].returncode for kind in ("stopped", "in vfork", "in a call")} == {0}
        assert self._ended("all at once") == (0, "HEALTHY\n")
        assert self._ended("in exec") == (0, "SAME PROCESS\n")

    def _ended(self, kind):
        self[kind].terminate()
        said, _ = self[kind].communicate(timeout=60)
        return self[kind].returncode, said


@pytest.fixture
def second_daemon(processes, until):
    """Starts a daemon where a killed one listened."""

    def start(path):
        reader, writer = os.pipe()
        opened.append(writer)
        process = processes.start(
            [sys.executable, "-m", "tracerd", "--socket", path, "--exit-on-eof", str(reader)],
            cwd=Path(__file__).parents[2], pass_fds=[reader], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reader)
        until(lambda: listens(path) or process.poll() is not None)
        assert process.poll() is None
        return process

    opened = []
    yield start
    for fd in opened:
        os.close(fd)


def listens(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@pytest.mark.ptrace_case(45, 47)
@pytest.mark.parametrize("load", ["all calls watched", "a reader that keeps all waiting"])
def test_what_was_traced_goes_on_and_a_new_daemon_can_have_it(
    start_daemon, second_daemon, tracerctl, processes, until, load
):
    daemon = start_daemon("--log-level", "warning")
    programs = Programs(processes, tracerctl, daemon, until)
    flow = Flow(tracerctl, daemon.socket, reads=load == "all calls watched")
    flow.wait(until)

    daemon.process.kill()
    daemon.process.wait(60)

    pids = [process.pid for process in programs.all.values()]
    everybody = pids + [child for pid in pids for child in children(pid)]
    until(lambda: all(tracers(pid) <= {0} for pid in everybody if os.path.exists(f"/proc/{pid}")))
    flow.end()

    second = second_daemon(daemon.socket)
    firm = [programs[kind].pid for kind in KINDS if kind not in ("in vfork", "in exec")]
    done = tracerctl("attach", *firm, socket=daemon.socket)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(tracers(pid) <= set(tasks(second.pid)) for pid in firm)
    assert states(programs["stopped"].pid) <= {"t", "T"}
    done = tracerctl("detach", *firm, socket=daemon.socket)
    assert (done.returncode, done.stderr) == (0, "")
    programs.end_well()


class Flow:
    """A watcher of all calls.  reads: whether anybody reads what it says."""

    def __init__(self, tracerctl, path, *, reads):
        self._process = tracerctl.start(
            "watch", "--json", "--overflow", "block", socket=path,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._reads = reads
        self._status = lambda: tracerctl("status", "--json", socket=path).stdout
        self._lines = 0
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        self._lines += bool(self._process.stdout.readline())
        while self._reads and self._process.stdout.readline():
            self._lines += 1

    def wait(self, until):
        """Wait until it flows, or until it is full and tracees are held."""
        if self._reads:
            until(lambda: self._lines > 2000)
        else:
            until(lambda: self._lines and '"held":0' not in self._status().replace(" ", ""))

    def end(self):
        self._process.kill()
        self._process.wait(60)
        self._thread.join(20)


GOES_ON = 'echo begun; read line <&3; echo "after $line" > after; exit 7'


@pytest.mark.ptrace_case(47)
@pytest.mark.parametrize("whose", ["shared", "private"])
def test_a_program_that_was_run_goes_on(start_daemon, tracerctl, processes, until, tmp_path, whose):
    """`run` says so, waits for the program, and ends with the code of failed tracing."""
    os.mkfifo(tmp_path / "fifo")
    daemon = start_daemon("--log-level", "warning") if whose == "shared" else None
    run = tracerctl.start(
        *("run", "-o", "log", "--", "sh", "-c", f"exec 3<>fifo; {GOES_ON}"),
        socket=daemon and daemon.socket,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stdout.readline() == "begun\n"
    [shell] = [pid for pid in children(run.pid) if b"fifo" in cmdline(pid)]
    [tracer] = tracers(shell)
    assert tracer

    os.kill(daemon.pid if daemon else process_of(tracer), signal.SIGKILL)

    assert run.stderr.readline() == (
        "tracerctl: the daemon has gone; the program goes on untraced\n"
    )
    until(lambda: tracers(shell) == {0})
    assert run.poll() is None
    (tmp_path / "fifo").write_text("all\n")
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (125, "", "")
    assert (tmp_path / "after").read_text() == "after all\n"
    assert "execve(" in (tmp_path / "log").read_text()


def cmdline(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def process_of(tid):
    return int(Path(f"/proc/{tid}/status").read_text().partition("\nTgid:\t")[2].split()[0])


@pytest.mark.ptrace_case(47)
def test_a_run_whose_daemon_was_killed_under_load(start_daemon, tracerctl, until, tmp_path):
    """It was held, for nobody read: it runs to its end all the same."""
    daemon = start_daemon("--log-level", "warning")
    script = "i=0; while [ $i -lt 3000 ]; do : < /dev/null; i=$((i+1)); done; echo $i > done"
    run = tracerctl.start(
        *("run", "--", "sh", "-c", script),
        socket=daemon.socket, stderr=subprocess.PIPE,
    )  # fmt: skip
    until(lambda: '"held":0' not in status(tracerctl, daemon))

    daemon.process.kill()
    daemon.process.wait(60)

    until((tmp_path / "done").exists)
    err = run.communicate(timeout=60)[1]
    assert run.returncode == 125
    assert err.endswith(b"tracerctl: the daemon has gone; the program goes on untraced\n")
    until(lambda: (tmp_path / "done").read_text() == "3000\n")


def status(tracerctl, daemon):
    return tracerctl("status", "--json", socket=daemon.socket).stdout.replace(" ", "")
