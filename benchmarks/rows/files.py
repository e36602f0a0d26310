"""File calls of a run program: only these stop, where seccomp can tell them from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workloads
from goals import Reach
from report import Table
from rounds import in_turn, of
from tracers import FILE_CALLS, NULL_FILES, STRACE_FILES, UNTRACED, run_under

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from workloads import Workload

FLOOR = Reach("files", 1.15)
BELOW_STRACE = Reach("files-strace", 1, strictly=True)


def measure(bench: Bench) -> Iterator[Table]:
    """Yield a table per workload; what is to be reached is said of the first."""
    yield _compare(bench, workloads.mixed(bench.scratch, bench.size(5_000, 1_000)), judged=True)
    yield _compare(bench, workloads.compiles(bench.scratch, bench.size(5, 2)))
    yield _compare(bench, workloads.git_status(bench.scratch, bench.size(3_000, 600)))


def _compare(bench: Bench, workload: Workload, *, judged: bool = False) -> Table:
    title = f"File calls of a run program: {workload.name}"
    table = Table(title, f"Time of {workload.what}.", wide=True)
    daemons = bench.daemons(table)
    ours = {run_under(one, "--syscall", FILE_CALLS): one.pump for one in daemons}
    ways = [UNTRACED, NULL_FILES, STRACE_FILES, *ours]
    took = in_turn(ways, bench.rounds, lambda way: way.run(bench.stopwatch, workload), title)
    times = {way: [one.seconds for one in runs] for way, runs in took.items()}
    for way in (NULL_FILES, STRACE_FILES):
        table.add(way.name, UNTRACED.name, of(times, way, UNTRACED))
    for way, pump in ours.items():
        asked = judged and pump == "native"
        table.add(way.name, UNTRACED.name, of(times, way, UNTRACED))
        for other, reach in ((NULL_FILES, FLOOR), (STRACE_FILES, BELOW_STRACE)):
            table.add(way.name, other.name, of(times, way, other), *([reach] if asked else []))
    return table
