"""`tracerctl run`: a program cannot tell that it runs under trace.

Its terminal, what it inherits and how it ends are compared with the same program alone.
"""

import contextlib
import fcntl
import json
import os
import pty
import resource
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

DEADLINE_S = 60


class Terminal:
    """A pseudo-terminal with a program on it that leads its session."""

    def __init__(self, argv, **environment):
        self.heard = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.environ.pop("TRACERD_SOCKET", None)
                os.environ.update(environment)
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                os.execvp(argv[0], argv)
            finally:
                os._exit(99)
        self.status = None
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))

    def type(self, data):
        os.write(self.fd, data)

    def expect(self, text, what=None):
        """Read until `text` was shown, and forget what was read up to its end."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.heard:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], self.heard
            try:
                self.heard += os.read(self.fd, 65536)
            except OSError:  # EIO: nobody has it open any more
                pytest.fail(f"no {text!r} to the end: {self.heard!r}")
        before, _, self.heard = self.heard.partition(text)
        return before

    def wait(self):
        """Return the exit code, negative for a signal, of the session's leader."""
        end = time.monotonic() + DEADLINE_S
        while self.status is None:
            with contextlib.suppress(OSError):
                if select.select([self.fd], [], [], 0.01)[0]:
                    self.heard += os.read(self.fd, 65536)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end, self.heard
        with contextlib.suppress(OSError):
            while select.select([self.fd], [], [], 0)[0]:
                self.heard += os.read(self.fd, 65536)
        return self.status

    def close(self):
        os.close(self.fd)  # the session is hung up
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def terminal():
    """`terminal(argv)` starts a program on a terminal of its own; see Terminal."""
    with contextlib.ExitStack() as stack:

        def start(argv, **environment):
            return stack.enter_context(contextlib.closing(Terminal(argv, **environment)))

        yield start


@pytest.fixture
def events(tracerctl, tmp_path):
    """`events(*argv, options=(), **popen)` runs a program; how it ended, and its events."""

    def run(*argv, options=(), **popen):
        log = tmp_path / "events.json"
        done = tracerctl("run", "--json", "-o", log, *options, "--", *argv, **popen)
        return done, [json.loads(line) for line in log.read_text().splitlines()]

    return run


def tell(path, *more):
    """A program that writes what it was given to `path`: nothing else may tell two runs apart."""
    return [sys.executable, "-IS", "-X", "utf8=1", "-c", TELL, path, *more]


TELL = r"""
import json, os, signal, sys
status = dict(line.split(":\t", 1) for line in open("/proc/self/status"))
descriptors = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        what = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        continue
    descriptors[fd] = what.partition(":")[0]
json.dump({
    "environment": sorted(map(repr, open("/proc/self/environ", "rb").read().split(b"\0"))),
    "directory": os.getcwd(),
    "root": os.readlink("/proc/self/root"),
    "umask": status["Umask"],
    "signals": {name: status[name] for name in ("SigPnd", "SigBlk", "SigIgn", "SigCgt")},
    "capabilities": {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")},
    "no_new_privs": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "cpus": status["Cpus_allowed"],
    "descriptors": descriptors,
    "limits": open("/proc/self/limits").read(),
    "nice": os.nice(0),
    "scheduler": os.sched_getscheduler(0),
    "oom": open("/proc/self/oom_score_adj").read(),
    "dumpable": os.stat("/proc/self/environ").st_uid,
    "session": os.getsid(0),
    "arguments": sys.argv[2:],
    "input": sys.stdin.buffer.read().decode("latin-1"),
}, open(sys.argv[1], "w"))
"""


