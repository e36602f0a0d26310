"""Events survive both formats; what is not an event gives None or one clear error."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_strategies import any_event, by_type

from tracerd.protocol import codec, events
from tracerd.protocol.framing import ProtocolError

FORMATS = {
    "json": (codec.encode_json, codec.decode_event_json),
    "msgpack": (codec.encode_msgpack, codec.decode_event_msgpack),
}
formats = pytest.mark.parametrize(("encode", "decode"), FORMATS.values(), ids=FORMATS)

EXIT = events.Exit(seq=1, time_ns=2, pid=3, tid=4, code=5)


def test_there_is_a_strategy_for_every_type():
    assert set(by_type) == set(events.EVENT_TYPES)


@pytest.mark.parametrize("name", events.EVENT_TYPES)
def test_strategies_vary_every_field(name):
    """A field that the strategy forgets would never be tested."""

    varied = set()

    @given(by_type[name])
    def look(event):
        varied.update(
            field.name
            for field in msgspec.structs.fields(event)
            if field.required or getattr(event, field.name) != field.default
        )

    look()

    assert varied >= set(events.EVENT_TYPES[name].__struct_fields__)


@formats
@given(event=any_event)
def test_any_event_survives(encode, decode, event):
    decoded = decode(encode(event))

    assert decoded == event
    assert type(decoded) is type(event)


@given(any_event)
def test_json_is_one_line_and_standard(event):
    encoded = codec.encode_json(event)

    assert b"\n" not in encoded
    assert b"\0" not in encoded
    assert json.loads(encoded)["type"] == event.__struct_config__.tag


@given(st.lists(any_event, max_size=5))
def test_a_batch_survives(batch):
    raws = [msgspec.Raw(codec.encode_json(event)) for event in batch]
    payload = msgspec.msgpack.encode(batch)

    assert codec.decode_batch_json(raws) == batch
    assert codec.decode_batch_msgpack(payload) == batch
    assert codec.decode_frame(payload) == batch


def test_unknown_types_are_skipped():
    unknown = {"type": "quantum_leap", "seq": 1}
    as_json = [codec.encode_json(EXIT), json.dumps(unknown).encode(), codec.encode_json(EXIT)]
    as_msgpack = msgspec.msgpack.encode([EXIT, unknown, EXIT])

    assert codec.decode_event_json(json.dumps(unknown).encode()) is None
    assert codec.decode_event_msgpack(msgspec.msgpack.encode(unknown)) is None
    assert codec.decode_batch_json(as_json) == [EXIT, EXIT]
    assert codec.decode_batch_msgpack(as_msgpack) == [EXIT, EXIT]


@formats
def test_unknown_fields_are_skipped(encode, decode):
    members = msgspec.to_builtins(EXIT) | {"mood": "fine"}

    assert decode(encode(members)) == EXIT


@formats
@pytest.mark.parametrize(
    "members",
    [
        {"type": "exit", "seq": 1},
        {"type": "exit", "seq": 1, "time_ns": 2, "pid": "3", "tid": 4, "code": 5},
        {"type": "lost"},
    ],
)
def test_a_malformed_known_event_is_an_error_that_names_it(encode, decode, members):
    with pytest.raises(ProtocolError, match=members["type"]):
        decode(encode(members))


@formats
@pytest.mark.parametrize("value", [{}, [], 3, None, {"type": 3}, {"kind": "exit"}])
def test_what_is_no_event_is_an_error(encode, decode, value):
    with pytest.raises(ProtocolError, match="not an event"):
        decode(encode(value))


def test_one_malformed_event_spoils_a_batch():
    bad = {"type": "exit", "seq": 1}

    with pytest.raises(ProtocolError, match="exit"):
        codec.decode_batch_json([codec.encode_json(EXIT), json.dumps(bad).encode()])
    with pytest.raises(ProtocolError, match="exit"):
        codec.decode_batch_msgpack(msgspec.msgpack.encode([EXIT, bad]))


def soup_or_mutant(encode):
    """Any bytes; and events with a few bytes changed, which get further into a decoder."""

    @st.composite
    def mutant(draw):
        data = bytearray(encode(draw(any_event)))
        for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=3)):
            data[at] = draw(st.integers(0, 255))
        return bytes(data[: draw(st.integers(0, len(data)))])

    return st.binary(max_size=60) | mutant()


@given(soup_or_mutant(codec.encode_json))
def test_json_soup_gives_nothing_but_protocol_errors(data):
    for decode in (codec.decode_event_json, lambda raw: codec.decode_batch_json([raw])):
        with contextlib.suppress(ProtocolError):
            decode(data)


@given(soup_or_mutant(codec.encode_msgpack))
def test_msgpack_soup_gives_nothing_but_protocol_errors(data):
    for decode in (codec.decode_event_msgpack, codec.decode_batch_msgpack, codec.decode_frame):
        with contextlib.suppress(ProtocolError):
            decode(data)


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting_is_never_fatal(depth):
    deep_json = b'{"type":"exit","x":' + b"[" * depth + b"]" * depth + b"}"
    deep_msgpack = b"\x82\xa4type\xa4exit\xa1x" + b"\x91" * depth + b"\x90"

    for decode, data in (
        (codec.decode_event_json, deep_json),
        (codec.decode_event_msgpack, deep_msgpack),
        (codec.decode_batch_msgpack, b"\x91" + deep_msgpack),
    ):
        with pytest.raises(ProtocolError):
            decode(data)
