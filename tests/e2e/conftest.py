"""A real daemon, the real tracerctl and real programs, each a process of its own.

Every process that a fixture here starts leads a process group, and the fixture kills what is
left of that group: a failing test leaves nothing behind, stopped, traced or alive.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from build import command

DEADLINE_S = 60.0
ROOT = Path(__file__).parents[2]


def _until(condition, deadline=DEADLINE_S):
    """Wait for what nobody tells of; return what `condition()` did once that was true."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.002)
    return value


def _listens(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _environment(**more):
    """Return ours, without what would lead tracerctl to some other daemon or colour its output."""
    left_out = {"TRACERD_SOCKET", "NO_COLOR", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, **more}


class Processes:
    """Starts processes, each the leader of a process group, and ends them all."""

    def __init__(self):
        self._started = []

    def start(self, argv, **popen):
        options = {"stdin": subprocess.DEVNULL, "env": _environment(), "process_group": 0} | popen
        process = subprocess.Popen([os.fspath(word) for word in argv], **options)
        self._started.append(process)
        return process

    def end(self):
        for process in reversed(self._started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


class Daemon:
    """A daemon that listens.  socket: its path.  pid: its process."""

    def __init__(self, processes, path, *options):
        self.socket = path
        # It ends with us too, however we end.
        reader, self._writer = os.pipe()
        tied = ["--exit-on-eof", str(reader)]
        self.process = processes.start(
            [sys.executable, "-m", "tracerd", "--socket", path, *tied, *options],
            cwd=ROOT,
            pass_fds=[reader],
        )
        os.close(reader)
        self.pid = self.process.pid
        _until(lambda: self.process.poll() is not None or _listens(path))
        assert self.process.poll() is None, "the daemon did not start"

    def stop(self):
        """End it as systemd would; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


class Ctl:
    """tracerctl in a directory of its own, without a daemon to talk to unless `socket` is given."""

    def __init__(self, processes, directory):
        self._processes = processes
        self.directory = directory

    @staticmethod
    def argv(*words, socket=None):
        which = [] if socket is None else ["--socket", socket]
        return [sys.executable, "-m", "tracerd.ctl", *which, *map(os.fspath, map(_word, words))]

    def __call__(self, *words, socket=None, timeout=DEADLINE_S, **popen):
        """Run it to its end; return a CompletedProcess with text (bytes if text=False)."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | popen
        process = self.start(*words, socket=socket, **options)
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, *words, socket=None, **popen):
        """Start it; return the Popen."""
        options = {"cwd": self.directory} | popen
        return self._processes.start(self.argv(*words, socket=socket), **options)


def _word(value):
    return str(value) if isinstance(value, int) else value


class Tracee:
    """A program of tests/tracees that has said READY.  Use `pid`, `send`, `stdout`, `wait`."""

    def __init__(self, processes, name, *args):
        self.process = processes.start(command(name, *args), stdout=subprocess.PIPE, text=True)
        self.stdout = self.process.stdout
        self.pid = self.process.pid
        assert self.stdout.readline() == "READY\n"

    def send(self, signo):
        os.kill(self.pid, signo)

    def wait(self):
        return self.process.wait(DEADLINE_S)

    def finish(self):
        """Ask it to end; return its exit code and what it said."""
        self.send(signal.SIGTERM)
        return self.wait(), self.stdout.read()

    @property
    def tracer(self):
        """The thread that traces it, 0 if none."""
        return _tracer(self.pid)

    @property
    def threads(self):
        return sorted(map(int, os.listdir(f"/proc/{self.pid}/task")))


def _tracer(tid):
    status = Path(f"/proc/{tid}/status").read_text()
    return int(status.partition("\nTracerPid:")[2].split()[0])


@pytest.fixture(scope="session")
def until():
    """`until(condition, deadline=60)`."""
    return _until


@pytest.fixture(scope="session")
def tracer_of():
    """`tracer_of(tid)`: the TracerPid of a thread, 0 if it is not traced."""
    return _tracer


@pytest.fixture(scope="session")
def follows():
    """`follows(pid)`: whether a tracerctl waits for events: all that it asked for is in force."""
    return lambda pid: "poll" in Path(f"/proc/{pid}/wchan").read_text()


@pytest.fixture
def processes():
    """Starts any process; see Processes."""
    started = Processes()
    yield started
    started.end()


@pytest.fixture
def start_daemon(processes, tmp_path_factory):
    """Starts daemons with options: `start_daemon(*options, path=None)`."""

    def start(*options, path=None):
        path = path or str(tmp_path_factory.mktemp("daemon") / "sock")
        return Daemon(processes, path, *options)

    return start


@pytest.fixture
def daemon(start_daemon):
    """A daemon; that SIGTERM ends it with exit code 0 is part of every test that has one."""
    running = start_daemon("--log-level", "warning")
    yield running
    assert running.process.poll() is None, "the daemon did not live to the end of the test"
    assert running.stop() == 0
    assert not os.path.exists(running.socket)


@pytest.fixture
def tracerctl(processes, tmp_path):
    """`tracerctl(*words, socket=None, timeout=60, **popen)`, and `tracerctl.start`; see Ctl."""
    return Ctl(processes, tmp_path)


@pytest.fixture
def tracee(processes):
    """`tracee(name, *args)`: a program of tests/tracees that has said READY; see Tracee."""

    def start(name, *args):
        return Tracee(processes, name, *args)

    return start


@pytest.fixture
def files(tracerctl):
    """`files(*argv)`: the JSON document of `tracerctl files --json -- argv`; asserts it is whole.

    Beside it: `stdout`, `stderr` and `rc` of tracerctl, and with `-f` the `records`.
    """

    def report(*argv, options=(), **popen):
        log = tracerctl.directory / ".report"
        done = tracerctl("files", "--json", "-o", log, *options, "--", *argv, **popen)
        lines = log.read_text().splitlines()
        document = json.loads(lines[-1])
        assert document["complete"], document
        assert document["lost"] == document["unresolved"] == 0
        log.unlink()
        records = [json.loads(line) for line in lines[:-1]]
        document["records"] = records
        return {**document, "stdout": done.stdout, "stderr": done.stderr, "rc": done.returncode}

    return report