def disposed():
    """Be in a state that no program starts in by chance."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGWINCH, signal.SIGTERM})
    os.nice(3)
    os.umask(0o037)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.mark.parametrize("private", [True, False], ids=["private", "shared"])
def test_what_it_inherits_is_the_same(start_daemon, processes, tracerctl, tmp_path, private):
    socket = None if private else start_daemon("--log-level", "warning").socket
    told = tmp_path / "told"
    (tmp_path / "here").mkdir()
    environment = {"PATH": os.environ["PATH"], "ODD": "a\nb", "EMPTY": "", "B\udcff": "\udcfe"}
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    results = []
    for start in ([], tracerctl.argv("run", "-o", "/dev/null", "--", socket=socket)):
        process = processes.start(
            [*start, *tell(told, "-o", "--", "x", "")],
            cwd=tmp_path / "here", env=environment, preexec_fn=disposed,
            pass_fds=[reader, writer, null], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = process.communicate(b"typed \xff\0 in", timeout=DEADLINE_S)
        assert (process.returncode, out, err) == (0, b"", b"")
        results.append(json.loads(told.read_text()))
        told.unlink()
    for fd in (reader, writer, null):
        os.close(fd)

    alone, traced = results
    assert traced == alone
    assert alone["input"] == "typed \xff\0 in"
    assert alone["arguments"] == ["-o", "--", "x", ""]
    assert {str(reader), str(writer), str(null), "0", "1", "2"} <= alone["descriptors"].keys()
    assert alone["nice"] == os.nice(0) + 3
    assert alone["umask"].strip() == "0037"


@pytest.mark.parametrize(
    "look",
    # Not SigQ: how many signals wait is counted for all processes of the user.
    ["grep ^Sig[^Q] /proc/self/status", "ls /proc/self/fd", "ls -l /proc/self/fd | wc -l"],
)
def test_as_the_shell_sees_it(tracerctl, processes, look):
    said = []
    for start in ([], tracerctl.argv("run", "-o", "/dev/null", "--")):
        process = processes.start([*start, "sh", "-c", look], stdout=subprocess.PIPE, text=True)
        said.append(process.communicate(timeout=DEADLINE_S)[0])
        assert process.returncode == 0

    assert said[1] == said[0] != ""


def test_descriptors_that_were_closed_stay_closed(tracerctl, processes, tmp_path):
    said = []
    for start in ([], tracerctl.argv("run", "-o", "/dev/null", "--")):
        with (tmp_path / "log").open("w") as log:
            process = processes.start(
                ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *start, "ls", "/proc/self/fd"], stdout=log
            )
        assert process.wait(DEADLINE_S) == 0
        said.append((tmp_path / "log").read_text())

    # The directory that ls looks at gets the lowest number that is free, 0.
    assert said == ["0\n1\n"] * 2


def test_the_first_event_is_the_exec(events):
    program = ["/usr/bin/env", "echo", "hello there"]

    done, seen = events(*program)

    assert (done.returncode, done.stdout, done.stderr) == (0, "hello there\n", "")
    first = seen[0]
    assert (first["type"], first["path"], first["argv"]) == ("exec", "/usr/bin/env", program)
    assert first["comm"] == "env"
    assert {event["pid"] for event in seen} == {first["pid"]}
    last = seen[-1]
    assert (last["type"], last.get("code", 0), last["process"]) == ("exit", 0, True)
    assert [event["seq"] for event in seen] == list(
        range(seen[0]["seq"], seen[0]["seq"] + len(seen))
    )
    executed = [event for event in seen if event["type"] == "exec"]
    assert executed[1]["argv"] == ["echo", "hello there"]


@pytest.mark.parametrize("private", [True, False], ids=["private", "shared"])
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -TERM $$", -signal.SIGTERM),
        ("kill -KILL $$", -signal.SIGKILL),
        ("ulimit -c 0; kill -SEGV $$", -signal.SIGSEGV),
        ("kill -RTMIN $$", -signal.SIGRTMIN),
    ],
)
def test_it_ends_as_the_program_does(tracerctl, start_daemon, private, script, code):
    socket = None if private else start_daemon("--log-level", "warning").socket

    done = tracerctl("run", "-o", "/dev/null", "--", "sh", "-c", script, socket=socket)

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_the_events_say_how_it_ended(events):
    done, seen = events("sh", "-c", "sh -c 'exit 7'; kill -USR1 $$")

    assert done.returncode == -signal.SIGUSR1
    ends = [event for event in seen if event["type"] in {"exit", "signal_exit"}]
    assert [(end["type"], end.get("code"), end.get("signal")) for end in ends] == [
        ("exit", 7, None), ("signal_exit", None, "SIGUSR1"),
    ]  # fmt: skip
    [sent] = [
        event for event in seen if event["type"] == "signal_stop" and event["signal"] == "SIGUSR1"
    ]
    assert sent["sender_pid"] == sent["pid"] == ends[1]["pid"]


def test_commands_that_cannot_be_run(tracerctl, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("echo ran")

    for words, code, text in (
        (["no-such-command"], 127, "no-such-command: command not found"),
        (["./no-such"], 127, "./no-such: No such file or directory"),
        (["./plain"], 126, "./plain: Permission denied"),
        (["/"], 126, "/: Permission denied"),
    ):
        done = tracerctl("run", "-o", "/dev/null", "--", *words)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr == f"tracerctl: {text}\n"


def test_scripts_and_the_search_in_path(events, tmp_path):
    (tmp_path / "bin").mkdir()
    for name, head in (("with", "#!/bin/sh\n"), ("without", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'{head}echo "$0" "$@"\n')
        script.chmod(0o755)
        environment = {**os.environ, "PATH": f"/nowhere:{tmp_path}/bin:{os.environ['PATH']}"}
        environment.pop("TRACERD_SOCKET", None)

        done, seen = events(name, "a b", env=environment)

        assert (done.returncode, done.stdout) == (0, f"{script} a b\n")
        assert seen[0]["type"] == "exec"
        assert seen[0]["path"] == (str(script) if head else "/bin/sh")


def test_where_the_lines_go(tracerctl, tmp_path):
    log = tmp_path / "log"
    program = ["--", "sh", "-c", "echo out; echo err >&2; cat"]

    with open("/etc/hostname") as file:
        done = tracerctl("run", "-o", log, *program, stdin=file)
    hostname = Path("/etc/hostname").read_text()
    assert (done.stdout, done.stderr) == (f"out\n{hostname}", "err\n")
    lines = log.read_text().splitlines()
    assert all(line.startswith("[pid ") for line in lines)
    assert "+++ executed" in lines[0]
    assert lines[-1].endswith("+++ exited with 0 +++")
    assert any("write(1<pipe:" in line and r'"out\n"' in line for line in lines)

    done = tracerctl("run", *program)
    assert done.stdout == "out\n"
    assert "+++ exited with 0 +++" in done.stderr

    done = tracerctl("run", "-o", "-", *program)
    assert done.stderr == "err\n"
    assert "+++ exited with 0 +++" in done.stdout


def test_filters_choose_what_is_shown(events):
    done, seen = events(
        "sh", "-c", "cat /etc/hostname /none; exit 4",
        options=["-e", "openat", "-P", "/etc/hostname", "-P", "/none"],
    )  # fmt: skip

    assert done.returncode == 4
    assert [(each["syscall"], each["files"][0]["path"], each.get("errno")) for each in seen] == [
        ("openat", "/etc/hostname", None), ("openat", "/none", "ENOENT"),
    ]  # fmt: skip


def test_it_is_traced_to_its_last_descendant(events, tmp_path):
    done, seen = events(
        "sh", "-c", "(sleep 0.2; cat /etc/hostname >late) & exit 5", options=["-P", "/etc/hostname"]
    )

    assert done.returncode == 5
    assert (tmp_path / "late").read_text() == Path("/etc/hostname").read_text()
    [opened] = [event for event in seen if event.get("syscall") == "openat"]
    assert opened["comm"] == "cat"


def test_a_private_daemon_leaves_nothing(tracerctl, tracer_of, until, tmp_path):
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    environment.pop("TRACERD_SOCKET", None)
    process = tracerctl.start(
        "run", "-o", "/dev/null", "--", "sh", "-c", "echo $$; read x; exit 6",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    program = int(process.stdout.readline())
    tracer = tracer_of(program)
    assert tracer
    status = Path(f"/proc/{tracer}/status").read_text()
    daemon = int(status.partition("\nTgid:")[2].split()[0])
    assert b"tracerd" in Path(f"/proc/{daemon}/cmdline").read_bytes()

    process.communicate("\n", timeout=DEADLINE_S)

    assert process.returncode == 6
    assert not os.path.exists(f"/proc/{daemon}")
    assert os.listdir(tmp_path / "tmp") == []


def test_a_shared_daemon_stays(daemon, tracerctl):
    done = tracerctl("run", "--", "true", socket=daemon.socket)

    assert done.returncode == 0
    status = json.loads(tracerctl("status", "--json", socket=daemon.socket).stdout)
    assert status["pid"] == daemon.pid
    assert (status["processes"], status["subscriptions"], status["anomalies"]) == (0, [], 0)


def test_the_terminal_is_the_programs(terminal, tracerctl):
    code = (
        "import os; print('tty', *map(os.isatty, (0, 1, 2)), flush=True)\n"
        "print('front', os.tcgetpgrp(0) == os.getpgrp(), os.ttyname(0), flush=True)\n"
        "print('size', *os.get_terminal_size(0), flush=True)\n"
        "print('read', repr(input()), flush=True)\n"
    )
    argv = tracerctl.argv("run", "-o", "/dev/null", "--", "sh", "-c", 'stty size; exec "$@"',
                          "sh", sys.executable, "-c", code)  # fmt: skip
    console = terminal(argv)

    console.expect(b"33 99\r\n")
    console.expect(b"tty True True True\r\n")
    console.expect(b"front True /dev/pts/")
    console.expect(b"size 99 33\r\n")
    console.type(b"typed\n")
    console.expect(b"read 'typed'\r\n")
    assert console.wait() == 0


def test_ctrl_c_reaches_the_program(terminal, tracerctl):
    run = tracerctl.argv("run", "-o", "/dev/null", "--")
    wait = "while :; do sleep 0.05; done"
    console = terminal([*run, "sh", "-c", f"trap 'echo caught; exit 9' INT; echo ready; {wait}"])
    console.expect(b"ready\r\n")
    console.type(b"\x03")
    console.expect(b"caught\r\n")
    assert console.wait() == 9

    console = terminal([*run, "sh", "-c", f"echo ready; {wait}"])
    console.expect(b"ready\r\n")
    console.type(b"\x03")
    assert console.wait() == -signal.SIGINT

    console = terminal([*run, "sh", "-c", f"ulimit -c 0; echo ready; {wait}"])
    console.expect(b"ready\r\n")
    console.type(b"\x1c")
    assert console.wait() == -signal.SIGQUIT


def test_ctrl_z_stops_the_job_and_fg_continues_it(terminal, tracerctl, tracer_of):
    run = " ".join(tracerctl.argv("run", "-o", "/dev/null", "--"))
    shell = terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], PS1="$ ", TERM="dumb")
    shell.expect(b"$ ")
    # What is typed is echoed: the marks are written so that only their output has them.
    shell.type(f"{run} sh -c 'echo pid=$$; read x; echo g\"\"ot=$x; exit 7'\n".encode())
    shell.expect(b"\r\npid=")
    pid = int(shell.expect(b"\r\n"))
    assert tracer_of(pid)

    shell.type(b"\x1a")
    shell.expect(b"Stopped")
    shell.expect(b"$ ")
    assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "tT"
    shell.type(b"jobs -s; echo job''s=$(jobs -sp | wc -l)\n")
    shell.expect(b"jobs=1\r\n")

    shell.type(b"fg\n")
    shell.expect(b"fg\r\n")
    shell.type(b"word\n")
    shell.expect(b"got=word\r\n")
    shell.expect(b"$ ")
    shell.type(b"echo code''=$?; exit\n")
    shell.expect(b"code=7\r\n")
    assert shell.wait() == 0
    assert not os.path.exists(f"/proc/{pid}")


LOOP = """
import os, sys, time
print("ready", flush=True)
while not os.path.exists("end"):
    time.sleep(0.05)
