"""Writing lines: whole, in colour only where it is wanted, harmless on terminals."""

import json
import os
import pty
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.ctl.display import harmless
from tracerd.ctl.errors import CommandError
from tracerd.ctl.output import STDERR, STDOUT, Output
from tracerd.ctl.text.columns import columns


def test_where_it_goes(tmp_path):
    assert Output.open(None, STDERR).fd == STDERR
    assert Output.open("-", STDERR).fd == STDOUT
    with Output.open(str(tmp_path / "f"), STDERR) as output:
        output.lines(["é", "\udc80"])
        assert not os.get_inheritable(output.fd)
    assert (tmp_path / "f").read_bytes() == "é\n\\udc80\n".encode()
    with pytest.raises(CommandError, match="cannot write /nowhere/x: No such file"):
        Output.open("/nowhere/x", STDERR)


def test_a_descriptor_that_somebody_made_non_blocking():
    """A traced program may do so to the terminal it shares with us."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = b"x" * (1 << 20)
    received = []

    def read():
        while chunk := os.read(reader, 1 << 16):
            received.append(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    Output(writer).write(data)
    os.close(writer)
    thread.join(10)
    os.close(reader)

    assert b"".join(received) == data


@pytest.mark.parametrize(
    ("choice", "variables", "coloured"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {}, False),
    ],
)
def test_colours_on_a_terminal(monkeypatch, choice, variables, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()

    assert Output(theirs).ink(choice).coloured is coloured

    os.close(ours)
    os.close(theirs)


def test_no_colours_in_files(tmp_path):
    with Output.open(str(tmp_path / "f"), STDERR) as output:
        assert not output.ink("auto").coloured
        assert output.ink("always").coloured


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_on_a_terminal_means_the_same_and_does_nothing(value):
    data = msgspec.json.encode(value) + b"\n"

    made = harmless(data)

    assert json.loads(made) == value
    assert not any(char in made.decode() for char in "\x1b\x7f\x9b\u202e\u2028")


def test_columns():
    assert list(columns([("A", "NUMBER", "C"), ("long", "1", "")], right=frozenset({1}))) == [
        "A     NUMBER  C",
        "long       1",
    ]
