"""Programs that stop, by a seccomp filter, for the calls of interest only.

They do what they do without it, the same is told of them, and the rest of their calls runs at
full speed.
"""

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from build import command

from tracerd.client import connect_sync, seccomp
from tracerd.errors import SeccompFiltered
from tracerd.protocol.messages import CallSelection, Filter

DEADLINE_S = 20

pytestmark = pytest.mark.skipif(
    seccomp.refusal() is not None, reason="needs CAP_SYS_ADMIN, and to be free of seccomp"
)

LOOK = ["grep", "^Seccomp:", "/proc/self/status"]
FREE, FILTERED = "Seccomp:\t0\n", "Seccomp:\t2\n"

WITH, WITHOUT = ["--seccomp"], ["--no-seccomp"]


@pytest.fixture
def events(tracerctl):
    """`events(options, *argv)`: what the program said and how it ended, and the events."""

    def run(options, *argv, **popen):
        log = tracerctl.directory / ".events"
        done = tracerctl("run", "--json", "-o", log, *options, "--", *argv, **popen)
        seen = [json.loads(line) for line in log.read_text().splitlines()]
        log.unlink()
        return done, seen

    return run


def essence(event):
    """What is the same in every run of a program."""
    varies = {"seq", "time_ns", "pid", "tid", "start", "duration_ns", "former_tid"}
    kept = {name: value for name, value in event.items() if name not in varies}
    if event["type"] == "syscall_exit":
        kept = {name: kept.get(name) for name in ("syscall", "abi", "errno", "comm", "unfinished")}
        kept["files"] = [
            (file["path"], file["op"], file.get("created")) for file in event.get("files", ())
        ]
    return json.dumps(kept, sort_keys=True)


def test_it_is_used_when_some_calls_are_wanted(tracerctl, daemon):
    for socket in (None, daemon.socket):
        for options, expected in (
            (["-e", "openat"], FILTERED),
            (["-e", "openat", "--no-seccomp"], FREE),
            ([], FREE),
            (["--seccomp"], FREE),
            (["--type", "exit"], FREE),
            (["-e", "!close"], FREE),  # calls without a name are wanted too
        ):
            done = tracerctl("run", "-o", "/dev/null", *options, "--", *LOOK, socket=socket)
            assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
    assert tracerctl("files", "-o", "/dev/null", "--", *LOOK).stdout == FILTERED


SCRIPT = """
echo one >a; cat a /none; mv a b; (cat b; rm b) | cat >c & wait
mkdir d; cd d; ln -s ../c e; cat e; chmod 600 ../c; exec cat ../c
"""

PROGRAMS = {
    "children": lambda: ["sh", "-c", SCRIPT],
    "threads": lambda: command("exec_from_thread", "/bin/sh", "-c", "echo >a; cat a; exit 5"),
    "vfork": lambda: command("vfork_exec", "."),
    "not there": lambda: ["no-such-command"],
}


@pytest.mark.parametrize("options", [["-e", "%file"], ["-e", "openat,mkdir"], ["-P", "/**"]])
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_same_is_told_with_it_and_without(events, tmp_path, program, options):
    told = []
    for which in (WITHOUT, WITH):
        here = tmp_path / "here"
        here.mkdir()
        done, seen = events([*options, *which], *program(), cwd=here)
        said = re.sub(r"[0-9]+", "N", done.stdout)  # ids
        told.append((done.returncode, said, done.stderr, Counter(map(essence, seen))))
        subprocess.run(["rm", "-r", here], check=True)

    assert told[1] == told[0]


def test_the_first_event_is_the_programs(events):
    done, seen = events(["-e", "%file", *WITH], "cat", "/etc/hostname")

    assert done.returncode == 0
    assert {event["comm"] for event in seen} == {"cat"}
    assert seen[-1]["files"][0]["path"] == "/etc/hostname"


def test_all_file_accesses_are_in_the_report(files, tmp_path):
    reports = []
    for which in (WITHOUT, WITH):
        here = tmp_path / "here"
        here.mkdir()
        report = files("sh", "-c", SCRIPT, options=which, cwd=here)
        reports.append(
            (
                report["exit"], report["stdout"], report["stderr"],
                # In whatever order those at the two ends of a pipe came to it.
                sorted((file["path"], str(file["ops"])) for file in report["files"]),
                sorted((file["path"], str(file["ops"])) for file in report["failed"]),
                [(one["from"], one["to"]) for one in report["renames"]],
            )
        )  # fmt: skip
        subprocess.run(["rm", "-r", here], check=True)

    assert reports[1] == reports[0]
    assert len(reports[0][3]) > 5


