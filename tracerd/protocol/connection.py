"""A Varlink connection without any I/O: bytes in, messages out, and messages in, bytes out.

Use as with h11: hand what the socket gave to `receive_data`, then take messages until there
are none; write to the socket what the other methods return.  `next_call` and `next_reply`
raise ProtocolError once when the peer breaks the protocol (every other exception but those
they document is a bug here); after that the connection gives nothing more, and the caller
closes it.

The order of calls and replies is the caller's: a peer may send calls ahead, and they are
answered one after the other.  After an upgrade the connection is done with: `take_rest`
gives the bytes that came behind the last message.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import msgspec

from tracerd.errors import BY_NAME, TracerdError
from tracerd.protocol.calls import decode_parameters
from tracerd.protocol.framing import (
    NESTING_LIMIT,
    REPLY_LIMIT,
    REQUEST_LIMIT,
    TERMINATORS,
    DelimitedReader,
    Mode,
    ProtocolError,
    too_deep,
)
from tracerd.protocol.messages import Call, Reply

__all__ = [
    "ClientConnection",
    "Mode",
    "ProtocolError",
    "RemoteError",
    "ServerConnection",
    "decode_parameters",
    "parameters_as",
]

M = TypeVar("M")
S = TypeVar("S", bound=msgspec.Struct)

_NO_PARAMETERS = msgspec.Raw(b"{}")

_encode = msgspec.json.Encoder().encode
_decode_call = msgspec.json.Decoder(Call).decode


class _Answer(msgspec.Struct):
    """A reply as it comes in: as messages.Reply, with the parameters not decoded."""

    parameters: msgspec.Raw = _NO_PARAMETERS
    continues: bool = False
    error: str | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(eq=False)
class RemoteError(TracerdError):
    """An error of the peer's that this version has no class for."""

    error: str
    """Its full name."""
    fields: dict[str, object]
    name: ClassVar[str] = "io.tracerd.InternalError"

    def parameters(self) -> dict[str, object]:
        """Return the parameters as they came."""
        return dict(self.fields)

    def __str__(self) -> str:
        said = ", ".join(f"{key}: {value}" for key, value in self.fields.items())
        return f"{self.error} ({said})" if said else self.error


class ServerConnection:
    """The daemon's end.  `limit`: bytes of one call."""

    def __init__(self, limit: int = REQUEST_LIMIT) -> None:
        self._reader = DelimitedReader(limit)

    @property
    def mode(self) -> Mode:
        """How messages end; `varlink` until the first one has come."""
        return self._reader.mode or "varlink"

    def receive_data(self, data: bytes) -> None:
        """Take in bytes.  Never raises; faults are told by `next_call`."""
        self._reader.receive_data(data)

    def next_call(self) -> Call | None:
        """Return the next call, or None: more bytes are needed.

        The parameters are raw, for `decode_parameters`.  A call with `oneway` gets no
        reply, not even an error.  Raises ProtocolError.
        """
        message = self._reader.next_message()
        if message is None:
            return None
        call = _decode(self._reader, message, _decode_call)
        call.parameters = _given(call.parameters)
        return call

    @property
    def within_message(self) -> bool:
        """Whether a call has begun and not ended; ask when `next_call` gives nothing more."""
        return self._reader.partial

    def take_rest(self) -> bytes:
        """Return the bytes that came behind the last call, and take in no more."""
        return self._reader.take_rest()

    def reply(
        self, parameters: bytes | msgspec.Struct | Mapping[str, Any], *, continues: bool = False
    ) -> bytes:
        """Return a reply; `parameters` may be encoded already."""
        encoded = parameters if isinstance(parameters, bytes) else _encode(parameters)
        return b"".join(
            (
                b'{"parameters":',
                encoded,
                b',"continues":true}' if continues else b"}",
                TERMINATORS[self.mode],
            )
        )

    def events_reply(self, events: Sequence[bytes]) -> bytes:
        """Return the reply with a batch of events, each encoded already; more will follow."""
        return b"".join(
            (
                b'{"parameters":{"events":[',
                b",".join(events),
                b']},"continues":true}',
                TERMINATORS[self.mode],
            )
        )

    def error(self, error: TracerdError) -> bytes:
        """Return the reply that says what went wrong."""
        name = error.error if isinstance(error, RemoteError) else error.name
        answer = {"error": name, "parameters": error.parameters()}
        try:
            encoded = _encode(answer)
        except UnicodeEncodeError:
            encoded = _encode(_encodable(answer))
        return encoded + TERMINATORS[self.mode]


