"""Tracers under trace, and our own programs under a tracer's: refused as the kernel has it.

Linux allows a process one tracer.  So nothing here can be made to work; it has to fail as it
does under strace, to say why, and to leave nobody waiting.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from build import command

DEADLINE_S = 60
STRACE = ["strace", "-f", "-o", "/dev/null"]


@pytest.fixture
def run(processes, tmp_path):
    """`run(argv)`: exit code, standard output and error of a program; it must come to its end."""

    def to_its_end(argv, **popen):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **popen}
        process = processes.start(argv, cwd=tmp_path, **options)
        out, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, out, err

    return to_its_end


@pytest.fixture
def traced(run, tracerctl, daemon, tmp_path):
    """`traced(argv)`: the same under tracerctl run, and the events."""

    def under_trace(argv):
        log = tmp_path / "events.json"
        life = run(tracerctl.argv("run", "--json", "-o", log, "--", *argv, socket=daemon.socket))
        return life, [json.loads(line) for line in log.read_text().splitlines()]

    return under_trace


def blind(events):
    return [event for event in events if event["type"] == "blind"]


def why(events):
    return {(event["what"], event["detail"]) for event in blind(events)}


CANNOT = ("ptrace", "the program cannot trace what tracerd traces: Linux allows one tracer")


@pytest.mark.ptrace_case(51)
@pytest.mark.parametrize(
    ("mode", "said", "times"),
    [("traceme", "EPERM\n", 1), ("attach", "EPERM\nEPERM\n", 1), ("seize", "EPERM\nEPERM\n", 1)],
)
def test_a_program_that_traces_its_child(run, traced, mode, said, times):
    program = command("nested_ptrace", mode)
    assert run(program)[1].startswith("granted\n")
    life, events = traced(program)
    assert life == run([*STRACE, *program]) == (0, said, "")
    assert why(events) == {CANNOT}
    assert len(blind(events)) == times
    [call, *_] = [e for e in events if e.get("syscall") == "ptrace"]
    assert call["errno"] == "EPERM"
    assert blind(events)[0]["pid"] == call["pid"]


@pytest.mark.ptrace_case(51)
def test_a_request_that_fails_for_its_own_reasons_makes_nobody_blind(run, traced):
    program = command("nested_ptrace", "wrong")
    life, events = traced(program)
    assert life == run(program) == (0, "ESRCH\n", "")
    assert blind(events) == []


@pytest.mark.ptrace_case(51)
def test_a_traced_tracer_can_trace_what_nobody_traces(traced, tracee, tracer_of):
    other = tracee("sleeper")
    life, events = traced(command("nested_ptrace", "outside", other.pid))
    assert life == (0, "granted\n", "")
    [event] = blind(events)
    assert event["what"] == "ptrace"
    assert event["detail"] != CANNOT[1]
    assert tracer_of(other.pid) == 0


@pytest.mark.ptrace_case(51)
@pytest.mark.parametrize(
    "argv",
    [
        ["strace", "-o", "/dev/null", "true"],
        ["gdb", "-batch", "-nx", "-ex", "run", "--args", shutil.which("true")],
    ],
    ids=["strace", "gdb"],
)
def test_other_peoples_tracers_fail_as_under_strace(run, traced, argv):
    environment = {**os.environ, "DEBUGINFOD_URLS": ""}
    under_strace = run([*STRACE, *argv], env=environment)
    life, events = traced(argv)
    assert life == under_strace
    assert life[0] == 1
    assert "not permitted" in life[2]
    assert why(events) == {CANNOT}
    # Once for each process that it tried in.
    assert len({event["pid"] for event in blind(events)}) == len(blind(events))


@pytest.mark.ptrace_case(51)
def test_strace_of_tracerctl_alone(run, tracerctl, daemon):
    """Without -f the program is free to be traced; with a daemon of its own as with another."""
    for socket in (daemon.socket, None):
        words = tracerctl.argv("run", "-o", "/dev/null", "--", "sh", "-c", "exit 3", socket=socket)
        assert run(["strace", "-o", "/dev/null", *words]) == (3, "", "")


@pytest.mark.ptrace_case(51)
def test_strace_of_tracerctl_and_what_it_starts(processes, tracerctl, daemon, tmp_path):
    """The program is strace's already: so says the error, and it is not run."""
    process = processes.start(
        [*STRACE, *tracerctl.argv("run", "--", "touch", "ran", socket=daemon.socket)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (125, "")
    words = err.split()
    assert err == f"tracerctl: process {words[2]} is already traced by process {process.pid}\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.ptrace_case(51)
def test_strace_of_an_attach(run, tracerctl, daemon, tracee, tracer_of):
    """It is the daemon that attaches, so this works."""
    other = tracee("sleeper")
    words = tracerctl.argv("attach", other.pid, socket=daemon.socket)
    assert run([*STRACE, *words]) == (0, f"attached {other.pid} (1 thread)\n", "")
    assert tracer_of(other.pid)
    words = tracerctl.argv("detach", other.pid, socket=daemon.socket)
    assert run([*STRACE, *words])[0] == 0
    assert tracer_of(other.pid) == 0
    assert other.finish()[0] == -signal.SIGTERM


@pytest.mark.ptrace_case(51)
def test_run_within_run_with_one_daemon(run, tracerctl, daemon, tmp_path):
    """They share the trace: both see the whole program."""
    argv = ["run", "--json", "-o"]
    inner = tracerctl.argv(*argv, "inner", "--", "sh", "-c", "exit 3", socket=daemon.socket)
    outer = tracerctl.argv(*argv, "outer", "--", *inner, socket=daemon.socket)
    assert run(outer) == (3, "", "")
    seen = {}
    for name in ("inner", "outer"):
        events = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        [executed] = [e for e in events if e["type"] == "exec" and e["comm"] == "sh"]
        seen[name] = [
            e for e in events if e["pid"] == executed["pid"] and e["seq"] >= executed["seq"]
        ]
        assert (seen[name][-1]["type"], seen[name][-1]["code"]) == ("exit", 3)
    assert seen["inner"] == seen["outer"]


@pytest.mark.ptrace_case(51)
def test_who_wants_blind_events_only_gets_them(run, tracerctl, daemon):
    words = [
        "run",
        "--json",
        "-o",
        "-",
        "--type",
        "blind",
        "--",
        *command("nested_ptrace", "attach"),
    ]
    code, out, _ = run(tracerctl.argv(*words, socket=daemon.socket))
    assert code == 0
    assert '"type":"blind"' in out


@pytest.mark.ptrace_case(51)
def test_status_of_the_daemon_that_traces_it(run, tracerctl, daemon):
    inner = tracerctl.argv("status", "--json", socket=daemon.socket)
    code, out, err = run(
        tracerctl.argv("run", "-o", "/dev/null", "--", *inner, socket=daemon.socket)
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["processes"] == 1


@pytest.mark.ptrace_case(51)
def test_a_daemon_that_is_traced_itself_ends_with_an_error(processes, tracerctl, tmp_path):
    """Its children are another tracer's, so it could trace nobody."""
    run = tracerctl.argv("run", "-o", "/dev/null", "--", "touch", "ran")
    tracerd = [sys.executable, "-m", "tracerd", "--socket", tmp_path / "socket"]
    ways = {
        "strace tracerd": ([*STRACE, *tracerd], 1),
        "strace run": ([*STRACE, *run], 125),
        "run run": ([*run[: run.index("--") + 1], *run], 125),
    }
    # All at once.  What is left behind, should anything be, goes with its namespace.
    contained = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    started = {
        way: processes.start(
            [*contained, *argv], cwd=tmp_path,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for way, (argv, _) in ways.items()
    }  # fmt: skip
    for way, process in started.items():
        out, err = process.communicate(timeout=60)  # many programs on few processors
        assert (process.returncode, out) == (ways[way][1], ""), way
        assert "is already traced by process" in err, way
        assert "Traceback" not in err, way
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "socket").exists()
