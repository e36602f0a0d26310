"""Bytes to messages and back: delimited JSON, and length-prefixed MessagePack.

Three framings are spoken:

* Varlink: JSON, each message ended by a NUL;
* NDJSON: the same messages, each ended by a newline; blank lines count for nothing;
* after an upgrade: frames of a 32-bit big-endian length and that many bytes of MessagePack.

Which of the first two a connection speaks is decided by the first delimiter seen.

Feeding bytes never raises: what is wrong with them is told, once, when the next message is
asked for, after every whole message that came before.  The buffers are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

Mode: TypeAlias = Literal["varlink", "ndjson"]

TERMINATORS: Final[dict[Mode, bytes]] = {"varlink": b"\0", "ndjson": b"\n"}

REQUEST_LIMIT = 1 << 20
"""Bytes of one call.  The largest sensible one is a subscription with some thousand paths."""

REPLY_LIMIT = 16 << 20
"""Bytes of one reply or one frame, for clients; sd-varlink's buffer limit too."""

NESTING_LIMIT = 64
"""Arrays and objects inside one another, the outermost counted.  A decoder recurses."""

_LENGTH_BYTES = 4

_FIRST_DELIMITER = re.compile(rb"[\0\n]")


class ProtocolError(Exception):
    """The peer broke the protocol; the connection is of no further use."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DelimitedReader:
    """Splits a stream into messages.

    limit: bytes of one message, without its terminator.  backlog: bytes of whole messages
    that may wait to be taken; a peer that sends more without being read is refused.
    """

    def __init__(self, limit: int, mode: Mode | None = None, backlog: int | None = None) -> None:
        self.mode = mode
        self._limit = limit
        self._backlog = 2 * limit + (64 << 10) if backlog is None else backlog
        self._buffer = bytearray()
        self._searched = 0
        self._error: str | None = None
        self._closed = False

    def receive_data(self, data: bytes) -> None:
        """Take in bytes of any amount."""
        if self._closed or self._error is not None:
            return
        self._buffer += data
        if len(self._buffer) > self._backlog + self._limit:
            self._error = (
                f"more than {self._backlog + self._limit} bytes sent ahead: the backlog limit"
            )
            self._buffer.clear()

    def next_message(self) -> bytes | None:
        """Return the next whole message, or None: more bytes are needed.

        Raises ProtocolError once; from then on nothing more comes.
        """
        while not self._closed:
            if self._error is not None:
                raise self.fail(self._error)
            end = self._find_end()
            if end < 0:
                if len(self._buffer) > self._limit:
                    raise self.fail(self._too_long())
                return None
            if end > self._limit:
                raise self.fail(self._too_long())
            message = bytes(memoryview(self._buffer)[:end])
            del self._buffer[: end + 1]
            self._searched = 0
            if self.mode == "varlink" or message.strip():
                return message
        return None

    @property
    def partial(self) -> bool:
        """Whether there are bytes that have not been taken."""
        return bool(self._buffer)

    def take_rest(self) -> bytes:
        """Return the bytes behind the last message taken, and read no more: for upgrades."""
        rest = bytes(self._buffer)
        self._closed = True
        self._buffer.clear()
        return rest

    def fail(self, reason: str) -> ProtocolError:
        """Close, and return the error to raise."""
        self._closed = True
        self._buffer.clear()
        return ProtocolError(reason)

    def _too_long(self) -> str:
        return f"a message of more than {self._limit} bytes: the message size limit"

    def _find_end(self) -> int:
        """Return where the first terminator stands, or -1.  No byte is looked at twice."""
        if self.mode is None:
            found = _FIRST_DELIMITER.search(self._buffer, self._searched)
            if found is None:
                self._searched = len(self._buffer)
                return -1
            self.mode = "varlink" if found[0] == b"\0" else "ndjson"
            return found.start()
        end = self._buffer.find(TERMINATORS[self.mode], self._searched)
        if end < 0:
            self._searched = len(self._buffer)
        return end


class FrameReader:
    """Splits a stream into length-prefixed frames; `limit` bytes of payload each."""

    def __init__(self, limit: int = REPLY_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._at = 0
        self._closed = False

    def receive_data(self, data: bytes) -> None:
        """Take in bytes of any amount; take all frames out before the next."""
        if self._closed:
            return
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """Return the payload of the next whole frame, or None: more bytes are needed.

        Raises ProtocolError once, for a frame over the limit; then nothing more comes.
        """
        start = self._at + _LENGTH_BYTES
        if self._closed or len(self._buffer) < start:
            return None
        length = int.from_bytes(self._buffer[self._at : start], "big")
        if length > self._limit:
            self._closed = True
            self._buffer.clear()
            raise ProtocolError(
                f"a frame of {length} bytes, more than {self._limit}: the frame size limit"
            )
        end = start + length
        if len(self._buffer) < end:
            return None
        self._at = end
        return bytes(memoryview(self._buffer)[start:end])

    @property
    def partial(self) -> bool:
        """Whether bytes wait for the rest of their frame: at the end of a stream, it was cut."""
        return len(self._buffer) > self._at


def frame(payload: bytes) -> bytes:
    """Return `payload` with its length in front."""
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


def msgpack_batch(events: Sequence[bytes], count: int | None = None) -> bytes:
    """Return the frame of a batch of events that are encoded already.

    count: how many, where several stand in one piece.
    """
    header = _array_header(len(events) if count is None else count)
    length = len(header) + sum(map(len, events))
    return b"".join([length.to_bytes(_LENGTH_BYTES, "big"), header, *events])


def msgpack_end(reason: str) -> bytes:
    """Return the frame that ends a stream: a map `{"end": reason}` in place of a batch."""
    return frame(msgspec.msgpack.encode({"end": reason}))


def _array_header(count: int) -> bytes:
    """Return the head of a MessagePack array (fixarray, array 16, array 32), the shortest."""
    if count < 1 << 4:
        return bytes([0x90 | count])
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


_BRACKETS_AND_QUOTES = b'"[]{}'
_ALL_BUT_BRACKETS_AND_QUOTES = bytes(set(range(256)) - set(_BRACKETS_AND_QUOTES))
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_STRING = re.compile(rb'"[^"]*"')


def too_deep(message: bytes, limit: int = NESTING_LIMIT) -> bool:
    """Return whether a JSON text nests deeper than `limit`.  Never recurses.

    Of text that is not JSON it says no only if a decoder that stops at the first fault
    does not get deeper either.
    """
    # No loop in Python.  What is escaped in strings goes first, then everything but quotes
    # and brackets; brackets of both kinds count alike.
    if b"\\" in message:
        message = message.replace(rb"\\", b"").replace(rb"\"", b"")
    bare = message.translate(_TO_SQUARE, _ALL_BUT_BRACKETS_AND_QUOTES)
    if bare.count(b"[") <= limit:
        return False
    # Then the strings: empty pairs of quotes (which keeps the number of quotes before each
    # bracket odd or even), then those with brackets in them.
    bare = _STRING.sub(b"", bare.replace(b'""', b""))
    # Each pass takes the innermost pairs away.
    for depth in range(limit + 1):
        rest = bare.replace(b"[]", b"")
        if len(rest) == len(bare):
            return depth + rest.count(b"[") > limit
        bare = rest
    return True
