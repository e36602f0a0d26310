"""Floors: the hand-over, subscribers that match nothing, and the GIL under 64 that read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import workloads
from daemons import running
from errors import MeasurementError
from goals import Reach
from report import Table
from rounds import in_turn, ratios
from setting import BENCHMARKS
from watched import watch

from rows.stops import FIELD, between, quantile
from tracerd.server.daemon import SWITCH_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon

BATCHED = Reach("handing", 1 / 20)
NO_DEARER = Reach("idlers", 1.05)
SLOWER = Reach("gil", 1.25)
P99 = Reach("gil-p99", 1, strictly=True)
MANY = 64
PER_SECOND = 20_000
PYTHONS_OWN_S = 0.005
"""sys.getswitchinterval() if nobody sets it."""


def measure(bench: Bench) -> Iterator[Table]:
    """Yield a table per floor."""
    yield _handing_over(bench)
    idle = Table(
        f"{MANY} subscribers of something else",
        "getppid, attached; one subscriber that throws away what it reads, and so many that ask "
        "for another process. CPU time of the daemon for each event.",
    )
    for daemon in bench.daemons(idle):
        _idlers(bench, idle, daemon)
    yield idle
    gil = Table(
        f"The GIL: {MANY} subscribers that read",
        f"Calls at {PER_SECOND:,} a second, attached; subscribers that throw away what they read. "
        f"Threads keep the GIL for {SWITCH_INTERVAL_S * 1e3:g} ms, as in the daemon, or for "
        f"{PYTHONS_OWN_S * 1e3:g} ms, as Python has it.",
    )
    for daemon in bench.daemons(gil):
        _gil(bench, gil, daemon)
    yield gil


def _handing_over(bench: Bench) -> Table:
    count = bench.size(50_000, 10_000)
    table = Table(
        "From the teller to the trio loop",
        f"{count:,} events, through the bridge 256 at a time (matched, encoded, accounted), by one "
        "`trio.from_thread.run_sync` each (nothing of that).",
    )
    found: dict[str, list[float]] = {"bridge": [], "one by one": []}
    for _ in range(bench.rounds):
        words = [sys.executable, str(BENCHMARKS / "handing_over.py"), str(count)]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        for name, seconds in json.loads(said).items():
            found[name].append(seconds)
    for name, each in found.items():
        table.add(name, "", [seconds / count * 1e6 for seconds in each], unit="µs per event")
    table.add("bridge", "one by one", ratios(found["bridge"], found["one by one"]), BATCHED)
    return table


def _idlers(bench: Bench, table: Table, daemon: Daemon) -> None:
    workload = workloads.getppid(bench.size(8_000, 2_000))
    mine = {"type": "syscall_exit", "overflow": "block"}
    theirs = {**mine, "pid": os.getpid()}

    def run(idlers: int) -> float:
        with daemon.client() as client:
            others = [client.subscribe(**theirs) for _ in range(idlers)]
            made = watch(daemon, bench.stopwatch, workload, **mine)
            for one in others:
                one.close()
        return made.cpu_s / made.matched * 1e6

    found = in_turn((0, MANY), bench.rounds, run, f"idlers: {daemon.pump}")
    for count, each in found.items():
        table.add(f"{count} others; {daemon.pump} pump", "", each, unit="µs")
    by = ratios(found[MANY], found[0])
    table.add(f"{MANY} others; {daemon.pump} pump", "none", by, NO_DEARER)


def _gil(bench: Bench, table: Table, daemon: Daemon) -> None:
    count = bench.size(PER_SECOND, PER_SECOND // 4)
    workload = workloads.Workload("ticks", "", (workloads.TICKS, str(PER_SECOND), str(count)))
    wanted = {"syscall": "lseek", "type": "syscall_exit", "detail": "names"}
    with running(daemon.pump, switch_s=PYTHONS_OWN_S) as other:
        ways = {"1": (daemon, 1), str(MANY): (daemon, MANY), f"{MANY}, 5 ms": (other, MANY)}
        found = in_turn(
            list(ways),
            bench.rounds,
            lambda way: watch(ways[way][0], bench.stopwatch, workload, ways[way][1], **wanted),
            f"gil: {daemon.pump}",
        )
    times = {way: [run.seconds for run in runs] for way, runs in found.items()}
    for way, runs in found.items():
        judged = way == str(MANY)
        if way != "1":
            by = ratios(times[way], times["1"])
            table.add(f"program with {way}; {daemon.pump} pump", "with 1", by, *[SLOWER] * judged)
        if runs[0].after.get(FIELD):
            late = [quantile(between(r.before[FIELD], r.after[FIELD]), 0.99) / 1e6 for r in runs]
            what = f"p99 of stops with {way}; {daemon.pump} pump"
            table.add(what, "", late, *[P99] * judged, unit="ms")
        if short := sum(run.matched < count for run in runs):
            raise MeasurementError(f"{way}: calls are missing in {short} rounds")
