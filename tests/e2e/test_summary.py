"""`tracerctl summary` against `strace -c -f`, and as it is typed."""

import json
import re
import signal
import subprocess

import pytest
from build import command

VARYING = {"exit_group", "wait4", "rt_sigreturn", "futex"}
"""strace does not count the first; the others are made again, or not, as signals come."""

PROGRAMS = {
    "modes": lambda work: command("openmodes", work),
    "processes": lambda _: ["sh", "-c", "cat /etc/hostname; ls /nowhere; exec true"],
    "failing": lambda _: ["ls", "-l", "/nowhere", "/etc/apt"],
}


def by_strace(argv, work, out):
    """Return calls and errors by name, as strace counts them."""
    work.mkdir()
    subprocess.run(
        ["strace", "-c", "-f", "-o", out, *argv],
        check=False,
        cwd=out.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    found = {}
    for line in out.read_text().splitlines():
        row = re.fullmatch(r" *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d+)? *(\w+)", line)
        if row is not None and row[3] != "total":
            found[row[3]] = int(row[1]), int(row[2] or 0)
    return found


def without(counts):
    return {name: counted for name, counted in counts.items() if name not in VARYING}


@pytest.mark.parametrize("name", PROGRAMS)
def test_counts_are_those_of_strace(tracerctl, tmp_path, name):
    work, out = tmp_path / "work", tmp_path / "out"
    argv = PROGRAMS[name](work)
    theirs = by_strace(argv, work, out)
    subprocess.run(["rm", "-r", work], check=True)
    work.mkdir()
    done = tracerctl(
        *("summary", "--json", "-o", out, "--", *argv),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    summary = json.loads(out.read_text())
    assert summary["complete"]
    assert summary["exit"] == done.returncode
    ours = {row["syscall"]: (row["calls"], row["errors"]) for row in summary["calls"]}
    assert without(ours) == without(theirs)
    assert sum(calls for calls, _ in ours.values()) > 30
    assert all(
        row["total_ns"] >= row["longest_ns"] > 0
        for row in summary["calls"]
        if row["syscall"] != "exit_group"
    )


def test_a_running_process_until_it_ends(daemon, tracerctl, tracee, until, follows):
    sleeper = tracee("sleeper", 2)
    words = ("summary", "--by", "pid", "-p", sleeper.pid)
    watching = tracerctl.start(*words, socket=daemon.socket, stdout=subprocess.PIPE, text=True)
    until(lambda: sleeper.tracer and follows(watching.pid))
    sleeper.finish()
    out, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    lines = out.splitlines()
    assert lines[0] == f"sleeper[{sleeper.pid}]"
    assert {line.split()[-1] for line in lines[3:-3]} <= {"pause", "restart_syscall"}


def test_a_process_that_others_hold_stays_under_trace(daemon, tracerctl, tracee, until, follows):
    sleeper = tracee("sleeper", 2)
    assert tracerctl("attach", sleeper.pid, socket=daemon.socket).returncode == 0
    words = ("summary", "-p", sleeper.pid)
    watching = tracerctl.start(*words, socket=daemon.socket, stdout=subprocess.PIPE, text=True)
    until(lambda: follows(watching.pid))
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert sleeper.tracer


def test_only_what_is_asked_for_is_counted(tracerctl):
    done = tracerctl("summary", "-e", "openat,close", "--failed", "--", "ls", "/etc/apt")
    assert done.returncode == 0
    assert {line.split()[-1] for line in done.stderr.splitlines()[2:-3]} == {"openat"}


@pytest.mark.parametrize("words", [(), ("-p", 1, "--", "true"), ("-p", 1, "--seccomp")])
def test_what_makes_no_sense(tracerctl, words):
    done = tracerctl("summary", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("tracerctl: ")


def test_a_command_that_is_not_there(tracerctl):
    done = tracerctl("summary", "--", "/nowhere/at/all")
    assert done.returncode == 127
    assert "calls" not in done.stderr
