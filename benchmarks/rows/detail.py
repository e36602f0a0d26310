"""What an event costs at each level of detail, to the program and to the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import workloads
from report import Table
from rounds import in_turn, ratios
from watched import Watched, watch

from tracerd.protocol.detail import DETAILS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Bench
    from daemons import Daemon
    from workloads import Workload

LOWEST = DETAILS[0]
COSTS: dict[str, Callable[[Watched], float]] = {
    "program": lambda run: run.seconds / run.matched * 1e6,
    "daemon": lambda run: run.cpu_s / run.matched * 1e6,
}
"""In µs per event."""


def measure(bench: Bench) -> Iterator[Table]:
    """Yield a table per call."""
    scratch, size = bench.scratch, bench.size
    calls = {
        "openat": workloads.opens(scratch, size(2_000, 500)),
        "read": workloads.reads(size(4_000, 1_000)),
        "execve": workloads.execs(size(200, 50)),
        "connect": workloads.connects(scratch, size(4_000, 1_000)),
    }
    for call, workload in calls.items():
        table = Table(
            f"Detail: {call}",
            f"{workload.what}, attached; one subscriber to {call} alone, which throws away what it "
            "reads. Per event: wall time of the program, all its calls and stops included, and CPU "
            "time of the daemon.",
        )
        for daemon in bench.daemons(table):
            _compare(bench, table, daemon, call, workload)
        yield table


def _compare(bench: Bench, table: Table, daemon: Daemon, call: str, workload: Workload) -> None:
    pump = f"{daemon.pump} pump"
    wanted = {"syscall": call, "type": "syscall_exit", "overflow": "block"}
    found = in_turn(
        DETAILS,
        bench.rounds,
        lambda detail: watch(daemon, bench.stopwatch, workload, **wanted, detail=detail),
        f"detail: {call}: {pump}",
    )
    for whose, cost in COSTS.items():
        costs = {detail: [cost(run) for run in runs] for detail, runs in found.items()}
        for detail, each in costs.items():
            what = f"{whose}, {detail}; {pump}"
            table.add(what, "", each, unit="µs")
            if detail != LOWEST:
                table.add(what, LOWEST, ratios(each, costs[LOWEST]))
