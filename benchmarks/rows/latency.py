"""From a call of the tracee to the bytes of its event at the subscriber."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import workloads
from errors import MeasurementError
from goals import Reach
from household import hogs
from report import Table
from rounds import in_turn, ratios
from tracers import reader, rest
from workloads import TICKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon

PER_SECOND = 10_000
P50, P99 = Reach("p50", 1, strictly=True), Reach("p99", 10, strictly=True)
KEEPS_UP = Reach("rate", 1.05)
"""A program that is called late does not try to catch up, so one that is slowed takes longer."""


class Run(NamedTuple):
    """seconds: of the program.  late: ns, sorted; empty for an untraced run."""

    seconds: float
    late: list[int]
    lost: int = 0

    def at(self, share: float) -> float:
        """Return a quantile, in ms."""
        return self.late[min(int(len(self.late) * share), len(self.late) - 1)] / 1e6


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    count = bench.size(PER_SECOND, PER_SECOND // 2)
    table = Table(
        f"Latency at {PER_SECOND:,} events/s",
        f"{count:,} calls, ten in each millisecond, attached, one subscriber that decodes. From "
        "before the call was entered (so both its stops are in it) to the arrival of its bytes. "
        f"Busy: {workloads.cores()} programs that compute.",
    )
    _measure(bench, table, "idle machine", count)
    with hogs(workloads.cores()):
        _measure(bench, table, "busy machine", count)
    yield table


def _measure(bench: Bench, table: Table, load: str, count: int) -> None:
    daemons = bench.daemons(table)
    found = in_turn(
        [None, *daemons],
        bench.rounds,
        lambda daemon: _run(bench, daemon, count),
        f"latency: {load}",
    )
    untraced = [run.seconds for run in found[None]]
    for daemon in daemons:
        runs, what = found[daemon], f"{load}, {daemon.pump} pump"
        slower = ratios([run.seconds for run in runs], untraced)
        table.add(f"p50, {what}", "", [run.at(0.50) for run in runs], P50, unit="ms")
        table.add(f"p99, {what}", "", [run.at(0.99) for run in runs], P99, unit="ms")
        table.add(f"time of the program, {what}", "untraced", slower, KEEPS_UP)
        if lost := sum(run.lost for run in runs):
            table.note(f"{what}: {lost} events lost in all rounds")


def _run(bench: Bench, daemon: Daemon | None, count: int) -> Run:
    command = TICKS, str(PER_SECOND), str(count)
    with bench.stopwatch.waiting(command) as process:
        if daemon is None:
            return Run(bench.stopwatch.release(process), [])
        with daemon.client() as client:
            client.attach(process.pid, scope="connection")
            with reader("clock.py", daemon, str(process.pid)) as clock:
                seconds = bench.stopwatch.release(process)
                said = json.loads(rest(clock))
    late, lost = sorted(said["late"]), said["lost"]
    if len(late) + lost != count:
        raise MeasurementError(f"{len(late)} events and {lost} lost for {count} calls")
    return Run(seconds, late, lost)
