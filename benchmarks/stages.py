"""Tell where the daemon's time goes, stage by stage: python benchmarks/stages.py --py-spy PATH.

Each loop is traced twice, attached, with one subscriber.  perf tells how much of the daemon's CPU
time is the kernel's, by system call, how much that of a compiled pump, how much Python's; py-spy
(https://github.com/benfred/py-spy) tells, of what holds the GIL, in which stage it is: that of the
innermost frame that has one.  Prints a Markdown table: µs of CPU per event, by stage.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from setting import ROOT, use_this_checkout

sys.path.insert(0, str(ROOT))

import workloads
from daemons import PUMPS, running
from errors import MeasurementError, UnavailableError
from household import household, started
from stopwatch import Stopwatch
from watched import watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemons import Daemon
    from workloads import Workload

SPY_HZ, PERF_HZ = 250, 2000
LIMIT_S = 120.0

STOPS, CAPTURE, DESCRIBE = "stop to pump, and resume", "capture", "record to event"
DECODE, MATCH, ENCODE = "decode", "match", "encode"
HAND_OVER, WRITE, STATES = "hand over", "write", "state machine, commands"
OTHER = "other"
STAGES = (STOPS, CAPTURE, DESCRIBE, DECODE, MATCH, ENCODE, HAND_OVER, WRITE, STATES, OTHER)
"""In the order of an event's path."""

FRAMES = (
    (CAPTURE, r"core/(capture|memory|prefixes)\.py"),
    (STOPS, r"core/(pump|python_pump|native_pump|wait_status)\.py"),
    (DECODE, r"core/(decode/|syscalls/decoding\.py)"),
    (DESCRIBE, r"core/(telling|describe|files|paths|items|identity|scene)\.py"),
    (ENCODE, r"(protocol/codec\.py|_encode \(.*bridge\.py)"),
    (MATCH, r"(server/(routes|access)\.py|publish \(.*bridge\.py)"),
    (MATCH, r"protocol/(filters|conditions|patterns|globs|expressions|alternatives)\.py"),
    (WRITE, r"(server/(streaming|wire|session)\.py|protocol/(framing|connection)\.py)"),
    (HAND_OVER, r"(server/(bridge|hub|subscription)\.py|/trio/)"),
    (STATES, r"/core/(?!kernel|procfs)"),
)
"""Frames of Python, `function (file:line)`; the first pattern that fits counts.  What trio does
that is not part of a write wakes those to whom something is handed over."""
IN_KERNEL = re.compile(r"/core/kernel\.py|trio/_socket\.py|_io_epoll\.py")
"""Innermost frames that are in the kernel rather than in Python: perf has counted them."""

CALLS = (
    (STOPS, r"ptrace|wait4|waitid"),
    (CAPTURE, r"process_vm_readv|pread64|readlink|readlinkat|open|openat|close|read|stat"),
    (WRITE, r"sendto|sendmsg|write|writev"),
    (HAND_OVER, r"futex|epoll_wait|epoll_pwait|recvfrom|timerfd_settime|poll"),
)
"""System calls of the daemon."""
SYSTEM_CALL = re.compile(r"\b(?:__x64_sys|__do_sys|kernel)_(\w+)")
"""In a stack of the kernel; which of these is there depends on what was inlined."""


def stage_of_stack(stack: str) -> str | None:
    """Return the stage of py-spy's frames, outermost first, split by `;`; None: in the kernel."""
    frames = stack.split(";")
    if IN_KERNEL.search(frames[-1]):
        return None
    for frame in reversed(frames):
        for name, pattern in FRAMES:
            if re.search(pattern, frame):
                return name
    return OTHER


def stage_of_call(call: str) -> str:
    """Return the stage of a system call."""
    return next((name for name, names in CALLS if re.fullmatch(names, call)), OTHER)


def python_shares(folded: str) -> dict[str, float]:
    """Return each stage's share of Python's time, from py-spy's `raw` output."""
    counts: Counter[str] = Counter()
    for line in folded.splitlines():
        stack, _, count = line.rpartition(" ")
        if stage := stage_of_stack(stack):
            counts[stage] += int(count)
    return {name: count / counts.total() for name, count in counts.items()}


