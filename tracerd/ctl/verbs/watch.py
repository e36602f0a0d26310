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
    if arguments.snapshot:
        options["snapshot"] = True
    if arguments.since:
        options |= {"since": arguments.since, "on_gap": "continue"}
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
        try:
            _show(subscription, wakeup, shown, output, arguments.count)
        except ConnectionLost as error:
            complain(gone(error))
            return 1
        if subscription.end in ENDINGS:
            complain(ENDINGS[subscription.end])
            return 1
    return 0


def _show(
    subscription: SyncSubscription, wakeup: Wakeup, shown: Display, output: Output, count: int
) -> None:
    left = count

    def stop(_number: int) -> None:
        subscription.close()

    for batch in Follower(subscription, wakeup, stop, output.fd).batches():
        shown.show(batch[:left] if count else batch)
        left -= len(batch)
        if count and left <= 0:
            return
