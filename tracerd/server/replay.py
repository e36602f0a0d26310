"""The past, for one subscription: what is kept is judged as it would have been when it happened.

As long as much is left it is read on the trio thread, block by block, as fast as the subscriber
takes it; what happens meanwhile comes along the same way.  The last piece is read by the teller,
which lets the subscription in right after it (Bridge.join): no gap, no repeat.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from tracerd import errors
from tracerd.core.commands import Published
from tracerd.protocol import codec
from tracerd.protocol.detail import Detail
from tracerd.protocol.events import Event, Lost
from tracerd.protocol.redaction import NOTHING
from tracerd.server.hiding import without
from tracerd.server.routes import Group
from tracerd.server.subscription import UNENCODABLE, marker, pieces_of

if TYPE_CHECKING:
    from tracerd.core.tracee import Identity
    from tracerd.protocol.cursors import Since
    from tracerd.server.history import History, Passage
    from tracerd.server.subscription import Piece, Subscription

JOIN_EVENTS: Final = 256
"""So many the teller may still have to read: less than a millisecond's work."""

EXPIRED: Final = "expired"
RESTARTED: Final = "restarted"
UNWATCHED: Final = "unwatched"
"""Why past events are missing: they had to make room for newer ones; the cursor is of another run
of the daemon's; nobody asked for them at the time, so they were never recorded."""


class Start(NamedTuple):
    """Where a replay begins.  after: the last seq that is not wanted.  lost: what is told first."""

    after: int
    since_ns: int = 0
    lost: Lost | None = None


def start(
    since: Since, run: str, history: History, recorded: int | None, *, patient: bool
) -> Start:
    """Return where a subscription to past events begins.  By the teller.

    recorded: the seq after which all that its filters want is recorded; None: as of now.
    patient: gaps are told, else they are errors.  Raises CursorExpired; InvalidParameter for a
    cursor that the daemon cannot have given.
    """
    oldest, head = history.oldest(), history.head()
    if not since.run:
        if since.time_ns > history.forgotten_ns or oldest == 1:
            return Start(oldest - 1, since.time_ns)
        gap = lost(0, 1, oldest - 1, EXPIRED) if since.time_ns else None
    elif since.run != run:
        gap = lost(0, 0, oldest - 1, RESTARTED)
    elif since.seq > head:
        raise errors.InvalidParameter("since", f"there is no event {since.seq} yet (head: {head})")
    elif since.seq < oldest - 1:
        gap = lost(oldest - 1 - since.seq, since.seq + 1, oldest - 1, EXPIRED)
    elif recorded is None or since.seq < recorded:
        unwatched = head if recorded is None else recorded
        gap = lost(0, since.seq, unwatched, UNWATCHED)
        # What others wanted of that time comes after it.
        return Start(since.seq, lost=replace(gap, seq=since.seq))
    else:
        return Start(since.seq)
    if gap is not None and not patient:
        raise errors.CursorExpired(oldest, head, run)
    return Start(oldest - 1, since.time_ns, gap)


def lost(count: int, first: int, last: int, why: str) -> Lost:
    """Return a marker of events that are missing; count 0: it is not known how many."""
    return Lost(
        seq=last, time_ns=time.time_ns(), pid=0, tid=0, count=count, first=first, last=last, why=why
    )


class Replay:
    """Where a subscription is in the past.

    One thread uses it at a time: trio's, until that asks the teller to join.
    """

    def __init__(self, history: History, subscription: Subscription, start: Start) -> None:
        self.position = start.after
        """All up to this seq has been judged."""
        self.lost = 0
        """How many events were told as lost."""
        self._history = history
        self._subscription = subscription
        self._group = Group((subscription,))
        self._since_ns = start.since_ns
        self._lost = start.lost
        self._concerns: dict[tuple[type[Event], str], bool] = {}
        self._as_it_is = (
            subscription.question.everything
            and subscription.question.detail is Detail.FULL
            and subscription.wire == "msgpack"
            and not start.since_ns
            and subscription.peer.hidden is NOTHING
        )
        """What concerns it need not be decoded."""

    @property
    def left(self) -> int:
        """How many events there are still to judge."""
        final = self._subscription.final
        head = self._history.head()
        return (head if final is None else min(head, final)) - self.position

    @property
    def done(self) -> bool:
        """Whether all has been judged, and told."""
        return self.left <= 0 and self._lost is None

    def step(self, *, lead: bool = True) -> list[Piece]:
        """Judge the next events, and account what matches as given; returns it encoded.

        lead: if some have been dropped, leave out some more, not to be overtaken again at once.
        """
        pieces: list[Piece] = []
        if self._lost is not None:
            pieces.append(self._tell(self._lost))
            self._lost = None
        passage = self._history.after(self.position)
        if passage.missed:
            if lead:
                ahead = (self._history.head() - passage.first) // 4
                passage = self._history.after(passage.first + ahead)
            missed = passage.first - 1 - self.position
            gap = lost(missed, self.position + 1, passage.first - 1, EXPIRED)
            pieces.append(self._tell(gap))
        if passage.latest >= self._since_ns:
            pieces += self._judge(passage)
        self.position = passage.last
        return pieces

    def _judge(self, passage: Passage) -> list[Piece]:
        final = self._subscription.final
        pieces: list[Piece] = []
        found: list[bytes] = []
        for seq, payload, kind, syscall, process in zip(
            range(passage.first, passage.last + 1),
            passage.payloads,
            passage.kinds,
            passage.syscalls,
            passage.processes,
            strict=True,
        ):
            if final is not None and seq > final:
                break
            if payload is None or not self._concern(kind, syscall, process):
                continue
            if not payload:
                pieces += self._give(found)
                found = []
                pieces.append(self._tell(lost(1, seq, seq, UNENCODABLE)))
            elif wanted := self._wanted(payload, process):
                found.append(wanted)
        return pieces + self._give(found)

    def _concern(self, kind: type[Event], syscall: str, process: Identity) -> bool:
        about = kind, syscall
        known = self._concerns.get(about)
        if known is None:
            known = self._concerns[about] = self._subscription.compiled.concerns(kind, syscall)
        return known and self._group.sees(process)

    def _wanted(self, payload: bytes, process: Identity) -> bytes:
        """Return an event as the subscription gets it; nothing if it does not match."""
        if self._as_it_is:
            return payload
        whole = codec.decode_event_msgpack(payload)
        assert whole is not None
        item = Published(whole, process)
        if whole.time_ns < self._since_ns or not self._group.wants(item):
            return b""
        event = without(item.at(self._subscription.question.detail), self._group.hidden(process))
        wire = self._subscription.wire
        return payload if event is whole and wire == "msgpack" else codec.ENCODERS[wire](event)

    def _give(self, payloads: list[bytes]) -> list[Piece]:
        if not payloads:
            return []
        one = self._subscription
        one.give(len(payloads), sum(map(len, payloads)))
        return pieces_of(payloads, one.wire)

    def _tell(self, gap: Lost) -> Piece:
        one = self._subscription
        one.lost += gap.count
        self.lost += gap.count
        one.markers += 1
        return marker(codec.ENCODERS[one.wire](gap))
