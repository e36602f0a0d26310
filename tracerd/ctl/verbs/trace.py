r"""Attach to running processes and show their system calls until they end.

  tracerctl trace 4321
  tracerctl trace -e openat,connect -T 4321

All threads, and all processes they start, are followed.  Ctrl-C detaches; the
processes go on as before, and the exit code is 0.  It is 1 if the daemon ends.
As with strace the processes wait if the output does (`--overflow` chooses), and
signals and ends are shown whatever calls are, unless --type or --json is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracerd.client.errors import ConnectionLost
from tracerd.ctl import display, filters
from tracerd.ctl.display import Display
from tracerd.ctl.errors import complain
from tracerd.ctl.follow import ENDINGS, gone
from tracerd.ctl.output import STDOUT, Output, OutputError
from tracerd.ctl.processes import attached, process_id
from tracerd.ctl.session import session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tracerd.ctl.processes import AttachedProcesses
    from tracerd.ctl.wakeup import Wakeup


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("pids", nargs="+", metavar="PID")
    filters.add_options(parser, leave_out=frozenset({"tree"}))
    filters.add_level(parser)
    filters.add_detail(parser)
    filters.add_overflow(parser, "block")
    display.add_options(parser, "default: standard output")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    pids = [process_id(text) for text in arguments.pids]
    selected = filters.selection(arguments)
    extent = filters.extent(arguments)

    def options(roots: Sequence[int]) -> dict[str, Any]:
        wanted = filters.as_strace({**selected, "tree": roots}, arguments)
        return {**wanted, **extent, **filters.overflow(arguments), **display.options(arguments)}

    with Output.open(arguments.output, STDOUT) as output, session(arguments) as opened:
        shown = Display(output, arguments, opened.client)
        with attached(opened, pids, options) as (processes, wakeup):
            return _show(processes, wakeup, shown, output)


def _show(processes: AttachedProcesses, wakeup: Wakeup, shown: Display, output: Output) -> int:
    """Show events to the end; say why it came, and return the exit code."""
    who = ", ".join(map(str, processes.pids))
    try:
        for batch in processes.batches(wakeup, output.fd):
            shown.show(batch)
    except ConnectionLost as error:
        complain(f"{gone(error)}; {who} runs on untraced")
        return 1
    except OutputError as error:
        processes.detach()
        complain(f"{error}; detached from {who}")
        return 1
    if processes.detached:
        complain(f"detached from {who}")
    elif processes.subscription.end in ENDINGS:
        complain(f"{ENDINGS[processes.subscription.end]}; {who} runs on untraced")
        return 1
    return 0
