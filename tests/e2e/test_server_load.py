"""A threaded server under load is traced, watched and let go, and its clients notice nothing."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

DEADLINE_S = 60

SERVER = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with open("/etc/hostname", "rb") as file:
            body = self.path.encode() + b" " + file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
"""
"""A thread per connection; each request opens a file."""


class Load:
    """Clients that ask without pause; every other connection is used for one request only.

    failures: what went wrong, as text.  answered: how many requests were right.
    """

    def __init__(self, port, clients=4):
        self.failures = []
        self.answered = [0] * clients
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "a request was never answered"

    def _ask(self, number):
        expected = Path("/etc/hostname").read_bytes()
        connection, count = None, 0
        while not self._stop.is_set():
            count += 1
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
                connection.request("GET", f"/{number}/{count}")
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200 or body != b"/%d/%d " % (number, count) + expected:
                    self.failures.append(f"{answer.status} {body!r}")
                else:
                    self.answered[number] += 1
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None
            if number % 2 and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


@pytest.fixture
def server(processes):
    process = processes.start(
        [sys.executable, "-IS", "-c", SERVER], stdout=subprocess.PIPE, text=True
    )
    process.port = int(process.stdout.readline())
    return process


def more_of(load, until, count=5):
    """Wait until every client has been answered some more."""
    before = list(load.answered)
    until(
        lambda: (
            load.failures
            or all(now >= then + count for now, then in zip(load.answered, before, strict=True))
        )
    )
    assert load.failures == []


def tracers(pid, tracer_of):
    """The tracers of all threads that the process has now."""
    found = set()
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            found.add(tracer_of(int(tid)))
        except (OSError, IndexError, ValueError):
            continue  # it has ended meanwhile
    return found


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def status(tracerctl, daemon):
    return json.loads(tracerctl("status", "--json", socket=daemon.socket).stdout)


def test_no_request_fails_while_it_is_attached_and_let_go_ten_times(
    daemon, tracerctl, server, until, tracer_of, tmp_path
):
    log = tmp_path / "log"
    watcher = tracerctl.start("watch", "--json", "-o", log, socket=daemon.socket)
    few = tracerctl.start(
        "watch", "--json", "--type", "attached,detached", "-o", tmp_path / "few",
        socket=daemon.socket,
    )  # fmt: skip
    until(lambda: len(status(tracerctl, daemon)["subscriptions"]) == 2)
    with Load(server.port) as load:
        more_of(load, until)
        for _ in range(10):
            done = tracerctl("attach", server.pid, socket=daemon.socket)
            assert (done.returncode, done.stderr) == (0, "")
            assert 0 not in tracers(server.pid, tracer_of)
            more_of(load, until)
            done = tracerctl("detach", server.pid, socket=daemon.socket)
            assert (done.returncode, done.stderr) == (0, "")
            assert tracers(server.pid, tracer_of) == {0}
            more_of(load, until)
        assert watcher.poll() is None
    assert load.failures == []
    assert server.poll() is None
    assert status(tracerctl, daemon)["anomalies"] == 0
    subscriptions = {one["pid"]: one for one in status(tracerctl, daemon)["subscriptions"]}
    assert (subscriptions[few.pid]["matched"], subscriptions[few.pid]["lost"]) == (20, 0)
    until(lambda: (tmp_path / "few").read_text().count("\n") == 20)
    for each in (watcher, few):
        each.send_signal(signal.SIGINT)
        assert each.wait(DEADLINE_S) == 0
    kinds = [json.loads(line)["type"] for line in (tmp_path / "few").read_text().splitlines()]
    assert kinds == ["attached", "detached"] * 10
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(
        event.get("syscall") == "openat" and event["files"][0]["path"] == "/etc/hostname"
        for event in seen
    ) >= 10 * 4 * 5  # fmt: skip


@pytest.mark.parametrize("how", ["attached", "traced"])
def test_tracees_wait_for_a_blocking_reader_and_are_free_once_it_is_killed(
    daemon, tracerctl, server, until, how
):
    """The server's threads wait at their next call; nothing is lost, no request either."""
    if how == "attached":
        assert tracerctl("attach", server.pid, socket=daemon.socket).returncode == 0
        words = ["watch", "--overflow", "block"]
    else:
        words = ["trace", server.pid]
    reader = tracerctl.start(*words, "--json", socket=daemon.socket, stdout=subprocess.DEVNULL)
    until(lambda: status(tracerctl, daemon)["subscriptions"])
    until(lambda: status(tracerctl, daemon)["tracees"])
    with Load(server.port) as load:
        more_of(load, until)
        reader.send_signal(signal.SIGSTOP)
        until(lambda: state(reader.pid) == "T")

        def stalled():
            now = status(tracerctl, daemon)
            [one] = now["subscriptions"]
            before = list(load.answered)
            return (
                one["blocking"]
                and now["held"]
                and status(tracerctl, daemon)["subscriptions"] == [one]
                and load.answered == before
            )

        until(stalled)
        [one] = status(tracerctl, daemon)["subscriptions"]
        assert one["lost"] == 0
        assert one["matched"] == one["delivered"] + one["queued"]
        listed = json.loads(tracerctl("list", "--json", socket=daemon.socket).stdout)["processes"]
        assert [process["state"] for process in listed] == ["held"]

        reader.kill()
        reader.wait(DEADLINE_S)

        more_of(load, until)
        assert status(tracerctl, daemon)["held"] == 0
        assert status(tracerctl, daemon)["subscriptions"] == []
    assert load.failures == []


def test_a_blocking_reader_that_goes_on_has_lost_nothing(
    daemon, tracerctl, processes, until, tmp_path
):
    """It is stopped until its queue is full and the program waits, then continued."""
    count = 20_000
    script = f"i=0; read x; while [ $i -lt {count} ]; do test -e /tick; i=$((i+1)); done; exit 0"
    target = processes.start(["sh", "-c", script], stdin=subprocess.PIPE)
    assert tracerctl("attach", target.pid, socket=daemon.socket).returncode == 0
    log = tmp_path / "log"
    reader = tracerctl.start(
        "watch", "--overflow", "block", "--json", "--until", target.pid, "-o", log,
        socket=daemon.socket,
    )  # fmt: skip
    until(lambda: status(tracerctl, daemon)["subscriptions"])
    reader.send_signal(signal.SIGSTOP)
    until(lambda: state(reader.pid) == "T")
    target.stdin.write(b"\n")
    target.stdin.flush()
    until(lambda: status(tracerctl, daemon)["held"])
    assert target.poll() is None

    reader.send_signal(signal.SIGCONT)

    assert target.wait(DEADLINE_S) == 0
    assert reader.wait(DEADLINE_S) == 0
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    ticks = [
        event
        for event in seen
        if event["type"] == "syscall_exit"
        and any(file["path"] == "/tick" for file in event.get("files", ()))
    ]
    assert len(ticks) == count
    assert [event["seq"] for event in seen] == list(
        range(seen[0]["seq"], seen[0]["seq"] + len(seen))
    )
