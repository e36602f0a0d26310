"""Where a watcher is, kept in a file, for the next one to go on from there."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tracerd.ctl.errors import CommandError
from tracerd.errors import InvalidParameter
from tracerd.protocol.cursors import cursor, read_since
from tracerd.protocol.events import Heartbeat

if TYPE_CHECKING:
    from tracerd.client.stream import Batch

_EVERY_S: Final = 1.0
"""How often it is written while events come."""
_MOST_BYTES: Final = 256

HEARTBEAT_MS: Final = 5000
LINGER_MS: Final = 60_000
"""Asked of the daemon, so that who comes back within a minute has missed nothing."""

_BEAT: Final = b'{"type":"heartbeat"'


class _Place(msgspec.Struct):
    seq: int


class CursorFile:
    """Reads and writes it.  Raises CommandError if it cannot be read, or is none; OSError."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._run = ""
        self._seq: int | None = None
        self._written: int | None = None
        self._written_at = float("-inf")
        self.since = self._read()
        """What it says; empty if there is none yet."""

    def _read(self) -> str:
        try:
            with open(self._path, encoding="ascii") as file:
                text = file.read(_MOST_BYTES).strip()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise CommandError(f"--cursor-file: {self._path} is no file with a cursor") from error
        try:
            if text and read_since(text).run:
                return text
        except InvalidParameter:
            pass
        if not text:
            return ""
        raise CommandError(f"--cursor-file: {self._path} is no file with a cursor")

    def begin(self, run: str, head: int) -> None:
        """Take the daemon's answer to Subscribe."""
        self._run = run
        if not self.since:
            self._seq = head

    @staticmethod
    def without_beats(batch: Batch) -> Batch:
        """Return a batch without heartbeats: nobody else asked for them."""
        return [event for event in batch if not _is_beat(event)]

    def passed(self, event: Any) -> None:
        """Note that all up to an event has been shown."""
        self._seq = _seq(event)
        if time.monotonic() - self._written_at >= _EVERY_S:
            self.write()

    def write(self) -> None:
        """Write it, whole or not at all, unless it says so already."""
        if self._seq is None or self._seq == self._written:
            return
        temporary = f"{self._path}.{os.getpid()}.tmp"
        try:
            with open(temporary, "w", encoding="ascii") as file:
                file.write(f"{cursor(self._run, self._seq)}\n")
            os.replace(temporary, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        self._written, self._written_at = self._seq, time.monotonic()


def _seq(event: Any) -> int:
    """Return the seq of an event, which may be JSON."""
    if isinstance(event, bytes):
        return msgspec.json.decode(event, type=_Place).seq
    seq: int = event.seq
    return seq


def _is_beat(event: Any) -> bool:
    if isinstance(event, bytes):
        return event.startswith(_BEAT)
    return isinstance(event, Heartbeat)
