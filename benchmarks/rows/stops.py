"""How long a tracee stays stopped while the other side of the daemon is busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workloads
from errors import MeasurementError
from goals import Reach
from report import Table
from rounds import in_turn, ratios
from watched import watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench import Bench
    from daemons import Daemon
    from workloads import Workload

BUSY = 20
FIELD = "stop_ns_log2"
"""Of Status: how many stops lasted from 2^i up to 2^(i+1) ns, as a list by i."""
NOT_LONGER = Reach("stops", 1.1)
SHARES = {"p50": 0.5, "p99": 0.99}


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    workload = workloads.getppid(bench.size(5_000, 1_000))
    table = Table(
        f"Stop to resume, {BUSY} subscribers by 1",
        f"{workload.what}, attached; quantiles of the daemon's own histogram (powers of two, taken "
        "as even within each).",
    )
    for daemon in bench.daemons(table):
        if daemon.status().get(FIELD):
            _compare(bench, table, daemon, workload)
        else:
            table.note(f"skipped: the {daemon.pump} pump keeps no histogram of stops")
    yield table


def _compare(bench: Bench, table: Table, daemon: Daemon, workload: Workload) -> None:
    pump = f"{daemon.pump} pump"

    def run(count: int) -> list[int]:
        found = watch(daemon, bench.stopwatch, workload, count)
        return between(found.before[FIELD], found.after[FIELD])

    grown = in_turn((1, BUSY), bench.rounds, run, f"stops: {pump}")
    for name, share in SHARES.items():
        one, many = ([quantile(each, share) for each in grown[count]] for count in (1, BUSY))
        table.add(f"{name} with 1; {pump}", "", [ns / 1e3 for ns in one], unit="µs")
        table.add(f"{name} with {BUSY}; {pump}", "", [ns / 1e3 for ns in many], unit="µs")
        table.add(f"{name} with {BUSY}; {pump}", "with 1", ratios(many, one), NOT_LONGER)


def between(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Return what a histogram grew by.  The list may have become longer."""
    start = [*before, *[0] * (len(after) - len(before))]
    return [now - then for now, then in zip(after, start, strict=True)]


def quantile(buckets: Sequence[int], share: float) -> float:
    """Return the value in ns below which this share lies; bucket i is from 2^i up to 2^(i+1).

    Raises MeasurementError for an empty histogram.
    """
    if not sum(buckets):
        raise MeasurementError("the histogram of stops is empty")
    left = share * sum(buckets)
    for power, count in enumerate(buckets):
        if count and count >= left:
            return float(2**power * (1 + left / count))
        left -= count
    return float(2 ** len(buckets))
