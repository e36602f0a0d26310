"""Job control in a terminal: a shell under trace, and its jobs, do as they do alone."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

DEADLINE_S = 60
PROMPT = b"ready$ "
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "--noediting", "-i"], "sh": ["dash", "-i"]}
JOB = b"sh -c 'echo U''P; exec sleep 1000'"
"""Says UP; what is typed, and echoed, does not contain that."""

CTRL_C, CTRL_D, CTRL_Z = b"\x03", b"\x04", b"\x1a"


class Terminal:
    """A pseudo-terminal and a program that leads its session; all that is shown is kept.

    Ended by SIGKILL to every process of the session: jobs are process groups of their own.
    """

    def __init__(self, argv):
        self.shown = b""
        self._read = 0
        environment = {
            name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ
        }
        environment |= {"PS1": PROMPT.decode(), "TERM": "dumb", "HISTFILE": "", "LC_ALL": "C"}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                os.execvpe(argv[0], argv, environment)
            finally:
                os._exit(99)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        self.code = None

    def expect(self, text):
        """Read until `text` is shown after what was expected before; return what came till then."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.shown[self._read :]:
            left = max(0, end - time.monotonic())
            assert select.select([self.fd], [], [], left)[0], (text, self.shown)
            self.shown += os.read(self.fd, 65536)
        before = self._read
        self._read = self.shown.index(text, before) + len(text)
        return self.shown[before : self._read - len(text)]

    def press(self, key):
        os.write(self.fd, key)

    def enter(self, line):
        os.write(self.fd, line + b"\n")

    def tell(self, line):
        """Type a command; return what it showed, up to the next prompt."""
        self.enter(line)
        return self.expect(PROMPT)

    def in_front(self):
        """The process group in the foreground."""
        return os.tcgetpgrp(self.fd)

    def wait(self):
        """Read to the end; return the exit code of the leader."""
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while select.select([self.fd], [], [], DEADLINE_S)[0]:
                self.shown += os.read(self.fd, 65536)
        end = time.monotonic() + DEADLINE_S
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end, self.shown
        return self.code

    def close(self):
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(self.fd)
        if self.code is None:
            os.waitpid(self.pid, 0)


