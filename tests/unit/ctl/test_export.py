"""Recordings shown again and exported, without a daemon: real files, made here."""

import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_strategies import any_event

from tracerd.ctl.errors import CommandError
from tracerd.ctl.export.perfetto import Timeline
from tracerd.ctl.main import main
from tracerd.ctl.recording import Lines, Recording, Selection
from tracerd.protocol import events
from tracerd.protocol.codec import encode_json, encode_msgpack
from tracerd.protocol.events import Exec, Exit, FileAccess, NewChild, SignalStop, SyscallExit
from tracerd.protocol.framing import msgpack_batch
from tracerd.protocol.messages import Argument, SyscallInfo, SyscallsReply
from tracerd.protocol.recording import Header, beginning, ending

ROWS = [
    SyscallInfo(
        name="openat", nr=257, classes=["file", "desc"], ret="fd", level="path",
        args=[Argument(name="dfd", kind="dirfd"), Argument(name="filename", kind="path"),
              Argument(name="flags", kind="flags")],
    ),
    SyscallInfo(
        name="close", nr=3, classes=["desc"], ret="int", level="io",
        args=[Argument(name="fd", kind="fd")],
    ),
]  # fmt: skip
HEADER = Header(run="r", created_ns=1_000, tracerd="1", command=["x"], syscalls=ROWS)


def event(type_, seq, *, pid=40, comm="sh", **fields):
    when = {"seq": seq, "time_ns": 1_000 + seq * 1_000, "pid": pid, "tid": pid, "start": 9}
    return type_(**when, comm=comm, **fields)


def opened(seq, path, **fields):
    return event(
        SyscallExit, seq, syscall="openat", nr=257, duration_ns=500,
        args={"dfd": "AT_FDCWD", "filename": path, "flags": ["O_RDONLY"]},
        files=[FileAccess(path=path, op="read", raw=path)], **fields,
    )  # fmt: skip


EVENTS = [
    event(Exec, 1, path="/bin/sh", argv=["sh"]),
    opened(2, "/etc/passwd", ret=3, ret_path="/etc/passwd"),
    event(NewChild, 3, child=41, kind="fork", child_start=9),
    event(Exec, 4, pid=41, comm="cat", path="/bin/cat", argv=["cat"]),
    opened(5, "/nowhere", pid=41, comm="cat", ret=-1, errno="ENOENT"),
    event(SyscallExit, 6, syscall="close", nr=3, args={"fd": 3}, fds={"fd": "/etc/passwd"}, ret=0),
    event(Exit, 7, pid=41, comm="cat", code=1, process=True),
    event(SignalStop, 8, signal="SIGCHLD", signo=17, code="CLD_EXITED", sender_pid=41,
          sender_uid=0, status=1, utime=0, stime=2),
    event(Exit, 9, code=0, process=True),
]  # fmt: skip


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "t.trace"
    batches = [EVENTS[:4], EVENTS[4:]]
    frames = [msgpack_batch(list(map(encode_msgpack, batch))) for batch in batches]
    path.write_bytes(beginning(HEADER) + b"".join(frames) + ending("target"))
    return path


@pytest.fixture
def ctl(capsys):
    """`ctl(*words)`: exit code, output, errors."""

    def call(*words):
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def written(tmp_path, ctl):
    """`written(*words)`: what a verb writes with -o; it succeeds and says nothing."""

    def call(*words):
        path = tmp_path / "out"
        assert ctl(*words, "-o", path) == (0, "", "")
        return path.read_text()

    return call


STRACE = """\
40    openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3</etc/passwd>
41    openat(AT_FDCWD, "/nowhere", O_RDONLY) = -1 ENOENT (No such file or directory)
40    close(3</etc/passwd>)             = 0
41    +++ exited with 1 +++
40    --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=41, si_uid=0, si_status=1, \
si_utime=0, si_stime=2} ---
40    +++ exited with 0 +++
"""


def test_replay_shows_what_watch_would(trace, written):
    lines = written("replay", trace).splitlines()

    assert lines[0] == '[pid    40] +++ executed "/bin/sh", ["sh"] +++'
    assert lines[2] == "[pid    40] +++ new process 41 (fork) +++"
    assert len(lines) == len(EVENTS)
    again = written("replay", "--json", trace).splitlines()
    assert again == [encode_json(each).decode() for each in EVENTS]


@pytest.mark.parametrize(
    ("options", "seqs"),
    [
        (["-e", "close"], [6]),
        (["-e", "%file"], [2, 5]),
        (["-e", "!openat"], [1, 3, 4, 6, 7, 8, 9]),
        (["--path", "/etc/"], [2]),
        (["--path", "/etc/", "--level", "io"], [2]),
        (["--failed"], [5]),
        (["--comm", "cat", "--type", "exec,exit"], [4, 7]),
        (["--exe", "/bin/cat"], [4, 5, 7]),
        (["--tree", "41"], [4, 5, 7]),
        (["--tree", "40", "--op", "read"], [2, 5]),
        (["--pid", "!41", "--type", "exit"], [9]),
        (["--min-duration", "1s"], []),
    ],
)
def test_filters_pass_what_the_daemon_would(trace, written, options, seqs):
    found = written("replay", "--json", *options, trace).splitlines()

    assert [json.loads(line)["seq"] for line in found] == seqs


