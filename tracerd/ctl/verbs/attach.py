r"""Bring processes under trace, with all their threads and all children to come.

  tracerctl attach 4321
  tracerctl attach --keep --path '/etc/**' 4321

They stay under trace until `detach`, or until the daemon ends, and run at full
speed while nobody watches.  It returns when every thread is under trace.

With --keep the daemon records what passes the filters though nobody watches:
`watch --since` has it later.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tracerd.client.selection import filter_of
from tracerd.ctl import filters
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.processes import each
from tracerd.protocol.messages import CallSelection

if TYPE_CHECKING:
    import argparse

    from tracerd.client.sync import SyncClient


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("pids", nargs="+", metavar="PID")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="record what passes the filters, or everything, for those who watch later",
    )
    filters.add_options(parser, leave_out=frozenset({"pid", "tree"}))
    filters.add_level(parser)


def run(arguments: argparse.Namespace) -> int:
    """Attach each; the exit code is that of the first that failed."""
    stated = filters.selection(arguments)
    if not arguments.keep and (stated or arguments.level):
        raise UsageError("filters go with --keep only: an attach brings in the whole process")
    keep = None
    if arguments.keep:
        wanted = [filter_of(stated)] if stated else []
        keep = CallSelection(filters=wanted, level=arguments.level or "path")
    return each(arguments, partial(_attach, keep=keep))


def _attach(client: SyncClient, pid: int, *, keep: CallSelection | None) -> None:
    reply = client.attach(pid, keep=keep)
    threads = len(reply.threads)
    print(f"attached {reply.pid} ({threads} thread{'s' if threads != 1 else ''})")
    if reply.pending:
        listed = ", ".join(map(str, reply.pending))
        complain(f"{reply.pid}: threads that have not stopped yet: {listed}")
