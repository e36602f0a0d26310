"""How long it takes to attach to a process with very many threads."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from build import command
from errors import MeasurementError
from household import started
from report import Table
from rounds import in_turn, ratios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Bench
    from daemons import Daemon


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    threads = bench.size(1_000, 200)
    table = Table(
        f"Attach to {threads:,} threads",
        "From the call of Attach to its reply; of strace -f -p, from its start until it says that "
        "it has attached.",
    )
    daemons = bench.daemons(table)

    def run(daemon: Daemon | None) -> float:
        return _strace(threads) if daemon is None else _attach(daemon, threads)

    times = in_turn([None, *daemons], bench.rounds, run, "attach")
    table.add("strace -f -p", "", [one * 1e3 for one in times[None]], unit="ms")
    for daemon in daemons:
        table.add(f"{daemon.pump} pump", "strace -f -p", ratios(times[daemon], times[None]))
    yield table


@contextmanager
def _program(threads: int) -> Iterator[int]:
    words = command("many_tasks", "threads", threads)
    with started(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def _attach(daemon: Daemon, threads: int) -> float:
    with _program(threads) as pid, daemon.client() as client:
        before = time.monotonic()
        reply = client.attach(pid, scope="connection")
        took = time.monotonic() - before
        if len(reply.threads) != threads + 1 or reply.pending:
            raise MeasurementError(f"attached to {len(reply.threads)} of {threads + 1} threads")
        return took


def _strace(threads: int) -> float:
    with _program(threads) as pid:
        before = time.monotonic()
        words = ["strace", "-f", "-o", "/dev/null", "-p", str(pid)]
        with started(words, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            said = process.stderr.readline()
            took = time.monotonic() - before
            if b"attached" not in said:
                raise MeasurementError(f"strace said {said!r}")
            return took
