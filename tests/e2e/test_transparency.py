"""What a program can find out about itself: under tracerctl run as straight from the shell.

One shell starts both, so that all it does for a program it does for both.
"""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from build import command

DEADLINE_S = 60

BOTH = """\
$AS "$@"; code=$?
mv out alone || exit 90
$AS $RUN "$@"; traced=$?
mv out traced || exit 91
[ $code = $traced ] || exit 92
exit $code
"""
"""Run `$@`, which writes `out`, both ways.  AS: what to start either with.  RUN: tracerctl's words.
None has a space in it."""

SETTINGS = {
    "plain": "",
    "many": """
        umask 027
        ulimit -n 77; ulimit -c 0; ulimit -S -s 4096; ulimit -f 4096
        trap '' HUP INT USR1 TSTP
        trap 'exit 93' TERM QUIT
        exec 7</etc/passwd 9>>/dev/null 6<&0
        here=$PWD; cd /etc && exec 8<. && cd "$here" || exit 94
        export EMPTY= ODD='a b' PYTHONHASHSEED=1 LANG=C; unset LC_ALL LC_CTYPE
    """,
    "no stdin": "exec <&-",
    "no stdout": "exec >&-",
    "no standard descriptors": "exec <&- >&- 2>&-",
}

SIGNALS = [
    "env",
    "--block-signal=HUP,USR1,CHLD,TERM,PIPE,WINCH",
    "--ignore-signal=CHLD,TERM,QUIT,WINCH,URG",
]
ATTRIBUTES = [
    *("nice", "-n", "7"),
    *("chrt", "--batch", "0"),
    *("ionice", "-c", "3"),
    *("taskset", "-c", "0"),
    *("choom", "-n", "300", "--"),
    *("setarch", "--addr-no-randomize"),
    *("setpriv", "--no-new-privs", "--groups", "1,2,3", "--bounding-set", "-net_raw"),
]


@pytest.fixture
def runs(processes, tracerctl, tmp_path):
    """`runs(settings, wrapper, socket=None)`: what the program found out alone, and traced."""

    def both(settings="", wrapper=(), socket=None):
        run = tracerctl.argv("run", "-o", "log", "--", socket=socket)
        assert not any(" " in word for word in run)
        process = processes.start(
            ["sh", "-c", f"{settings}\n{BOTH}", "sh", *command("show_self", "out", "a b", "")],
            cwd=tmp_path, stdout=subprocess.DEVNULL,
            env={**environment(), "AS": " ".join(wrapper), "RUN": " ".join(run)},
        )  # fmt: skip
        assert process.wait(DEADLINE_S) == 0
        assert "exited with 0" in (tmp_path / "log").read_text()
        return (tmp_path / "alone").read_text(), (tmp_path / "traced").read_text()

    return both


def environment():
    return {name: value for name, value in os.environ.items() if name != "TRACERD_SOCKET"}


def differences(alone, traced):
    return sorted(set(alone.splitlines()) ^ set(traced.splitlines()))


@pytest.mark.ptrace_case(48)
def test_as_the_shell_has_set_it(runs, daemon):
    lives = {name: runs(settings, socket=daemon.socket) for name, settings in SETTINGS.items()}
    assert {name: found for name, life in lives.items() if (found := differences(*life))} == {}
    plain = lives.pop("plain")[1]
    for signo in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        assert f"signal {signo.value}: default, flags 0\n" in plain
    assert plain not in {traced for _, traced in lives.values()}
    assert "umask 027" in lives["many"][1]


@pytest.mark.ptrace_case(48, 49)
def test_as_whatever_started_it_has_set_it(runs, daemon):
    alone, traced = runs("", [*SIGNALS, *ATTRIBUTES], daemon.socket)
    assert differences(alone, traced) == []
    assert "signal 17: ignored, flags 0, blocked\n" in traced
    [scheduling] = [line for line in traced.splitlines() if line.startswith("nice ")]
    assert scheduling.startswith("nice 7, policy 3, priority 0, io priority 24")
    assert scheduling.endswith("processors 0")
    assert "no new privileges 1" in traced
    assert "oom_score_adj: 300\n" in traced
    assert "personality 0x40000\n" in traced
    assert "Groups:\t1 2 3" in traced


@pytest.mark.ptrace_case(48)
def test_with_a_daemon_of_its_own(runs):
    alone, traced = runs(SETTINGS["many"] + "exec <&-", [SIGNALS[0], SIGNALS[1], *ATTRIBUTES])
    assert differences(alone, traced) == []


@pytest.mark.ptrace_case(49)
def test_with_a_daemon_of_its_own_and_sigchld_ignored(runs):
    alone, traced = runs("", ["env", "--ignore-signal=CHLD"])
    assert differences(alone, traced) == []


