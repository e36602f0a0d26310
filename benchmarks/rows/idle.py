"""Attached, and nobody watches: the program runs at full speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workloads
from goals import Reach
from report import Table
from rounds import in_turn, ratios
from watched import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon
    from workloads import Workload

FULL_SPEED = Reach("idle", 1.02)
UNTRACED, AGAIN = "untraced", "untraced again"
"""The second is a control: what two measurements of the same differ by."""


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    table = Table("Attached, nobody watching", "Wall time of the program, by that of it untraced.")
    _compare(bench, table, workloads.getppid(bench.size(4_000_000, 1_000_000)))
    _compare(bench, table, workloads.opens(bench.scratch, bench.size(600_000, 100_000)))
    yield table


def _compare(bench: Bench, table: Table, workload: Workload) -> None:
    daemons = bench.daemons(table)

    def run(daemon: Daemon | str) -> float:
        # All start in the same way, so that they differ in nothing but the attach.
        if not isinstance(daemon, str):
            return watch(daemon, bench.stopwatch, workload, subscribers=0).seconds
        with bench.stopwatch.waiting(workload.command) as process:
            return bench.stopwatch.release(process)

    ways: list[Daemon | str] = [UNTRACED, *daemons, AGAIN]
    times = in_turn(ways, bench.rounds, run, f"idle: {workload.name}")
    for one in daemons:
        what = f"{workload.what}; {one.pump} pump"
        table.add(what, UNTRACED, ratios(times[one], times[UNTRACED]), FULL_SPEED)
    table.add(f"{workload.what}; {AGAIN}", UNTRACED, ratios(times[AGAIN], times[UNTRACED]))
