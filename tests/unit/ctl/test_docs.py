"""docs/tracerctl.md says what is so."""

import re
import shlex
from pathlib import Path

import pytest

from tracerd.ctl.filters import OPTIONS
from tracerd.ctl.main import VERBS, parse
from tracerd.ctl.text.lines import Renderer
from tracerd.errors import BY_NAME
from tracerd.protocol import events

PAGE = (Path(__file__).parents[3] / "docs" / "tracerctl.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_what_is_typed_is_understood(line):
    name, *words = shlex.split(line, comments=True)

    assert name == "tracerctl"
    assert parse(words)[0] == words[0]


def test_every_verb_is_typed():
    assert {shlex.split(line)[1] for line in COMMANDS} == set(VERBS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_every_filter_is_listed(option):
    for flag in option.flags:
        assert f"`{flag}" in PAGE


def test_exit_codes():
    listed = dict(re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE))

    assert {error.exit_code for error in BY_NAME.values()} | {0} == set(map(int, listed))


def test_lines_are_as_shown():
    head = {"seq": 1, "time_ns": 0, "pid": 4321, "tid": 4321}
    opened = events.SyscallExit(
        **head,
        syscall="openat",
        nr=257,
        args={"dfd": "AT_FDCWD", "path": "/etc/passwd", "flags": ["O_RDONLY", "O_CLOEXEC"]},
        ret=3,
        ret_path="/etc/passwd",
    )
    refused = events.SyscallExit(
        **head,
        syscall="access",
        nr=21,
        args={"path": "/etc/ld.so.preload", "mode": ["R_OK"]},
        ret=-1,
        errno="ENOENT",
    )
    signal = events.SignalStop(
        **head, signal="SIGCHLD", signo=17, code="CLD_EXITED", sender_pid=4322, sender_uid=0
    )
    lost = events.Lost(seq=1, time_ns=0, pid=0, tid=0, count=12, first=5, last=17)
    shown = [opened, refused, signal, events.Exit(**head, code=0), lost]

    lines = "\n".join(map(Renderer().line, shown))

    assert f"```text\n{lines}\n```" in PAGE
