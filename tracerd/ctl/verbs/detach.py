"""End what `attach` began: the processes leave trace and run on as before."""

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
    """Detach each; the exit code is that of the first that failed."""
    return each(arguments, _detach)


def _detach(client: SyncClient, pid: int) -> None:
    reply = client.detach(pid)
    others = f"{reply.holders} other{'s' if reply.holders > 1 else ''}"
    stays = f"; it stays under trace for {others}" if reply.holders else ""
    print(f"detached {reply.pid}{stays}")
    if reply.pending:
        listed = ", ".join(map(str, reply.pending))
        complain(f"{reply.pid}: threads that leave trace when they next stop: {listed}")