@pytest.mark.ptrace_case(48)
def test_the_c_locale_by_name(runs, daemon):
    alone, traced = runs("export LC_CTYPE=C; unset LC_ALL LANG", socket=daemon.socket)
    assert differences(alone, traced) == []


@pytest.mark.ptrace_case(48)
@pytest.mark.xfail(
    strict=True, reason="Python ignores SIGPIPE before it can be seen whether it was"
)
def test_sigpipe_ignored_by_the_shell(runs, daemon):
    alone, traced = runs("trap '' PIPE XFSZ", socket=daemon.socket)
    assert traced == alone


def on_a_terminal(argv, cwd, **environment):
    """Run a program as a session of its own, on a terminal; return its exit code and its output."""
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.chdir(cwd)
            os.environ.update(environment)
            for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, for itself
                signal.signal(ignored, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execvp(argv[0], argv)
        finally:
            os._exit(99)
    said, end = b"", time.monotonic() + DEADLINE_S
    try:
        while select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            said += os.read(terminal, 65536)
    except OSError:  # EIO: all of them have ended
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said
    finally:
        os.close(terminal)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pytest.fail(f"not at its end: {said!r}")


@pytest.mark.ptrace_case(48)
@pytest.mark.parametrize("job_control", [False, True])
def test_on_a_terminal(daemon, tracerctl, tmp_path, job_control):
    run = tracerctl.argv("run", "-o", "log", "--", socket=daemon.socket)
    words = ["sh", "-mc" if job_control else "-c", BOTH, "sh", *command("show_self", "out")]
    assert on_a_terminal(words, tmp_path, AS="", RUN=" ".join(run)) == (0, b"")
    traced = (tmp_path / "traced").read_text()
    different = differences((tmp_path / "alone").read_text(), traced)
    # With job control a program leads its group, or is in that of its leader, tracerctl.
    assert [each for each in different if not each.startswith("group: ")] == []
    assert bool(different) == job_control
    assert "terminal: foreground 1\nterminal: 0 is /dev/" in traced


THROUGH = """\
printf 'one\ntwo\n' | $AS sh -c 'read x; echo "got $x"; cat; exit 7'; echo $?
$AS sh -c 'kill -TERM $$' </dev/null; echo $?
$AS sh -c 'kill -KILL $$' </dev/null; echo $?
(trap '' TERM; $AS sh -c 'kill -TERM $$; echo deaf') </dev/null; echo $?
$AS seq 100000 | head -n 1
"""


@pytest.mark.ptrace_case(48, 35, 34)
def test_data_codes_and_signals_pass_through(processes, tracerctl, daemon, tmp_path):
    """SIGPIPE too: seq dies of it, as it should."""
    said = []
    for run in ([], tracerctl.argv("run", "-o", "/dev/null", "--", socket=daemon.socket)):
        process = processes.start(
            ["sh", "-c", THROUGH], cwd=tmp_path, env={**environment(), "AS": " ".join(run)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        out, err = process.communicate(timeout=DEADLINE_S)
        said.append((process.returncode, out))
        assert all(word in {"Terminated", "Killed"} for word in err.split())
    assert said[1] == said[0]
    assert said[0] == (0, "got one\ntwo\n7\n143\n137\ndeaf\n0\n1\n")


@pytest.mark.ptrace_case(49)
def test_everybody_is_started_with_sigchld_ignored(
    processes, tracerctl, until, tmp_path, tracer_of
):
    """A daemon, who uses it, and what is traced: nothing rests on SIGCHLD."""
    ignoring = ["env", "--ignore-signal=CHLD"]
    socket = tmp_path / "socket"
    daemon = processes.start(
        [*ignoring, sys.executable, "-m", "tracerd", "--socket", socket],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(socket.exists)

    def ctl(*words, **popen):
        argv = [*ignoring, *tracerctl.argv(*words, socket=str(socket))]
        process = processes.start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = process.communicate(timeout=DEADLINE_S)
        assert err == ""
        return process.returncode, out

    assert ctl("run", "-o", "/dev/null", "--", "sh", "-c", "(exit 4) & exit 5") == (5, "")
    assert ctl("run", "-o", "/dev/null", "--", "sh", "-c", "kill -USR1 $$")[0] == -signal.SIGUSR1
    sleeper = processes.start([*ignoring, "sleep", "600"])
    until(lambda: b"600" in Path(f"/proc/{sleeper.pid}/cmdline").read_bytes())
    assert ctl("attach", sleeper.pid)[0] == 0
    assert tracer_of(sleeper.pid)
    sleeper.kill()
    assert sleeper.wait(DEADLINE_S) == -signal.SIGKILL
    daemon.terminate()
    assert daemon.wait(DEADLINE_S) == 0
    log = daemon.stderr.read()
    assert "level=error" not in log
    assert "level=warning" not in log
