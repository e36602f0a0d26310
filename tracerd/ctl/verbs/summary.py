r"""Count system calls, errors and time, as `strace -c -f` does.

  tracerctl summary -- make -j4
  tracerctl summary -p 4321                   a running process, until Ctrl-C
  tracerctl summary --by pid --sort calls -- ./configure
  tracerctl summary -e %file --failed -- ./app

Time is what passed between entry and return of calls, with all waiting, as the
tracer saw it (strace's -w); a call that never returned has none.  Nothing of
the program's memory is read for this.  Of a command the exit code is kept and
the table goes to standard error; with -p it goes to standard output, Ctrl-C
detaches, and the exit code is 0.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from tracerd.client.errors import ConnectionLost
from tracerd.client.selection import filter_of
from tracerd.ctl import filters, output
from tracerd.ctl.command import add_seccomp, end_as_command, traced
from tracerd.ctl.display import harmless
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.follow import ENDINGS, gone
from tracerd.ctl.launch import NOT_EXECUTABLE, NOT_FOUND
from tracerd.ctl.output import STDERR, STDOUT, Output
from tracerd.ctl.processes import attached, process_id
from tracerd.ctl.session import session
from tracerd.ctl.summary import SORTS, Summary, document, table
from tracerd.protocol.text import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from tracerd.client.stream import Batch

LEFT_OUT = frozenset({"pid", "tree", "tid", "uid", "type"})
"""Filters that make no sense where only calls of known processes are counted."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    import argparse  # noqa: PLC0415  loaded by our caller already

    parser.usage = "tracerctl summary [options] ([--] CMD ARGS... | -p PID...)"
    parser.set_defaults(takes_command=True)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD ARGS...")
    parser.add_argument(
        "-p", "--pid", dest="pids", nargs="+", action="extend", default=[], metavar="PID",
        help="look at running processes, and all they start",
    )  # fmt: skip
    parser.add_argument("--by", choices=("pid",), help="pid: a table for each process")
    parser.add_argument(
        "-S", "--sort", choices=tuple(SORTS), default="time",
        help="order of the rows, the largest first (default: time)",
    )  # fmt: skip
    filters.add_options(parser, leave_out=LEFT_OUT)
    filters.add_level(parser)
    add_seccomp(parser)
    group = parser.add_argument_group("output")
    output.add_options(group, "default: standard error; with -p standard output")
    group.add_argument("--json", action="store_true", help="the summary as one line of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    pids = [process_id(text) for text in arguments.pids]
    if bool(pids) == bool(arguments.command):
        raise UsageError("say what to look at: tracerctl summary -- CMD ARGS..., or -p PID...")
    if pids and arguments.seccomp is not None:
        raise UsageError("--seccomp and --no-seccomp are for a command, not for -p")
    selected = filters.selection(arguments)
    if pids:
        with Output.open(arguments.output, STDOUT) as target:
            return _processes(arguments, pids, selected, Counting(arguments, target))
    return end_as_command(
        lambda target: _command(arguments, selected, Counting(arguments, target)),
        arguments.output,
        STDERR,
    )


def _subscription(
    arguments: argparse.Namespace, selected: dict[str, Any], roots: Sequence[int]
) -> dict[str, Any]:
    """Return the arguments of `subscribe`: returns of calls, and what makes none."""
    level = {"level": arguments.level} if arguments.level else {}
    calls = filter_of({**selected, "type": "syscall_exit", "tree": roots})
    blind = filter_of({"type": "blind", "tree": roots})
    return {"filters": [calls, blind], "detail": "names", **level}


def _command(
    arguments: argparse.Namespace, selected: dict[str, Any], counting: Counting
) -> tuple[int, bool]:
    """Return the command's wait status, and whether tracing failed on the way."""
    with (
        session(arguments) as opened,
        traced(
            opened,
            arguments.command,
            lambda pid: _subscription(arguments, selected, [pid]),
            seccomp=arguments.seccomp,
        ) as command,
    ):
        counting.fate = command.fate
        if not counting.take(command.batches):
            command.subscription.close()  # nobody reads on; the program goes on
        counting.ended(command.subscription.end)
        status = command.finish()
    code = os.waitstatus_to_exitcode(status)
    if counting.any or code not in {NOT_FOUND, NOT_EXECUTABLE}:
        words = [shown(os.fsencode(word)) for word in arguments.command]
        counting.close(command=words, exit=code)
    return status, counting.failed


def _processes(
    arguments: argparse.Namespace, pids: list[int], selected: dict[str, Any], counting: Counting
) -> int:
    def options(roots: Sequence[int]) -> dict[str, Any]:
        return {**_subscription(arguments, selected, roots), "overflow": "block"}

    with (
        session(arguments) as opened,
        attached(opened, pids, options) as (processes, wakeup),
    ):
        counting.take(lambda reader: processes.batches(wakeup, reader))
        counting.ended(processes.subscription.end)
    counting.close(pids=pids)
    return 1 if counting.failed else 0


class Counting:
    """Takes events in, and writes the summary at the end.

    fate: what becomes of what is traced when the daemon is gone.
    """

    def __init__(self, arguments: argparse.Namespace, target: Output) -> None:
        self._summary = Summary(by_process=arguments.by == "pid")
        self._target = target
        self._ink = target.ink(arguments.color)
        self._json: bool = arguments.json
        self._order: str = arguments.sort
        self._broken = False
        self.fate = "what was traced goes on untraced"

    @property
    def any(self) -> bool:
        """Whether a call was seen."""
        return bool(self._summary.tallies)

    @property
    def failed(self) -> bool:
        """Whether the events ended too early."""
        return bool(self._summary.interrupted)

    def take(self, batches: Callable[[int], Iterator[Batch]]) -> bool:
        """Take all events in; return whether there is still a reader for the summary."""
        try:
            for batch in batches(self._target.fd):
                for event in batch:
                    self._summary.add(event)
        except BrokenPipeError:
            self._broken = True
            return False
        except ConnectionLost as error:
            self._interrupted(gone(error))
        return True

    def ended(self, end: str) -> None:
        """Take notice of why the daemon ended the stream."""
        if end in ENDINGS:
            self._interrupted(ENDINGS[end])

    def _interrupted(self, why: str) -> None:
        self._summary.interrupted = why
        complain(f"{why}; {self.fate}")

    def close(self, **about: object) -> None:
        """Write the summary."""
        if self._broken:
            return
        if self._json:
            made = msgspec.json.encode(document(self._summary, self._order, **about))
            self._target.lines([harmless(made).decode()])
        else:
            self._target.lines(table(self._summary, self._order, self._ink))
