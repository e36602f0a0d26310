"""A stream that begins with the processes as they are: applied to it, what follows is the truth."""

import json
import os
import subprocess
import sys

import pytest

from tracerd.client import connect_sync
from tracerd.protocol.events import Attached, Exit, Synced, SyscallExit

DEADLINE_S = 60

BUSY = r"""
import json, os, sys, threading
here = sys.argv[1]
os.chdir(here)
over = threading.Event()

def work(number):
    step, held = 0, []
    while not over.is_set():
        step += 1
        fd = os.open(f"{here}/{number}-{step % 7}", os.O_CREAT | os.O_RDWR)
        os.write(fd, b"x")
        held.append(fd)
        if step % 3:
            os.close(held.pop(0))
        if len(held) > 20:
            for fd in held:
                os.close(fd)
            held = []

# One of them: of two, a descriptor that one has closed the other may get before both are told.
threads = [threading.Thread(target=work, args=(0,))]
for each in threads:
    each.start()
print("READY", flush=True)
sys.stdin.readline()
over.set()
for each in threads:
    each.join()
links = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in map(int, os.listdir("/proc/self/fd"))
         if os.path.exists(f"/proc/self/fd/{fd}")}
print(json.dumps({fd: link for fd, link in links.items() if link.startswith(here)}), flush=True)
"""


@pytest.fixture
def busy(processes, tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    process = processes.start(
        [sys.executable, "-ISc", BUSY, here],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "READY\n"
    process.here = str(here)
    return process


def test_the_snapshot_and_what_follows_are_the_open_files_at_the_end(daemon, busy):
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        client.attach(busy.pid)
        with client.subscribe(tree=busy.pid, until=busy.pid, overflow="block") as earlier:
            next(iter(earlier))  # it makes calls, and they are told
            with client.subscribe(
                tree=busy.pid, until=busy.pid, overflow="block", snapshot=True
            ) as stream:
                events = iter(stream)
                there = next(events)
                border = next(events)
                assert isinstance(there, Attached)
                assert isinstance(border, Synced)
                assert there.why == "snapshot"
                assert there.exe == os.path.realpath(sys.executable)
                assert there.cwd == busy.here
                assert there.argv == [sys.executable, "-ISc", BUSY, busy.here]
                assert len(there.threads) == 2
                assert {one.fd: one.kind for one in there.descriptors}[0] == "pipe"
                opened = {
                    one.fd: one.path for one in there.descriptors if one.path.startswith(busy.here)
                }
                assert {one.access for one in there.descriptors if one.fd in opened} <= {
                    "read-write"
                }
                earlier.close()  # one that does not read would hold it
                first = follow(events, opened, busy)
    assert border.seq == there.seq < first
    told = json.loads(busy.stdout.readline())
    assert opened == {int(fd): path for fd, path in told.items()}


def follow(events, opened, busy):
    """Apply what follows to the open files; returns the seq of the first event."""
    first = None
    calls = 0
    fresh = set()
    for event in events:
        first = first or event.seq
        if not isinstance(event, SyscallExit) or event.errno:
            assert not (isinstance(event, Exit) and event.code)
            continue
        # A call that was in progress at the snapshot may be in it already: one for each thread.
        in_progress = event.tid not in fresh
        fresh.add(event.tid)
        if event.syscall == "openat" and event.ret_path.startswith(busy.here):
            assert event.ret not in opened or (
                in_progress and opened[event.ret] == event.ret_path
            ), event
            opened[event.ret] = event.ret_path
        elif event.syscall == "close":
            fd = event.args["fd"]
            if busy.here in event.fds.get("fd", ""):
                assert fd in opened or in_progress, event
            opened.pop(fd, None)
        calls += 1
        if calls == 3000:
            busy.stdin.write("go\n")
            busy.stdin.flush()
    return first


def test_only_what_is_asked_for_and_a_line_for_people(daemon, tracerctl, tracee):
    one, other = tracee("sleeper"), tracee("sleeper")
    for each in (one, other):
        assert tracerctl("attach", each.pid, socket=daemon.socket).returncode == 0
    done = tracerctl(
        "watch", "--snapshot", "--pid", one.pid, "-n", 2, "--json", socket=daemon.socket
    )
    there, border = map(json.loads, done.stdout.splitlines())
    assert (there["type"], there["why"], there["pid"]) == ("attached", "snapshot", one.pid)
    assert border["type"] == "synced"
    done = tracerctl("watch", "--snapshot", "--pid", other.pid, "-n", 2, socket=daemon.socket)
    line = done.stdout.splitlines()[0]
    assert line.startswith(f"[pid {other.pid:>5}] +++ there already (1 thread, ")
    assert ", 1<pipe:[" in line
