"""hub_alone.py SOCKET: a daemon whose tracer traces nothing.

For each line `N` on standard input the tracer publishes N calls, 32 at a time as a pump would
bring them, waits where the gate is closed, and says DONE.  Ends when it is killed.
"""

from __future__ import annotations

import queue
import sys
import threading
from typing import TYPE_CHECKING, Any

import trio

from tracerd.core import commands
from tracerd.core.syscalls import CATALOGUE, LISTED
from tracerd.core.tracee import Process
from tracerd.protocol.events import SyscallExit
from tracerd.server.daemon import SWITCH_INTERVAL_S, Daemon
from tracerd.server.listener import listen
from tracerd.server.settings import Settings
from tracerd.server.systemd import Notifier
from tracerd.server.tracing import Core

if TYPE_CHECKING:
    from collections.abc import Callable

ROUND = 32
TRACEE = Process(pid=4000, start=7, lineage=frozenset({4000}))


class Maker:
    """Keeps the contract of core's Tracer, as far as the hub asks."""

    def __init__(self, *, publish: Any, gate: Any, **_: Any) -> None:
        self.statistics = commands.Statistics(pump="none")
        self._publish = publish
        self._gate = gate
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._running = True

    def run(self) -> None:
        """Do what was asked, until Stop."""
        while self._running:
            self._inbox.get()()

    def submit(self, command: Any, answer: Any) -> None:
        """Queue a command, from any thread."""
        self._inbox.put(lambda: self._obey(command, answer))

    def make(self, count: int) -> None:
        """Publish so many events and say DONE, from any thread."""
        self._inbox.put(lambda: self._make(count))

    def _obey(self, command: Any, answer: Any) -> None:
        self._running = not isinstance(command, commands.Stop)
        answer(self.statistics.head if isinstance(command, commands.Barrier) else None)

    def _make(self, left: int) -> None:
        while left:
            while (self._gate.closed and self._gate.covers(TRACEE)) or not self._inbox.empty():
                self._inbox.get()()  # a Recheck comes when the gate opens
            count = min(ROUND, left)
            self._publish([self._event() for _ in range(count)])
            left -= count
        print("DONE", flush=True)

    def _event(self) -> Any:
        self.statistics.head += 1
        event = SyscallExit(
            seq=self.statistics.head, time_ns=1_700_000_000_000_000_000, pid=4000, tid=4000,
            start=7, comm="loops", syscall="getppid", nr=110, ret=1, duration_ns=300,
        )  # fmt: skip
        return commands.Published(event, TRACEE)


async def main() -> None:
    listening = [listen(sys.argv[1], 0o600)]
    made: list[Maker] = []

    def make_tracer(**ports: Any) -> Any:
        made.append(Maker(**ports))
        return made[0]

    def heed() -> None:
        for line in sys.stdin:
            made[0].make(int(line))

    daemon = Daemon(Settings(), listening, Notifier())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(daemon.run, Core(make_tracer, CATALOGUE, LISTED))
        await daemon.ready.wait()
        threading.Thread(target=heed, daemon=True).start()


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    trio.run(main)