def test_lines_with_filters_show_signals_and_ends_too(trace, written):
    lines = written("replay", "-e", "close", trace).splitlines()

    assert [line.split("] ")[1][:8] for line in lines] == [
        "close(3<", "+++ exit", "--- SIGC", "+++ exit",
    ]  # fmt: skip


def test_strace(trace, written):
    assert written("export", "--format", "strace", trace) == STRACE


def test_ndjson_there_and_back(trace, written, tmp_path, ctl):
    lines = written("export", "--format", "ndjson", trace)
    assert lines.splitlines() == [encode_json(each).decode() for each in EVENTS]
    path = tmp_path / "events"
    path.write_text(lines + "\n")
    assert written("export", "--format", "ndjson", path) == lines


def test_files(trace, written):
    table = written("export", "--format", "files", trace)

    assert "/etc/passwd  read 1  sh[40]" in table
    assert "/nowhere  ENOENT: read 1  cat[41]" in table
    assert table.endswith("complete: yes (0 lost, 0 blind, 0 unresolved)\n")


def test_perfetto(trace, written):
    document = json.loads(written("export", "--format", "perfetto", trace))

    found = document["traceEvents"]
    assert document["otherData"] == {"start_ns": "1000"}
    names = {(e["pid"], e["name"]): e["args"]["name"] for e in found if e["ph"] == "M"}
    assert names == {
        (40, "process_name"): "sh", (40, "thread_name"): "sh",
        (41, "process_name"): "cat", (41, "thread_name"): "cat",
    }  # fmt: skip
    [slice_] = [e for e in found if e["ph"] == "X" and e["pid"] == 41]
    assert (slice_["name"], slice_["ts"], slice_["dur"]) == ("openat", 4.5, 0.5)
    assert slice_["args"]["error"] == "ENOENT (No such file or directory)"
    instants = [(e["name"], e["ts"], e["s"]) for e in found if e["ph"] == "i"]
    assert ("signal_stop SIGCHLD", 8.0, "t") in instants
    assert ("exec", 1.0, "p") in instants
    assert ("close", 6.0, "t") in instants  # its beginning was not seen


def complete(document):
    """Assert what the format asks of every entry."""
    for entry in document["traceEvents"]:
        assert entry["ph"] in {"M", "X", "i"}
        assert type(entry["pid"]) is type(entry["tid"]) is int
        assert entry["ph"] == "M" or isinstance(entry["ts"], int | float)
        assert entry["ph"] != "X" or entry["dur"] is not None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(any_event, max_size=4), max_size=3))
def test_any_events_make_a_timeline(batches):
    timeline = Timeline()

    made = [timeline.beginning(), *map(timeline.of, batches), timeline.ending()]

    complete(json.loads(b"".join(made)))


@settings(max_examples=200, deadline=None)
@given(st.binary() | st.binary().map(beginning(HEADER).__add__))
def test_any_file_is_events_or_an_error(raw):
    for kind in (Recording, Lines):
        try:
            source = kind("t.trace", io.BytesIO(raw))
            for batch in source.batches():
                assert all(isinstance(each, events.Event) for each in batch)
        except CommandError as error:
            said = str(error)
        else:
            said = "t.trace: at byte 0"
        assert said.startswith("t.trace: at byte ")


@settings(max_examples=200, deadline=None)
@given(st.lists(any_event, max_size=6))
def test_any_events_can_be_held_against_filters(found):
    table = Lines("x", io.BytesIO())
    table.syscalls = lambda: SyscallsReply(syscalls=ROWS)
    every = Selection(table, {"tree": ["!77"], "exe": "!/bin/nothing"})

    assert set(map(id, every.of(found))) <= set(map(id, found))


@pytest.mark.parametrize("words", [["replay"], ["export", "--format", "strace"]])
def test_bad_files(ctl, tmp_path, trace, words):
    path = tmp_path / "bad"
    path.write_bytes(b"\x7fELF")
    assert ctl(*words, path) == (
        1, "", f"tracerctl: {path}: at byte 0: not a recording of tracerctl\n",
    )  # fmt: skip
    code, _, err = ctl(*words, tmp_path / "none")
    assert (code, err) == (1, f"tracerctl: cannot read {tmp_path}/none: {os.strerror(2)}\n")
    assert ctl("replay", "-e", "opena", trace)[::2] == (
        2, "tracerctl: --syscall: unknown syscall `opena`; did you mean `openat`?\n",
    )  # fmt: skip


def test_a_file_cut_short(ctl, trace, tmp_path):
    whole = trace.read_bytes()
    trace.write_bytes(whole[:-20])
    out = tmp_path / "out"

    for words in (["replay"], ["export", "--format", "perfetto"]):
        code, _, err = ctl(*words, trace, "-o", out)

        assert code == 1
        assert "cut short, in the middle of a batch of events" in err
        assert err.startswith(f"tracerctl: {trace}: at byte ")
    assert len(json.loads(out.read_text())["traceEvents"]) == 8  # of the first batch


def test_lines_that_are_no_events(ctl, tmp_path):
    path = tmp_path / "events"
    path.write_bytes(encode_json(EVENTS[0]) + b'\n{"type": "exit"}\n')

    code, _, err = ctl("export", "--format", "ndjson", path, "-o", tmp_path / "out")

    offset = len(encode_json(EVENTS[0])) + 1
    assert code == 1
    assert err.startswith(f"tracerctl: {path}: at byte {offset}: a malformed exit event")
