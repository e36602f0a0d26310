"""Compare tracerd with strace, python-ptrace's strace.py, and a tracer that looks at nothing.

    python benchmarks/run.py [--quick] [--rounds N] [--workload NAME]... [--tracer NAME]...

Every figure is a ratio of wall times of the tracee taken in one run.  In each round every way to
trace runs once, in turn, starting with another one each time, so that whatever else the machine
does meets them alike; a ratio is taken within its round.  Shown: median (lowest-highest) of the
rounds.  Nothing is bound to a CPU.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from stopwatch import MeasurementError, OverLimitError, Stopwatch
from tracers import Tracer, daemon, needs_daemon, tracers
from workloads import Workload, build, workloads

ROUNDS, QUICK_ROUNDS = 7, 3
LIMIT_S, QUICK_LIMIT_S = 60.0, 15.0
OURS = ("run", "attached")

Times = dict[Tracer, list[float]]
"""Seconds per round; fewer entries than rounds: it went over the limit and was left out."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter programs")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, quick: {QUICK_ROUNDS}")
    parser.add_argument("--workload", action="append", metavar="NAME", help="only this one")
    parser.add_argument(
        "--tracer", action="append", metavar="NAME", choices=sorted({t.key for t in tracers()})
    )
    return parser.parse_args()


def measure(stopwatch: Stopwatch, workload: Workload, ways: list[Tracer], rounds: int) -> Times:
    """Run every way once per round.  Raises MeasurementError."""
    times: Times = {way: [] for way in ways}
    for number in range(rounds):
        shift = number % len(ways)
        for way in ways[shift:] + ways[:shift]:
            if len(times[way]) < number:
                continue
            try:
                times[way].append(way.run(stopwatch, workload.command))
            except OverLimitError:
                print(f"    {way.name}: over the limit, left out", flush=True)
    return times


def ratio(above: list[float], below: list[float], rounds: int, limit_s: float) -> str:
    """Show how many times longer `above` took: median (lowest-highest), within the rounds.

    One that went over the limit gives a bound; both, nothing.
    """
    if len(above) < rounds and len(below) < rounds:
        return "-"
    if len(above) < rounds:
        return f"> {limit_s / max(below):.3g}"
    if len(below) < rounds:
        return f"< {max(above) / limit_s:.3g}"
    found = sorted(one / other for one, other in zip(above, below, strict=True))
    digits = 2 if found[-1] < 10 else 1 if found[-1] < 100 else 0
    low, middle, high = (f"{x:.{digits}f}" for x in (found[0], statistics.median(found), found[-1]))
    return f"{middle} ({low}-{high})"


def report(workload: Workload, times: Times, rounds: int, limit_s: float) -> None:
    """Print the table of one workload."""
    untraced = next(took for way, took in times.items() if way.key == "untraced")
    print(f"\n{workload.name}: {workload.what}; {rounds} rounds; untraced {describe(untraced)}")
    for calls, title in (("all", "all calls"), ("file", "file calls")):
        mine = {way.key: took for way, took in times.items() if way.calls == calls}
        ours = [key for key in OURS if key in mine]
        heads = ("x untraced", *(f"{key} / this" for key in ours))
        print(f"  {title:38} {'seconds':>9}" + "".join(f"  {head:>20}" for head in heads))
        for way, took in times.items():
            # The floor of all calls is one for file calls too, where nothing else makes them stop.
            if way.calls != calls and not (way.calls and way.key == "null" and calls == "file"):
                continue
            row = [ratio(took, untraced, rounds, limit_s)]
            if way.key not in {*OURS, "idle"}:
                row += [ratio(mine[key], took, rounds, limit_s) for key in ours]
            seconds = (
                f"{statistics.median(took):.3f}" if len(took) == rounds else f"> {limit_s:.0f}"
            )
            print(f"    {way.name:36} {seconds:>9}" + "".join(f"  {cell:>20}" for cell in row))
    sys.stdout.flush()


def describe(took: list[float]) -> str:
    return f"{statistics.median(took):.4f} s ({min(took):.4f}-{max(took):.4f})"


def machine() -> str:
    strace = subprocess.run(["strace", "-V"], capture_output=True, text=True, check=True).stdout
    return (
        f"Linux {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}, Python {platform.python_version()}, "
        f"{strace.splitlines()[0].replace(' -- version', '')}"
    )


def main() -> int:
    options = parse()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    limit_s = QUICK_LIMIT_S if options.quick else LIMIT_S
    ways = [t for t in tracers() if not options.tracer or t.key in {*options.tracer, "untraced"}]
    build()
    print(machine())
    print("`run / this`: time under tracerctl run over the time in this row; below 1: faster")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracerd-bench-")))
        stopwatch = Stopwatch(scratch, limit_s)
        try:
            if any(map(needs_daemon, ways)):
                stack.enter_context(daemon())
            for workload in workloads(scratch, quick=options.quick):
                if not options.workload or workload.name in options.workload:
                    report(workload, measure(stopwatch, workload, ways, rounds), rounds, limit_s)
        except MeasurementError as error:
            print(f"benchmark: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