def _session(leader):
    """The processes of a session."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(name)) == leader:
                found.append(int(name))
    return found


@pytest.fixture
def terminal():
    """`terminal(argv)` starts a program on a terminal of its own; see Terminal."""
    with contextlib.ExitStack() as stack:

        def start(argv):
            opened = stack.enter_context(contextlib.closing(Terminal(argv)))
            opened.expect(PROMPT)
            return opened

        yield start


def state(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


# --- what is typed ----------------------------------------------------------------------------


def fetch(typing, until, shell):
    """Have the job in front, and read what `fg` says of it: Ctrl-C throws away what is unread."""
    typing.enter(b"fg")
    typing.expect(b"fg\r\n")
    typing.expect(b"\r\n")
    until(lambda: typing.in_front() != shell)


def stop_and_go(typing, until):
    """Ctrl-Z, jobs, bg, fg, Ctrl-C."""
    shell = typing.in_front()
    typing.enter(JOB)
    typing.expect(b"UP\r\n")
    typing.press(CTRL_Z)
    assert b"Stopped" in typing.expect(PROMPT)
    assert b"Stopped" in typing.tell(b"jobs")
    typing.tell(b"bg")
    assert b"Running" in typing.tell(b"jobs")
    fetch(typing, until, shell)
    typing.press(CTRL_C)
    typing.expect(PROMPT)
    assert b"rc=130" in typing.tell(b"echo rc=$?")
    assert typing.tell(b"jobs") == b"jobs\r\n"


def many_jobs(typing, until):
    """Jobs that read and write in the background, that are stopped by kill, that are waited for."""
    shell = typing.in_front()
    typing.tell(b"stopped() { until [[ -n $(jobs -s) ]]; do :; done; }")
    # It reads the terminal: SIGTTIN, until it is in front.
    assert b"Stopped" in typing.tell(b"cat & stopped")
    typing.enter(b"fg")
    until(lambda: typing.in_front() != shell)
    typing.enter(b"hello")
    typing.expect(b"hello\r\nhello\r\n")
    typing.press(CTRL_D)
    typing.expect(PROMPT)
    # It writes there, when it may not: SIGTTOU.
    typing.tell(b"stty tostop")
    assert b"Stopped" in typing.tell(b"/bin/echo written & stopped")
    assert b"\nwritten" in typing.tell(b"fg")
    typing.tell(b"stty -tostop")
    # A pipeline is one job.
    typing.enter(b"sh -c 'echo U''P >&2; exec sleep 1000' | cat")
    typing.expect(b"UP\r\n")
    typing.press(CTRL_Z)
    typing.expect(PROMPT)
    fetch(typing, until, shell)
    typing.press(CTRL_C)
    typing.expect(PROMPT)
    # Stopped, continued and killed by the shell.
    typing.tell(b"sleep 1000 &")
    assert b"Stopped" in typing.tell(b"kill -STOP %1; stopped")
    typing.tell(b"bg")
    assert b"rc=137" in typing.tell(b"kill -KILL %1; wait %1; echo rc=$?")
    assert typing.tell(b"jobs") == b"jobs\r\n"


SCENES = [
    ("bash", stop_and_go),
    ("sh", stop_and_go),
    # What the terminal shows of jobs that come and go depends on who is quicker.
    pytest.param("bash", many_jobs, marks=pytest.mark.alone),
]


def told(terminal):
    """What a terminal showed, without the pids."""
    text = terminal.shown.decode().replace("\r\n", "\n")
    return re.sub(r"(?m)^(\[\d+\]|ready\$ \[\d+\]) \d+$", r"\1 PID", text)


def ended(typing):
    typing.enter(b"exit 5")
    return typing.wait()


@pytest.fixture
def alone(terminal, until):
    """`alone(shell, scene)`: what a terminal shows of it when nobody traces."""

    def play(shell, scene):
        typing = terminal(SHELLS[shell])
        scene(typing, until)
        assert ended(typing) == 5
        return told(typing)

    return play


@pytest.mark.ptrace_case(15)
@pytest.mark.parametrize(("shell", "scene"), SCENES)
def test_a_shell_that_is_run(daemon, tracerctl, terminal, alone, until, tmp_path, shell, scene):
    log = tmp_path / "log"
    words = ["run", "--json", "-o", log, "--", *SHELLS[shell]]
    typing = terminal(tracerctl.argv(*words, socket=daemon.socket))
    scene(typing, until)
    assert ended(typing) == 5
    assert told(typing) == alone(shell, scene)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    stopped = {event["signal"] for event in events if event["type"] == "group_stop"}
    expected = {stop_and_go: {"SIGTSTP"}, many_jobs: {"SIGTTIN", "SIGTTOU", "SIGTSTP", "SIGSTOP"}}
    assert stopped == expected[scene]


@pytest.mark.ptrace_case(15)
@pytest.mark.parametrize(("shell", "scene"), SCENES)
def test_a_shell_that_is_attached_to_at_its_prompt(
    daemon, tracerctl, terminal, alone, until, tracer_of, shell, scene
):
    typing = terminal(SHELLS[shell])
    watch = tracerctl.start("watch", "--json", socket=daemon.socket, stdout=subprocess.DEVNULL)
    assert tracerctl("attach", typing.pid, socket=daemon.socket).returncode == 0
    assert tracer_of(typing.pid)
    scene(typing, until)
    assert tracerctl("detach", typing.pid, socket=daemon.socket).returncode == 0
    assert not tracer_of(typing.pid)
    assert typing.tell(b"echo still here") == b"echo still here\r\nstill here\r\n"
    assert ended(typing) == 5
    by_itself = alone(shell, scene)
    more = "ready$ echo still here\nstill here\nready$ exit 5"
    assert told(typing) == by_itself.replace("ready$ exit 5", more)
    assert watch.poll() is None


@pytest.mark.ptrace_case(15, 16)
def test_a_job_that_is_attached_to_while_stopped(daemon, tracerctl, terminal, until, tracer_of):
    """It stays stopped, under trace and after it, until the shell continues it."""
    typing = terminal(SHELLS["bash"])
    shell = typing.in_front()
    typing.enter(JOB)
    typing.expect(b"UP\r\n")
    job = typing.in_front()
    typing.press(CTRL_Z)
    typing.expect(PROMPT)
    for _ in range(2):
        assert tracerctl("attach", job, socket=daemon.socket).returncode == 0
        assert tracer_of(job)
        until(lambda: state(job) == "t")
        assert b"Stopped" in typing.tell(b"jobs")
        assert tracerctl("detach", job, socket=daemon.socket).returncode == 0
        until(lambda: state(job) == "T")
    assert tracerctl("attach", job, socket=daemon.socket).returncode == 0
    typing.enter(b"fg")
    until(lambda: typing.in_front() == job)
    until(lambda: state(job) == "S")
    typing.press(CTRL_Z)
    typing.expect(PROMPT)
    until(lambda: state(job) == "t")
    assert tracerctl("detach", job, socket=daemon.socket).returncode == 0
    until(lambda: state(job) == "T")
    fetch(typing, until, shell)
    typing.press(CTRL_C)
    typing.expect(PROMPT)
    assert b"rc=130" in typing.tell(b"echo rc=$?")


@pytest.mark.alone
def test_a_shell_answers_beside_a_tight_loop(daemon, tracerctl, terminal, tracee):
    loop = tracee("getppid16", 60, 1)
    typing = terminal(SHELLS["bash"])
    watch = tracerctl.start("watch", "--json", socket=daemon.socket, stdout=subprocess.DEVNULL)
    for pid in (loop.pid, typing.pid):
        assert tracerctl("attach", pid, socket=daemon.socket).returncode == 0
    for number in range(20):
        started = time.monotonic()
        assert b"=%d\r\n" % number in typing.tell(b"/bin/echo =%d" % number)
        assert time.monotonic() - started < 5  # a person waits for it
    assert watch.poll() is None
    assert loop.process.poll() is None