def split(script: str) -> tuple[Counter[str], int, int]:
    """Return perf's samples: of the kernel by stage, of a compiled pump, of Python.

    script: of `perf script -F ip,sym,dso`: lines `ADDRESS SYMBOL (FILE)`, innermost first.
    """
    kernel: Counter[str] = Counter()
    compiled = python = 0
    for sample in script.split("\n\n"):
        frames = [line.split() for line in sample.strip().splitlines()]
        if not frames:
            continue
        if frames[0][0].startswith("ffffffff"):
            names = (SYSTEM_CALL.search(" ".join(frame)) for frame in frames)
            call = next((found[1] for found in names if found), "")
            kernel[stage_of_call(call)] += 1
        elif "/tracerd/" in frames[0][-1]:
            compiled += 1
        else:
            python += 1
    return kernel, compiled, python


@contextmanager
def perf(daemon: Daemon, place: Path) -> Iterator[None]:
    """Sample the daemon while in the block."""
    words = ["perf", "record", "-g", "-e", "cpu-clock", "-F", str(PERF_HZ), "-p", str(daemon.pid)]
    # perf says nothing when it is ready; with -D it would.
    words += ["-D", "1", "-o", str(place)]
    with started(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        _await(process, b"Events enabled")
        yield
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)


@contextmanager
def py_spy(program: str, daemon: Daemon, place: Path) -> Iterator[None]:
    """Sample the daemon's Python stacks while in the block."""
    # Above all others: else it would look mostly when the daemon has just given up its core.
    words = ["chrt", "-f", "10", program, "record", "--gil", "--full-filenames", "--format", "raw"]
    words += ["--rate", str(SPY_HZ), "--duration", "3600", "--output", str(place)]
    words += ["--pid", str(daemon.pid)]
    with started(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        _await(process, b"Sampling")
        yield
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)


def _await(process: subprocess.Popen[bytes], sign: bytes) -> None:
    assert process.stdout is not None
    said = b""
    while sign not in said:
        line = process.stdout.readline()
        said += line
        if not line:
            raise MeasurementError(f"{process.args!r} does not sample: {said.decode()}")


def profile(
    daemon: Daemon, stopwatch: Stopwatch, workload: Workload, program: str, scratch: Path
) -> dict[str, tuple[float, float]]:
    """Return µs of the daemon's CPU time per event, by stage: all, and the kernel's part."""
    run = watch(daemon, stopwatch, workload)
    each = run.cpu_s * 1e6 / run.matched  # what it takes when nobody looks
    with perf(daemon, scratch / "perf"):
        watch(daemon, stopwatch, workload)
    words = ["perf", "script", "-i", str(scratch / "perf"), "-F", "ip,sym,dso"]
    script = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    kernel, compiled, python = split(script)
    with py_spy(program, daemon, scratch / "stacks"):
        watch(daemon, stopwatch, workload)
    shares = python_shares((scratch / "stacks").read_text())
    sample = each / (kernel.total() + compiled + python)
    found = {}
    for stage in STAGES:
        own = kernel[stage] * sample
        more = shares.get(stage, 0) * python * sample + (stage == STOPS) * compiled * sample
        found[stage] = own + more, own
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--py-spy", default="py-spy", metavar="PATH")
    parser.add_argument("--calls", type=int, default=30_000, help="in each loop (30000)")
    options = parser.parse_args()
    use_this_checkout()
    columns: dict[str, dict[str, tuple[float, float]]] = {}
    with household(), ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracerd-bench-")))
        workloads.build()
        stopwatch = Stopwatch(scratch, LIMIT_S)
        loops = (
            workloads.getppid(options.calls),
            workloads.opens(scratch, options.calls // 3),
        )
        for pump in PUMPS:
            try:
                daemon = stack.enter_context(running(pump))
            except UnavailableError as error:
                print(f"skipped: {error}", file=sys.stderr)
                continue
            for loop in loops:
                title = f"{loop.name}, {pump} pump"
                columns[title] = profile(daemon, stopwatch, loop, options.py_spy, scratch)
    show(columns)
    return 0


def show(columns: dict[str, dict[str, tuple[float, float]]]) -> None:
    """Print a table: a line per stage."""
    print("| µs of CPU per event (kernel's part) | " + " | ".join(columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for stage in STAGES:
        cells = (f"{column[stage][0]:.1f} ({column[stage][1]:.1f})" for column in columns.values())
        print(f"| {stage} | " + " | ".join(cells) + " |")
    sums = (
        [sum(part) for part in zip(*column.values(), strict=True)] for column in columns.values()
    )
    print("| all | " + " | ".join(f"{whole:.1f} ({kernel:.1f})" for whole, kernel in sums) + " |")


if __name__ == "__main__":
    sys.exit(main())
