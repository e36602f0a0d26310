"""Writing a subscription's queue to its connection."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import trio

from tracerd import errors
from tracerd.protocol import framing, messages
from tracerd.server.replay import EXPIRED, JOIN_EVENTS
from tracerd.server.subscription import MARKER_INTERVAL_S
from tracerd.server.wire import PeerGoneError

if TYPE_CHECKING:
    from tracerd.protocol.connection import ServerConnection
    from tracerd.server.hub import Hub
    from tracerd.server.replay import Replay
    from tracerd.server.subscription import Piece, Subscription
    from tracerd.server.wire import Wire

WRITE_EVENTS: Final = 256
WRITE_BYTES: Final = 256 << 10
"""What goes into one message at most.  A write costs some 20 µs whatever is in it; beyond these
sizes it is no cheaper per event, and clients would wait for a message to be whole."""


Reason: TypeAlias = "str | errors.TracerdError"


class Form(NamedTuple):
    """How a stream is written: a batch of pieces, and why it ends."""

    batch: Callable[[Sequence[Piece]], bytes]
    end: Callable[[Reason], bytes]


def json_form(connection: ServerConnection) -> Form:
    """Return the form of a stream of replies."""

    def end(reason: Reason) -> bytes:
        if isinstance(reason, errors.TracerdError):
            return connection.error(reason)
        return connection.reply(messages.SubscribeReply(end=reason))

    return Form(lambda pieces: connection.events_reply([each.body for each in pieces]), end)


def _end_frame(reason: Reason) -> bytes:
    return framing.msgpack_end(_word(reason))


def _word(reason: Reason) -> str:
    return reason if isinstance(reason, str) else "failed"


def _batch_frame(pieces: Sequence[Piece]) -> bytes:
    return framing.msgpack_batch(
        [each.body for each in pieces], sum([each.items for each in pieces])
    )


UPGRADED: Final = Form(_batch_frame, _end_frame)
"""The form of a stream of frames."""


async def stream(
    subscription: Subscription, hub: Hub, wire: Wire, form: Form, stall_s: float
) -> str:
    """Write what is queued, as it comes, until the stream ends, and then why; returns why.

    stall_s: how long the peer may accept nothing; with `block` and tracing still going on
    there is no limit, as with strace.  Raises PeerGoneError.
    """

    def is_patient() -> bool:
        return subscription.overflow == "block" and not subscription.closed

    async def write(pieces: Sequence[Piece]) -> None:
        await wire.write(form.batch(pieces), stall_s, is_patient)
        subscription.acknowledge(pieces)

    if subscription.replay is not None:
        await _replay(subscription, subscription.replay, hub, write)
        hub.relieve(subscription)
    while True:
        while pieces := subscription.take(WRITE_EVENTS, WRITE_BYTES):
            await write(pieces)
            hub.relieve(subscription)
        if subscription.finished is not None:
            await wire.write(form.end(subscription.finished), stall_s)
            return _word(subscription.finished)
        if subscription.gap.count:
            await _tell_loss_or_work(subscription, hub)
        else:
            await _work_or_beat(subscription, hub)


async def _replay(
    subscription: Subscription,
    replay: Replay,
    hub: Hub,
    write: Callable[[Sequence[Piece]], Awaitable[None]],
) -> None:
    """Write the past, until the subscription is live or has been closed."""
    try:
        while True:
            if replay.left <= JOIN_EVENTS and subscription.finished is None:
                try:
                    if await hub.join(subscription):
                        break
                except errors.ShuttingDown:
                    await subscription.wait_work()  # for the end
            if pieces := replay.step():
                await write(pieces)
            elif replay.done and subscription.finished is not None:
                break
            else:
                await trio.lowlevel.checkpoint()
    except (PeerGoneError, trio.Cancelled):
        raise
    except Exception as error:  # noqa: BLE001  the fault of this subscription alone
        await hub.fail(subscription, error)
    finally:
        hub.tally.count("lost", EXPIRED, replay.lost)
    subscription.go_live()


async def _work_or_beat(subscription: Subscription, hub: Hub) -> None:
    """Wait for something to write; when it is time, have a heartbeat sent."""
    with trio.move_on_after(subscription.heartbeat_s):
        await subscription.wait_work()
        return
    try:
        await hub.beat(subscription)
    except errors.ShuttingDown:
        await subscription.wait_work()


async def _tell_loss_or_work(subscription: Subscription, hub: Hub) -> None:
    """Events were lost and none has come since that told of it: tell, when it is time.

    Returns early if there is something to write.
    """
    since_told = time.monotonic() - subscription.gap.told_at
    with trio.move_on_after(max(0, MARKER_INTERVAL_S - since_told)):
        await subscription.wait_work()
        return
    try:
        await hub.tell_loss(subscription)
    except errors.ShuttingDown:
        await subscription.wait_work()  # for the end, which tells of it