class ClientConnection:
    """The asker's end.  `limit`: bytes of one reply."""

    def __init__(self, mode: Mode = "varlink", limit: int = REPLY_LIMIT) -> None:
        self.mode: Mode = mode
        self._reader = DelimitedReader(limit, mode)

    def call(
        self,
        method: str,
        parameters: msgspec.Struct | Mapping[str, Any] | None = None,
        *,
        more: bool = False,
        upgrade: bool = False,
        oneway: bool = False,
    ) -> bytes:
        """Return a call; `method` is its full name, such as `io.tracerd.Attach`."""
        encoded = _NO_PARAMETERS if parameters is None else msgspec.Raw(_encode(parameters))
        call = Call(method, encoded, oneway=oneway, more=more, upgrade=upgrade)
        return _encode(call) + TERMINATORS[self.mode]

    def receive_data(self, data: bytes) -> None:
        """Take in bytes.  Never raises; faults are told by `next_reply`."""
        self._reader.receive_data(data)

    def next_reply(self) -> Reply | None:
        """Return the next reply, or None: more bytes are needed.

        Its `parameters` are a msgspec.Raw, for `parameters_as` or a decoder.  A reply that
        is an error is raised, as the class of its name in tracerd.errors, or as RemoteError;
        the connection goes on.  Raises ProtocolError.
        """
        message = self._reader.next_message()
        if message is None:
            return None
        answer = _decode(self._reader, message, _decode_answer)
        parameters = _given(answer.parameters)
        if answer.error is not None:
            raise _error(self._reader, answer.error, parameters)
        return Reply(parameters, answer.continues)

    def take_rest(self) -> bytes:
        """Return the bytes that came behind the last reply, and take in no more."""
        return self._reader.take_rest()


def parameters_as(reply: Reply, shape: type[S]) -> S:
    """Return the parameters of a reply as a struct; fields it does not know are skipped.

    Raises ProtocolError if they have another shape.
    """
    try:
        return msgspec.json.decode(reply.parameters, type=shape)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"a reply that is no {shape.__name__}: {error}") from None


def _decode(reader: DelimitedReader, message: bytes, decode: Callable[[bytes], M]) -> M:
    """Return a message, decoded.  Raises ProtocolError, and closes the reader."""
    if too_deep(message):
        raise reader.fail(f"a message nested deeper than {NESTING_LIMIT}: the nesting limit")
    try:
        message.decode()
        try:
            return decode(message)
        except msgspec.ValidationError:
            # Varlink writes what is not given as null too.
            members = _decode_members(message).items()
            given = {name: value for name, value in members if not _is_null(value)}
            return decode(_encode(given))
    except UnicodeDecodeError as error:
        raise reader.fail(f"a message that is not UTF-8, at byte {error.start}") from None
    except msgspec.ValidationError as error:
        raise reader.fail(f"a message that is not Varlink: {error}") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise reader.fail(f"a message that is not JSON: {error}") from None


def _given(parameters: msgspec.Raw) -> msgspec.Raw:
    return _NO_PARAMETERS if _is_null(parameters) else parameters


def _is_null(raw: msgspec.Raw) -> bool:
    view = memoryview(raw)
    return len(view) == len(b"null") and bytes(view) == b"null"


def _error(reader: DelimitedReader, name: str, raw: msgspec.Raw) -> TracerdError:
    """Return the error that a reply carries, with the fields this version knows."""
    try:
        fields: dict[str, object] = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise reader.fail(f"an error with bad parameters: {error}") from None
    known = BY_NAME.get(name)
    if known is None:
        return RemoteError(name, fields)
    taken: dict[str, Any] = {}
    for field in dataclasses.fields(known):
        value = fields.get(field.name)
        if type(value).__name__ == field.type:
            taken[field.name] = value
        elif field.default is dataclasses.MISSING:
            return RemoteError(name, fields)
    return known(**taken)


def _encodable(value: Any) -> Any:
    """Return `value` with surrogates in its strings shown as escapes: JSON cannot carry them."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
