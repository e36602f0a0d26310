"""A subscriber that makes programs wait keeps none of them from being killed."""

import json
import os
import signal
import subprocess
import time

import pytest
from build import command

PARENT = '"$@" & echo $!; wait $!; echo ended $?'
"""A shell that is not traced, whose child is."""


def status(tracerctl, daemon):
    return json.loads(tracerctl("status", "--json", socket=daemon.socket).stdout)


@pytest.fixture
def flood(processes, tracerctl, daemon):
    """A parent and the pid of its child, which calls without pause and is attached to."""
    words = ["sh", "-c", PARENT, "sh", *command("getppid16", 60, 4)]
    parent = processes.start(words, stdout=subprocess.PIPE, text=True)
    first = {parent.stdout.readline(), parent.stdout.readline()}  # in either order
    child = int((first - {"READY\n"}).pop())
    assert tracerctl("attach", child, socket=daemon.socket).returncode == 0
    return parent, child


@pytest.fixture
def stalled(flood, processes, tracerctl, daemon, until):
    """A subscriber that blocks and never reads; the child waits for it."""
    reader = tracerctl.start(
        "watch", "--overflow", "block", "--json", socket=daemon.socket, stdout=subprocess.PIPE
    )
    until(lambda: status(tracerctl, daemon)["held"] == 4)
    return reader


def stalls(tracerctl, daemon):
    [one] = status(tracerctl, daemon)["subscriptions"]
    return one["blocking"] and one["lost"] == 0


@pytest.mark.ptrace_case(34)
def test_killed_while_held_its_parent_sees_it_at_once(flood, stalled, tracerctl, daemon, until):
    parent, child = flood
    assert stalls(tracerctl, daemon)
    started = time.monotonic()
    os.kill(child, signal.SIGKILL)
    assert parent.stdout.readline() == "ended 137\n"
    assert time.monotonic() - started < 5  # the reader never reads: it is at once or never
    assert stalls(tracerctl, daemon)
    assert stalled.poll() is None
    until(lambda: status(tracerctl, daemon)["held"] == 0)
    assert status(tracerctl, daemon)["tracees"] == 0
