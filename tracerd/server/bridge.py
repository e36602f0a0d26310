"""From the teller to the trio thread.

The teller is the thread on which events are published and commands answered: the tracer thread
itself with a pump that is not threaded, else one of its own.  There each event is held against
the live subscriptions, once for all that ask for the same, and described and encoded at most once
per level of detail and wire format that somebody gets.  At the end of a round what a group of
subscriptions gets is joined, and accounted against the bounded queue of each.  All of a round goes
over in one piece:

* what is given is put on `_pending`;
* the first to do so rings, with one `run_sync_soon`; others see the bell ringing (`_ringing`);
* the ring moves `_pending` into a bounded memory channel as one batch; what does not fit stays
  on `_pending` and goes with the next batch, for the hub calls `deliver` again after each.

`_pending` needs no bound of its own: all that is on it was accounted to some subscription before
(or is the one marker in a tenth of a second that a gap may give), so together they hold no more
than the subscriptions' bounds.

Methods are called on the teller unless they say otherwise.  None blocks; none raises.

The Gate is read on the tracer thread while the teller publishes.  So it looks only at what changes
at one stroke (`_blocking`, `closed`), and ends no subscription itself.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import msgspec
import trio

from tracerd import errors
from tracerd.core.commands import Item, Published, TargetEnded, UndescribedError
from tracerd.core.injection import NONE, InjectedError, Injection
from tracerd.protocol import codec
from tracerd.protocol.detail import seen
from tracerd.protocol.events import Heartbeat, Synced, Updated
from tracerd.server.health import Tally
from tracerd.server.hiding import without
from tracerd.server.history import History
from tracerd.server.log import Log
from tracerd.server.replay import JOIN_EVENTS
from tracerd.server.routes import Group, Routes, grouped
from tracerd.server.subscription import (
    INJECTED,
    MARKER_INTERVAL_S,
    SLOW,
    UNDESCRIBED,
    UNENCODABLE,
    Piece,
    Subscription,
    Wire,
    joined,
    marker,
    pieces_of,
)

if TYPE_CHECKING:
    from tracerd.core.tracee import Identity
    from tracerd.protocol.events import Event
    from tracerd.protocol.redaction import Redaction
    from tracerd.server.question import Question
    from tracerd.server.recordings import Recording

log = Log(__name__)

BATCH_ENTRIES: Final = 1024
"""Deliveries to a subscription, and other entries, of one batch: so much at once keeps the trio
loop busy for less than a millisecond."""
BATCHES: Final = 1
"""Capacity of the channel.  More would only move entries out of reach of coalescing."""


class Finish(NamedTuple):
    """Nothing more will come for this subscription."""

    subscription: Subscription
    reason: str | errors.TracerdError


class Failed(NamedTuple):
    """A fault in a subscription, found where it cannot be ended: it is to be retired."""

    subscription: Subscription
    reason: errors.TracerdError


class Blocked(NamedTuple):
    """Tracees begin to wait for a subscription that has a budget for that."""

    subscription: Subscription


class Delivery(NamedTuple):
    """Encoded events, and markers, for some subscriptions."""

    to: tuple[Subscription, ...]
    pieces: list[Piece]


Entry: TypeAlias = Delivery | Finish | Failed | Blocked | TargetEnded
Batch: TypeAlias = list[Entry]

_FAULTS: Final = frozenset({UNENCODABLE, UNDESCRIBED, INJECTED})
"""Why events get lost through no fault of the subscriber."""

HEARTBEAT_EVENTS: Final = 1000
"""After so many events in a row that did not match a heartbeat says where the subscriber is."""

_ENCODERS: Final[dict[str, Callable[[Event], bytes]]] = dict(codec.ENCODERS)


class Bridge:
    """Matches, encodes, accounts and hands over.  It is the tracer's Publish and its Gate."""

    def __init__(
        self,
        token: trio.lowlevel.TrioToken,
        batches: trio.MemorySendChannel[Batch],
        history: History | None = None,
        tally: Tally | None = None,
        injection: Injection = NONE,
    ) -> None:
        self.tally = tally or Tally()
        self._drops = injection.dice(injection.drop)
        self._breaks = injection.dice(injection.decode_fail)
        self._encoders: dict[str, Callable[[Event], bytes]] = {
            wire: injection.failing(injection.encode_fail, encoder)
            for wire, encoder in _ENCODERS.items()
        }
        self.history = history or History(0)
        """Of all that is published."""
        self._head = 0
        """The seq of the newest event published."""
        self._beating: tuple[Subscription, ...] = ()
        """Those of `_live` that want heartbeats."""
        self._live: tuple[Subscription, ...] = ()
        self._standing: tuple[Subscription, ...] = ()
        """What they want is kept, and given to nobody."""
        self._routes: Routes[Group] = Routes()
        """The index of `_live`.  Both are replaced whenever subscriptions come or go."""
        self._filled: list[Group] = []
        """Those that something in this round matched, which is not given yet."""
        self._token = token
        self._batches = batches
        self._given: list[Delivery] = []
        """Given in this round, not handed over yet."""
        self._pending: deque[Entry] = deque()
        self._ringing = False
        self.behind = False
        """The last batch could not take all that was pending.  The trio thread's."""
        self._unencodable = 0
        self._undescribed = 0
        self._undescribed_seq = 0
        self._blocking: set[Subscription] = set()
        """Full ones with policy `block`.  The teller adds, any thread discards, at one stroke."""
        self.closings = 0
        """How often the gate closed for one more."""
        self._when_full = {
            "drop": self._drop,
            "block": self._block,
            "disconnect": self._disconnect,
        }

    def admit(self, subscription: Subscription) -> None:
        """Give events to a subscription from now on."""
        subscription.told = self._head
        self._live = (*self._live, subscription)
        self.prune()

    def stand(self, subscription: Subscription) -> None:
        """Have what a subscription wants kept, though it is not, or no longer, given to it."""
        if subscription not in self._standing:
            self._standing = (*self._standing, subscription)
        self.prune()

    def stand_down(self, subscription: Subscription) -> None:
        """End that, if it was so."""
        self._standing = tuple(one for one in self._standing if one is not subscription)
        self.prune()

    def prune(self) -> None:
        """Forget the subscriptions that have been closed, but for what lingers of them."""
        gone = [one for one in self._live if one.closed]
        self._live = tuple(one for one in self._live if not one.closed)
        self._standing += tuple(one for one in gone if one.lingers)
        self._routes = Routes(grouped(self._live, self._standing))
        self._beating = tuple(one for one in self._live if one.heartbeat_s < math.inf)

    def portray(
        self, one: Subscription, found: Sequence[tuple[Event, Identity]], head: int
    ) -> None:
        """Give a subscription the processes as they are, and let it in."""
        group = Group((one,))
        for event, process in found:
            msgspec.structs.force_setattr(event, "seq", head)
            shown = seen(event, process, group.detail)
            self._mark(one, without(shown, group.hidden(process)))
        self._mark(one, Synced(seq=head, time_ns=time.time_ns(), pid=0, tid=0))
        self.admit(one)
        self._hand_over()

    def hold(self, subscription: Subscription) -> None:
        """Have tracees wait for a subscription that has its past still to read."""
        if subscription.overflow == "block":
            self._close_gate(subscription)

    def join(self, one: Subscription, head: int) -> bool:
        """Let a subscription in, whose past is given but for a little; False: too much is left.

        If it has been closed meanwhile, it gets the rest all the same.  Then `replay` is nobody's.
        """
        replay = one.replay
        assert replay is not None
        if replay.left > JOIN_EVENTS:
            return False
        while not replay.done:
            for piece in replay.step(lead=False):
                self._put(one, piece)
        self.stand_down(one)
        if not one.closed:
            self._mark(one, Synced(seq=head, time_ns=time.time_ns(), pid=0, tid=0))
            self.admit(one)
        self._hand_over()
        return True

    def change(self, one: Subscription, question: Question, recording: Recording) -> int | None:
        """Have a live subscription get something else from now on; returns after which seq.

        None: it has been closed.
        """
        if one.closed:
            return None
        if recording.since is None:
            recording.since = self._head
        if one.gap.count:
            self._tell(one)
        one.question = question
        self._mark(one, Updated(seq=self._head, time_ns=time.time_ns(), pid=0, tid=0))
        self.prune()
        self._hand_over()
        return self._head

    # Publish

    def publish(self, items: Sequence[Item]) -> None:
        """Take what one round of the tracer brought."""
        candidates = self._routes.candidates
        keep = self.history.on
        kept: list[Published] = []
        payloads: list[bytes | None] = []
        for item in items:
            payload: bytes | None = None
            try:
                if isinstance(item, Published):
                    concerned = candidates(item)
                    if concerned:
                        payload = self._match(item, concerned, keep=keep)
                else:
                    self._settle()
                    self._hand_over()
                    self._pending.append(item)
            except Exception as error:  # noqa: BLE001  a fault here must not end the tracing
                self.tally.count("faults", "unpublished")
                log.fault("an event could not be published", error, item=repr(item))
            if isinstance(item, Published):
                self._head = item.seq
                if keep:
                    kept.append(item)
                    payloads.append(payload)
        if kept:
            self.history.add(kept, payloads)
        self._settle()
        for one in self._beating:
            if self._head - one.told >= HEARTBEAT_EVENTS:
                self.beat(one, self._head)
        self._hand_over()

    def _match(self, item: Published, concerned: tuple[Group, ...], *, keep: bool) -> bytes | None:
        """Note what the groups get of an event.

        keep: return what is to be kept of it, the most that any of them sees; None if none does.
        """
        encoded: dict[tuple[Wire, int, Redaction | None], bytes] = {}
        """By wire, by which event it is, for of most there is one for several levels, and by what
        is hidden of it."""
        most: Event | None = None
        detail = -1
        missed = False
        break_it = self._breaks if item.syscall else None
        broken = break_it is not None and break_it()
        for group in concerned:
            try:
                if broken:
                    raise UndescribedError(item.syscall) from InjectedError()  # noqa: TRY301
                if not group.wants(item):
                    continue
                event = item.at(group.detail)
            except UndescribedError as error:
                missed |= self._miss(group, item, error)
                continue
            except Exception as error:  # noqa: BLE001  the fault of these subscriptions alone
                self._fail(group, error)
                continue
            if group.detail > detail:
                most, detail = event, group.detail
            if not group.members:
                continue
            hidden = group.hidden(item.process)
            view = group.wire, id(event), hidden
            if view in encoded:
                payload = encoded[view]
            else:
                payload = encoded[view] = self._encode(event, group.wire, hidden)
            if not group.payloads:
                self._filled.append(group)
            group.payloads.append(payload)
            group.events.append(event)
            if not payload:
                group.flawed = True
        if most is None or not keep:
            return b"" if missed else None
        kept = encoded.get(("msgpack", id(most), None))
        return self._encode(most, "msgpack") if kept is None else kept

    def _miss(self, group: Group, item: Published, error: UndescribedError) -> bool:
        """Count an event as lost by those who get it, or, as far as can be told, would; if any."""
        if not group.may_see(item):
            return False
        if not self._undescribed or item.seq != self._undescribed_seq:
            self._undescribed += 1
            self.tally.count("faults", UNDESCRIBED)
            self._undescribed_seq = item.seq
            if not isinstance(error.__cause__, InjectedError) and self._undescribed % 1000 == 1:
                log.fault(
                    "a call could not be described",
                    error.__cause__,
                    call=repr(item),
                    so_far=self._undescribed,
                )
        self._settle()  # what they were given comes before
        for one in group.members:
            if not one.closed:
                self._lose(one, item.seq, UNDESCRIBED)
        return True

    def _settle(self) -> None:
        """Give what matched so far."""
        filled, self._filled = self._filled, []
        for group in filled:
            payloads, events, flawed = group.payloads, group.events, group.flawed
            group.payloads, group.events, group.flawed = [], [], False
            try:
                self._give(group, payloads, events, flawed=flawed)
            except Exception as error:  # noqa: BLE001  a fault here must not end the tracing
                self.tally.count("faults", "unpublished", len(events))
                log.fault("events could not be given", error, count=len(events))

    def _give(
        self,
        group: Group,
        payloads: list[bytes],
        events: list[Event],
        *,
        flawed: bool,
    ) -> None:
        """Give events in a row to all of a group: at one stroke to those that have room."""
        count, size = len(payloads), sum(map(len, payloads))
        roomy: list[Subscription] = []
        for one in group.members:
            if one.closed:
                continue
            one.told = events[-1].seq
            if not (flawed or one.gap.count or self._drops) and one.has_room(count, size):
                one.give(count, size)
                roomy.append(one)
            else:
                self._give_each(one, payloads, events)
        if roomy:
            # As a rule all of them, and then the tuple is there already.
            to = group.members if len(roomy) == len(group.members) else tuple(roomy)
            self._given.append(Delivery(to, pieces_of(payloads, group.wire)))

    def _give_each(self, one: Subscription, payloads: list[bytes], events: list[Event]) -> None:
        """Give events as far as there is room, one by one."""
        for payload, event in zip(payloads, events, strict=True):
            if one.closed:
                return
            if not payload:
                self._lose(one, event.seq, UNENCODABLE)
            elif self._drops is not None and self._drops():
                self._lose(one, event.seq, INJECTED)
            elif not (one.gap.count or one.is_full) or self._let_in(one, event):
                one.give(1, len(payload))
                self._put(one, Piece(1, 1, len(payload), payload))

    def _encode(self, event: Event, wire: Wire, hidden: Redaction | None = None) -> bytes:
        """Return the encoded event; nothing if it cannot be encoded."""
        try:
            return self._encoders[wire](without(event, hidden))
        except InjectedError:
            return b""
        except Exception as error:  # noqa: BLE001  loses this event, not the stream
            self._unencodable += 1
            if self._unencodable % 1000 == 1:
                log.fault(
                    "an event could not be encoded",
                    error,
                    kind=type(event).__name__,
                    so_far=self._unencodable,
                )
            return b""

    # Where a queue is full, or has a gap that is not told yet: does the next event go in?

    def _let_in(self, one: Subscription, event: Event) -> bool:
        if one.gap.count and one.gap.why in _FAULTS and not one.is_full:
            self._tell(one)  # a fault of ours is no reason to lose more
            return True
        return self._when_full[one.overflow](one, event)

    def _drop(self, one: Subscription, event: Event) -> bool:
        # A gap, once begun, lasts until there is room for a good many events: few gaps and few
        # markers, each in its place before what comes after it.
        if one.gap.count and one.is_half_empty and self._may_tell(one):
            self._tell(one)
            return True
        self._lose(one, event.seq, one.slow)
        return False

    def _block(self, one: Subscription, event: Event) -> bool:
        # What has happened already is let in, whatever the bound: tracees make no more once the
        # gate has closed, and what they made by then is bounded by SetInterest.lag.
        # The gate closes before this event is handed over, so the writer, which opens it, is
        # sure to look again.
        # There is an end even to that: for what no gate can hold (signals sent from outside),
        # and for a subscriber under its own trace, which must not wait for itself.
        if one.is_overfull or (one.is_full and event.pid == one.peer.pid):
            self._lose(one, event.seq)
            return False
        if one.gap.count:
            self._tell(one)
        if one.is_full and one not in self._blocking:
            self._close_gate(one)
        return True

    def _close_gate(self, one: Subscription) -> None:
        """Have tracees wait for a subscription."""
        one.blocked_from_ns, one.blocking_since_ns = time.monotonic_ns(), time.time_ns()
        self._blocking.add(one)
        self.closings += 1
        if one.budget_ns:
            self.post(Blocked(one))

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

    def beat(self, one: Subscription, head: int) -> None:
        """Tell a subscriber that it has been told of all up to `head`, and its account.

        Not if it has one such marker to read still, or a loss that is not to be told yet.
        """
        if one.closed or not one.is_undisturbed or (one.gap.count and not self._may_tell(one)):
            return
        if one.gap.count:
            self._tell(one)
        state = one.state(blocking=False)
        beat = Heartbeat(
            seq=head,
            time_ns=time.time_ns(),
            pid=0,
            tid=0,
            matched=state.matched,
            delivered=state.delivered,
            queued=state.queued,
            lost=state.lost,
        )
        one.told = head
        self._mark(one, beat)
        self._hand_over()

    def finish(self, one: Subscription, reason: str | errors.TracerdError) -> None:
        """Match no more, and end the stream after all that was given.

        Called on the teller; on the trio thread if the tracer has ended.
        """
        if one.gap.count:
            self._tell(one)
        one.final = self._head
        one.closed = True
        self._blocking.discard(one)
        self._hand_over()
        self.post(Finish(one, reason))

    def post(self, entry: Entry) -> None:
        """Send something after all that was published before.  Any thread."""
        self._pending.append(entry)
        self._ring()

    def _fail(self, group: Group, error: Exception) -> None:
        self._settle()  # what they were given comes before their end
        for one in group.members:
            if not one.closed:
                self.finish(one, fault(one, error))

    def _lose(self, one: Subscription, seq: int, why: str = SLOW) -> None:
        if not one.gap.count:
            # Nothing to deliver, but the writer has to know: it tells of the gap if no further
            # event does.
            self._given.append(Delivery(one.alone, []))
        one.lost += 1
        one.gap.add(seq, why)
        self.tally.count("lost", why)

    @staticmethod
    def _may_tell(one: Subscription) -> bool:
        return time.monotonic() - one.gap.told_at >= MARKER_INTERVAL_S

    def _tell(self, one: Subscription) -> None:
        self._mark(one, one.gap.close())

    def _mark(self, one: Subscription, event: Event) -> None:
        """Give an event of the stream itself."""
        one.markers += 1
        self._put(one, marker(_ENCODERS[one.wire](event)))

    def _put(self, one: Subscription, piece: Piece) -> None:
        if self._given and self._given[-1].to is one.alone:
            self._given[-1].pieces.append(piece)
        else:
            self._given.append(Delivery(one.alone, [piece]))

    # Handing over

    def _hand_over(self) -> None:
        if not self._given:
            if self._pending:
                self._ring()
            return
        self._pending.extend(self._given)
        self._given = []
        self._ring()

    def _ring(self) -> None:
        if self._ringing:
            return
        self._ringing = True  # two threads at once may both ring: the second finds nothing to do
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
        batch = _merged(pending)
        self.behind = bool(pending)
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
        """Whether any process must wait.  The tracer thread."""
        return bool(self._blocking)

    def covers(self, process: Identity) -> bool:
        """Whether this process must wait: its events could go to a full `block` subscription.

        The tracer thread.
        """
        for one in tuple(self._blocking):
            try:
                if one.closed or one.overflow != "block":
                    # It ended, or its budget, just when it was found full.
                    self._blocking.discard(one)
                elif _holds(one, process):
                    return True
            except Exception as error:  # noqa: BLE001  the fault of this subscription alone
                # What it was given is the teller's to hand over: the hub has it ended there.
                one.closed = True
                self._blocking.discard(one)
                self.post(Failed(one, fault(one, error)))
        return False

    def blockers(self, process: Identity) -> list[Subscription]:
        """Return the subscriptions that a process has to wait for.  Any thread."""
        found = []
        for one in tuple(self._blocking):
            with contextlib.suppress(Exception):  # `covers` sees to it
                if _holds(one, process):
                    found.append(one)
        return found

    def is_blocking(self, one: Subscription) -> bool:
        """Whether tracees wait for this subscription.  Any thread."""
        return one in self._blocking

    def unblock(self, one: Subscription) -> None:
        """Open the gate as far as this subscription closed it.  Trio thread.

        The tracer has to be told to look again.
        """
        if one in self._blocking:
            one.blocked_ns += time.monotonic_ns() - one.blocked_from_ns
            self._blocking.discard(one)


