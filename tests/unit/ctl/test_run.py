"""`tracerctl run` starts programs so that they cannot tell the difference.

The daemon is a fake that traces nothing: what is tested is how the program is
started, what becomes of signals, and how it ends.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tracerd.ctl.filters import LIVES
from tracerd.errors import PermissionDenied
from tracerd.protocol import events, messages

ROOT = str(Path(__file__).parents[3])
START = (
    f"import sys; sys.path.insert(0, {ROOT!r}); from tracerd.ctl.main import main; sys.exit(main())"
)
CTL = [sys.executable, "-c", START]
"""Wherever it is started, and whatever environment it is given."""
EXIT = events.Exit(seq=1, time_ns=2, pid=43, tid=43, comm="ls", code=5)
LINE = "[pid    43] +++ exited with 5 +++\n"

TELL = """
import json, os, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "environment": sorted(map(repr, os.environb.items())),
    "directory": os.getcwd(),
    "umask": status["Umask"],
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "ignored": status["SigIgn"],
    "blocked": status["SigBlk"],
    "group": os.getpgrp() == int(sys.argv[1]) or os.getpgrp(),
    "session": os.getsid(0),
    "limits": open("/proc/self/limits").read(),
    "nice": os.nice(0),
    "input": sys.stdin.read(),
    "arguments": sys.argv[2:],
}))
"""
"""A program that tells all that it was given."""


@pytest.fixture(autouse=True)
def ends_with_the_program(daemon):
    daemon.end_with_processes(EXIT)


def run(*words, **options):
    options = {"capture_output": True, "text": True, "timeout": 30} | options
    return subprocess.run([*CTL, "run", *words], check=False, **options)


def shell(script, *words, **options):
    return run(*words, "--", "sh", "-c", script, **options)


def test_the_exit_code_is_kept():
    assert shell("exit 0").returncode == 0
    assert shell("exit 7").returncode == 7


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGPIPE", "SIGABRT"])
def test_a_death_by_signal_is_kept(name):
    number = signal.Signals[name]

    assert shell(f"kill -{number} $$").returncode == -number


def test_no_core_of_ours(tmp_path):
    """The program's core is wanted, not tracerctl's in its place."""
    (tmp_path / "here").mkdir()
    done = shell("ulimit -c 0; kill -ABRT $$", cwd=tmp_path / "here")

    assert done.returncode == -signal.SIGABRT
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize(
    "environment",
    [{"A": "1", "PATH": os.environ["PATH"]}, {"LC_ALL": "C"}, {"LC_CTYPE": "C", "LANG": "C"}, {}],
)
def test_the_program_cannot_tell_the_difference(daemon, tmp_path, environment):
    environment |= {"TRACERD_SOCKET": daemon.path}
    extra = os.open(os.devnull, os.O_RDONLY)
    options = {
        "env": environment,
        "cwd": tmp_path,
        "input": "what is typed",
        "pass_fds": [extra],
        "umask": 0o27,
        "capture_output": True,
        "text": True,
        "start_new_session": False,
        "timeout": 30,
        "preexec_fn": disposed,
    }
    program = [sys.executable, "-I", "-X", "utf8=1", "-c", TELL, str(os.getpgrp()), "-a", "--", "b"]

    alone, traced = (
        json.loads(subprocess.run([*start, *program], check=True, **options).stdout)
        for start in ([], [*CTL, "run", "--"])
    )

    os.close(extra)
    assert traced == alone
    assert alone["input"] == "what is typed"


def disposed():
    """Start with a signal ignored and one blocked, as under nohup and some supervisors."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})


def test_signals_are_as_they_were():
    """Python ignores SIGPIPE for itself; a program that is not Python must not find it so."""
    options = {"capture_output": True, "preexec_fn": disposed, "timeout": 30}
    look = ["grep", "^Sig[IBC]", "/proc/self/status"]

    alone, traced = (
        subprocess.run([*start, *look], check=True, **options).stdout
        for start in ([], [*CTL, "run", "--"])
    )

    assert traced == alone


