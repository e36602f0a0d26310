"""Streams of bytes, split anywhere, give the same messages or the same one error."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from protocol_strategies import any_event, chunked

from tracerd.protocol.codec import decode_frame, encode_msgpack
from tracerd.protocol.framing import (
    DelimitedReader,
    FrameReader,
    ProtocolError,
    frame,
    msgpack_batch,
    msgpack_end,
    too_deep,
)

LIMIT = 16


def drain(take):
    """All that can be taken, and the error that ended it."""
    taken = []
    try:
        while (item := take()) is not None:
            taken.append(item)
    except ProtocolError as error:
        return taken, error.reason
    return taken, None


def fed(reader, take, chunks):
    """What a reader gives for these chunks when it is drained after each."""
    taken = []
    for chunk in chunks:
        reader.receive_data(chunk)
        more, error = drain(take)
        taken += more
        if error is not None:
            assert drain(take) == ([], None), "an error is told once"
            return taken, error
    return taken, None


def split_at_once(data, limit):
    """The obvious meaning of a delimited stream, all of it at hand."""
    first = min((at for at in (data.find(b"\0"), data.find(b"\n")) if at >= 0), default=-1)
    delimiter = data[first : first + 1] if first >= 0 else None
    messages = []
    while True:
        end = data.find(delimiter) if delimiter else -1
        if (end if end >= 0 else len(data)) > limit:
            return messages, f"a message of more than {limit} bytes: the message size limit"
        if end < 0:
            return messages, None
        message, data = data[:end], data[end + 1 :]
        if delimiter == b"\0" or message.strip():
            messages.append(message)


streams = st.lists(
    st.sampled_from([b"\0", b"\n", b"{}", b" ", b"abc", b"x" * LIMIT, b"y" * 7]), max_size=12
).map(b"".join)


@given(st.data())
def test_split_anywhere_delimited(data):
    stream = data.draw(streams)
    chunks = data.draw(chunked(stream))
    reader = DelimitedReader(LIMIT)

    assert fed(reader, reader.next_message, chunks) == split_at_once(stream, LIMIT)


@given(streams)
def test_byte_by_byte_delimited(stream):
    reader = DelimitedReader(LIMIT)
    chunks = [stream[at : at + 1] for at in range(len(stream))]

    assert fed(reader, reader.next_message, chunks) == split_at_once(stream, LIMIT)


@pytest.mark.parametrize("mode", ["varlink", "ndjson", None])
def test_message_size_limit_is_exact(mode):
    end = b"\n" if mode == "ndjson" else b"\0"
    exact, over = DelimitedReader(LIMIT, mode), DelimitedReader(LIMIT, mode)
    exact.receive_data(b"x" * LIMIT + end)
    over.receive_data(b"x" * (LIMIT + 1) + end)

    assert exact.next_message() == b"x" * LIMIT
    with pytest.raises(ProtocolError, match=r"more than 16 bytes: the message size limit"):
        over.next_message()


def test_a_message_without_end_is_refused_as_soon_as_it_is_too_long():
    reader = DelimitedReader(LIMIT)
    reader.receive_data(b"x" * LIMIT)
    assert reader.next_message() is None
    reader.receive_data(b"x")

    with pytest.raises(ProtocolError, match="message size limit"):
        reader.next_message()


def test_what_is_sent_ahead_is_bounded():
    reader = DelimitedReader(LIMIT, backlog=100)
    for _ in range(1000):
        reader.receive_data(b"{}\0" * 10)

    with pytest.raises(ProtocolError, match="more than 116 bytes sent ahead: the backlog limit"):
        reader.next_message()
    assert reader.next_message() is None


def test_whole_messages_before_a_fault_are_given_first():
    reader = DelimitedReader(LIMIT)
    reader.receive_data(b"one\0two\0" + b"x" * 20)

    assert drain(reader.next_message) == (
        [b"one", b"two"],
        "a message of more than 16 bytes: the message size limit",
    )


def test_first_delimiter_decides():
    newline, nul = DelimitedReader(LIMIT), DelimitedReader(LIMIT)
    newline.receive_data(b"a\nb\0c\n")
    nul.receive_data(b"a\0b\nc\0")

    assert drain(newline.next_message)[0] == [b"a", b"b\0c"]
    assert newline.mode == "ndjson"
    assert drain(nul.next_message)[0] == [b"a", b"b\nc"]
    assert nul.mode == "varlink"


def test_take_rest_gives_what_follows_the_last_message():
    reader = DelimitedReader(LIMIT)
    reader.receive_data(b"{}\0raw bytes\0")
    reader.next_message()

    assert reader.take_rest() == b"raw bytes\0"
    reader.receive_data(b"more")
    assert reader.next_message() is None


@given(st.lists(any_event, max_size=40))
@example([])
@example([None] * 0x0F)
@example([None] * 0x10)
@example([None] * 0xFFFF)
@example([None] * 0x10000)
def test_a_spliced_batch_is_the_encoding_of_the_whole(batch):
    spliced = msgpack_batch([encode_msgpack(event) for event in batch])

    assert spliced == frame(msgspec.msgpack.encode(batch))


@given(st.data())
def test_split_anywhere_frames(data):
    payloads = data.draw(st.lists(st.binary(max_size=LIMIT + 2), max_size=6))
    stream = b"".join(frame(payload) for payload in payloads) + data.draw(st.binary(max_size=3))
    reader = FrameReader(LIMIT)
    good = []
    for payload in payloads:
        if len(payload) > LIMIT:
            break
        good.append(payload)

    taken, error = fed(reader, reader.next_frame, data.draw(chunked(stream)))

    assert taken == good
    assert (error is None) == (len(good) == len(payloads))
    if error:
        assert "more than 16: the frame size limit" in error


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_frame_soup_gives_nothing_but_protocol_errors(chunks):
    reader = FrameReader(LIMIT)

    fed(reader, reader.next_frame, chunks)


def test_frame_size_limit_is_exact():
    exact, over = FrameReader(LIMIT), FrameReader(LIMIT)
    exact.receive_data(frame(b"x" * LIMIT))
    over.receive_data(frame(b"x" * (LIMIT + 1)))

    assert exact.next_frame() == b"x" * LIMIT
    with pytest.raises(ProtocolError, match="a frame of 17 bytes, more than 16"):
        over.next_frame()
    assert over.next_frame() is None


def test_a_frame_too_large_is_refused_before_it_has_come():
    reader = FrameReader()
    reader.receive_data(b"\xff\xff\xff\xff")

    with pytest.raises(ProtocolError, match="the frame size limit"):
        reader.next_frame()


def test_a_cut_frame_can_be_told():
    reader = FrameReader()
    reader.receive_data(frame(b"whole") + frame(b"cut")[:-1])

    assert reader.next_frame() == b"whole"
    assert reader.next_frame() is None
    assert reader.partial
    reader.receive_data(b"t")
    assert reader.next_frame() == b"cut"
    assert not reader.partial


def test_a_frame_may_end_the_stream():
    reader = FrameReader()
    reader.receive_data(msgpack_end("shutdown"))

    assert decode_frame(reader.next_frame()) == "shutdown"


def depth_of(value):
    """How deep a JSON value nests."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


nasty = st.text(alphabet='[]{}"\\ab,:\n', max_size=8)
nested = st.recursive(
    nasty | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(nasty, inner, max_size=4),
    max_leaves=30,
)


@given(nested, st.integers(0, 8))
def test_nesting_is_measured_exactly(value, limit):
    assert too_deep(msgspec.json.encode(value), limit) == (depth_of(value) > limit)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_limit_is_exact(opening, closing):
    value = b"1" if opening != b"[" else b""

    assert not too_deep(opening * 64 + value + closing * 64)
    assert too_deep(opening * 65 + value + closing * 65)
    assert too_deep(opening * 1_000_000)


def test_breadth_is_not_depth():
    assert not too_deep(b"[" + b",".join([b"[]"] * 100_000) + b"]")
    assert not too_deep(msgspec.json.encode(["[" * 1000, '"[' * 1000, "\\" * 1000, '\\"{' * 1000]))
