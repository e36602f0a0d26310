"""Events per second through the hub alone: matching, encoding, queues, sockets; nothing traced."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from daemons import Daemon, await_listener
from errors import MeasurementError
from household import started
from report import Table
from rounds import in_turn, ratios
from setting import BENCHMARKS
from watched import readers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench

COUNTS = (1, 10, 100)


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    events = bench.size(100_000, 10_000)
    table = Table(
        "The hub alone",
        f"{events:,} calls of getppid, made up by a tracer that traces nothing and published 32 at "
        "a time to subscribers with overflow `block`; from the first to the last byte written.",
    )
    log = bench.scratch / "hub-log"
    path = str(bench.scratch / "hub")
    with (
        log.open("wb") as stderr,
        started(
            [sys.executable, str(BENCHMARKS / "hub_alone.py"), path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        await_listener(path, process, log)
        daemon = Daemon(path, process, log)
        rates = in_turn(
            COUNTS,
            bench.rounds,
            lambda count: _rate(daemon, process, count, max(events // count, 2_000)),
            "hub",
        )
    for count in COUNTS:
        what = f"{count} subscriber{'s' * (count > 1)}"
        table.add(what, "", rates[count], unit="events/s")
        table.add(what, "", [rate * count for rate in rates[count]], unit="deliveries/s")
    for count in COUNTS[1:]:
        table.add(
            f"time per event with {count} subscribers", "with 1", ratios(rates[1], rates[count])
        )
    yield table


def _rate(daemon: Daemon, process: subprocess.Popen[bytes], count: int, events: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    with daemon.client() as client, readers(daemon, count, 0, {"overflow": "block"}) as names:
        before = time.monotonic()
        process.stdin.write(b"%d\n" % events)
        process.stdin.flush()
        if process.stdout.readline() != b"DONE\n":
            raise MeasurementError(f"the hub failed: {daemon.log()}")
        for name in names:
            client.sync(name)
        took = time.monotonic() - before
        for state in daemon.status()["subscriptions"]:
            if state["delivered"] != events or state["lost"]:
                raise MeasurementError(f"{events} events were published: {state}")
    return events / took
