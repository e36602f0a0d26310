"""What a tracee, a queued event and a subscriber cost of the daemon's memory."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import workloads
from build import command
from daemons import running
from errors import MeasurementError
from household import children, started
from report import Table
from rounds import in_turn
from watched import readers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Bench

SUBSCRIBERS = 100


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        "Memory",
        "What the resident memory of a fresh daemon grows by, divided by how many there are.",
    )
    threads, processes = bench.size(1_000, 200), bench.size(500, 100)
    events = bench.size(8_000, 2_000)
    costs: dict[str, Callable[[str], float]] = {
        f"a thread of {threads:,}": lambda pump: _tasks(pump, "threads", threads),
        f"a process of {processes:,}": lambda pump: _tasks(pump, "processes", processes),
        f"a queued event of {events:,}": lambda pump: _queued(bench, pump, events),
        f"a subscriber of {SUBSCRIBERS}": _subscriber,
    }
    ways = [(daemon.pump, what) for daemon in bench.daemons(table) for what in costs]
    found = in_turn(ways, bench.rounds, lambda way: costs[way[1]](way[0]) / 1e3, "memory")
    for (pump, what), sizes in found.items():
        table.add(f"{what}; {pump} pump", "", sizes, unit="kB")
    yield table


def _tasks(pump: str, kind: str, tasks: int) -> float:
    """Return the bytes that one of so many tracees costs."""
    with (
        running(pump) as daemon,
        started(command("many_tasks", kind, tasks), stdout=subprocess.PIPE) as program,
        daemon.client() as client,
    ):
        assert program.stdout is not None
        program.stdout.readline()
        client.subscribe()
        before = daemon.resident()
        for pid in [program.pid] if kind == "threads" else children(program.pid):
            client.attach(pid, scope="connection")
        if client.status().tracees < tasks:
            raise MeasurementError(f"{client.status().tracees} of {tasks} tasks are under trace")
        return (daemon.resident() - before) / tasks


def _queued(bench: Bench, pump: str, events: int) -> float:
    """Return the bytes that an event costs that nobody reads."""
    workload = workloads.getppid(events)
    with (
        running(pump) as daemon,
        bench.stopwatch.waiting(workload.command) as process,
        daemon.client() as client,
        readers(daemon, 1, 1, {"queue_events": 2 * events}),
    ):
        client.attach(process.pid, scope="connection")
        before = daemon.resident()
        bench.stopwatch.release(process)
        client.status()
        [state] = daemon.status()["subscriptions"]
        if state["lost"] or not state["queued"]:
            raise MeasurementError(f"all events were to be queued: {state}")
        return (daemon.resident() - before) / float(state["queued"])


def _subscriber(pump: str) -> float:
    """Return the bytes that a subscriber costs that is told nothing."""
    with running(pump) as daemon:
        before = daemon.resident()
        with readers(daemon, SUBSCRIBERS):
            return (daemon.resident() - before) / SUBSCRIBERS