def test_i386_calls_stop_by_numbers_of_their_own(events, tmp_path):
    done, seen = events(["-e", "open,rename,pread64", *WITH], *command("abi_int80", tmp_path))

    assert done.returncode == 0
    wide = [each["syscall"] for each in seen if each.get("abi") == "i386"]
    assert wide == ["open", "pread64", "rename"]


def test_scripts_and_the_search_in_path(tracerctl, tmp_path):
    (tmp_path / "bin").mkdir()
    for name, head in (("with", "#!/bin/sh\n"), ("without", "")):
        script = tmp_path / "bin" / name
        script.write_text(f"{head}grep ^Seccomp: /proc/self/status; echo $1")
        script.chmod(0o755)
        environment = {**os.environ, "PATH": f"/nowhere:{tmp_path}/bin:{os.environ['PATH']}"}
        environment.pop("TRACERD_SOCKET", None)

        done = tracerctl(
            "run", "-o", "/dev/null", "-e", "openat", "--", name, "a b", env=environment
        )

        assert (done.returncode, done.stdout) == (0, f"{FILTERED}a b\n")


def test_commands_that_cannot_be_run(tracerctl, tmp_path):
    (tmp_path / "plain").write_text("echo ran")

    for word, code, text in (
        ("no-such-command", 127, "no-such-command: command not found"),
        ("./plain", 126, "./plain: Permission denied"),
    ):
        done = tracerctl("run", "-o", "/dev/null", "-e", "openat", *WITH, "--", word)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr == f"tracerctl: {text}\n"


@pytest.mark.parametrize("script", ["exit 3", "kill -TERM $$", "kill -KILL $$"])
def test_it_ends_as_the_program_does(tracerctl, script):
    codes = {
        tracerctl(
            "run", "-o", "/dev/null", "-e", "openat", *which, "--", "sh", "-c", script
        ).returncode
        for which in (WITH, WITHOUT)
    }

    assert len(codes) == 1


MANY_CALLS = """
import os, time
began = time.perf_counter()
for _ in range(50_000):
    os.getppid()
print(time.perf_counter() - began)
"""


def test_the_other_calls_run_at_full_speed(tracerctl):
    alone, filtered, stopped = (
        float(done.stdout)
        for done in (
            tracerctl(
                "run", "-o", "/dev/null", *options, "--", sys.executable, "-c", MANY_CALLS,
                timeout=120,
            )
            for options in (["--type", "exit"], ["-e", "openat", *WITH], ["-e", "openat", *WITHOUT])
        )
    )  # fmt: skip

    # A stop costs a hundred times what this call does.
    assert filtered < stopped / 5
    assert filtered < alone * 5


