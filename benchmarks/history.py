"""Tell what keeping the past costs whoever publishes, and how fast it is read again.

The bridge alone, without a tracer and without sockets: rounds of calls are published to subscribers
that take what they are given at once, with a buffer and without, in turn.  Prints ratios: median
(lowest-highest) of the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import trio

from tracerd.core.commands import Published
from tracerd.core.syscalls import CATALOGUE
from tracerd.core.tracee import Process
from tracerd.protocol import messages
from tracerd.protocol.cursors import Since
from tracerd.protocol.events import FileAccess, SyscallExit
from tracerd.protocol.filters import compile_filters
from tracerd.server.access import Peer
from tracerd.server.bridge import Bridge
from tracerd.server.history import History
from tracerd.server.replay import Replay, start
from tracerd.server.settings import Limits
from tracerd.server.subscription import Subscription

ROUND = 32
EVENTS = 64_000
PROCESS = Process(pid=4000, start=7, lineage=frozenset({4000}))
ROOT_PEER = Peer(0, 0, 1)
WIRES = {"one of MessagePack": ["msgpack"], "one of JSON": ["json"], "sixteen": ["msgpack"] * 16}


def made(seq: int) -> Published:
    path = f"/usr/lib/x86_64-linux-gnu/lib{seq % 97}.so"
    event = SyscallExit(
        seq=seq, time_ns=1_700_000_000_000_000_000 + seq, pid=4000, tid=4000, start=7,
        comm="loops", syscall="openat", nr=257, ret=3, duration_ns=300,
        args={"dfd": "AT_FDCWD", "filename": path, "flags": ["O_RDONLY", "O_CLOEXEC"]},
        files=[FileAccess(path=path, op="read", raw=path, real=path, fd=3)],
    )  # fmt: skip
    return Published(event, PROCESS)


def subscriber(wire: Any) -> Subscription:
    asked = messages.Subscribe()
    one = Subscription(asked, compile_filters([], CATALOGUE), ROOT_PEER, wire, Limits())
    one.max_events, one.max_bytes = 1 << 40, 1 << 40
    return one


async def published(history: History, wires: list[str]) -> float:
    """Return the seconds that it takes to publish EVENTS events."""
    send, receive = trio.open_memory_channel[Any](1)
    bridge = Bridge(trio.lowlevel.current_trio_token(), send, history)
    for wire in wires:
        bridge.admit(subscriber(wire))
    spent = 0.0
    with send, receive:
        for first in range(1, EVENTS + 1, ROUND):
            items = [made(seq) for seq in range(first, first + ROUND)]
            begun = time.perf_counter()
            bridge.publish(items)
            spent += time.perf_counter() - begun
            await receive.receive()
            bridge.deliver()
    return spent


def read(history: History, wire: str) -> float:
    """Return the seconds that it takes to read all that is kept."""
    one = subscriber(wire)
    replay = Replay(history, one, start(Since(), "", history, None, patient=True))
    begun = time.perf_counter()
    while not replay.done:
        replay.step()
    return time.perf_counter() - begun


def shown(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| subscribers | publishing with a buffer / without | reading again / publishing |")
    print("| --- | --- | --- |")
    for name, wires in WIRES.items():
        costs, reads = [], []
        for _ in range(rounds):
            history = History(Limits().history_bytes)
            without = await published(History(0), wires)
            with_it = await published(history, wires)
            costs.append(with_it / without)
            reads.append(read(history, wires[0]) / without)
        print(f"| {name} | {shown(costs)} | {shown(reads)} |")


if __name__ == "__main__":
    trio.run(main)
