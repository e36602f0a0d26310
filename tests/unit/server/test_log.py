"""One line per record, whatever is in it."""

import io
import json
import logging
import os
import re
import shlex
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.server.log import LineFormatter, Log, StderrHandler, logging_to_stderr


def record(message="hello", *, error=None, **fields):
    made = logging.LogRecord("tracerd.x", logging.INFO, "f.py", 1, message, (), None)
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    made.created = 1700000000.25
    made.fields = fields
    return made


def test_text_is_key_value_pairs():
    line = LineFormatter().format(record("ready to go", pid=12, path="/run/x y", empty=""))
    assert line == (
        'time=2023-11-14T22:13:20.250Z level=info msg="ready to go" logger=tracerd.x '
        'pid=12 path="/run/x y" empty=""'
    )


def test_json_is_one_object():
    line = LineFormatter("json").format(record(pid=12, path="/a\nb", odd="\udcff"))
    fields = json.loads(line)
    assert fields["time"] == "2023-11-14T22:13:20.250Z"
    assert fields["msg"] == "hello"
    assert fields["pid"] == 12
    assert fields["path"] == "/a\nb"
    assert fields["odd"] == "\udcff"


@given(st.text(), st.text())
def test_no_value_can_forge_a_line_or_a_field(message, value):
    line = LineFormatter().format(record(message, value=value))
    assert line.isprintable()
    assert [part.partition("=")[0] for part in shlex.split(line)] == [
        "time",
        "level",
        "msg",
        "logger",
        "value",
    ]
    assert len(LineFormatter("json").format(record(message, value=value)).splitlines()) == 1


def test_a_traceback_stays_in_its_line():
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError as error:
        made = record(error=error)
    line = LineFormatter().format(made)
    assert "\n" not in line
    assert "error=\"RuntimeError('two\\\\nlines')\"" in line
    assert 'traceback="Traceback' in line


def test_extra_of_plain_logging_is_shown_too():
    made = record()
    made.tid = 77
    assert LineFormatter().format(made).endswith(" tid=77")


def test_lines_reach_the_descriptor_in_order():
    reader, writer = os.pipe()
    handler = StderrHandler(writer)
    handler.setFormatter(LineFormatter())
    for number in range(100):
        handler.handle(record(f"n{number}"))
    handler.close()
    os.close(writer)
    with open(reader, encoding="utf-8") as lines:
        assert [line.split()[2] for line in lines] == [f"msg=n{number}" for number in range(100)]


def test_a_stalled_reader_stops_nobody_and_the_dropped_lines_are_counted():
    reader, writer = os.pipe()
    handler = StderrHandler(writer)
    handler.setFormatter(LineFormatter())
    for number in range(12_000):  # more than pipe and backlog hold
        handler.handle(record(f"n{number}", filling="x" * 50))
    received = io.StringIO()

    def read():
        with open(reader, encoding="utf-8") as lines:
            received.writelines(lines)

    thread = threading.Thread(target=read)
    thread.start()
    handler.close()
    os.close(writer)
    thread.join()
    log = received.getvalue()
    counts = re.findall(r'^level=warning msg="log lines dropped" count=(\d+)$', log, re.MULTILINE)
    assert counts
    assert log.count("msg=n") == 12_000 - sum(map(int, counts))


def test_a_closed_stderr_is_no_failure():
    reader, writer = os.pipe()
    os.close(reader)
    handler = StderrHandler(writer)
    handler.setFormatter(LineFormatter())
    handler.handle(record())
    handler.close()
    os.close(writer)


@pytest.mark.filterwarnings("default")
def test_everything_a_process_complains_of_goes_the_same_way(capfd):
    before = threading.excepthook, sys.unraisablehook
    with logging_to_stderr("text", "info"):
        Log("tracerd.test").info("plain", number=1)
        Log("tracerd.test").debug("not shown")
        logging.getLogger("other").warning("of another library")
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    assert (threading.excepthook, sys.unraisablehook) == before
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "msg=plain" in lines[0]
    assert 'level=warning msg="of another library" logger=other' in lines[1]
    assert "ZeroDivisionError" in lines[2]