def test_the_program_is_our_child():
    done = subprocess.Popen(
        [*CTL, "run", "--", "sh", "-c", "echo $PPID"], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with done:
        assert int(done.stdout.read()) == done.pid


def test_subscribed_then_attached_then_run(daemon):
    """So nothing of the program is missed, and nothing of what we are is shown."""
    before = []
    attach = daemon.answers["Attach"]

    def look(call):
        with open(f"/proc/{call.pid}/cmdline", "rb") as file:
            before.append(file.read())
        return attach(call)

    daemon.answers["Attach"] = look

    assert shell("exit 3", "-e", "%file", "--env").returncode == 3

    order = [name for name, _call in daemon.calls if name in {"Subscribe", "Attach"}]
    assert order == ["Subscribe", "Attach"]
    [subscribed], [attached] = daemon.called("Subscribe"), daemon.called("Attach")
    assert (attached.scope, attached.until_exec) == ("connection", True)
    assert subscribed == messages.Subscribe(
        filters=[
            messages.Filter(tree=[attached.pid], syscall=["%file"]),
            messages.Filter(tree=[attached.pid], type=list(LIVES)),
        ],
        until=attached.pid,
        overflow="block",
        envp=True,
        string_limit=32,
    )
    assert b"tracerd.ctl" in before[0]


def test_lines_go_to_standard_error():
    done = shell("echo out; echo err >&2")

    assert done.stdout == "out\n"
    assert sorted(done.stderr.splitlines()) == sorted(["err", LINE.strip()])


def test_lines_go_where_they_are_sent(tmp_path):
    done = shell("echo out", "-o", str(tmp_path / "log"))
    assert (done.stdout, done.stderr) == ("out\n", "")
    assert (tmp_path / "log").read_text() == LINE

    done = shell("echo out", "-o", "-")
    assert sorted(done.stdout.splitlines()) == sorted(["out", LINE.strip()])


def test_json_lines(tmp_path):
    shell("true", "--json", "-o", str(tmp_path / "log"))

    assert (tmp_path / "log").read_bytes() == msgspec.json.encode(EXIT) + b"\n"


def test_a_command_that_is_not_there():
    done = run("--", "no-such-command-here", "x")

    assert done.returncode == 127
    assert "tracerctl: no-such-command-here: command not found\n" in done.stderr


def test_a_path_that_is_not_there():
    done = run("/no/such/command")

    assert done.returncode == 127
    assert "tracerctl: /no/such/command: No such file or directory\n" in done.stderr


def test_a_file_that_may_not_be_run(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("echo hello")

    done = run(str(plain))
    assert done.returncode == 126
    assert f"tracerctl: {plain}: Permission denied\n" in done.stderr
    assert run(str(tmp_path)).returncode == 126


def test_a_name_cannot_reach_the_terminal():
    assert r"no\n\33[2Jsuch: command not found" in run("no\n\x1b[2Jsuch").stderr


def test_a_script_without_an_interpreter(tmp_path):
    """execve refuses it; shells, and execvp, run it."""
    script = tmp_path / "script"
    script.write_text('echo "$0" "$1"')
    script.chmod(0o755)

    done = run(str(script), "one two")

    assert (done.returncode, done.stdout) == (0, f"{script} one two\n")


def test_commands_are_looked_up_in_path(tmp_path):
    for directory, text, mode in (("a", "echo a", 0o644), ("b", "#!/bin/sh\necho b", 0o755)):
        (tmp_path / directory).mkdir()
        command = tmp_path / directory / "thing"
        command.write_text(text)
        command.chmod(mode)
    path = f"{tmp_path}/none:{tmp_path}/a:{tmp_path}/b:{os.environ['PATH']}"

    assert run("thing", env={**os.environ, "PATH": path}).stdout == "b\n"

    done = run("thing", env={**os.environ, "PATH": f"{tmp_path}/a"})
    assert (done.returncode, "Permission denied" in done.stderr) == (126, True)

    done = run("thing", cwd=tmp_path / "b", env={**os.environ, "PATH": "/nowhere:"})
    assert done.stdout == "b\n"


def test_a_refusal_keeps_the_program_from_running(daemon, tmp_path):
    daemon.answers["Attach"] = PermissionDenied(1, "Yama")

    done = shell(f"touch {tmp_path}/ran")

    assert done.returncode == 125
    assert done.stderr == "tracerctl: not permitted to trace 1: Yama\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (None, "the daemon has gone; the program goes on untraced"),
        ("shutdown", "the daemon was shut down; the program goes on untraced"),
    ],
)
def test_the_program_outlives_the_daemon(daemon, end, text):
    def attach(call):
        stream = daemon.stream()
        stream.drop() if end is None else stream.end(end)
        return messages.AttachReply(pid=call.pid, threads=[call.pid])

    daemon.answers["Attach"] = attach

    done = shell("read line; echo done; exit 3", input="\n")

    assert done.stdout == "done\n"
    assert done.returncode == 125
    assert done.stderr == f"tracerctl: {text}\n"


def test_the_program_outlives_the_reader():
    """`run -o - ... | head`: the program is not ended by who reads about it."""
    done = subprocess.Popen(
        [*CTL, "run", "-o", "-", "--", "sh", "-c", "read line; exit 3"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with done:
        done.stdout.readline()
        done.stdout.close()
        done.stdin.write("\n")
        done.stdin.close()

        assert done.wait(60) == 3
        assert done.stderr.read() == ""


def started(script):
    """Start a script in a process group of its own; return once it has said that it runs."""
    process = subprocess.Popen(
        [*CTL, "run", "-o", "/dev/null", "--", "sh", "-c", script],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


WAIT = "while :; do sleep 0.02; done"


def test_the_program_decides_what_ctrl_c_means():
    with started(f"trap 'echo caught; exit 4' INT; echo ready; {WAIT}") as process:
        os.killpg(process.pid, signal.SIGINT)

        assert process.wait(60) == 4
        assert process.stdout.read() == "caught\n"
        assert process.stderr.read() == ""


def test_ctrl_c_kills_what_does_not_catch_it():
    with started(f"echo ready; {WAIT}") as process:
        os.killpg(process.pid, signal.SIGINT)

        assert process.wait(60) == -signal.SIGINT


def test_sigterm_is_passed_on():
    with started(f"trap 'exit 5' TERM; echo ready; {WAIT}") as process:
        process.terminate()

        assert process.wait(60) == 5


def test_we_are_stopped_when_the_program_is():
    """So that a shell's job control works as it does without us."""
    with started("echo ready; kill -STOP $$; exit 6") as process:
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

        os.kill(process.pid, signal.SIGCONT)  # not to the program itself

        assert process.wait(60) == 6


def test_stopped_and_continued_as_a_job():
    with started("trap 'echo again; exit 6' CONT; echo ready; kill -TSTP $$; sleep 9") as process:
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

        os.killpg(process.pid, signal.SIGCONT)

        assert process.wait(60) == 6
        assert process.stdout.read() == "again\n"


def test_nothing_is_left_open_or_running(daemon):
    shell("true")

    daemon.wait(lambda: all(stream.gone.wait(60) for stream in daemon.streams))
