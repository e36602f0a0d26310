"""What an event costs the daemon as events, tracees and subscribers grow a hundredfold."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import workloads
from goals import Reach
from plot import Panel, Point, figure
from report import Table
from rounds import in_turn, progress, ratios
from setting import BUILD, ROOT
from watched import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon
    from workloads import Workload

SCALES = (1, 10, 100)
NOT_MORE = Reach("growth", 1.1)
"""Not more per event; 10 %: what the smallest runs differ by."""


class Axis(NamedTuple):
    """What grows.  unit: of its numbers; base: how many there are at 1; cost: of what, in µs."""

    name: str
    unit: str
    base: int
    cost: str


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table, and write the plot."""
    axes = (
        Axis("events", "calls of one program", bench.size(500, 100), "event"),
        Axis("tracees", "processes, together as many calls", 1, "event"),
        Axis("subscribers", "subscribers to all events", 1, "event and subscriber"),
    )
    table = Table(
        "Growth",
        "CPU time of the daemon per event (with many subscribers: per event and subscriber), from "
        "the start of the program until all is written; attached.",
    )
    panels = [_grow(bench, table, axis) for axis in axes]
    place = bench.size(ROOT / "docs", BUILD) / "growth.svg"
    place.write_text(figure("What an event costs the daemon", panels), encoding="utf-8")
    table.note(f"plot: {place.relative_to(ROOT)}")
    yield table


def _grow(bench: Bench, table: Table, axis: Axis) -> Panel:
    panel = Panel(f"more {axis.name}", axis.unit, f"µs per {axis.cost}")
    daemons = bench.daemons(table)
    ways = [(daemon, scale) for daemon in daemons for scale in SCALES]
    costs = in_turn(
        ways, bench.rounds, lambda way: _cost(bench, axis, *way), f"growth: {axis.name}"
    )
    for daemon in daemons:
        pump = f"{daemon.pump} pump"
        mine = {scale: costs[daemon, scale] for scale in SCALES}
        panel.lines[pump] = [
            Point(axis.base * scale, min(found), median(found), max(found))
            for scale, found in mine.items()
            if found
        ]
        for scale, found in mine.items():
            what = f"{axis.base * scale:,} {axis.unit}; {pump}"
            table.add(what, "", found, unit=f"µs/{axis.cost}")
        for scale in SCALES[1:]:
            reach = [NOT_MORE] if scale == SCALES[-1] else []
            dearer = ratios(mine[scale], mine[1])
            table.add(f"{scale} x the {axis.name}; {pump}", "1 x", dearer, *reach)
    return panel


def _cost(bench: Bench, axis: Axis, daemon: Daemon, scale: int) -> float:
    """Return µs of CPU per event (and subscriber)."""
    subscribers = scale if axis.name == "subscribers" else 1
    progress(f"growth: {scale} x {axis.name}, {daemon.pump} pump")
    run = watch(daemon, bench.stopwatch, _workload(bench, axis, scale), subscribers)
    return run.cpu_s * 1e6 / run.matched / subscribers


def _workload(bench: Bench, axis: Axis, scale: int) -> Workload:
    if axis.name == "events":
        return workloads.getppid(axis.base * scale)
    if axis.name == "tracees":
        return workloads.family("processes", scale, bench.size(5_000, 1_000) // scale)
    return workloads.getppid(bench.size(2_000, 500))
