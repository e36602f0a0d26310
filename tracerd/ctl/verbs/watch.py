r"""Show events of the processes that are under trace (see `attach`).

  tracerctl watch
  tracerctl watch --path '/etc/**' --op write,delete
  tracerctl watch --pid 4321 -e '!%memory' --json | jq .
  tracerctl watch --since 5m --op write

Any number of watchers, each with filters of its own, may look at the same
processes.  With --since they begin with what the daemon has kept of the past:
what somebody watched, or `attach --keep` had it keep.

Ctrl-C ends it, with exit code 0; the processes stay under trace.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from tracerd.client.errors import ConnectionLost
from tracerd.ctl import display, filters
from tracerd.ctl.cursor_file import HEARTBEAT_MS, LINGER_MS, CursorFile
from tracerd.ctl.display import Display
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.follow import ENDINGS, Follower, gone
from tracerd.ctl.output import STDERR, STDOUT, Output
from tracerd.ctl.session import connect
from tracerd.ctl.wakeup import Wakeup

if TYPE_CHECKING:
    import argparse

    from tracerd.client.sync import SyncSubscription


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    filters.add_options(parser)
    filters.add_level(parser)
    filters.add_detail(parser)
    filters.add_overflow(parser, "drop")
    filters.add_since(parser)
    parser.add_argument(
        "--cursor-file",
        metavar="FILE",
        help="go on where the last one with this file stopped, and keep it up to date; with "
        "--since, that is where the first one begins",
    )
    parser.add_argument(
        "--snapshot",
        action="store_true",
        help="begin with the processes as they are: directory, arguments, open descriptors",
    )
    parser.add_argument(
        "--until", type=int, default=0, metavar="PID", help="end when this process has ended"
    )
    parser.add_argument(
        "-n", "--count", type=int, default=0, metavar="COUNT", help="end after so many events"
    )
    display.add_options(parser, "default: standard output")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    if arguments.count < 0:
        raise UsageError(f"--count: not a number of events: {arguments.count}")
    options: dict[str, Any] = filters.selection(arguments)
    options |= {
        **filters.extent(arguments),
        **filters.overflow(arguments),
        "until": arguments.until,
    }
    cursor = CursorFile(arguments.cursor_file) if arguments.cursor_file else None
    since = (cursor and cursor.since) or arguments.since
    if arguments.snapshot and (cursor or since):
        raise UsageError("--snapshot goes with neither --since nor --cursor-file")
    if arguments.snapshot:
        options["snapshot"] = True
    if cursor:
        options |= {"heartbeat_ms": HEARTBEAT_MS, "linger_ms": LINGER_MS}
    if since:
        options |= {"since": since, "on_gap": "continue"}
    options |= display.options(arguments)
    with (
        Output.open(arguments.output, STDOUT) as output,
        connect(arguments) as client,
        Wakeup((signal.SIGINT, signal.SIGTERM)) as wakeup,
        client.subscribe(**options) as subscription,
    ):
        shown = Display(output, arguments, client)
        if os.isatty(STDERR) and not client.list().processes:
            complain("no process is under trace yet: see tracerctl attach")
        if cursor:
            cursor.begin(subscription.reply.run, subscription.reply.head)
        try:
            _show(subscription, wakeup, shown, output, arguments.count, cursor)
        except ConnectionLost as error:
            complain(gone(error))
            return 1
        finally:
            if cursor:
                cursor.write()
        if subscription.end in ENDINGS:
            complain(ENDINGS[subscription.end])
            return 1
    return 0


def _show(
    subscription: SyncSubscription,
    wakeup: Wakeup,
    shown: Display,
    output: Output,
    count: int,
    cursor: CursorFile | None,
) -> None:
    left = count

    def stop(_number: int) -> None:
        subscription.close()

    for batch in Follower(subscription, wakeup, stop, output.fd).batches():
        wanted = cursor.without_beats(batch) if cursor else batch
        told = wanted[:left] if count else wanted
        shown.show(told)
        if cursor and batch:
            cursor.passed(told[-1] if len(told) < len(wanted) else batch[-1])
        left -= len(told)
        if count and left <= 0:
            return
