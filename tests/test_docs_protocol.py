"""The transcripts of docs/protocol.md, played to a real daemon: the page tells the truth."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "protocol.md").read_text()
README = (ROOT / "README.md").read_text()
DEADLINE_S = 20

SHELL = 4321
"""The pid that stands for the shell in which the `$` lines are typed."""

DEFAULT_SOCKET = "/run/tracerd.sock"

VARIES = {
    *("attached_ns", "dev", "duration_ns", "exe", "head", "id", "ino", "oldest", "pid", "ppid"),
    *("run", "seq", "start", "tid", "time_ns", "uid", "url", "version"),
}
"""Fields of which only the type is compared."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def agrees(told: Any, got: Any, where: str) -> None:
    """Fail unless `got` is what the page told."""
    assert type(told) is type(got), f"{where}: {got!r}"
    if isinstance(told, dict):
        assert set(told) == set(got), f"{where}: {got!r}"
        for key, value in told.items():
            if key in VARIES:
                assert type(value) is type(got[key]), f"{where}.{key}: {got[key]!r}"
            else:
                agrees(value, got[key], f"{where}.{key}")
    elif isinstance(told, list):
        assert len(told) == len(got), f"{where}: {got!r}"
        for index, (one, other) in enumerate(zip(told, got, strict=True)):
            agrees(one, other, f"{where}[{index}]")
    else:
        assert told == got, where


class Peer:
    """A client without any of our code."""

    def __init__(self, path: str, end: bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(path)
        self.end = end
        self.buffer = b""

    def send(self, message: str) -> None:
        self.socket.sendall(message.encode() + self.end)

    def receive(self) -> Any:
        while self.end not in self.buffer:
            data = self.socket.recv(65536)
            assert data, "the daemon closed the connection"
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(self.end)
        return json.loads(message)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the socket of a daemon of our own."""
    path = str(tmp_path_factory.mktemp("docs") / "socket")
    with subprocess.Popen([sys.executable, "-m", "tracerd", "--socket", path]) as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while True:
                with socket.socket(socket.AF_UNIX) as probe:
                    if probe.connect_ex(path) == 0:
                        break
                assert process.poll() is None, "the daemon ended"
                assert time.monotonic() < deadline, "the daemon does not listen"
                time.sleep(0.01)
            yield path
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def shell() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def type_in(shell: subprocess.Popen[bytes], line: str) -> None:
    assert shell.stdin is not None
    shell.stdin.write(line.encode() + b"\n")
    shell.stdin.flush()


@pytest.mark.parametrize("end", [b"\0", b"\n"], ids=["varlink", "ndjson"])
@pytest.mark.parametrize("transcript", blocks(PAGE, "varlink"))
def test_transcript(
    daemon: str, shell: subprocess.Popen[bytes], transcript: str, end: bytes
) -> None:
    peer = Peer(daemon, end)
    with peer.socket:
        for number, line in enumerate(transcript.splitlines()):
            what, text = line[:2], line[2:].replace(str(SHELL), str(shell.pid))
            if what == "> ":
                json.loads(text)
                peer.send(text)
            elif what == "$ ":
                type_in(shell, text)
            else:
                assert what == "< ", line
                agrees(json.loads(text), peer.receive(), f"line {number}")


@pytest.mark.parametrize("page", [PAGE, README], ids=["protocol.md", "README.md"])
def test_socat(daemon: str, shell: subprocess.Popen[bytes], tmp_path: Path, page: str) -> None:
    """The line with socat and jq prints something for what the traced shell does."""
    (line,) = (block for block in blocks(page, "sh") if "socat" in block)
    assert DEFAULT_SOCKET in line
    peer = Peer(daemon, b"\0")
    with (
        peer.socket,
        subprocess.Popen(
            ["sh", "-c", line.replace(DEFAULT_SOCKET, daemon).replace("jq ", "jq --unbuffered ")],
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as reader,
    ):
        try:
            attach = {"method": "io.tracerd.Attach", "parameters": {"pid": shell.pid}}
            peer.send(
                json.dumps(attach | {"parameters": {"pid": shell.pid, "scope": "connection"}})
            )
            assert "error" not in peer.receive()
            wait_for_subscription(peer)
            victim = tmp_path / "victim"
            victim.touch()
            type_in(shell, f"cat /etc/passwd; rm {shlex.quote(str(victim))}")
            assert reader.stdout is not None
            assert any(
                b"/etc/passwd" in said or b"rm " in said
                for said in iter(reader.stdout.readline, b"")
            )
        finally:
            subprocess.run(["kill", "--", f"-{reader.pid}"], check=True)


def wait_for_subscription(peer: Peer) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        peer.send('{"method": "io.tracerd.Status"}')
        if peer.receive()["parameters"]["subscriptions"]:
            return
    pytest.fail("nobody subscribed")


def test_error_names_are_real() -> None:
    """Every error and method the page mentions exists in the interface."""
    interface = (ROOT / "tracerd" / "protocol" / "io.tracerd.varlink").read_text()
    for name in set(re.findall(r"io\.tracerd\.([A-Z]\w+)", PAGE + README)):
        assert re.search(rf"^(method|error) {name}\b", interface, re.MULTILINE), name


def test_every_event_type_is_listed() -> None:
    from tracerd.protocol.events import EVENT_TYPES

    rows = re.findall(r"^\| (`.*?`) \| ", PAGE, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(EVENT_TYPES) <= listed
