"""The file with the place where a watcher was."""

import pytest

from tracerd.ctl.cursor_file import CursorFile
from tracerd.ctl.errors import CommandError
from tracerd.protocol import events
from tracerd.protocol.codec import encode_json


def event(seq):
    return events.Exit(seq=seq, time_ns=0, pid=1, tid=1, code=0)


def beat(seq):
    return events.Heartbeat(seq=seq, time_ns=0, pid=0, tid=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cursor"


@pytest.mark.parametrize("encode", [encode_json, lambda each: each], ids=["json", "structs"])
def test_it_is_written_while_events_come_and_read_again(path, encode):
    file = CursorFile(str(path))
    assert file.since == ""
    file.begin("aa", 7)
    file.passed(encode(event(8)))
    assert path.read_text() == "aa:8\n"
    file.passed(encode(event(9)))
    assert path.read_text() == "aa:8\n"  # at most once a second
    file.write()
    assert path.read_text() == "aa:9\n"
    assert CursorFile(str(path)).since == "aa:9"
    assert [each.name for each in path.parent.iterdir()] == ["cursor"]


@pytest.mark.parametrize("encode", [encode_json, lambda each: each], ids=["json", "structs"])
def test_heartbeats_are_not_shown(path, encode):
    batch = [encode(beat(3)), encode(event(4)), encode(beat(5))]
    assert CursorFile(str(path)).without_beats(batch) == [encode(event(4))]


def test_nothing_seen_leaves_it_as_it_is(path):
    path.write_text("01d:9\n")
    file = CursorFile(str(path))
    file.begin("aa", 7)  # another run, of which nothing came yet
    file.write()
    assert path.read_text() == "01d:9\n"


def test_the_first_begins_at_the_head(path):
    file = CursorFile(str(path))
    file.begin("aa", 7)
    file.write()
    assert path.read_text() == "aa:7\n"


@pytest.mark.parametrize("content", [b"all\n", b"5\n", b"\xff\xfe", b"root:x:0:0\n"])
def test_what_is_no_cursor_is_refused_and_not_overwritten(path, content):
    path.write_bytes(content)
    with pytest.raises(CommandError, match="no file with a cursor"):
        CursorFile(str(path))
    assert path.read_bytes() == content


def test_an_empty_one_is_as_none(path):
    path.touch()
    assert CursorFile(str(path)).since == ""


def test_one_that_cannot_be_written_is_an_error_and_leaves_nothing(path):
    file = CursorFile(str(path))
    file.begin("aa", 7)
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        file.write()
    assert [each.name for each in path.parent.iterdir()] == ["cursor"]
