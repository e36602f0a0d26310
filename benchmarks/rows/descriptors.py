"""What descriptors refer to: remembered, against a look into /proc at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workloads
from errors import UnavailableError
from goals import Reach
from report import Table
from rounds import in_turn, ratios
from watched import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon
    from workloads import Workload

LESS = Reach("descriptors", 1.0, strictly=True)
ALWAYS = "looked at each time"


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        "Descriptors",
        "Attached, one subscriber, all calls; CPU time of the daemon, with what descriptors refer "
        "to remembered, by the same with a look into /proc at each call.",
    )
    for pump in bench.pumps:
        for workload in (
            workloads.reads(bench.size(20_000, 3_000)),
            workloads.dd(bench.size(10_000, 2_000)),
            workloads.opens(bench.scratch, bench.size(4_000, 600)),
        ):
            try:
                _compare(bench, table, pump, workload)
            except UnavailableError as error:
                table.note(f"skipped: {error}")
    yield table


def _spent(daemon: Daemon, bench: Bench, workload: Workload) -> float:
    """Return the seconds that a daemon computes for one run of a program."""
    before = daemon.cpu_ns()
    watch(daemon, bench.stopwatch, workload)
    return (daemon.cpu_ns() - before) / 1e9


def _compare(bench: Bench, table: Table, pump: str, workload: Workload) -> None:
    ways = {"": bench.daemon(pump), "always": bench.daemon(pump, looks="always")}
    times = in_turn(
        list(ways),
        bench.rounds,
        lambda way: _spent(ways[way], bench, workload),
        f"descriptors: {pump}, {workload.name}",
    )
    found = ratios(times[""], times["always"])
    table.add(f"remembered: {workload.what}, {pump} pump", ALWAYS, found, LESS)
