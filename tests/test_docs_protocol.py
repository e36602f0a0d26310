"""What the pages show is so: transcripts and programs in them, on a real daemon."""

from __future__ import annotations

import json
import os
import re
import select
import signal
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
CLIENT = (ROOT / "docs" / "client.md").read_text()
DEADLINE_S = 60

SHELL = 4321
"""The pid that stands for the shell in which the `$` lines are typed."""

DEFAULT_SOCKET = "/run/tracerd.sock"

VARIES = {
    *(
        "attached_ns",
        "cwd",
        "descriptors",
        "dev",
        "duration_ns",
        "exe",
        "head",
        "id",
        "ino",
        "oldest",
        "pid",
        "ppid",
    ),
    *("recorded_from", "run", "seq", "start", "tid", "time_ns", "uid", "url", "version"),
}
"""Fields of which only the type is compared."""

MAYBE = {"head", "oldest"}
"""Fields that are left out at 0, which they are when a daemon is young."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def agrees(told: Any, got: Any, where: str) -> None:
    """Fail unless `got` is what the page told."""
    assert type(told) is type(got), f"{where}: {got!r}"
    if isinstance(told, dict):
        assert set(told) - MAYBE == set(got) - MAYBE, f"{where}: {got!r}"
        for key, value in told.items():
            if key in MAYBE and key not in got:
                continue
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


def says(
    reader: subprocess.Popen[bytes], wanted: bytes, shell: subprocess.Popen[bytes], line: str
) -> None:
    """Type `line` until the reader, which may not listen yet, prints a line with `wanted`.

    The reader's output must be unbuffered.
    """
    assert reader.stdout is not None
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        type_in(shell, line)
        while select.select([reader.stdout], [], [], 0.3)[0]:
            said = reader.stdout.readline()
            assert said, "ended"
            if wanted in said:
                return
    pytest.fail(f"never printed {wanted!r}")


SNIPPETS = [
    pytest.param(PAGE, "rm {victim}", b"rm {victim}", id="protocol.md"),
    pytest.param(README, "cat /etc/passwd", b'"path": "/etc/passwd"', id="README.md"),
]


@pytest.mark.parametrize(("page", "typed", "wanted"), SNIPPETS)
def test_socat(
    daemon: str,
    shell: subprocess.Popen[bytes],
    tmp_path: Path,
    page: str,
    typed: str,
    wanted: bytes,
) -> None:
    """The line with socat and jq prints something for what the traced shell does."""
    (line,) = (block for block in blocks(page, "sh") if "socat" in block)
    assert DEFAULT_SOCKET in line
    victim = str(tmp_path / "victim")
    typed = f": > {victim}; {typed.format(victim=victim)}"
    peer = Peer(daemon, b"\0")
    with (
        peer.socket,
        subprocess.Popen(
            ["sh", "-c", line.replace(DEFAULT_SOCKET, daemon).replace("jq ", "jq --unbuffered ")],
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        ) as reader,
    ):
        try:
            parameters = {"pid": shell.pid, "scope": "connection"}
            peer.send(json.dumps({"method": "io.tracerd.Attach", "parameters": parameters}))
            assert "error" not in peer.receive()
            says(reader, wanted.replace(b"{victim}", victim.encode()), shell, typed)
        finally:
            os.killpg(reader.pid, signal.SIGTERM)


ON_TRIO = 'anyio.run(main, backend="trio")'
PROGRAMS = [
    *(block for page in (README, CLIENT) for block in blocks(page, "python")),
    re.sub(r"^anyio\.run\(.*", ON_TRIO, blocks(CLIENT, "python")[0], flags=re.MULTILINE),
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(daemon: str, shell: subprocess.Popen[bytes], program: str) -> None:
    """A script tells of the file that the traced shell reads, and ends when its stream does."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program.replace(str(SHELL), str(shell.pid))],
        stdout=subprocess.PIPE,
        bufsize=0,
        env=os.environ | {"TRACERD_SOCKET": daemon},
    ) as script:
        try:
            says(script, b"sh read /etc/passwd", shell, "cat < /etc/passwd")
            if "until" in program:
                type_in(shell, "exit")
                assert script.wait(DEADLINE_S) == 0
        finally:
            script.kill()


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