sys.exit(8)
"""


def test_stopped_jobs_can_go_on_in_the_background(terminal, tracerctl):
    run = " ".join(tracerctl.argv("run", "-o", "/dev/null", "--"))
    shell = terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], PS1="$ ", TERM="dumb")
    shell.expect(b"$ ")
    directory = tracerctl.directory
    # A shell would start programs: Ctrl-Z between its vfork and their exec stops only the child.
    (directory / "loop.py").write_text(LOOP)
    shell.type(f"cd {directory}; {run} {sys.executable} -IS loop.py\n".encode())
    shell.expect(b"\r\nready\r\n")
    shell.type(b"\x1a")
    shell.expect(b"Stopped")
    shell.expect(b"$ ")
    shell.type(b"bg\n")
    shell.expect(b"$ ")
    (directory / "end").touch()
    shell.type(b"wait %1; echo code''=$?; exit\n")
    shell.expect(b"code=8\r\n")
    assert shell.wait() == 0


@pytest.mark.parametrize("option", [[], ["--color", "never"]])
def test_colour_only_on_a_terminal(terminal, tracerctl, option):
    console = terminal(
        tracerctl.argv("run", *option, "--", "true"), TERM="xterm-256color", NO_COLOR=""
    )

    assert console.wait() == 0
    assert b"exited with 0" in console.heard
    assert (b"\x1b[" in console.heard) == (option == [])
    piped = tracerctl("run", *option, "--", "true")
    assert "exited with 0" in piped.stderr
    assert "\x1b" not in piped.stderr
