"""Start-up: of the daemon until it answers, of tracerctl until it says something."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from daemons import Daemon, await_listener
from goals import Reach
from household import started
from report import Table
from rounds import in_turn, ratios
from setting import TRACERCTL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Bench

QUICK = Reach("start", 150)
STRACE = ("strace", "-o", "/dev/null", "echo", "ready")


def measure(bench: Bench) -> Iterator[Table]:
    """Yield one table."""
    table = Table(
        "Start-up",
        "Of tracerd: until it has answered a first call.  Of the others: until their first output "
        "(strace's is that of a program it runs: `echo`).",
    )
    daemon = bench.best(table)
    ways: dict[str, Callable[[], float]] = {
        "tracerd": _daemon,
        "tracerctl --help": lambda: _first_output((*TRACERCTL, "--help")),
        "tracerctl status": lambda: _first_output((*TRACERCTL, "status"), daemon),
        "strace": lambda: _first_output(STRACE),
        "python -c 'print()'": lambda: _first_output((sys.executable, "-c", "print()")),
    }
    found = in_turn(list(ways), bench.rounds, lambda way: ways[way](), "start")
    for way, times in found.items():
        ours = way.startswith("tracer")
        table.add(way, "", [one * 1e3 for one in times], *([QUICK] if ours else []), unit="ms")
    for way in ways:
        if way.startswith("tracer"):
            table.add(way, "strace", ratios(found[way], found["strace"]))
    yield table


def _daemon() -> float:
    with tempfile.TemporaryDirectory(prefix="tracerd-bench-") as directory:
        path, log = f"{directory}/socket", Path(directory) / "log"
        with log.open("wb") as stderr:
            before = time.monotonic()
            words = [sys.executable, "-m", "tracerd", "--socket", path]
            with started(words, stderr=stderr) as process:
                await_listener(path, process, log)
                Daemon(path, process, log)  # asks for its status
                return time.monotonic() - before


def _first_output(words: tuple[str, ...], daemon: Daemon | None = None) -> float:
    environment = os.environ | ({"TRACERD_SOCKET": daemon.socket} if daemon else {})
    before = time.monotonic()
    with started(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        return time.monotonic() - before
