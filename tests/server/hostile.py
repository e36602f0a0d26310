"""Clients that mean ill, and honest ones beside them whose stream has to stay whole."""

import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

from real_daemon import DEADLINE_S, Peer, wait_until

UID = 64999
"""Nobody's: so there is no process that this user could attach to by chance."""

TICKER = """
import os, select, sys
count = 0
while True:
    try: os.stat("/tick/%d" % count)
    except OSError: pass
    count += 1
    if select.select([0], [], [], 0.001)[0]: break
print(count, flush=True)
"""


@contextlib.contextmanager
def public_directory():
    """A directory where other users can reach what they know of.  Those of pytest are private."""
    with tempfile.TemporaryDirectory(prefix="tracerd-") as directory:
        os.chmod(directory, 0o711)
        yield directory


@contextlib.contextmanager
def as_user(uid):
    """Be another user for the kernel's eyes, for a moment.  The group is root's still: let go."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def connect(path, uid=UID):
    """Return a socket connected as another user."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(DEADLINE_S)
    with as_user(uid):
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:  # many come at once
                time.sleep(0.001)
            else:
                return sock


@contextlib.contextmanager
def room_for(descriptors):
    """Let this process have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(descriptors, hard)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def read_all(sock):
    """Return all that comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(1 << 16):
            found += data
    return found


def replies(data):
    """Return the replies in what a daemon wrote, each checked for its shape."""
    found = []
    for each in re.split(rb"[\0\n]", data):
        if each:
            reply = json.loads(each)
            assert "parameters" in reply, reply
            assert set(reply) <= {"parameters", "error", "continues"}, reply
            assert reply.get("error") != "io.tracerd.InternalError", reply
            found.append(reply)
    return found


class Honest:
    """A program that makes a call for each number, and a subscriber that has to see all of them.

    Use as a context manager; leaving it checks that.
    """

    def __init__(self, path, **subscribe):
        self._path = path
        self._subscribe = {"overflow": "block"} | subscribe
        self._seen = []

    def __enter__(self):
        self._program = subprocess.Popen(
            [sys.executable, "-ISc", TICKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._control, self._stream = Peer(self._path), Peer(self._path)
        pid = self._program.pid
        assert "error" not in self._control.call("Attach", pid=pid)
        first = self._stream.call(
            "Subscribe",
            more=True,
            until=pid,
            filters=[{"tree": [pid], "path": ["/tick/"]}],
            **self._subscribe,
        )
        assert "error" not in first, first
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        wait_until(lambda: len(self._seen) > 10)
        return self

    def _read(self):
        for event in self._stream.events():
            self._seen.append(event["files"][0]["path"] if "files" in event else event)

    def goes_on(self):
        """See that events come at this very moment."""
        before = len(self._seen)
        wait_until(lambda: len(self._seen) > before + 10)

    def __exit__(self, failed, *_):
        try:
            told, _ = self._program.communicate(b"x", timeout=DEADLINE_S)
            self._reader.join(DEADLINE_S)
            if failed is None:
                assert not self._reader.is_alive()
                # The first ones may have been before the attach.
                first = int(self._seen[0].rpartition("/")[2])
                assert self._seen == [f"/tick/{number}" for number in range(first, int(told))]
        finally:
            self._program.kill()
            self._program.wait()
            self._control.close()
            self._stream.close()


def flood(sock, data, *, seconds):
    """Send again and again until nothing has been taken for so long; return how many bytes went."""
    sent = 0
    sock.setblocking(False)
    view = memoryview(data)
    taken_at = time.monotonic()
    while time.monotonic() < taken_at + seconds:
        try:
            count = sock.send(view[sent % len(data) :])
        except BlockingIOError:
            time.sleep(0.005)
        except (BrokenPipeError, ConnectionResetError):
            break
        else:
            sent += count
            taken_at = time.monotonic()
    return sent
