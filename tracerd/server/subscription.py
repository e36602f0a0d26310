"""A subscription: its bounded queue, and the account of what went through it.

Two threads share it, without a lock: every counter has one writer.  The teller (the thread that
publishes) counts what it gives (`given`) or loses (`lost`), the trio thread what has been written
(`delivered`).  What is queued is the difference, so

    matched = delivered + queued + lost

holds by construction, and so does the bound: the teller sees `delivered` late, if at all wrong,
so it never takes the queue for emptier than it is.

Events travel in pieces, encoded and joined once for all subscribers that get the same.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import trio

from tracerd.protocol import messages
from tracerd.protocol.events import Lost
from tracerd.server.question import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracerd import errors
    from tracerd.core.tracee import Identity
    from tracerd.protocol.filters import Compiled
    from tracerd.server.access import Peer
    from tracerd.server.recordings import Recording
    from tracerd.server.replay import Replay
    from tracerd.server.settings import Limits

Wire = Literal["json", "msgpack"]

MARKER_INTERVAL_S: Final = 0.1
"""At most ten `lost` markers a second: notices of loss must not be a flood of their own."""

OVERSHOOT: Final = 8
"""How many times its bounds the queue of a `block` subscription may hold in the end."""

LEAST_EVENTS: Final = 2048
LEAST_BYTES: Final = 2 << 20
"""It may hold so much whatever its bounds: on a busy machine it takes a while until tracees hear
that they are to wait, and where the queue is small they make more calls meanwhile than OVERSHOOT
allows for."""

SLOW: Final = "slow"
UNENCODABLE: Final = "unencodable"
UNDESCRIBED: Final = "undescribed"
INJECTED: Final = "injected"
BUDGET: Final = "budget"
"""Why events get lost."""


PIECE_EVENTS: Final = 256
PIECE_BYTES: Final = 64 << 10
"""What one piece holds at most, if it is not a single event: a write takes whole pieces."""

_SEPARATORS: Final[dict[Wire, bytes]] = {"json": b",", "msgpack": b""}


class Piece(NamedTuple):
    """Encoded events in a row.

    items: how many.  events: how many of them count; a marker, an event of the stream itself, is
    written like the others and counted as none.  size: bytes that count against the bounds.
    body: the events, with what separates them in the wire's form of a batch.
    """

    items: int
    events: int
    size: int
    body: bytes


def piece_of(payloads: Sequence[bytes], wire: Wire) -> Piece:
    """Return encoded events as one piece."""
    count = len(payloads)
    if count == 1:
        [body] = payloads
        return Piece(1, 1, len(body), body)
    separator = _SEPARATORS[wire]
    body = separator.join(payloads)
    return Piece(count, count, len(body) - (count - 1) * len(separator), body)


def pieces_of(payloads: Sequence[bytes], wire: Wire) -> list[Piece]:
    """Return encoded events as pieces of bounded size."""
    if len(payloads) == 1 or (
        len(payloads) <= PIECE_EVENTS and sum(map(len, payloads)) <= PIECE_BYTES
    ):
        return [piece_of(payloads, wire)]
    pieces = []
    start = size = 0
    for at, payload in enumerate(payloads):
        if at > start and (at - start == PIECE_EVENTS or size + len(payload) > PIECE_BYTES):
            pieces.append(piece_of(payloads[start:at], wire))
            start, size = at, 0
        size += len(payload)
    pieces.append(piece_of(payloads[start:], wire))
    return pieces


def joined(pieces: Sequence[Piece], wire: Wire) -> list[Piece]:
    """Return pieces in a row as fewer ones, of bounded size."""
    larger: list[Piece] = []
    bodies: list[bytes] = []
    items = events = size = 0
    for piece in pieces:
        if bodies and (items + piece.items > PIECE_EVENTS or size + piece.size > PIECE_BYTES):
            larger.append(Piece(items, events, size, _SEPARATORS[wire].join(bodies)))
            bodies = []
            items = events = size = 0
        items += piece.items
        events += piece.events
        size += piece.size
        bodies.append(piece.body)
    if bodies:
        larger.append(Piece(items, events, size, _SEPARATORS[wire].join(bodies)))
    return larger


def marker(payload: bytes) -> Piece:
    """Return an encoded event of the stream itself as a piece."""
    return Piece(1, 0, 0, payload)


@dataclass(slots=True)
class Gap:
    """Events lost in a row and not told yet."""

    count: int = 0
    first: int = 0
    last: int = 0
    why: str = SLOW
    told_at: float = float("-inf")
    """When the last marker was made, by the monotonic clock."""

    def add(self, seq: int, why: str = SLOW) -> None:
        """Count one more; the first reason stands for all."""
        if not self.count:
            self.first = seq
            self.why = why
        self.count += 1
        self.last = seq

    def close(self) -> Lost:
        """Return the marker that tells of it, and start anew."""
        marker = Lost(
            seq=self.last,
            time_ns=time.time_ns(),
            pid=0,
            tid=0,
            count=self.count,
            first=self.first,
            last=self.last,
            why=self.why,
        )
        self.count = 0
        self.told_at = time.monotonic()
        return marker


class Subscription:
    """Made on the trio thread; live from the moment the teller has it in its routes."""

    __slots__ = (
        "_progress",
        "_work",
        "alone",
        "blocked_from_ns",
        "blocked_ns",
        "blocking_since_ns",
        "budget_ns",
        "changing",
        "closed",
        "deepest",
        "delivered",
        "delivered_bytes",
        "final",
        "finished",
        "gap",
        "given",
        "given_bytes",
        "heartbeat_s",
        "id",
        "linger_s",
        "lingers",
        "lost",
        "markers",
        "markers_written",
        "max_bytes",
        "max_events",
        "over",
        "overflow",
        "patient",
        "peer",
        "question",
        "queue",
        "recording",
        "replay",
        "request",
        "slow",
        "timed",
        "told",
        "wire",
    )

    def __init__(
        self,
        request: messages.Subscribe,
        compiled: Compiled,
        peer: Peer,
        wire: Wire,
        limits: Limits,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.request = request
        self.peer = peer
        self.wire: Wire = wire
        self.overflow = request.overflow
        """Changed but once, by `degrade`."""
        self.budget_ns = request.block_budget_ms * 1_000_000
        """For how long tracees may wait for it, in all; 0: as long as it takes."""
        self.timed = False
        """Somebody sees to that.  The trio thread's."""
        blocks = request.overflow == "block"
        events = request.queue_events or (limits.block_events if blocks else limits.queue_events)
        self.max_events = min(events, limits.max_queue_events)
        self.max_bytes = min(request.queue_bytes or limits.queue_bytes, limits.max_queue_bytes)
        self.question = Question(request, compiled, peer, limits)
        """Replaced as a whole: by the teller, once the subscription is live."""
        self.patient = request.on_gap == "continue"
        """Past events that are gone are told of, and no error."""
        self.changing = trio.Lock()
        """Held while it gets another question."""
        self.heartbeat_s = (
            max(request.heartbeat_ms, limits.heartbeat_ms) / 1000
            if request.heartbeat_ms
            else math.inf
        )
        self.linger_s = min(request.linger_ms / 1000, limits.linger_s)

        # All threads: set once, by whoever ends it, and never cleared.
        self.closed = False
        """Nothing more is matched for it."""
        self.lingers = False
        """What it wants is kept though it has been closed."""

        # The teller's.
        self.given = 0
        self.given_bytes = 0
        self.deepest = 0
        """Most events that were ever queued."""
        self.lost = 0
        self.blocking_since_ns = 0
        """When tracees last began to wait for it, Unix time."""
        self.blocked_from_ns = 0
        """The same by the monotonic clock."""
        self.markers = 0
        self.gap = Gap()
        self.told = 0
        """The seq up to which it has been told of everything."""
        self.final: int | None = None
        """The last seq that it gets; None: it has not been closed."""
        self.slow = SLOW
        """What a loss is put down to."""
        self.alone = (self,)
        """For what is given to it and to nobody else."""

        # The trio thread's.
        self.blocked_ns = 0
        """For how long tracees waited for it, until they last went on."""
        self.replay: Replay | None = None
        """Set until it is live.  As long as it is, what is the teller's else is the replay's."""
        self.recording: Recording | None = None
        self.delivered = 0
        self.delivered_bytes = 0
        self.markers_written = 0
        self.queue: deque[Piece] = deque()
        self.finished: str | errors.TracerdError | None = None
        """Why the stream ends once the queue is empty."""
        self.over = False
        """Its stream has ended."""
        self._work = trio.Event()
        self._progress = trio.lowlevel.ParkingLot()

    def degrade(self) -> None:
        """Let no tracee wait for it any more: its budget is spent.  The trio thread.

        At one stroke each: the teller may be about to find it full.
        """
        self.slow = BUDGET
        self.overflow = "drop"

    @property
    def compiled(self) -> Compiled:
        """Its filters."""
        return self.question.compiled

    def covers(self, process: Identity) -> bool:
        """Whether it could get anything of a process."""
        return any(wish.covers(process) for wish in self.question.wishes)

    @property
    def is_undisturbed(self) -> bool:
        """Whether all markers have been written: one more does no harm to who does not read."""
        return self.markers == self.markers_written

    @property
    def is_full(self) -> bool:
        """Whether the queue, with what is on its way to it, has reached a bound."""
        return (
            self.given - self.delivered >= self.max_events
            or self.given_bytes - self.delivered_bytes >= self.max_bytes
        )

    @property
    def is_overfull(self) -> bool:
        """Whether the bounds have been passed by far."""
        return self.given - self.delivered >= max(
            OVERSHOOT * self.max_events, LEAST_EVENTS
        ) or self.given_bytes - self.delivered_bytes >= max(OVERSHOOT * self.max_bytes, LEAST_BYTES)

    @property
    def is_half_empty(self) -> bool:
        """Whether there is room again, and enough of it to make a new start worth while."""
        return (
            2 * (self.given - self.delivered) <= self.max_events
            and 2 * (self.given_bytes - self.delivered_bytes) <= self.max_bytes
        )

    def has_room(self, events: int, size: int) -> bool:
        """Whether so many events, of so many bytes in all, can be given and pass no bound."""
        return (
            self.given - self.delivered + events <= self.max_events
            and self.given_bytes - self.delivered_bytes + size <= self.max_bytes
        )

    def give(self, events: int, size: int) -> None:
        """Account so many events, of so many bytes in all, as given.  The teller."""
        self.given += events
        self.given_bytes += size
        depth = self.given - self.delivered
        self.deepest = max(self.deepest, depth)

    def add(self, pieces: Sequence[Piece]) -> None:
        """Queue what was handed over, and wake the writer."""
        self.queue.extend(pieces)
        self._work.set()

    def finish(self, reason: str | errors.TracerdError) -> None:
        """End the stream with `reason` after what is queued; the first reason counts."""
        if self.finished is None:
            self.finished = reason
        self._work.set()

    async def wait_work(self) -> None:
        """Wait until `add` or `finish` was called."""
        await self._work.wait()
        self._work = trio.Event()

    def take(self, max_items: int, max_bytes: int) -> list[Piece]:
        """Take from the queue what goes into one write: at least one piece, if there is any."""
        taken: list[Piece] = []
        items = size = 0
        queue = self.queue
        while queue:
            items += queue[0].items
            size += len(queue[0].body)
            if taken and (items > max_items or size > max_bytes):
                break
            taken.append(queue.popleft())
        return taken

    def acknowledge(self, written: Sequence[Piece]) -> None:
        """Account pieces as written."""
        for items, events, size, _ in written:
            self.delivered += events
            self.delivered_bytes += size
            self.markers_written += items - events
        self._progress.unpark_all()

    @property
    def accepted(self) -> int:
        """Events given and markers, ever."""
        return self.given + self.markers

    async def wait_written(self, accepted: int) -> bool:
        """Wait until so many events and markers are written; False if the stream ends before."""
        while (short := self.delivered + self.markers_written < accepted) and not self.over:
            await self._progress.park()
        return not short

    async def wait_live(self) -> bool:
        """Wait until the past has been given; False if the stream ends before."""
        while self.replay is not None and not self.over:
            await self._progress.park()
        return not self.over

    def go_live(self) -> None:
        """Note that the past has been given."""
        self.replay = None
        self._progress.unpark_all()

    async def wait_over(self) -> None:
        """Wait until the stream has ended."""
        while not self.over:
            await self._progress.park()

    def leave(self) -> None:
        """End it for good: its last byte has been written, or never will be."""
        self.closed = True
        self.over = True
        self.queue.clear()
        self._progress.unpark_all()

    def state(self, *, blocking: bool) -> messages.SubscriptionState:
        """Return the account.  Counters are read oldest stage last, so `queued` is never < 0."""
        delivered, lost, given = self.delivered, self.lost, self.given
        delivered_bytes = self.delivered_bytes
        return messages.SubscriptionState(
            id=self.id,
            uid=self.peer.uid,
            pid=self.peer.pid,
            detail=self.question.request.detail,
            overflow=self.overflow,
            filters=self.compiled.normalised(),
            matched=given + lost,
            delivered=delivered,
            queued=given - delivered,
            lost=lost,
            blocking=blocking,
            queued_max=self.deepest,
            queue_events=self.max_events,
            queue_bytes=self.max_bytes,
            queued_bytes=self.given_bytes - delivered_bytes,
            blocked_ns=self.blocked_ns,
            blocking_since_ns=self.blocking_since_ns if blocking else 0,
            degraded=self.overflow != self.request.overflow,
        )
