"""A subscription without any I/O: bytes in, batches of events out.

Both wire formats, for both kinds of client.  Events of a type that this version
does not know are skipped, so that an older client can read a newer daemon.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from tracerd.client.errors import ConnectionLost
from tracerd.protocol.codec import decode_batch_json, decode_frame, is_end
from tracerd.protocol.connection import ClientConnection, ProtocolError, parameters_as
from tracerd.protocol.framing import FrameReader
from tracerd.protocol.messages import Reply, Subscribe, SubscribeReply

METHOD: Final = "io.tracerd.Subscribe"

Format: TypeAlias = Literal["msgpack", "json"]

Batch: TypeAlias = list[Any]
"""Events; or, of a raw stream, the JSON text of each as bytes, or frames of MessagePack."""


class Stream:
    """One subscription as seen from its subscriber.

    Write `opening`; hand what comes to `receive_data`; take `next_batch` until it returns
    None.  raw: batches of undecoded events: the JSON text of each, or MessagePack frames as they
    come (a batch of events in each).
    """

    def __init__(self, call: Subscribe, format: Format, socket: str, *, raw: bool = False) -> None:  # noqa: A002
        if format not in {"msgpack", "json"}:
            raise ValueError(f"no such format: {format!r}")
        self._connection = ClientConnection()
        self._frames: FrameReader | None = None
        self._upgrade = format == "msgpack"
        self._socket = socket
        self._raw = raw
        self.opening = self._connection.call(
            METHOD, call, more=not self._upgrade, upgrade=self._upgrade
        )
        self.reply: SubscribeReply | None = None
        """The first reply; None until it has come."""
        self.end = ""
        """Why the daemon ended the stream; empty while it goes on."""

    def receive_data(self, data: bytes) -> None:
        """Take in bytes."""
        (self._frames or self._connection).receive_data(data)

    def next_batch(self) -> Batch | None:
        """Return the next batch, or None: more bytes are needed, or the stream has ended.

        Raises the daemon's error, if it refused; ConnectionLost if it broke the protocol.
        """
        try:
            return self._next_reply() if self._frames is None else self._next_frame(self._frames)
        except ProtocolError as error:
            raise ConnectionLost(self._socket, str(error)) from error

    def _next_reply(self) -> Batch | None:
        reply = self._connection.next_reply()
        if reply is None:
            return None
        said = parameters_as(reply, SubscribeReply)
        if self.reply is None:
            self.reply = said
            if self._upgrade:
                self._frames = FrameReader()
                self._frames.receive_data(self._connection.take_rest())
        self.end = said.end or self._silent_end(reply)
        events = said.events or []
        return [bytes(event) for event in events] if self._raw else decode_batch_json(events)

    def _silent_end(self, reply: Reply) -> str:
        """Return the end of a stream that has no more replies and does not say why."""
        return "" if reply.continues or self._upgrade else "unsubscribed"

    def _next_frame(self, frames: FrameReader) -> Batch | None:
        frame = frames.next_frame()
        if frame is None:
            return None
        if self._raw and not is_end(frame):
            return [frame]
        told = decode_frame(frame)
        if isinstance(told, str):
            self.end = told
            return []
        return told
