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
    from workloads import Workload

NEVER_SLOWER = Reach("descriptors", 1.05)
"""5 %: what two runs of the same differ by."""
ALWAYS = "looked at each time"


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        "Descriptors",
        "Attached, one subscriber, all calls; wall time of the program, with what descriptors "
        "refer to remembered, by the same with a look into /proc at each call.",
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


def _compare(bench: Bench, table: Table, pump: str, workload: Workload) -> None:
    ways = {"": bench.daemon(pump), "always": bench.daemon(pump, looks="always")}
    times = in_turn(
        list(ways),
        bench.rounds,
        lambda way: watch(ways[way], bench.stopwatch, workload).seconds,
        f"descriptors: {pump}, {workload.name}",
    )
    found = ratios(times[""], times["always"])
    table.add(f"remembered: {workload.what}, {pump} pump", ALWAYS, found, NEVER_SLOWER)
