"""Measure tracerd's speed against what it is to reach.

    python benchmarks/run.py [--quick] [--row NAME...] [--rounds N] [--pump NAME...]

Prints Markdown: a table for each thing measured, and at the end what is to be reached, with the
worst figure of each.  Nearly all are ratios of what was measured in turn in this one run, round by
round: median (lowest-highest).  Absolute ones, where an absolute one is to be reached, say so by
their unit.  Nothing is bound to a CPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path

from setting import ROOT, TRACEES, use_this_checkout

sys.path.insert(0, str(TRACEES))
sys.path.insert(0, str(ROOT))

from bench import Bench
from daemons import PUMPS
from errors import MeasurementError, OverLimitError, UnavailableError
from household import household
from report import Table, markdown, summary
from rounds import progress
from rows import ROWS
from stopwatch import Stopwatch
from workloads import build

ROUNDS, QUICK_ROUNDS = 7, 3
LIMIT_S, QUICK_LIMIT_S = 60.0, 20.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], epilog=f"rows: {', '.join(ROWS)}"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter programs")
    parser.add_argument("--row", nargs="+", choices=ROWS, metavar="NAME", help="only these")
    parser.add_argument(
        "--rounds", type=int, help=f"default: {ROUNDS}; with --quick {QUICK_ROUNDS}"
    )
    parser.add_argument("--pump", nargs="+", choices=PUMPS, metavar="NAME", help="only these")
    return parser.parse_args()


def machine() -> str:
    """Say where this is measured."""
    strace = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=True).stdout
    return (
        f"Linux {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f} at the start, Python {platform.python_version()}, "
        f"{strace.splitlines()[0].replace(' -- version', '')}."
    )


def measure(bench: Bench, names: list[str]) -> tuple[list[Table], bool]:
    """Measure rows and print each table as it comes; returns them, and whether all went well."""
    tables, well = [], True
    for name in names:
        began = time.monotonic()
        try:
            for table in ROWS[name](bench):
                progress("")
                print(markdown(table), flush=True)
                tables.append(table)
        except UnavailableError as error:
            print(f"### {name}\n\nNot measured: {error}\n", flush=True)
        except Exception as error:  # noqa: BLE001  one row's fault must not cost the others
            well = False
            print(f"### {name}\n\n**Failed**: {type(error).__name__} {error}\n", flush=True)
            if not isinstance(error, (MeasurementError, OverLimitError)):
                traceback.print_exception(error)
        progress("")
        print(f"benchmark: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr)
    return tables, well


def main() -> int:
    options = parse()
    use_this_checkout()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    names = [name for name in ROWS if not options.row or name in options.row]
    with household(), ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracerd-bench-")))
        build()
        stopwatch = Stopwatch(scratch, QUICK_LIMIT_S if options.quick else LIMIT_S)
        pumps = tuple(options.pump or PUMPS)
        bench = Bench(options.quick, rounds, scratch, stopwatch, stack, pumps)
        print(f"{machine()} Median (lowest-highest) of {rounds} rounds.\n", flush=True)
        tables, well = measure(bench, names)
        print(summary(tables))
    return 0 if well else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