def _holds(one: Subscription, process: Identity) -> bool:
    """Whether a process must wait for a subscription that is full."""
    return (
        one.peer.pid != process.pid  # see _block
        and one.peer.may_see(process)
        and one.compiled.covers(process)
    )


def _merged(pending: deque[Entry]) -> Batch:
    """Take a batch from what is pending; deliveries in a row to the same become one.

    So rounds of few events, of which many are pending, cost a subscriber no more than large ones.
    """
    batch: Batch = []
    taken = 0
    while pending and taken < BATCH_ENTRIES:
        entry = pending.popleft()
        taken += 1
        if not isinstance(entry, Delivery):
            batch.append(entry)
            continue
        pieces = list(entry.pieces)
        while pending and taken < BATCH_ENTRIES:
            following = pending[0]
            if not isinstance(following, Delivery) or following.to is not entry.to:
                break
            pieces += following.pieces
            pending.popleft()
            taken += 1
        if len(pieces) > 1:
            pieces = joined(pieces, entry.to[0].wire)
        taken += len(entry.to) - 1
        batch.append(Delivery(entry.to, pieces))
    return batch


def fault(one: Subscription, error: Exception) -> errors.InternalError:
    """Log what went wrong, and return what the subscriber gets to hear."""
    log.fault("a subscription failed", error, subscription=one.id, uid=one.peer.uid)
    return errors.InternalError(f"{type(error).__name__} while matching an event")
