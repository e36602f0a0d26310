"""All calls traced: the tracee's wall time, against untraced, the floor, strace, python-ptrace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workloads
from errors import UnavailableError
from goals import Reach
from report import Table
from rounds import in_turn, of
from server import nginx
from tracers import NULL_ALL, STRACE, STRACE_PY_ALL, UNTRACED, attached_to, run_under

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from tracers import Way
    from workloads import Workload

FLOOR = {"native": Reach("null", 1.15), "python": Reach("python", 2.5)}
BELOW_STRACE = Reach("strace", 1, strictly=True)
THIRD = Reach("placed", 1 / 3)
FIFTH = Reach("strace.py", 1 / 5)
WITH_STRACE_PY = frozenset({"getppid", "open", "python"})
"""It takes so long that some are enough."""


def measure(bench: Bench) -> Iterator[Table]:
    """Yield a table per workload."""
    scratch, size = bench.scratch, bench.size
    yield _compare(bench, workloads.getppid(size(5_000, 2_000)))
    yield _compare(bench, workloads.opens(scratch, size(2_000, 600)))
    yield _compare(bench, workloads.dd(size(3_000, 1_000)))
    yield _compare(bench, workloads.compiles(scratch, size(10, 2)))
    yield _compare(bench, workloads.makes(scratch, size(6, 2)))
    yield _compare(bench, workloads.python_start())
    yield _compare(bench, workloads.git_status(scratch, size(2_000, 600)))
    try:
        yield _compare(bench, nginx(scratch, size(2, 1)))
    except UnavailableError as error:
        yield Table("All calls traced: nginx", f"Skipped: {error}")


def _compare(bench: Bench, workload: Workload) -> Table:
    table = Table(f"All calls traced: {workload.name}", f"Time of {workload.what}.", wide=True)
    others = [NULL_ALL, STRACE, *([STRACE_PY_ALL] if workload.name in WITH_STRACE_PY else [])]
    ours: list[tuple[Way, tuple[Reach, ...]]] = []
    for daemon in bench.daemons(table):
        # What is to be reached is said of what is attached.
        ours += [(run_under(daemon), ()), (attached_to(daemon), _reaches(daemon.pump, workload))]
    ways = [UNTRACED, *others, *(way for way, _ in ours)]
    took = in_turn(ways, bench.rounds, lambda way: way.run(bench.stopwatch, workload), table.title)
    times = {way: [one.seconds for one in runs] for way, runs in took.items()}
    for way in others:
        table.add(way.name, UNTRACED.name, of(times, way, UNTRACED))
    for way, reaches in ours:
        table.add(way.name, UNTRACED.name, of(times, way, UNTRACED))
        for other, goals in (
            (NULL_ALL, {"null", "python"}),
            (STRACE, {"strace", "placed"}),
            (STRACE_PY_ALL, {"strace.py"}),
        ):
            if other in times:
                asked = [reach for reach in reaches if reach.goal in goals]
                table.add(way.name, other.name, of(times, way, other), *asked)
        if lost := sum(one.lost for one in took[way]):
            table.note(f"{way.name}: its subscriber lost {lost} events, in all rounds")
    return table


def _reaches(pump: str, workload: Workload) -> tuple[Reach, ...]:
    reaches = [FLOOR[pump], FIFTH]
    if pump == "native":
        reaches += [BELOW_STRACE, *([THIRD] if workload.alone else [])]
    return tuple(reaches)
