"""Events to bytes and back, in both formats.

The encoders are for the daemon: an event is encoded once per format in use and its bytes
are spliced into every subscriber's batch.  The decoders are for clients: an event type
from a newer daemon is skipped, a known one that is malformed is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tracerd.protocol.events import EVENT_TYPES, AnyEvent, Event
from tracerd.protocol.framing import ProtocolError

encode_json: Callable[[Event], bytes] = msgspec.json.Encoder().encode
encode_msgpack: Callable[[Event], bytes] = msgspec.msgpack.Encoder().encode

ENCODERS: dict[str, Callable[[Event], bytes]] = {"json": encode_json, "msgpack": encode_msgpack}
"""By format."""


class _Tag(msgspec.Struct):
    type: str


class _End(msgspec.Struct):
    end: str


_json_event = msgspec.json.Decoder(AnyEvent)
_json_events = msgspec.json.Decoder(list[AnyEvent])
_json_tag = msgspec.json.Decoder(_Tag)
_msgpack_event = msgspec.msgpack.Decoder(AnyEvent)
_msgpack_events = msgspec.msgpack.Decoder(list[AnyEvent])
_msgpack_tag = msgspec.msgpack.Decoder(_Tag)
_msgpack_raws = msgspec.msgpack.Decoder(list[msgspec.Raw])
_msgpack_end = msgspec.msgpack.Decoder(_End)

_MALFORMED = (msgspec.DecodeError, ValueError, RecursionError)
"""What a decoder raises on bytes of any kind (a UnicodeDecodeError is a ValueError)."""


def decode_event_json(data: bytes | msgspec.Raw) -> AnyEvent | None:
    """Return an event, or None if its type is not known here.  Raises ProtocolError."""
    return _decode_event(data, _json_event.decode, _json_tag.decode)


def decode_event_msgpack(data: bytes | msgspec.Raw) -> AnyEvent | None:
    """Return an event, or None if its type is not known here.  Raises ProtocolError."""
    return _decode_event(data, _msgpack_event.decode, _msgpack_tag.decode)


def decode_batch_json(events: Iterable[msgspec.Raw | bytes]) -> list[AnyEvent]:
    """Return the events of a Subscribe reply, without those of unknown types.

    Raises ProtocolError.
    """
    raws = list(events)
    try:
        return _json_events.decode(b"[" + b",".join(raws) + b"]")
    except _MALFORMED:
        return [event for raw in raws if (event := decode_event_json(raw)) is not None]


def decode_batch_msgpack(payload: bytes) -> list[AnyEvent]:
    """Return the events of a frame, without those of unknown types.  Raises ProtocolError.

    For the frame that ends the stream, see `decode_frame`.
    """
    try:
        return _msgpack_events.decode(payload)
    except _MALFORMED:
        pass
    try:
        raws = _msgpack_raws.decode(payload)
    except _MALFORMED as error:
        raise ProtocolError(f"a frame that is no batch of events: {error}") from None
    return [event for raw in raws if (event := decode_event_msgpack(raw)) is not None]


def is_end(payload: bytes) -> bool:
    """Return whether a frame ends the stream instead of holding events."""
    return bool(payload) and payload[0] & 0xF0 == 0x80  # a MessagePack fixmap


def decode_frame(payload: bytes) -> list[AnyEvent] | str:
    """Return the events of a frame, or why the stream ends here.  Raises ProtocolError.

    The reasons are those of SubscribeReply.end.
    """
    if is_end(payload):
        try:
            return _msgpack_end.decode(payload).end
        except _MALFORMED as error:
            raise ProtocolError(f"a frame that is no end of a stream: {error}") from None
    return decode_batch_msgpack(payload)


def _decode_event(
    data: bytes | msgspec.Raw,
    decode: Callable[[bytes | msgspec.Raw], AnyEvent],
    decode_tag: Callable[[bytes | msgspec.Raw], _Tag],
) -> AnyEvent | None:
    try:
        return decode(data)
    except _MALFORMED as error:
        fault = error
    try:
        tag = decode_tag(data).type
    except _MALFORMED:
        raise ProtocolError(f"not an event: {fault}") from None
    if tag in EVENT_TYPES:
        raise ProtocolError(f"a malformed {tag} event: {fault}")
    return None
