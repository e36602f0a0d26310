"""Going on where a stream broke off, without any I/O: what to ask for, what to show, how to wait.

The cursor is the `seq` of the last event that was given out, of any type.  With it the daemon sends
what came after; for what it cannot send any more, or never recorded, it sends a Lost event whose
`why` says so: `expired`, `unwatched`, or `restarted` (another run of the daemon).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tracerd.client.errors import CannotConnect, ConnectionLost
from tracerd.client.selection import subscribe_call
from tracerd.errors import LimitReached, ShuttingDown
from tracerd.protocol.cursors import cursor
from tracerd.protocol.events import Heartbeat, Synced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracerd.protocol.events import Event
    from tracerd.protocol.messages import Subscribe, SubscribeReply

HEARTBEAT_MS: Final = 5000
LINGER_MS: Final = 30_000
"""What is asked of the daemon unless told otherwise."""

BROKEN: Final = (CannotConnect, ConnectionLost, LimitReached, ShuttingDown)
"""What may be better next time."""

_GONE: Final = frozenset({"shutdown", "slow"})
"""Ends of a stream after which it is worth to come back."""

_FIRST_S: Final = 0.05
_LONGEST_S: Final = 5.0


class Resume:
    """The state of a stream that is opened again and again."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take what `subscribe` takes.  Raises what subscribe_call does."""
        self._shows_beats = bool(options.get("heartbeat_ms"))
        self._call = subscribe_call(
            {"heartbeat_ms": HEARTBEAT_MS, "linger_ms": LINGER_MS, **options}
        )
        self._run = self._newest_run = ""
        self._seq: int | None = None
        """None: the past, or the snapshot, that was asked for first has not begun yet."""
        self._border = bool(self._call.since or self._call.snapshot)
        """Whether a Synced event is due that was asked for."""
        self._failures = 0

    @property
    def cursor(self) -> str:
        """For `since` of another subscription; empty before anything was given out."""
        return "" if self._seq is None else cursor(self._run, self._seq)

    def opening(self) -> Subscribe:
        """Return the call to open the stream with."""
        if self._seq is None:
            return self._call
        return msgspec.structs.replace(
            self._call, since=self.cursor, on_gap="continue", snapshot=False
        )

    def opened(self, reply: SubscribeReply) -> None:
        """Take the daemon's answer."""
        self._failures = 0
        self._newest_run = reply.run
        if self._seq is None and not self._border:
            self._run, self._seq = reply.run, reply.head

    def take(self, event: Event) -> bool:
        """Note that an event is given out; returns whether it is to be shown."""
        is_border = isinstance(event, Synced)
        if self._seq is not None or not self._call.snapshot or is_border:
            # Of another run the cursor is only now, and half a snapshot has none.
            self._run, self._seq = self._newest_run, event.seq
        if is_border:
            shown, self._border = self._border, False
            return shown
        return self._shows_beats or not isinstance(event, Heartbeat)

    def is_over(self, end: str) -> bool:
        """Whether a stream that ended in this way is over for good."""
        return end not in _GONE

    def delay_s(self) -> float:
        """Return how long to wait: longer after each failure, and never in step with others."""
        longest = min(_LONGEST_S, _FIRST_S * 2.0**self._failures)
        self._failures = min(self._failures + 1, 16)
        return longest * random.uniform(0.5, 1)  # noqa: S311  no secret
