"""The subscriptions: taking them on, feeding them, ending them, and what they want together.

A subscription is live from the tracer's answer that its wishes are in force: then, on the thread
that publishes, in one step, it enters the routes and `head` is read.  So it gets every event after
`head` that it matches, and none before.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

import msgspec
import trio

from tracerd import errors
from tracerd.core.commands import (
    Barrier,
    ExpireInterest,
    Lag,
    Recheck,
    SetInterest,
    Survey,
    TargetEnded,
)
from tracerd.protocol import messages
from tracerd.protocol.cursors import read_since
from tracerd.protocol.filters import Compiled, compile_filters
from tracerd.server.bridge import Blocked, Failed, Finish, fault
from tracerd.server.log import Log
from tracerd.server.question import Question
from tracerd.server.recordings import Recordings
from tracerd.server.replay import Replay, start
from tracerd.server.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracerd.core.tracee import Identity
    from tracerd.protocol.cursors import Since
    from tracerd.protocol.events import Event
    from tracerd.protocol.filters import Catalogue
    from tracerd.server.access import Peer
    from tracerd.server.bridge import Batch, Bridge
    from tracerd.server.recordings import Recording
    from tracerd.server.settings import Limits
    from tracerd.server.subscription import Wire
    from tracerd.server.targets import Targets
    from tracerd.server.tracing import Tracing

log = Log(__name__)

LINGER_S: Final = 0.0007
"""After a batch the hub sleeps so long before it looks for the next: what comes meanwhile goes
over in one piece.  Waking the trio loop for each round of the tracer would cost the tracees
three times as much, for they wait for the GIL."""


_CHANGEABLE: Final = ("filters", "level", "detail", "string_limit", "envp", "fd_info")
"""What Update may change."""

PATIENCE_S: Final = 1.0
"""For tasks to stop that ran without syscall stops: one that cannot keeps nobody waiting longer."""


LAG_CALLS: Final = 4
"""How many times its bound in events may have happened untold to a `block` subscription, beside
what is in its queue; and once its bound in bytes, as recorded, which events exceed by a factor of
four or so.  Together less than what it holds in the end (OVERSHOOT)."""


class Admission(NamedTuple):
    """How a subscription begins; see SubscribeReply."""

    head: int
    oldest: int
    recorded_from: int


class Hub:
    """Knows every subscription.  All methods are for the trio thread."""

    def __init__(
        self,
        tracing: Tracing,
        bridge: Bridge,
        batches: trio.MemoryReceiveChannel[Batch],
        targets: Targets,
        limits: Limits,
        catalogue: Catalogue,
        run: str = "",
    ) -> None:
        self._catalogue = catalogue
        self._run = run
        self._tracing = tracing
        self._bridge = bridge
        self.tally = bridge.tally
        self._batches = batches
        self._targets = targets
        self._limits = limits
        self._subscriptions: dict[str, Subscription] = {}
        self._compiled: WeakValueDictionary[bytes, Compiled] = WeakValueDictionary()
        """By what was asked for: who asks for the same is served together."""
        self._recordings = Recordings()
        self._kept: dict[int, Subscription] = {}
        """What is recorded on account of an attach, by its owner."""
        self._lingering: Counter[int] = Counter()
        """How many recordings of a user go on though the subscriber has gone."""
        self._nursery: trio.Nursery | None = None
        self.closing = False
        """The daemon is ending: no new streams, and those there are end with `shutdown`, not
        because their target was let go."""

    async def run(self) -> None:
        """Distribute what the bridge delivers, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            while True:
                batch = await self._batches.receive()
                for entry in batch:
                    if isinstance(entry, Finish):
                        entry.subscription.finish(entry.reason)
                        self._open_gate(entry.subscription)
                    elif isinstance(entry, Failed):
                        self._nursery.start_soon(self.retire, entry.subscription, entry.reason)
                    elif isinstance(entry, Blocked):
                        self._nursery.start_soon(self._keep_to_budget, entry.subscription)
                    elif isinstance(entry, TargetEnded):
                        self._target_ended(entry)
                    else:
                        for subscription in entry.to:
                            subscription.add(entry.pieces)
                await trio.sleep(0 if self._bridge.behind else LINGER_S)
                self._bridge.deliver()

    async def subscribe(
        self, request: messages.Subscribe, peer: Peer, wire: Wire
    ) -> tuple[Subscription, Admission]:
        """Open a subscription; returns it, live, or with its past to be replayed first.

        The caller ends it with `discard`, whatever happens after.  Raises InvalidFilter,
        InvalidParameter, Unsupported, CursorExpired, LimitReached, ShuttingDown, PermissionDenied.
        """
        if self.closing:
            raise errors.ShuttingDown
        if request.overflow == "block" and not peer.powers.attaches:
            reason = f"overflow `block` has processes wait, which a {peer.role.value} may not do"
            raise errors.PermissionDenied(0, reason)
        if request.block_budget_ms and request.overflow != "block":
            raise errors.InvalidParameter("block_budget_ms", "goes with overflow `block`")
        if request.block_budget_ms < 0:
            raise errors.InvalidParameter("block_budget_ms", "a time is not negative")
        since = self._since(request)
        compiled = self._compile(request)
        most = self._limits.subscriptions_per_uid
        if not peer.is_root and self._count(peer.uid) >= most:
            raise errors.LimitReached("subscriptions of a user", most)
        subscription = Subscription(request, compiled, peer, wire, self._limits)
        self._check_memory(subscription)
        self._subscriptions[subscription.id] = subscription
        recording = subscription.recording = self._hold(subscription.question)
        try:
            if request.snapshot:
                await self._change(lambda: None)
                admission = await self._tracing.ask(
                    Survey(subscription.covers),
                    lambda found: self._admit(subscription, recording, found=found),
                )
            else:
                admission = await self._change(lambda: self._admit(subscription, recording, since))
        except BaseException:
            subscription.linger_s = 0
            self.discard(subscription)
            raise
        return subscription, admission

    def discard(self, subscription: Subscription) -> None:
        """Forget a subscription whose stream has ended.  Frees its tracees at once."""
        subscription.lingers = self._may_linger(subscription)
        subscription.leave()
        self._open_gate(subscription)
        if not self._subscriptions.pop(subscription.id, None):
            return
        if subscription.lingers:
            assert self._nursery is not None
            self._nursery.start_soon(self._linger, subscription)
        else:
            self._forget(subscription)
            self._tracing.tell(self._interest(), lambda _: self._bridge.stand_down(subscription))

    async def keep(self, owner: int, wanted: Subscription) -> None:
        """Record what `wanted` asks for until `forget` is called for this owner of an attach."""
        self.forget(owner)
        self._kept[owner] = wanted
        wanted.recording = self._hold(wanted.question)
        await self._change(lambda: self._bridge.stand(wanted))

    def wanted(self, peer: Peer, pid: int, keep: messages.CallSelection) -> Subscription:
        """Return what stands for Attach.keep.

        Raises InvalidFilter, InvalidParameter, Unsupported.
        """
        if not self._bridge.history.on:
            raise errors.Unsupported("keep: no past events are kept here (--buffer-size is 0)")
        if any(one.tree for one in keep.filters):
            raise errors.InvalidParameter(
                "keep.filters", "it is of the process attached to: no tree"
            )
        filters = [
            msgspec.structs.replace(one, tree=[pid]) for one in keep.filters or [messages.Filter()]
        ]
        request = messages.Subscribe(filters=filters, level=keep.level)
        compiled = compile_filters(filters, self._catalogue, level=keep.level, field="keep.filters")
        return Subscription(request, compiled, peer, "msgpack", self._limits)

    def forget(self, owner: int) -> None:
        """Record no more on account of an attach, if anything was."""
        wanted = self._kept.pop(owner, None)
        if wanted is not None:
            self._forget(wanted)
            self._tracing.tell(self._interest(), lambda _: self._bridge.stand_down(wanted))

    def explain(self, request: messages.Explain) -> Compiled:
        """Return what a subscription with these filters would have.  Raises InvalidFilter."""
        return self._compile(request)

    async def update(self, subscription: Subscription, call: messages.Update) -> int:
        """Change what a subscription asks for; returns the seq after which that is in force.

        Raises InvalidFilter, InvalidParameter; NoSuchSubscription if the stream ends before.
        """
        async with subscription.changing:
            if not await subscription.wait_live():
                raise errors.NoSuchSubscription(subscription.id)
            given = {
                name: value for name in _CHANGEABLE if (value := getattr(call, name)) is not None
            }
            request = msgspec.structs.replace(subscription.question.request, **given)
            question = Question(request, self._compile(request), subscription.peer, self._limits)
            recording = self._hold(question)
            try:
                # Both are recorded until the new one is in force.
                seq: int | None = await self._change(
                    lambda: self._bridge.change(subscription, question, recording)
                )
            except BaseException:
                self._recordings.release(recording)
                raise
            self._forget(subscription)
            if seq is None or subscription.closed:
                self._recordings.release(recording)
                raise errors.NoSuchSubscription(subscription.id)
            subscription.recording = recording
            self._tracing.tell(self._interest())
            return seq

    async def retire(self, subscription: Subscription, reason: str | errors.TracerdError) -> None:
        """Match no more for a subscription; its stream ends with `reason` after what is queued."""
        subscription.closed = True
        self._open_gate(subscription)
        self._forget(subscription)
        try:
            # Answers come where events are published: no round is under way that gives to it.
            await self._change(lambda: self._bridge.finish(subscription, reason))
        except errors.ShuttingDown:
            subscription.finish(reason)
        except Exception as error:  # noqa: BLE001  the stream has to end whatever happened
            log.fault("a subscription could not be retired", error, subscription=subscription.id)
            subscription.finish(reason)

    def retire_all(self, reason: str) -> None:
        """End every stream after what was published.

        Called on the teller; on the trio thread if the tracer has ended.
        """
        for subscription in tuple(self._subscriptions.values()):
            self._bridge.finish(subscription, reason)

    def cut_all(self, reason: str) -> None:
        """End every stream after what has arrived: the tracer does not answer any more."""
        for subscription in self._subscriptions.values():
            subscription.finish(reason)

    async def wait_empty(self) -> None:
        """Wait until every stream has ended."""
        for subscription in tuple(self._subscriptions.values()):
            await subscription.wait_over()

    def relieve(self, subscription: Subscription) -> None:
        """Open the gate if the queue of a subscription that tracees wait for has run low."""
        if self._bridge.is_blocking(subscription) and subscription.is_half_empty:
            self._open_gate(subscription)

    async def join(self, subscription: Subscription) -> bool:
        """Let a subscription in that has read its past but for a little; False: too much is left.

        Raises ShuttingDown.
        """
        joined: bool = await self._tracing.ask(
            Barrier(), lambda head: self._bridge.join(subscription, head)
        )
        until = subscription.request.until
        if joined and until and not self._targets.on(until):
            # It has ended while nobody looked, and will not end again.
            await self.retire(subscription, "target")
        return joined

    async def beat(self, subscription: Subscription) -> None:
        """Have a heartbeat sent.  Raises ShuttingDown."""
        await self._tracing.ask(Barrier(), lambda head: self._bridge.beat(subscription, head))

    async def fail(self, subscription: Subscription, error: Exception) -> None:
        """End a subscription in which there was a fault."""
        await self.retire(subscription, fault(subscription, error))

    async def tell_loss(self, subscription: Subscription) -> None:
        """Have the loss at the end of what was given told, though nothing follows it."""
        await self._tracing.ask(
            Barrier(), lambda _: self._bridge.tell_loss(subscription, at_once=False)
        )

    async def sync(self, subscription: Subscription) -> int:
        """Wait until all that happened up to now has been written; returns the newest seq.

        Raises NoSuchSubscription if the stream ends before.
        """

        def reached(head: int) -> tuple[int, int]:
            self._bridge.tell_loss(subscription, at_once=True)
            return head, subscription.accepted

        if not await subscription.wait_live():
            raise errors.NoSuchSubscription(subscription.id)
        head, accepted = await self._tracing.ask(Barrier(), reached)
        if not await subscription.wait_written(accepted):
            raise errors.NoSuchSubscription(subscription.id)
        return int(head)

    def find(self, name: str, peer: Peer) -> Subscription:
        """Return one of the peer's subscriptions, or anyone's for who manages.

        Raises NoSuchSubscription: also for another user's, whose ids are not to be guessed.
        """
        subscription = self._subscriptions.get(name)
        if subscription is None or not (peer.powers.manages or peer.uid == subscription.peer.uid):
            raise errors.NoSuchSubscription(name)
        return subscription

    def blockers(self, process: Identity) -> list[messages.Blocker]:
        """Return whom a process has to wait for."""
        return [
            messages.Blocker(
                id=one.id, uid=one.peer.uid, pid=one.peer.pid, since_ns=one.blocking_since_ns
            )
            for one in self._bridge.blockers(process)
        ]

    @property
    def evicted(self) -> int:
        """How many past events are no longer kept."""
        return self._bridge.history.evicted

    def states(self, peer: Peer) -> list[messages.SubscriptionState]:
        """Return the accounts of the peer's subscriptions; of all for who manages."""
        return [
            one.state(blocking=self._bridge.is_blocking(one))
            for one in self._subscriptions.values()
            if peer.powers.manages or peer.uid == one.peer.uid
        ]

    def __len__(self) -> int:
        return len(self._subscriptions)

    def _admit(
        self,
        subscription: Subscription,
        recording: Recording,
        since: Since | None = None,
        found: Sequence[tuple[Event, Identity]] | None = None,
    ) -> Admission:
        """Let a subscription in, or see where its past begins.  On the teller.

        found: what it gets first, of the processes as they are.
        """
        head = self._tracing.tracer.statistics.head
        history = self._bridge.history
        recorded = recording.since
        if recorded is None:
            recording.since = head
        if found is not None:
            self._bridge.portray(subscription, found, head)
        elif since is None:
            self._bridge.admit(subscription)
        else:
            begin = start(since, self._run, history, recorded, patient=subscription.patient)
            subscription.replay = Replay(history, subscription, begin)
            self._bridge.stand(subscription)
            self._bridge.hold(subscription)
        oldest = history.oldest() if history.on else head + 1
        return Admission(head, oldest, 1 + (head if recorded is None else recorded))

    def _since(self, request: messages.Subscribe) -> Since | None:
        if not request.since:
            return None
        if request.snapshot:
            raise errors.InvalidParameter("snapshot", "does not go with `since`")
        since = read_since(request.since)
        if not self._bridge.history.on:
            raise errors.Unsupported("since: no past events are kept here (--buffer-size is 0)")
        return since

    def _hold(self, question: Question) -> Recording:
        """Have recorded what is asked for."""
        return self._recordings.hold(question.key, question.wishes)

    def _forget(self, subscription: Subscription) -> None:
        """No longer have it recorded for this subscription."""
        recording, subscription.recording = subscription.recording, None
        if recording is not None:
            self._recordings.release(recording)

    def _may_linger(self, subscription: Subscription) -> bool:
        """Whether a stream is over because the connection broke, and its subscriber may be back."""
        uid = subscription.peer.uid
        return (
            subscription.linger_s > 0
            and subscription.recording is not None
            and subscription.finished is None
            and not self.closing
            and self._bridge.history.on
            and self._lingering[uid] < self._limits.subscriptions_per_uid
        )

    async def _linger(self, subscription: Subscription) -> None:
        """Go on recording for a subscription that has gone, for a while."""
        uid = subscription.peer.uid
        self._lingering[uid] += 1
        self._tracing.tell(Barrier(), lambda _: self._bridge.prune())
        try:
            await trio.sleep(subscription.linger_s)
        finally:
            self._lingering[uid] -= 1
            self._forget(subscription)
        self._tracing.tell(self._interest(), lambda _: self._bridge.stand_down(subscription))

    def _check_memory(self, subscription: Subscription) -> None:
        """Raise LimitReached if with this one its user's queues could hold too much."""
        peer, most = subscription.peer, self._limits.queue_bytes_per_uid
        theirs = (one for one in self._subscriptions.values() if one.peer.uid == peer.uid)
        held = sum(one.max_bytes for one in theirs)
        if not peer.is_root and held + subscription.max_bytes > most:
            raise errors.LimitReached("bytes in the queues of a user", most)

    def _count(self, uid: int) -> int:
        return sum(one.peer.uid == uid for one in self._subscriptions.values())

    def _open_gate(self, subscription: Subscription) -> None:
        """Let no tracee wait for this subscription any more."""
        if subscription.request.overflow == "block":
            self._bridge.unblock(subscription)
            self._tracing.tell(Recheck())

    async def _keep_to_budget(self, one: Subscription) -> None:
        """Let tracees wait for a subscription until its budget is spent, and then no more."""
        if one.timed:
            return
        one.timed = True
        while self._bridge.is_blocking(one):
            waited_ns = one.blocked_ns + time.monotonic_ns() - one.blocked_from_ns
            if waited_ns >= one.budget_ns:
                log.info("a subscription's budget is spent", subscription=one.id)
                one.degrade()
                self._open_gate(one)
                return
            await trio.sleep((one.budget_ns - waited_ns) / 1e9)
        one.timed = False

    def _target_ended(self, ended: TargetEnded) -> None:
        self._targets.drop(ended.owner)
        self.forget(ended.owner)
        if self.closing or self._nursery is None or self._targets.on(ended.pid):
            return  # or others hold it still
        for one in self._subscriptions.values():
            if one.request.until == ended.pid and not one.closed:
                self._nursery.start_soon(self.retire, one, "target")

    async def _change(self, then: Callable[[], Any]) -> Any:
        """Have the tracer want what the subscriptions want that there are now.

        `then` runs on the teller once that is in force; returns what it returned.
        Changes may overtake each other on the way back (a tracee can be slow to stop), so
        `then` must not rely on which subscriptions others have added meanwhile.
        """
        return await self._tracing.ask(
            self._interest(),
            lambda _: then(),
            patience_s=PATIENCE_S,
            impatient=lambda: self._tracing.tell(ExpireInterest()),
        )

    def _interest(self) -> SetInterest:
        """Return all that is to be recorded, each wish once."""
        lag: Lag | None = None
        for one in self._subscriptions.values():
            if one.overflow == "block" and not one.closed:
                calls, size = LAG_CALLS * one.max_events, one.max_bytes
                lag = Lag(min(lag.calls, calls), min(lag.size, size)) if lag else Lag(calls, size)
        return SetInterest(self._recordings.wishes(), lag)

    def _compile(self, request: messages.Subscribe | messages.Explain) -> Compiled:
        """Return the filters of a request, compiled.  Raises InvalidFilter."""
        asked = msgspec.json.encode((request.filters, request.level))
        compiled = self._compiled.get(asked)
        if compiled is None:
            compiled = compile_filters(request.filters, self._catalogue, level=request.level)
            self._compiled[asked] = compiled
        return compiled
