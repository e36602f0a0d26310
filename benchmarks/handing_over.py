"""handing_over.py COUNT: what it costs to bring events from one thread to the trio loop.

Prints, as JSON, the seconds that COUNT events took through the bridge, published 256 at a time to
one subscription (matched, encoded, accounted and queued on the way), and one by one through
`trio.from_thread.run_sync`, which does none of that.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import trio

from tracerd.core.commands import Published
from tracerd.core.syscalls import CATALOGUE
from tracerd.core.tracee import Process
from tracerd.protocol.events import SyscallExit
from tracerd.protocol.filters import compile_filters
from tracerd.protocol.messages import Subscribe
from tracerd.server.access import Peer
from tracerd.server.bridge import Batch, Bridge
from tracerd.server.daemon import SWITCH_INTERVAL_S
from tracerd.server.settings import Limits
from tracerd.server.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

ROUND = 256
TRACEE = Process(pid=4000, start=7, lineage=frozenset({4000}))
ROOT = Peer(0, 0, 1)


def made(seq: int) -> Published:
    """Return a call of getppid."""
    event = SyscallExit(
        seq=seq, time_ns=1_700_000_000_000_000_000, pid=4000, tid=4000, start=7, comm="loops",
        syscall="getppid", nr=110, ret=1, duration_ns=300,
    )  # fmt: skip
    return Published(event, TRACEE)


async def bridged(count: int) -> float:
    """Return the seconds from the first publication until all has been queued."""
    send, receive = trio.open_memory_channel[Batch](1)
    bridge = Bridge(trio.lowlevel.current_trio_token(), send)
    limits = Limits(queue_bytes=1 << 30, max_queue_events=1 << 30, max_queue_bytes=1 << 30)
    asked = Subscribe(queue_events=2 * count)
    one = Subscription(asked, compile_filters([], CATALOGUE), ROOT, "msgpack", limits)
    bridge.admit(one)
    items = [made(seq) for seq in range(1, count + 1)]

    def publish() -> None:
        for start in range(0, count, ROUND):
            bridge.publish(items[start : start + ROUND])

    async def take() -> None:
        queued = 0
        while queued < count:
            for entry in await receive.receive():
                one.add(entry.pieces)  # type: ignore[union-attr]  there is nothing else
                queued += sum(piece.events for piece in entry.pieces)  # type: ignore[union-attr]
            bridge.deliver()

    return await _timed(publish, take)


async def one_by_one(count: int) -> float:
    """Return the seconds until all has been received."""
    send, receive = trio.open_memory_channel[int](count)

    def publish() -> None:
        for number in range(count):
            trio.from_thread.run_sync(send.send_nowait, number)

    async def take() -> None:
        for _ in range(count):
            await receive.receive()

    return await _timed(publish, take)


async def _timed(publish: Callable[[], None], take: Callable[[], object]) -> float:
    before = time.monotonic()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)  # type: ignore[arg-type]  it is async
        await trio.to_thread.run_sync(publish)
    return time.monotonic() - before


async def main() -> None:
    count = int(sys.argv[1])
    print(json.dumps({"bridge": await bridged(count), "one by one": await one_by_one(count)}))


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    trio.run(main)
