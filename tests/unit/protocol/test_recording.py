"""Recordings: what was written comes back, and no bytes whatever do harm."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from protocol_strategies import any_event, chunked

from tracerd.protocol.codec import encode_msgpack
from tracerd.protocol.framing import frame, msgpack_batch
from tracerd.protocol.messages import Filter, SyscallInfo
from tracerd.protocol.recording import (
    MAGIC,
    BadRecording,
    Header,
    RecordingReader,
    beginning,
    catalogue_of,
    ending,
)

ROWS = [
    SyscallInfo(name="openat", nr=257, classes=["file", "desc"], args=[], ret="fd", level="path"),
    SyscallInfo(name="fstat", nr=5, classes=["desc", "%stat"], args=[], ret="int", level="fd"),
    SyscallInfo(name="getpid", nr=39, classes=[], args=[], ret="pid"),
]
HEADER = Header(
    run="r1", created_ns=7, tracerd="1", command=["ls"], filters=[Filter(pid=[3])], syscalls=ROWS
)


def written(batches, end="target"):
    frames = [msgpack_batch([encode_msgpack(event) for event in batch]) for batch in batches]
    return beginning(HEADER) + b"".join(frames) + ending(end)


def read(chunks):
    """Return the reader and all batches of it, up to where the bytes end."""
    reader = RecordingReader()
    batches = []
    for chunk in chunks:
        reader.receive_data(chunk)
        while (batch := reader.next_batch()) is not None:
            batches.append(batch)
    return reader, batches


batches_of_events = st.lists(st.lists(any_event, min_size=1, max_size=4), max_size=3)


@given(st.data(), batches_of_events)
def test_what_was_written_is_read(data, batches):
    reader, found = read(data.draw(chunked(written(batches))))

    reader.finish()
    assert (reader.header, reader.end, found) == (HEADER, "target", batches)


@given(batches_of_events, st.data())
def test_a_file_cut_short_gives_all_whole_batches_and_says_so(batches, data):
    whole = written(batches)
    size = data.draw(st.integers(0, len(whole) - 1))

    reader, found = read([whole[:size]])

    assert found == batches[: len(found)]
    ends = [len(beginning(HEADER))]
    for batch in batches:
        ends.append(ends[-1] + len(msgpack_batch([encode_msgpack(event) for event in batch])))
    assert len(found) == sum(end <= size for end in ends[1:])
    with pytest.raises(BadRecording, match=r"^at byte \d+: (cut short|it ends before)") as caught:
        reader.finish()
    assert caught.value.offset == max([0, *(end for end in (len(MAGIC), *ends) if end <= size)])


@given(st.binary() | st.binary().map(MAGIC.__add__) | st.binary().map(beginning(HEADER).__add__))
@example(MAGIC + frame(b"\x80"))
@example(beginning(HEADER) + b"\xff\xff\xff\xff")
@example(beginning(HEADER) + frame(b"\x91" * 100_000))
@example(beginning(HEADER) + frame(b"\x81\xa3end\x01"))
def test_any_bytes_are_events_or_that_error(raw):
    found, fault = [], BadRecording(0, "")
    try:
        reader, found = read([raw])
        reader.finish()
    except BadRecording as error:
        fault = error
    assert 0 <= fault.offset <= len(raw)
    assert fault.reason.isprintable()
    assert all(isinstance(event, msgspec.Struct) for batch in found for event in batch)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"\x7fELF", "at byte 0: not a recording of tracerctl"),
        (b"tracerd-trace 2\n", "at byte 0: a recording of another version"),
        (b"", "at byte 0: it ends before there is any event"),
        (MAGIC + frame(b"\x01"), "at byte 16: a malformed header"),
    ],
)
def test_what_is_wrong_is_said(raw, reason):
    with pytest.raises(BadRecording) as caught:
        read([raw])[0].finish()

    assert str(caught.value).startswith(reason)


def test_fields_that_a_later_version_adds_are_skipped():
    later = msgspec.msgpack.encode({**msgspec.to_builtins(HEADER), "host": "x"})

    reader, _ = read([MAGIC + frame(later)])

    assert reader.header == HEADER


def test_the_catalogue_is_that_of_the_daemon():
    found = catalogue_of(ROWS)

    assert found.names == {"openat", "fstat", "getpid"}
    assert found.classes == {
        "file": {"openat"}, "desc": {"openat", "fstat"}, "%stat": {"fstat"},
    }  # fmt: skip
    assert found.files == {"path": {"openat"}, "fd": {"openat", "fstat"}, "io": {"openat", "fstat"}}
