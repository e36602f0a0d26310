"""Tell what memory a tracee costs: python benchmarks/many.py [--json].

A fresh daemon attaches to a process with a thousand threads, and another one to five hundred
processes, with everything subscribed to; what its resident memory grew by is divided among them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tracees"))

from build import command
from tracers import daemon

import tracerd.client

THREADS, PROCESSES = 1000, 500


def children(pid: int) -> list[int]:
    """Return the pids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident(pid: int) -> int:
    """Return the bytes of memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cost(kind: str, tasks: int) -> float:
    """Return the bytes that one of so many tracees costs a daemon."""
    words = command("many_tasks", kind, tasks)
    with (
        daemon(),
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as program,
        tracerd.client.connect_sync(timeout=30) as client,
    ):
        assert program.stdout is not None
        program.stdout.readline()
        client.subscribe()
        server = client.status().pid
        before = resident(server)
        for pid in [program.pid] if kind == "threads" else children(program.pid):
            client.attach(pid, scope="connection")
        assert client.status().tracees >= tasks
        grown = resident(server) - before
        program.terminate()
        program.wait(30)
    return grown / tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="bytes per tracee, by kind")
    options = parser.parse_args()
    costs = {"threads": cost("threads", THREADS), "processes": cost("processes", PROCESSES)}
    if options.json:
        print(json.dumps(costs))
        return
    for kind, each in costs.items():
        print(f"{kind:10} {each / 1000:6.1f} kB each")


if __name__ == "__main__":
    main()