class Shell:
    """A filtered shell of `tracerctl run` that reads lines.  pid: its own."""

    def __init__(self, tracerctl, daemon):
        self.run = tracerctl.start(
            "run", "-o", "/dev/null", "-e", "openat", "--", "sh", socket=daemon.socket,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.say("grep ^Seccomp: /proc/self/status") == FILTERED
        self.pid = int(self.say("echo $$"))

    def say(self, line):
        """Return the line that a line prints."""
        print(line, file=self.run.stdin, flush=True)
        return self.run.stdout.readline()


def ended(pidfd):
    return bool(select.select([pidfd], [], [], DEADLINE_S)[0])


def test_who_wants_more_later_sees_more(tracerctl, daemon):
    """The tracer stops it at every call then, and at the filtered ones again after that."""
    shell = Shell(tracerctl, daemon)
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        for _ in range(2):
            with client.subscribe(tree=shell.pid, syscall=["umask", "chdir"]) as wider:
                assert shell.say("umask 027; cd /etc; echo done") == "done\n"
                client.sync(wider.id)
                seen = {event.syscall for event in wider.read(timeout=DEADLINE_S)}
                assert seen == {"umask", "chdir"}
            assert shell.say("cat hostname") == Path("/etc/hostname").read_text()
    assert shell.run.communicate("exit 4\n", timeout=DEADLINE_S) == ("", "")
    assert shell.run.returncode == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_the_daemon(tracerctl, start_daemon, number):
    """Without a tracer all its filtered calls would fail."""
    running = start_daemon("--log-level", "warning")
    shell = Shell(tracerctl, running)
    pidfd = os.pidfd_open(shell.pid)

    running.process.send_signal(number)

    assert ended(pidfd)
    os.close(pidfd)
    out, err = shell.run.communicate(timeout=DEADLINE_S)
    assert (shell.run.returncode, out) == (125, "")
    assert err.endswith(
        "; the program, which has a seccomp filter, ends with it (see --no-seccomp)\n"
    )


@pytest.fixture
def filtered(daemon):
    """`filtered(client, scope)`: a filtered cat that we have started ourselves."""
    started = []

    class Cat:
        def __init__(self, client, scope):
            ready, go = os.pipe()
            answers, out = os.pipe()
            lines, self.writer = os.pipe()
            self.pid = os.fork()
            if self.pid == 0:
                try:
                    os.close(go)
                    with open(ready, "rb") as pipe:
                        filter_ = pipe.read()
                    os.dup2(lines, 0)
                    os.dup2(out, 1)
                    if filter_:
                        seccomp.install(filter_)
                        os.execv("/bin/cat", ["cat", "-", "/etc/hostname"])
                finally:
                    os._exit(99)
            started.append(self)
            for fd in (ready, out, lines):
                os.close(fd)
            self.answers = answers
            calls = CallSelection(filters=[Filter(syscall=["openat", "read"])])
            try:
                reply = client.attach(self.pid, scope=scope, until_exec=True, calls=calls)
                os.write(go, seccomp.program(reply.calls))
            finally:
                os.close(go)
            assert self.echoes(b"one")

        def echoes(self, line):
            os.write(self.writer, line)
            return os.read(self.answers, 100) == line

        def finish(self):
            os.close(self.writer)
            said = os.read(self.answers, 1000)
            _pid, status = os.waitpid(self.pid, 0)
            self.pid = 0
            return said.decode(), status

        def end(self):
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                os.close(self.writer)
            os.close(self.answers)

    yield Cat
    for each in started:
        each.end()


def test_it_is_not_detached_from(daemon, filtered, tracerctl):
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        cat = filtered(client, "daemon")

        with pytest.raises(SeccompFiltered) as caught:
            client.detach(cat.pid)
        assert caught.value.pid == cat.pid

        done = tracerctl("detach", cat.pid, socket=daemon.socket)
        assert done.returncode == 13
        assert f"process {cat.pid} was started with a seccomp filter" in done.stderr
        assert "--no-seccomp" in done.stderr

        assert cat.echoes(b"two")
        assert [each.pid for each in client.list().processes] == [cat.pid]
        assert cat.finish() == (Path("/etc/hostname").read_text(), 0)


def test_one_of_two_askers_may_leave(daemon, filtered):
    with (
        connect_sync(daemon.socket, timeout=DEADLINE_S) as client,
        connect_sync(daemon.socket, timeout=DEADLINE_S) as other,
    ):
        cat = filtered(client, "connection")
        other.attach(cat.pid)

        assert other.detach(cat.pid).holders == 1

        assert cat.echoes(b"two")
        assert cat.finish() == (Path("/etc/hostname").read_text(), 0)


def test_it_outlives_who_started_it(daemon, filtered, tracer_of, until):
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        cat = filtered(client, "connection")
        other = connect_sync(daemon.socket, timeout=DEADLINE_S)
    with other:
        until(lambda: other.status().connections == 1)

        assert cat.echoes(b"two")
        assert tracer_of(cat.pid)
        with other.subscribe(tree=cat.pid, syscall="openat", until=cat.pid) as events:
            assert cat.finish() == (Path("/etc/hostname").read_text(), 0)
            assert [event.files[0].path for event in events] == ["/etc/hostname"]
        until(lambda: other.list().processes == [])


def test_a_program_that_is_traced_already_gets_none(daemon, processes, tracerctl):
    """It was seized without a thought of seccomp: its filtered calls would fail."""
    run = tracerctl.argv(
        "run", "-o", "/dev/null", "-e", "openat", "--", *LOOK, socket=daemon.socket
    )
    shell = processes.start(
        ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tracerctl.directory
    )
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        client.attach(shell.pid, scope="connection")
        out, _ = shell.communicate(shlex.join(run) + "\n", timeout=DEADLINE_S)

    assert (shell.returncode, out) == (0, FREE)
