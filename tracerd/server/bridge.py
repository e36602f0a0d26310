"""From the tracer thread to the trio thread.

On the tracer thread each event is held against the live subscriptions, encoded at most once per
wire format, and accounted against the bounded queue of each subscription that it matches.  All
of a round goes over in one piece:

* what is given is put on `_pending`;
* the first to do so rings, with one `run_sync_soon`; others see the bell ringing (`_ringing`);
* the ring moves `_pending` into a bounded memory channel as one batch; what does not fit stays
  on `_pending` and goes with the next batch, for the hub calls `deliver` again after each.

`_pending` needs no bound of its own: all that is on it was accounted to some subscription before
(or is the one marker in a tenth of a second that a gap may give), so together they hold no more
than the subscriptions' bounds.

Methods are called on the tracer thread unless they say otherwise.  None blocks; none raises.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import trio

from tracerd import errors
from tracerd.core.commands import Item, Published, TargetEnded
from tracerd.protocol import codec
from tracerd.server.log import Log
from tracerd.server.routes import Routes
from tracerd.server.subscription import (
    MARKER_INTERVAL_S,
    SLOW,
    UNENCODABLE,
    Marker,
    Subscription,
    Wire,
)

if TYPE_CHECKING:
    from tracerd.core.tracee import Identity
    from tracerd.protocol.events import Event

log = Log(__name__)

BATCH_ENTRIES: Final = 1024
"""Entries of one batch: so much at once keeps the trio loop busy for less than a millisecond."""
BATCHES: Final = 1
"""Capacity of the channel.  More would only move entries out of reach of coalescing."""


class Finish(NamedTuple):
    """Nothing more will come for this subscription."""

    subscription: Subscription
    reason: str | errors.TracerdError


Delivery: TypeAlias = tuple[Subscription, list[bytes]]
"""Encoded events, and markers, for one subscription."""
Entry: TypeAlias = Delivery | Finish | TargetEnded
Batch: TypeAlias = list[Entry]

_ENCODERS: Final[dict[Wire, Callable[[Event], bytes]]] = {
    "json": codec.encode_json,
    "msgpack": codec.encode_msgpack,
}


class Bridge:
    """Matches, encodes, accounts and hands over.  It is the tracer's Publish and its Gate."""

    def __init__(
        self, token: trio.lowlevel.TrioToken, batches: trio.MemorySendChannel[Batch]
    ) -> None:
        self._live: tuple[Subscription, ...] = ()
        self._routes = Routes()
        """The index of `_live`.  Both are replaced whenever subscriptions come or go."""
        self._token = token
        self._batches = batches
        self._given: list[Subscription] = []
        """Those whose outbox has something for the trio thread."""
        self._pending: deque[Entry] = deque()
        self._ringing = False
        self._unencodable = 0
        self._blocking: set[Subscription] = set()
        """Full ones with policy `block`.  Either thread adds or discards, each at one stroke."""
        self._when_full = {
            "drop": self._drop,
            "block": self._block,
            "disconnect": self._disconnect,
        }

    def admit(self, subscription: Subscription) -> None:
        """Give events to a subscription from now on."""
        self._live = (*self._live, subscription)
        self.prune()

    def prune(self) -> None:
        """Forget the subscriptions that have been closed."""
        self._live = tuple(one for one in self._live if not one.closed)
        self._routes = Routes(self._live)

    # Publish

    def publish(self, items: Sequence[Item]) -> None:
        """Take what one round of the tracer brought."""
        candidates = self._routes.candidates
        for item in items:
            try:
                if isinstance(item, Published):
                    concerned = candidates(item.event)
                    if concerned:
                        self._publish(item.event, item.process, concerned)
                else:
                    self._hand_over()
                    self._pending.append(item)
            except Exception as error:  # noqa: BLE001  a fault here must not end the tracing
                log.fault("an event could not be published", error, item=repr(item))
        self._hand_over()

    def _publish(
        self, event: Event, process: Identity, concerned: tuple[Subscription, ...]
    ) -> None:
        encoded: dict[str, bytes | None] = {}
        for one in concerned:
            try:
                if (
                    one.closed
                    or not one.peer.may_see(process)
                    or not (one.everything or one.compiled.matches(event, process))
                ):
                    continue
            except Exception as error:  # noqa: BLE001  the fault of this subscription alone
                self._fail(one, error)
                continue
            wire = one.wire
            if wire in encoded:
                payload = encoded[wire]
            else:
                payload = encoded[wire] = self._encode(event, wire)
            if payload is None:
                self._lose(one, event.seq, UNENCODABLE)
            elif not (one.gap.count or one.is_full) or self._let_in(one, event):
                one.given += 1
                one.given_bytes += len(payload)
                self._put(one, payload)

    def _encode(self, event: Event, wire: Wire) -> bytes | None:
        try:
            return _ENCODERS[wire](event)
        except Exception as error:  # noqa: BLE001  loses this event, not the stream
            self._unencodable += 1
            if self._unencodable % 1000 == 1:
                log.fault(
                    "an event could not be encoded",
                    error,
                    kind=type(event).__name__,
                    so_far=self._unencodable,
                )
            return None

    # Where a queue is full, or has a gap that is not told yet: does the next event go in?

    def _let_in(self, one: Subscription, event: Event) -> bool:
        if one.gap.count and one.gap.why == UNENCODABLE and not one.is_full:
            self._tell(one)  # a fault of ours is no reason to lose more
            return True
        return self._when_full[one.overflow](one, event)

    def _drop(self, one: Subscription, event: Event) -> bool:
        # A gap, once begun, lasts until there is room for a good many events: few gaps and few
        # markers, each in its place before what comes after it.
        if one.gap.count and one.is_half_empty and self._may_tell(one):
            self._tell(one)
            return True
        self._lose(one, event.seq)
        return False

    def _block(self, one: Subscription, event: Event) -> bool:
        # What has happened already is let in, whatever the bound: tracees make no more now.
        # The gate closes before this event is handed over, so the writer, which opens it, is
        # sure to look again.
        # There is an end even to that: for what no gate can hold (signals sent from outside),
        # and for a subscriber under its own trace, which must not wait for itself.
        if one.is_overfull or (one.is_full and event.pid == one.peer.pid):
            self._lose(one, event.seq)
            return False
        if one.gap.count:
            self._tell(one)
        if one.is_full:
            self._blocking.add(one)
        return True

    def _disconnect(self, one: Subscription, event: Event) -> bool:  # noqa: ARG002  as its siblings
        self.finish(one, "slow")
        return False

    # The tail of a stream

    def tell_loss(self, one: Subscription, *, at_once: bool) -> None:
        """Put the marker of an open gap in order, though nothing follows it.

        at_once: even if the last one was less than a tenth of a second ago.
        """
        if one.gap.count and (at_once or self._may_tell(one)):
            self._tell(one)
            self._hand_over()

    def finish(self, one: Subscription, reason: str | errors.TracerdError) -> None:
        """Match no more, and end the stream after all that was given.

        Called on the tracer thread; on the trio thread if the tracer has ended.
        """
        if one.gap.count:
            self._tell(one)
        one.closed = True
        self._blocking.discard(one)
        self._hand_over()
        self.post(Finish(one, reason))

    def post(self, entry: Entry) -> None:
        """Send something after all that was published before."""
        self._pending.append(entry)
        self._ring()

    def _fail(self, one: Subscription, error: Exception) -> None:
        log.fault("a subscription failed", error, subscription=one.id, uid=one.peer.uid)
        self.finish(one, errors.InternalError(f"{type(error).__name__} while matching an event"))

    def _lose(self, one: Subscription, seq: int, why: str = SLOW) -> None:
        if not one.gap.count:
            # Nothing to deliver, but the writer has to know: it tells of the gap if no further
            # event does.
            self._given.append(one)
        one.lost += 1
        one.gap.add(seq, why)

    @staticmethod
    def _may_tell(one: Subscription) -> bool:
        return time.monotonic() - one.gap.told_at >= MARKER_INTERVAL_S

    def _tell(self, one: Subscription) -> None:
        marker = Marker(_ENCODERS[one.wire](one.gap.close()))
        one.markers += 1
        self._put(one, marker)

    def _put(self, one: Subscription, payload: bytes) -> None:
        if not one.outbox:
            self._given.append(one)
        one.outbox.append(payload)

    # Handing over

    def _hand_over(self) -> None:
        if not self._given:
            if self._pending:
                self._ring()
            return
        for one in self._given:
            self._pending.append((one, one.outbox))
            one.outbox = []
        self._given.clear()
        self._ring()

    def _ring(self) -> None:
        if self._ringing:
            return
        self._ringing = True
        # The loop has ended: nobody is left to tell.
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self.deliver)

    def deliver(self) -> None:
        """Move pending entries into the channel; if there are none, let the bell be rung again.

        Called on the trio thread: by the bell, and by the hub after each batch.
        """
        pending = self._pending
        if not pending:
            self._ringing = False
            # An entry added since the test saw the bell ringing, and relies on this one.
            if not pending or self._ringing:
                return
            self._ringing = True
        batch = [pending.popleft() for _ in range(min(len(pending), BATCH_ENTRIES))]
        try:
            self._batches.send_nowait(batch)
        except trio.WouldBlock:
            # The hub has a batch to take still, and calls again after that.
            pending.extendleft(reversed(batch))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the hub has ended

    # Gate

    @property
    def closed(self) -> bool:
        """Whether any process must wait."""
        return bool(self._blocking)

    def covers(self, process: Identity) -> bool:
        """Whether this process must wait: its events could go to a full `block` subscription."""
        for one in tuple(self._blocking):
            try:
                if one.closed:
                    # It ended just when it was found full.
                    self._blocking.discard(one)
                elif (
                    one.peer.pid != process.pid  # see _block
                    and one.peer.may_see(process)
                    and one.compiled.covers(process)
                ):
                    return True
            except Exception as error:  # noqa: BLE001  the fault of this subscription alone
                self._fail(one, error)
        return False

    def is_blocking(self, one: Subscription) -> bool:
        """Whether tracees wait for this subscription.  Any thread."""
        return one in self._blocking

    def unblock(self, one: Subscription) -> None:
        """Open the gate as far as this subscription closed it.  Trio thread.

        The tracer has to be told to look again.
        """
        self._blocking.discard(one)
