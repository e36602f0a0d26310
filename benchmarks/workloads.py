"""What is traced: programs from one that does nothing but call the kernel to a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from setting import BUILD, PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stopwatch import Meanwhile

FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-pthread")
LOOPS = str(BUILD / "loops")
FAMILY = str(BUILD / "family")
TICKS = str(BUILD / "ticks")


def build() -> None:
    """Compile what is not up to date.  Raises CalledProcessError if gcc refuses."""
    BUILD.mkdir(exist_ok=True)
    for name in ("null_tracer", "stamp", "loops", "family", "ticks"):
        source, target = PROGRAMS / f"{name}.c", BUILD / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", *FLAGS, "-o", target, source], check=True)


@dataclass(frozen=True)
class Workload:
    """A command to trace.  `what`: said in the report.

    calls: those it is known to make, with the least number of each: who traced all of them must
    have seen so many.  alone: one task, which does nothing but call the kernel.  meanwhile: for a
    server, see stopwatch.
    """

    name: str
    what: str
    command: tuple[str, ...]
    calls: Mapping[str, int] = field(default_factory=dict)
    alone: bool = False
    meanwhile: Meanwhile | None = None


def getppid(calls: int) -> Workload:
    """Return a loop of the cheapest call there is."""
    words = (LOOPS, "getppid", str(calls))
    return Workload("getppid", f"{calls:,} x getppid", words, {"getppid": calls}, alone=True)


def opens(scratch: Path, rounds: int) -> Workload:
    """Return a loop of open, read, close."""
    file = some_file(scratch)
    words = (LOOPS, "open", str(file), str(rounds))
    calls = dict.fromkeys(("openat", "read", "close"), rounds)
    return Workload("open", f"{rounds:,} x open, read, close", words, calls, alone=True)


def reads(rounds: int) -> Workload:
    """Return a loop of read."""
    words = (LOOPS, "read", "/dev/zero", str(rounds))
    return Workload("read", f"{rounds:,} x read", words, {"read": rounds}, alone=True)


def connects(scratch: Path, rounds: int) -> Workload:
    """Return a loop of connect, to a socket that is not there."""
    words = (LOOPS, "connect", str(scratch / "no-socket"), str(rounds))
    return Workload("connect", f"{rounds:,} x connect", words, {"connect": rounds}, alone=True)


def execs(rounds: int) -> Workload:
    """Return a program that executes itself over and over."""
    words = (LOOPS, "exec", str(rounds))
    return Workload("execve", f"{rounds:,} x execve", words, {"execve": rounds}, alone=True)


def mixed(scratch: Path, rounds: int) -> Workload:
    """Return a loop in which 1 call in 20 is a file call."""
    words = (LOOPS, "mixed", str(some_file(scratch)), str(rounds))
    what = f"{rounds:,} x 19 getppid and 1 access"
    return Workload("mixed", what, words, {"access": rounds}, alone=True)


def dd(blocks: int) -> Workload:
    """Return dd, a byte at a time."""
    words = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={blocks}", "status=none")
    calls = {"read": blocks, "write": blocks}
    return Workload("dd", f"dd bs=1 count={blocks}", words, calls, alone=True)


def python_start() -> Workload:
    """Return the start of Python, with some modules."""
    words = (sys.executable, "-c", "import json, ssl")
    return Workload("python", "python -c 'import json, ssl'", words)


def compiles(scratch: Path, count: int) -> Workload:
    """Return gcc, several times in a row."""
    source = PROGRAMS / "unit.c"
    script = (
        f"i=0; while [ $i -lt {count} ]; do"
        f" gcc -c {source} -o {scratch}/unit-$i.o || exit; i=$((i+1)); done"
    )
    return Workload("gcc", f"gcc -c, {count} times in a row", ("sh", "-c", script))


def makes(scratch: Path, count: int) -> Workload:
    """Return make with two jobs at a time."""
    folder = scratch / "make"
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"unit{number}.c").write_bytes((PROGRAMS / "unit.c").read_bytes())
    objects = " ".join(f"unit{number}.o" for number in range(count))
    (folder / "Makefile").write_text(f"all: {objects}\n")
    words = ("make", "-s", "-B", "-j2", "-C", str(folder))
    return Workload("make", f"make -j2, {count} files", words)


def git_status(scratch: Path, files: int) -> Workload:
    """Return git status in a tree of so many files."""
    tree = scratch / "tree"
    if not tree.exists():
        for number in range(files):
            folder = tree / f"folder{number // 50}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"file{number}").write_text(f"{number}\n")
        git = ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@x"]
        for verb in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"], ["status"]):
            subprocess.run([*git, *verb], check=True, stdout=subprocess.DEVNULL)
    words = ("git", "-C", str(tree), "status", "--porcelain")
    return Workload("git", f"git status, {files:,} files", words)


def family(kind: str, tasks: int, calls: int, work_ns: int = 0) -> Workload:
    """Return so many `processes` or `threads`, each with so many calls, computing in between."""
    words = (FAMILY, kind, str(tasks), str(calls), str(work_ns))
    what = f"{tasks} {kind}, {calls:,} x {work_ns / 1000:g} µs of work and getppid each"
    return Workload(kind, what, words, {"getppid": tasks * calls})


def some_file(scratch: Path) -> Path:
    """Return a short file, the same each time."""
    file = scratch / "some-file"
    if not file.exists():
        file.write_bytes(b"x" * 256)
    return file


def cores() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
