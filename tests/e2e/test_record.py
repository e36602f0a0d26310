"""`record` with real programs: whole, again as it was, and harmless when there is no room."""

import json
import os
import re
import resource
import signal
from pathlib import Path

import pytest

FULL = "tracerctl: cannot write /dev/full: No space left on device\n"
SCRIPT = "cat /etc/hostname | wc -c; exit 3"


def test_a_recording_is_the_run(tracerctl, tmp_path):
    done = tracerctl("record", "-o", "t.trace", "--", "sh", "-c", SCRIPT)

    assert done.returncode == 3
    assert done.stdout == f"{os.stat('/etc/hostname').st_size}\n"
    assert done.stderr == "complete: yes (0 lost, 0 blind, 0 unresolved)\n"
    again = tracerctl("replay", "--json", "t.trace")
    assert (again.returncode, again.stderr) == (0, "")
    events = [json.loads(line) for line in again.stdout.splitlines()]
    seqs = [event["seq"] for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert next(e["argv"][0] for e in events if e["type"] == "exec") == "sh"
    assert {"sh", "cat", "wc"} == {e["comm"] for e in events if e["type"] == "exit"}
    shown = tracerctl("replay", "-e", "execve", "t.trace").stdout
    assert shown.count("] execve(") == sum(e.get("syscall") == "execve" for e in events)
    strace = tracerctl("export", "--format", "strace", "t.trace").stdout.splitlines()
    assert len(strace) == sum(e["type"] in {"syscall_exit", "signal_stop", "exit"} for e in events)
    assert all(re.match(r"\d+ +(\w+\(|--- |\+\+\+ )", line) for line in strace)
    lines = tracerctl("export", "--format", "ndjson", "t.trace").stdout
    (tmp_path / "events").write_text(lines)
    with (tmp_path / "events").open() as piped:
        done = tracerctl("export", "-", "--format", "strace", stdin=piped)
    assert done.stderr == ""
    assert done.stdout.splitlines() == strace


def test_only_what_was_asked_for(tracerctl):
    tracerctl("record", "-o", "t.trace", "-e", "%file", "--", "sh", "-c", SCRIPT)

    found = tracerctl("replay", "--json", "t.trace").stdout.splitlines()
    calls = {e["syscall"] for e in map(json.loads, found) if e["type"] == "syscall_exit"}
    assert "openat" in calls
    assert not calls & {"read", "mmap", "close"}
    only_cat = tracerctl("replay", "--json", "--exe", "**/cat", "-e", "openat", "t.trace").stdout
    assert {json.loads(line)["comm"] for line in only_cat.splitlines()} == {"cat"}


def test_a_running_process(tracerctl, tracee, until, tracer_of, tmp_path):
    sleeper = tracee("sleeper")
    path = tmp_path / "t.trace"
    recorder = tracerctl.start("record", "-o", path, "-p", sleeper.pid, stderr=-1, text=True)
    until(lambda: tracer_of(sleeper.pid))
    until(lambda: path.stat().st_size > 50_000)  # the header; whatever it does next is recorded
    recorder.send_signal(signal.SIGINT)
    _, err = recorder.communicate(timeout=60)

    assert recorder.returncode == 0
    assert err == "complete: yes (0 lost, 0 blind, 0 unresolved)\n"
    shown = tracerctl("replay", "--type", "attached,detached", path).stdout
    assert "+++ attached" in shown
    assert sleeper.process.poll() is None


@pytest.mark.parametrize("verb", ["record", "run", "files"])
def test_no_space_is_told_and_the_program_goes_on(tracerctl, tmp_path, verb):
    done = tracerctl(
        verb, "-o", "/dev/full", "--", "sh", "-c", "echo a > one; cat one; echo b > two"
    )

    assert done.returncode == 125
    assert (tmp_path / "two").read_text() == "b\n"
    assert done.stdout == "a\n"
    first = done.stderr.splitlines()[0]
    assert first.startswith("tracerctl: cannot write /dev/full: No space left on device")
    assert done.stderr.count("cannot write") == (2 if verb == "record" else 1)  # and the verdict


def test_no_space_while_a_process_is_watched(tracerctl, daemon, processes, until, tracer_of):
    """It is let go by `trace`, and stays as it was for `watch`."""
    busy = ["sh", "-c", "while :; do kill -0 $$; done"]
    watched = processes.start(busy)
    assert tracerctl("attach", watched.pid, socket=daemon.socket).returncode == 0
    done = tracerctl("watch", "-o", "/dev/full", socket=daemon.socket)
    assert (done.returncode, done.stderr) == (1, FULL)
    assert tracer_of(watched.pid) != 0
    traced = processes.start(busy)
    done = tracerctl("trace", "-o", "/dev/full", traced.pid)
    assert (done.returncode, done.stderr) == (1, f"{FULL[:-1]}; detached from {traced.pid}\n")
    assert tracer_of(traced.pid) == 0
    done = tracerctl("record", "-o", "/dev/full", "-p", traced.pid)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{FULL[:-1]}; {traced.pid} runs on untraced\n")
    until(lambda: tracer_of(traced.pid) == 0)
    assert traced.poll() is None


def test_a_file_that_may_not_grow(tracerctl, tmp_path):
    """RLIMIT_FSIZE, in the middle of the events; what was written before can be read."""
    size = 200_000

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = ["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do cat /etc/passwd; done; exit 4"]
    done = tracerctl("record", "-o", "t.trace", "--", *command, preexec_fn=limit)

    assert done.returncode == 125
    assert "cannot write t.trace: File too large; the program goes on" in done.stderr
    assert done.stdout == Path("/etc/passwd").read_text() * 9
    assert os.stat(tmp_path / "t.trace").st_size == size
    cut = tracerctl("replay", "t.trace")
    assert cut.returncode == 1
    assert re.search(r"t\.trace: at byte \d+: cut short, in the middle", cut.stderr)
    assert "openat(" in cut.stdout


@pytest.mark.parametrize(
    ("words", "overflow"),
    [
        (["run", "--", "sleep", "60"], "block"),
        (["record", "-o", "t.trace", "--", "sleep", "60"], "block"),
        (["files", "--", "sleep", "60"], "block"),
        (["watch"], "drop"),
    ],
)
def test_who_waits_and_who_loses(tracerctl, daemon, until, words, overflow):
    """The defaults: a program that is started waits, one that is watched does not."""
    started = tracerctl.start(*words, socket=daemon.socket, stdout=-3, stderr=-3)

    def states():
        return json.loads(tracerctl("status", "--json", socket=daemon.socket).stdout)[
            "subscriptions"
        ]

    until(states)
    assert [state["overflow"] for state in states()] == [overflow]
    started.send_signal(signal.SIGTERM)
    started.wait(60)
