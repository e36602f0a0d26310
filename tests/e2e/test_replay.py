"""Who comes late, or comes back, has everything: real programs, a real daemon, real breaks."""

import json
import random
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tracerd.client import connect_sync
from tracerd.protocol.events import Lost, Synced

DEADLINE_S = 60

COUNTER = r"""
import os, sys
here = sys.argv[1]
print("READY", flush=True)
for line in sys.stdin:
    for number in range(*map(int, line.split())):
        try:
            os.stat(f"{here}/{number}")
        except OSError:
            pass
    print("DONE", flush=True)
"""
"""For each line `FIRST END` makes the calls of these numbers."""


class Counter:
    def __init__(self, process, here):
        self.process = process
        self.pid = process.pid
        self.here = here
        self.done = 0
        assert process.stdout.readline() == "READY\n"

    def count(self, calls):
        """Make so many calls more."""
        self.process.stdin.write(f"{self.done} {self.done + calls}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "DONE\n"
        self.done += calls

    def number(self, path):
        return int(path.removeprefix(f"{self.here}/"))

    def numbers(self, events):
        """The numbers of the calls that are told of; fails if anything is said to be missing."""
        found = []
        for event in events:
            assert not isinstance(event, Lost), event
            if not isinstance(event, Synced):
                found.append(self.number(event.files[0].path))
        return found


@pytest.fixture
def counter(processes, tmp_path):
    here = str(tmp_path / "here")
    process = processes.start(
        [sys.executable, "-ISc", COUNTER, here],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return Counter(process, here)


def wanted(counter, **more):
    return {"path": f"{counter.here}/", "until": counter.pid, **more}


def test_streams_that_break_and_late_ones_are_whole(daemon, counter):
    chance = random.Random(7)
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        client.attach(counter.pid)
        followers = [client.follow(**wanted(counter)) for _ in range(3)]
        found = [[] for _ in followers]
        threads = [
            threading.Thread(target=lambda to=to, stream=stream: to.extend(stream))
            for to, stream in zip(found, followers, strict=True)
        ]
        for thread in threads:
            thread.start()
        late = []
        for _ in range(25):
            counter.count(chance.randrange(200))
            for stream in followers:
                if chance.random() < 0.4:
                    subscription = stream._subscription
                    if subscription is not None and not subscription.closed:
                        subscription._socket.shutdown(socket.SHUT_RDWR)
            if chance.random() < 0.2:
                late.append(client.subscribe(since="all", **wanted(counter)))
        counter.process.stdin.close()
        for stream in late:
            assert counter.numbers(stream) == list(range(counter.done))
            assert stream.end == "target"
        for thread, numbers, stream in zip(threads, found, followers, strict=True):
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
            assert counter.numbers(numbers) == list(range(counter.done))
            assert stream.end == "target"


def test_a_restarted_daemon_is_told(start_daemon, counter):
    daemon = start_daemon("--log-level", "warning")
    with connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        client.attach(counter.pid)
        stream = client.follow(path=f"{counter.here}/")
        events = iter(stream)
        counter.count(5)
        assert counter.numbers(next(events) for _ in range(5)) == list(range(5))
        first_run = stream.cursor.partition(":")[0]
        assert daemon.stop() == 0
        again = start_daemon("--log-level", "warning", path=daemon.socket)
        lost = next(events)
        assert (lost.why, lost.count) == ("restarted", 0)
        assert stream.cursor.partition(":")[0] != first_run
        with connect_sync(daemon.socket, timeout=DEADLINE_S) as other:
            other.attach(counter.pid)
            counter.count(5)
            assert counter.numbers(next(events) for _ in range(5)) == list(range(5, 10))
        stream.close()
    assert again.stop() == 0


def test_watch_goes_on_from_its_cursor_file(daemon, tracerctl, counter, tmp_path, until, follows):
    file = tmp_path / "cursor"
    assert tracerctl("attach", counter.pid, socket=daemon.socket).returncode == 0

    def watch(*words):
        log = tmp_path / "log"
        process = tracerctl.start(
            "watch", "--path", f"{counter.here}/", "--json", "-o", log, *words,
            socket=daemon.socket, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        process.log = log
        return process

    def numbers(process):
        """Wait for its end; return what it has shown."""
        _out, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, err
        events = [json.loads(line) for line in process.log.read_text().splitlines()]
        assert not [each for each in events if each["type"] in {"lost", "heartbeat"}]
        return [counter.number(each["files"][0]["path"]) for each in events if "files" in each]

    first = watch("--cursor-file", file, "-n", 10)
    until(lambda: follows(first.pid))
    counter.count(100)
    assert numbers(first) == list(range(10))
    second = watch("--cursor-file", file, "-n", 41)  # and a border
    assert numbers(second)[:30] == list(range(10, 40))
    counter.count(20)
    third = watch("--cursor-file", file)
    shown = len(numbers(second))
    until(lambda: third.log.read_text().count("\n") >= 121 - 10 - shown)
    counter.count(20)
    until(lambda: third.log.read_text().count("\n") >= 141 - 10 - shown)
    third.send_signal(signal.SIGINT)
    assert numbers(third) == list(range(10 + shown, 140))
    late = watch("--since", "5m", "-n", 141)
    assert numbers(late) == list(range(140))
    bad = tracerctl("watch", "--since", "yesterday", socket=daemon.socket)
    assert bad.returncode == 2
    assert "try 5m, all, or RUN:SEQ" in bad.stderr


def test_what_a_process_has_touched_while_nobody_watched(daemon, tracerctl, counter):
    refused = tracerctl("attach", "-e", "openat", counter.pid, socket=daemon.socket)
    assert refused.returncode == 2
    assert "--keep" in refused.stderr
    done = tracerctl(
        "attach", "--keep", "--path", f"{counter.here}/", counter.pid, socket=daemon.socket
    )
    assert done.returncode == 0, done.stderr
    counter.count(50)
    done = tracerctl("watch", "--since", "all", "-n", 51, "--json", socket=daemon.socket)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [counter.number(each["files"][0]["path"]) for each in events[:-1]] == list(range(50))
    assert events[-1]["type"] == "synced"
    assert tracerctl("detach", counter.pid, socket=daemon.socket).returncode == 0
