"""The command line."""

import os

import pytest

from tracerd import __version__
from tracerd.server.settings import SOCKET_MODE, Settings, default_socket, parse


def test_defaults():
    assert parse([]) == Settings()
    assert parse([]).mode == SOCKET_MODE == 0o666


def test_all_of_it():
    reader, writer = os.pipe()
    options = "--socket /x --mode 0660 --log-format json --log-level debug"
    given = parse([*options.split(), "--exit-on-eof", str(reader)])
    os.close(reader)
    os.close(writer)
    assert given == Settings(
        socket="/x", mode=0o660, log_format="json", log_level="debug", exit_on_eof=reader
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("64k", 64 << 10), ("3M", 3 << 20), ("2G", 2 << 30)],
)
def test_sizes_of_the_buffer(text, size):
    assert parse(["--buffer-size", text]).limits.history_bytes == size


@pytest.mark.parametrize(
    "arguments",
    [
        "--sock /x",
        "--mode 999",
        "--mode 7777",
        "--mode -1",
        "--log-format xml",
        "--log-level loud",
        "--exit-on-eof 999",
        "--exit-on-eof x",
        "--buffer-size 3x",
        "--buffer-size -1",
        "--buffer-size M",
        "--buffer-size 999999G",
        "extra",
    ],
)
def test_mistakes_end_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(arguments.split())
    assert caught.value.code == 2
    assert "tracerd: error:" in capsys.readouterr().err


def test_a_descriptor_that_cannot_end_is_refused(capsys):
    with open("/dev/null", encoding="utf-8") as null, pytest.raises(SystemExit):
        parse(["--exit-on-eof", str(null.fileno())])
    assert "is not a pipe, socket or terminal" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"tracerd {__version__}\n"


def test_default_socket(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_socket({"XDG_RUNTIME_DIR": "/run/user/0"}) == "/run/tracerd.sock"
    assert default_socket({"TRACERD_SOCKET": "/x"}) == "/x"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_socket({"XDG_RUNTIME_DIR": "/run/user/1000"}) == "/run/user/1000/tracerd.sock"
    with pytest.raises(LookupError, match="--socket"):
        default_socket({})
