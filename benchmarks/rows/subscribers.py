"""What one more subscriber costs, what filters save, and what one that never reads does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import workloads
from errors import MeasurementError
from goals import Reach
from report import Table
from rounds import in_turn, ratios
from watched import Watched, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench import Bench
    from daemons import Daemon

EXTRA = Reach("extra", 0.10)
OTHERS_LOSE = Reach("lazy", 0)
BOUNDED = Reach("bounded", 16)
"""Twice the most bytes that a queue may hold: its events, and what the allocator adds."""
COUNTS = (1, 10, 100)
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "file calls only": {"syscall": ["%file"]},
    "another pid": {"pid": [os.getpid()]},
    "a path that never comes": {"path": ["/nowhere/"]},
}
COSTS: dict[str, Callable[[Watched], float]] = {
    "wall time": lambda run: run.seconds,
    "CPU time of the daemon": lambda run: run.cpu_s,
}


def measure(bench: Bench) -> Iterator[Table]:
    """Yield a table per question."""
    calls = workloads.getppid(bench.size(5_000, 1_000))
    more = Table(
        "One more subscriber",
        f"{calls.what}, attached; subscribers without filters, which throw away what they read. "
        "Cost: what it adds to the program's wall time, or to the CPU time of the daemon; the "
        "first one's is what comes on top of nobody watching.",
    )
    for daemon in bench.daemons(more):
        _more(bench, more, daemon, calls)
    yield more

    files = workloads.opens(bench.scratch, bench.size(1_500, 300))
    filters = Table("Filters", f"{files.what}, attached; wall time of the program.")
    for daemon in bench.daemons(filters):
        _filters(bench, filters, daemon, files)
    yield filters

    many = workloads.getppid(bench.size(12_000, 4_000))
    queue = bench.size(0, 1_000)
    lazy = Table(
        f"{COUNTS[-1]} subscribers, one never reads",
        f"{many.what}, attached; no filters, overflow `drop`, queues of "
        f"{f'{queue} events' if queue else 'the default size'}.",
    )
    for daemon in bench.daemons(lazy):
        _lazy(bench, lazy, daemon, many, queue)
    yield lazy


def _more(bench: Bench, table: Table, daemon: Daemon, workload: workloads.Workload) -> None:
    pump = f"{daemon.pump} pump"
    found = in_turn(
        (0, *COUNTS),
        bench.rounds,
        lambda count: watch(daemon, bench.stopwatch, workload, count),
        f"subscribers: {pump}",
    )
    none, one = found[0], found[1]
    for count in COUNTS[1:]:
        many = found[count]
        slower = ratios([run.seconds for run in many], [run.seconds for run in one])
        table.add(f"program with {count}; {pump}", "with 1", slower)
        for what, cost in COSTS.items():
            shares = [
                (cost(c) - cost(b)) / (count - 1) / (cost(b) - cost(a))
                for a, b, c in zip(none, one, many, strict=False)
            ]
            table.add(f"an extra one of {count}, {what}; {pump}", "the first one", shares, EXTRA)
    _lost(table, pump, found)


def _filters(bench: Bench, table: Table, daemon: Daemon, workload: workloads.Workload) -> None:
    pump, counts = f"{daemon.pump} pump", COUNTS[:2]
    ways = [("nobody watching", 0), *((name, count) for name in FILTERS for count in counts)]
    found = in_turn(
        ways,
        bench.rounds,
        lambda way: watch(daemon, bench.stopwatch, workload, way[1], **FILTERS.get(way[0], {})),
        f"filters: {pump}",
    )
    times = {way: [run.seconds for run in runs] for way, runs in found.items()}
    for name in FILTERS:
        for count in counts:
            if name != "no filter":
                saved = ratios(times[name, count], times["no filter", count])
                table.add(f"{count} with: {name}; {pump}", f"{count} without filter", saved)
    table.add(
        f"1 with: another pid; {pump}",
        "nobody watching",
        ratios(times["another pid", 1], times["nobody watching", 0]),
    )
    _lost(table, pump, found)


def _lazy(
    bench: Bench, table: Table, daemon: Daemon, workload: workloads.Workload, queue: int
) -> None:
    pump, count = f"{daemon.pump} pump", COUNTS[-1]

    def run(lazy: int) -> Watched:
        made = watch(daemon, bench.stopwatch, workload, count, lazy, queue_events=queue)
        if not sum(one["lost"] for one in made.after["subscriptions"]):
            raise MeasurementError("the one that never reads was to lose events")
        return made

    runs = in_turn([1], bench.rounds, run, f"lazy: {pump}")[1]
    lost = [float(run.lost) for run in runs]
    grown = [(run.after["memory_bytes"] - run.before["memory_bytes"]) / 1e6 for run in runs]
    table.add(f"lost by the other {count - 1}; {pump}", "", lost, OTHERS_LOSE, unit="events")
    table.add(f"growth of the daemon; {pump}", "", grown, BOUNDED, unit="MB")


def _lost(table: Table, pump: str, found: Mapping[Any, list[Watched]]) -> None:
    for way, runs in found.items():
        if lost := sum(run.lost for run in runs):
            table.note(f"{way}, {pump}: {lost} events lost, all subscribers and rounds")
