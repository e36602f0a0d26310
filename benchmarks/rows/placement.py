"""Placement of tracer and tracee: what it gains where it can; elsewhere it may cost nothing."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import workloads
from errors import UnavailableError
from goals import Reach
from household import hogs
from report import Table
from rounds import in_turn, ratios
from watched import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon
    from workloads import Workload

NEVER_SLOWER = Reach("placement", 1.05)
"""5 %: what two runs of the same differ by."""
AGAIN = "none, again"
"""A control: what two measurements of the same differ by."""
MOST_HOGS = 2


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        "Placement",
        "Attached, one subscriber; wall time of the program, auto by none, and as a control none "
        "by none. A hog is a program that computes.",
    )
    try:
        pump = bench.best(table).pump
        none, auto = (bench.daemon(pump, way) for way in ("none", "auto"))
    except UnavailableError as error:
        table.note(f"skipped: {error}")
        yield table
        return
    for workload in _workloads(bench):
        for count in range(MOST_HOGS + 1):
            _compare(bench, table, {"none": none, "auto": auto, AGAIN: none}, workload, count)
    table.note(f"{pump} pump")
    yield table


def _compare(
    bench: Bench, table: Table, daemons: dict[str, Daemon], workload: Workload, count: int
) -> None:
    with hogs(count) if count else nullcontext():
        times = in_turn(
            list(daemons),
            bench.rounds,
            lambda way: watch(daemons[way], bench.stopwatch, workload).seconds,
            f"placement: {workload.name}, {count} hogs",
        )
    what = f"{workload.what}; {count or 'no'} hog{'s' * (count != 1)}"
    reach = [] if workload.alone else [NEVER_SLOWER]
    table.add(f"auto: {what}", "none", ratios(times["auto"], times["none"]), *reach)
    table.add(f"{AGAIN}: {what}", "none", ratios(times[AGAIN], times["none"]))


def _workloads(bench: Bench) -> list[Workload]:
    size, cores = bench.size, workloads.cores()
    return [
        workloads.getppid(size(5_000, 500)),
        workloads.family("processes", 8, size(500, 50), 30_000),
        workloads.family("threads", cores, size(1_500, 200), 30_000),
        workloads.family("threads", cores, size(1_000, 100), 300_000),
    ]
