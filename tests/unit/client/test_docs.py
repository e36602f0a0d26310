"""The examples of docs/client.md that end by themselves, run against a real daemon.

Each is a block `py`, with the output it should have in the next block `text`; 4321 stands for
a shell, which is told what TYPED says once the example is listening.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tracerd.client

PAGE = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
EXAMPLES = re.findall(r"^```py\n(.*?)^```$.*?^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
DEADLINE_S = 60

TYPED = (
    ("/usr/bin/echo hello >&2; exit 3", ""),
    ("cat /etc/hostname; exit", "\n"),
    ("cat /etc/hostname; exit", ""),
    ("cat /etc/hostname /nowhere/at/all; exit", ""),
)
"""What the shell is told, and then the example."""

SUBSCRIPTIONS = (1, 1, 1, 2)


def until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def listens(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@pytest.fixture(scope="module")
def real_daemon(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("docs") / "tracerd.sock")
    with subprocess.Popen(
        [sys.executable, "-m", "tracerd", "--socket", path, "--log-level", "warning"]
    ) as process:
        try:
            until(lambda: listens(path))
            yield path
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def shell():
    with subprocess.Popen(
        ["sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_every_example_has_its_words():
    assert len(EXAMPLES) == PAGE.count("```py\n") == len(TYPED) == len(SUBSCRIPTIONS)
    assert all(line in PAGE for line, _answer in TYPED if "exit" in line and _answer == "")


@pytest.mark.parametrize(
    ("example", "typed", "subscriptions"), list(zip(EXAMPLES, TYPED, SUBSCRIPTIONS, strict=True))
)
def test_examples(real_daemon, shell, example, typed, subscriptions):
    (code, expected), (line, answer) = example, typed
    script = subprocess.Popen(
        [sys.executable, "-c", code.replace("4321", str(shell.pid))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TRACERD_SOCKET": real_daemon},
    )
    with script, tracerd.client.connect_sync(real_daemon, timeout=DEADLINE_S) as client:
        until(
            lambda: (
                any(process.pid == shell.pid for process in client.list().processes)
                and len(client.status().subscriptions) == subscriptions
            )
        )
        # Tracing is in force for all that is typed from here on.
        print(line, file=shell.stdin, flush=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            shell.wait(DEADLINE_S)
        output, errors = script.communicate(answer, timeout=DEADLINE_S)

    assert errors == ""
    if subscriptions > 1:  # whose events are in no order between them
        output, expected = (sorted(text.splitlines()) for text in (output, expected))
    assert output == expected
    assert script.returncode == 0
