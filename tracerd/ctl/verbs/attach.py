"""Bring processes under trace, with all their threads and all children to come.

They stay under trace until `detach`, or until the daemon ends, and run at full
speed while nobody watches.  It returns when every thread is under trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracerd.ctl.errors import complain
from tracerd.ctl.processes import each

if TYPE_CHECKING:
    import argparse

    from tracerd.client.sync import SyncClient


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("pids", nargs="+", metavar="PID")


def run(arguments: argparse.Namespace) -> int:
    """Attach each; the exit code is that of the first that failed."""
    return each(arguments, _attach)


def _attach(client: SyncClient, pid: int) -> None:
    reply = client.attach(pid)
    threads = len(reply.threads)
    print(f"attached {reply.pid} ({threads} thread{'s' if threads != 1 else ''})")
    if reply.pending:
        listed = ", ".join(map(str, reply.pending))
        complain(f"{reply.pid}: threads that have not stopped yet: {listed}")
