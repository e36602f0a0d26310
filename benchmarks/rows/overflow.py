"""What one that never reads does to another subscriber, and to the program, by overflow policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from errors import MeasurementError
from goals import Reach
from report import Table
from rounds import in_turn, ratios
from tracers import reader, rest
from watched import readers
from workloads import TICKS

from rows.latency import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon

PER_SECOND = 5_000
BUDGET_MS = 200
UNHARMED = Reach("harm", 1.5)
BEYOND = Reach("budget", 20)
QUEUE = 64
NOBODY = "nobody"
POLICIES: dict[str, dict[str, Any] | None] = {
    NOBODY: None,
    "drop": {"overflow": "drop"},
    "disconnect": {"overflow": "disconnect"},
    "block": {"overflow": "block", "block_budget_ms": BUDGET_MS},
}
"""Options of the one that never reads; None: there is none."""


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    count = bench.size(2 * PER_SECOND, PER_SECOND)
    table = Table(
        "One that never reads, by overflow policy",
        f"{count:,} calls at {PER_SECOND:,} a second, attached; one subscriber that decodes, and "
        f"one with a queue of {QUEUE} events that never reads. `block` has a budget of "
        f"{BUDGET_MS} ms.",
    )
    for daemon in bench.daemons(table):
        _compare(bench, table, daemon, count)
    yield table


def _compare(bench: Bench, table: Table, daemon: Daemon, count: int) -> None:
    pump = f"{daemon.pump} pump"
    found = in_turn(
        list(POLICIES),
        bench.rounds,
        lambda policy: _run(bench, daemon, count, POLICIES[policy]),
        f"overflow: {pump}",
    )
    runs_of = {policy: [one.run for one in each] for policy, each in found.items()}
    alone = runs_of[NOBODY]
    for policy, runs in runs_of.items():
        if lost := sum(run.lost for run in runs):
            table.note(f"{policy}, {pump}: the other one lost {lost} events in all rounds")
        table.add(f"p99 of the other, {policy}; {pump}", "", [r.at(0.99) for r in runs], unit="ms")
        if policy == NOBODY:
            continue
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            by = ratios([run.at(share) for run in runs], [run.at(share) for run in alone])
            # While it is waited for, nothing happens that could come late or in time.
            judged = [UNHARMED] if name == "p99" and policy != "block" else []
            table.add(f"{name} of the other, {policy}; {pump}", NOBODY, by, *judged)
    beyond = [one.held_ms - BUDGET_MS for one in found["block"]]
    table.add(f"waited beyond the budget, block; {pump}", "", beyond, BEYOND, unit="ms")


class Beside(NamedTuple):
    """A run beside the one that never reads.  held_ms: for how long the program waited for it."""

    run: Run
    held_ms: float


def _run(bench: Bench, daemon: Daemon, count: int, options: dict[str, Any] | None) -> Beside:
    command = TICKS, str(PER_SECOND), str(count)
    asked = {"queue_events": QUEUE, **(options or {})}
    with (
        bench.stopwatch.waiting(command) as process,
        daemon.client() as client,
        readers(daemon, int(options is not None), 1, {**asked, "pid": process.pid}),
    ):
        client.attach(process.pid, scope="connection")
        with reader("clock.py", daemon, str(process.pid)) as clock:
            seconds = bench.stopwatch.release(process)
            said = json.loads(rest(clock))
        held_ns = max((one["blocked_ns"] for one in daemon.status()["subscriptions"]), default=0)
    late, lost = sorted(said["late"]), said["lost"]
    if len(late) + lost != count:
        raise MeasurementError(f"{len(late)} events and {lost} lost for {count} calls")
    return Beside(Run(seconds, late, lost), held_ns / 1e6)
