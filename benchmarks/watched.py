"""One run of a program that is attached to and has any number of subscribers, and its accounts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from errors import MeasurementError
from household import started
from setting import READERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemons import Daemon
    from stopwatch import Stopwatch
    from workloads import Workload

START_S = 60.0


@dataclass(frozen=True)
class Watched:
    """One run.

    seconds: of the tracee.  settled_s: until all was written to those that read.  cpu_s: of the
    daemon, up to then.  matched: of each subscription that reads, all alike.  lost: of all of
    these together.  before, after: what Status said.
    """

    seconds: float
    settled_s: float
    cpu_s: float
    matched: int
    lost: int
    before: dict[str, Any]
    after: dict[str, Any]


def watch(
    daemon: Daemon,
    stopwatch: Stopwatch,
    workload: Workload,
    subscribers: int = 1,
    lazy: int = 0,
    **options: Any,
) -> Watched:
    """Run `workload` attached, with so many subscribers, of which `lazy` never read.

    options: of subscribe().  Raises MeasurementError, OverLimitError.
    """
    with (
        stopwatch.waiting(workload.command) as process,
        daemon.client() as client,
        readers(daemon, subscribers, lazy, options) as names,
    ):
        client.attach(process.pid, scope="connection")
        before, cpu_ns = daemon.status(), daemon.cpu_ns()
        from_ns = time.monotonic_ns()
        seconds = stopwatch.release(process)
        for name in names:
            client.sync(name)
        settled_ns = time.monotonic_ns() - from_ns
        cpu_ns = daemon.cpu_ns() - cpu_ns
        after = daemon.status()
    states = {one["id"]: one for one in after["subscriptions"]}
    matched = {states[name]["matched"] for name in names}
    if len(matched) > 1:
        raise MeasurementError(f"equal subscriptions were given {sorted(matched)} events")
    events = matched.pop() if matched else 0
    if names and not options and events < sum(workload.calls.values()):
        raise MeasurementError(f"{events} events for {dict(workload.calls)} calls")
    return Watched(
        seconds,
        settled_ns / 1e9,
        cpu_ns / 1e9,
        events,
        sum(states[name]["lost"] for name in names),
        before,
        after,
    )


@contextmanager
def readers(
    daemon: Daemon, count: int, lazy: int = 0, options: dict[str, Any] | None = None
) -> Iterator[list[str]]:
    """Have so many subscribers read and throw away; yields the ids of those that do read."""
    if not count:
        yield []
        return
    with started(
        [
            sys.executable,
            str(READERS / "drain.py"),
            str(count),
            str(lazy),
            json.dumps(options or {}),
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {"TRACERD_SOCKET": daemon.socket},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not said:
            raise MeasurementError(f"the subscribers did not start: {daemon.log()}")
        yield json.loads(said)[: count - lazy]
    deadline = time.monotonic() + START_S
    while daemon.status()["subscriptions"] and time.monotonic() < deadline:
        time.sleep(0.005)  # the next measurement is not to pay for these
