"""A stream of events in a file: what `tracerctl record` writes.

After MAGIC, which has the version, come frames as on the wire (see framing.py): a length of 32
bits, big-endian, and that many bytes of MessagePack.

* The first is a map, the Header: where the events come from, and the daemon's table of system
  calls, with which they can be filtered and read without a daemon.
* Then arrays of events, exactly as the daemon sent them.
* The last is a map `{"end": reason}`, as on the wire.  A file without it was cut short: by a crash,
  or for want of space.

Reading is total: whatever the bytes are, it gives events or raises BadRecording.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tracerd.protocol.catalogue import Catalogue
from tracerd.protocol.codec import decode_frame
from tracerd.protocol.events import LEVELS, Event
from tracerd.protocol.framing import FrameReader, ProtocolError, frame, msgpack_end
from tracerd.protocol.messages import Filter, SyscallInfo

MAGIC: Final = b"tracerd-trace 1\n"
"""A later version that this one cannot read has another number."""

_MALFORMED: Final = (msgspec.DecodeError, ValueError, RecursionError)


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is said before the events.

    run: of the daemon, as in SubscribeReply.  created_ns: Unix time.  tracerd: the version that
    wrote it.  command, pids: what was traced, one of the two.  filters, level: what was asked for.
    syscalls: the daemon's answer to `Syscalls`.
    """

    run: str
    created_ns: int
    tracerd: str
    command: list[str] = []
    pids: list[int] = []
    filters: list[Filter] = []
    level: str = LEVELS[0]
    syscalls: list[SyscallInfo] = []


class BadRecording(Exception):
    """Bytes that are no recording, or no longer one.  offset: of the frame, in bytes."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


def beginning(header: Header) -> bytes:
    """Return what a file begins with."""
    return MAGIC + frame(msgspec.msgpack.encode(header))


def ending(reason: str) -> bytes:
    """Return what a file ends with; reasons as in SubscribeReply.end."""
    return msgpack_end(reason)


def catalogue_of(syscalls: Sequence[SyscallInfo]) -> Catalogue:
    """Return what filters may name, where these calls are known."""
    classes: dict[str, set[str]] = {}
    files: dict[str, set[str]] = {level: set() for level in LEVELS}
    for row in syscalls:
        for name in row.classes:
            classes.setdefault(name, set()).add(row.name)
        if row.level in LEVELS:
            for level in LEVELS[LEVELS.index(row.level) :]:
                files[level].add(row.name)
    return Catalogue(
        frozenset(row.name for row in syscalls),
        {name: frozenset(calls) for name, calls in classes.items()},
        {level: frozenset(calls) for level, calls in files.items()},
    )


class RecordingReader:
    """Bytes of a recording in, events out.

    header: None until it has been read.  end: why the stream ended, as recorded; None until then.
    """

    def __init__(self) -> None:
        self.header: Header | None = None
        self.end: str | None = None
        self._head = b""
        self._frames: FrameReader | None = None
        self._offset = 0
        """Of the next frame."""

    def receive_data(self, data: bytes) -> None:
        """Take in bytes; take all batches out before the next.  Raises BadRecording."""
        if self._frames is None:
            self._head += data
            if self._head[: len(MAGIC)] != MAGIC[: len(self._head)]:
                raise BadRecording(0, _no_magic(self._head))
            if len(self._head) < len(MAGIC):
                return
            self._frames = FrameReader()
            self._offset = len(MAGIC)
            data = self._head[len(MAGIC) :]
        self._frames.receive_data(data)

    def next_batch(self) -> list[Any] | None:
        """Return the next events, or None: more bytes are needed.  Raises BadRecording."""
        while self._frames is not None and self.end is None:
            try:
                payload = self._frames.next_frame()
                if payload is None:
                    return None
                offset, self._offset = self._offset, self._offset + 4 + len(payload)
                if self.header is None:
                    self.header = _header(payload, offset)
                    continue
                told = decode_frame(payload)
            except ProtocolError as error:
                raise BadRecording(self._offset, error.reason) from None
            if isinstance(told, str):
                self.end = told
                return None
            batch: list[Event] = list(told)
            return batch
        return None

    def finish(self) -> None:
        """Say that there are no more bytes.  Raises BadRecording if the end is missing."""
        if self.end is not None:
            return
        if self.header is None:
            raise BadRecording(self._offset, "it ends before there is any event")
        if self._frames is not None and self._frames.partial:
            raise BadRecording(self._offset, "cut short, in the middle of a batch of events")
        raise BadRecording(self._offset, "cut short: its end is missing")


def _no_magic(head: bytes) -> str:
    family = MAGIC.split(b" ")[0]
    if head.startswith(family + b" "):
        return "a recording of another version than this program reads (1)"
    return "not a recording of tracerctl"


def _header(payload: bytes, offset: int) -> Header:
    try:
        return msgspec.msgpack.decode(payload, type=Header)
    except _MALFORMED as error:
        raise BadRecording(offset, f"a malformed header: {error}") from None
