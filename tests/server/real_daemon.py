"""A daemon as a process of its own, a client that is a few lines, and looks at processes."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

COMMAND = (sys.executable, "-m", "tracerd")
DEADLINE_S = 60


def wait_until(condition, seconds=DEADLINE_S):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
    return result


class Peer:
    """A client that speaks NDJSON, and waits."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE_S)
        wait_until(lambda: self.socket.connect_ex(path) == 0)
        self.lines = self.socket.makefile("rb")

    def send(self, method, more=False, **parameters):
        message = {"method": f"io.tracerd.{method}", "parameters": parameters, "more": more}
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def call(self, method, more=False, **parameters):
        self.send(method, more, **parameters)
        return self.reply()

    def reply(self):
        line = self.lines.readline()
        return json.loads(line) if line else None

    def events(self):
        """Yield the events of the stream, up to its end."""
        while (reply := self.reply()) is not None:
            assert "error" not in reply, reply
            if "end" in reply["parameters"]:
                return
            yield from reply["parameters"]["events"]

    def close(self):
        self.lines.close()
        self.socket.close()


class Daemons:
    """Starts daemons, and whatever else; ends them all."""

    def __init__(self, path):
        self.path = path
        self._stack = contextlib.ExitStack()

    def start(self, *options, command=None, **popen):
        """Start a daemon with its log on a pipe, or `command`."""
        command = command or (*COMMAND, "--socket", self.path)
        process = subprocess.Popen(
            [*command, *options], **{"stderr": subprocess.PIPE, "text": True} | popen
        )
        self._stack.callback(_end, process)
        return process

    def connect(self):
        """Connect, once the daemon listens."""
        return self._stack.enter_context(contextlib.closing(Peer(self.path)))

    def status(self):
        with contextlib.closing(Peer(self.path)) as peer:
            return peer.call("Status")["parameters"]

    def close(self):
        self._stack.close()


def _end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def ended(process, code):
    """Wait for the end, and return what was logged: one record a line."""
    _, log = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == code, log
    for line in log.splitlines():
        assert re.match(r"time=\S+Z level=(info|warning|error) msg=", line), log
    return log


def tracer_of(pid):
    return int(re.search(r"TracerPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def state_of(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")
