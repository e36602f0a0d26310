"""What is traced: programs from one that does nothing but call the kernel to a compiler."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
BUILD = Path(__file__).parent / ".build"


def build() -> None:
    """Compile what is not up to date.  Raises CalledProcessError if gcc refuses."""
    BUILD.mkdir(exist_ok=True)
    for name in ("null_tracer", "stamp", "loops"):
        source, target = PROGRAMS / f"{name}.c", BUILD / name
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(
                ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", target, source], check=True
            )


@dataclass(frozen=True)
class Workload:
    """A command to trace.  `what`: said in the report."""

    name: str
    what: str
    command: tuple[str, ...]


def workloads(scratch: Path, *, quick: bool) -> list[Workload]:
    """Return all workloads; those that can be long are shorter if `quick`.

    scratch: a directory they may write to.
    """
    loops = str(BUILD / "loops")
    some_file = scratch / "some-file"
    some_file.write_bytes(b"x" * 256)
    calls = 5_000 if quick else 20_000
    opens = calls // 4
    compiles = 3 if quick else 10
    forks = 50 if quick else 200
    compile_all = (
        f"i=0; while [ $i -lt {compiles} ]; do"
        f" gcc -c {PROGRAMS / 'unit.c'} -o {scratch}/unit-$i.o || exit; i=$((i+1)); done"
    )
    fork_all = f"i=0; while [ $i -lt {forks} ]; do /bin/true; i=$((i+1)); done"
    blocks = calls // 2
    dd = ("dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={blocks}", "status=none")
    return [
        Workload("getppid", f"{calls} x getppid", (loops, "getppid", str(calls))),
        Workload(
            "open", f"{opens} x open, read, close", (loops, "open", str(some_file), str(opens))
        ),
        Workload("dd", f"dd bs=1 count={blocks}", dd),
        Workload(
            "python", "python -c 'import json, ssl'", (sys.executable, "-c", "import json, ssl")
        ),
        Workload("gcc", f"gcc -c, {compiles} times, from sh", ("sh", "-c", compile_all)),
        Workload("fork", f"sh: /bin/true, {forks} times", ("sh", "-c", fork_all)),
    ]
