r"""Show which files a program touches, how, how often, and by which of its processes.

  tracerctl files -- make                     a table at the end
  tracerctl files -f -- ./install.sh          each access as it happens, then the table
  tracerctl files -p 4321                     a running process, until Ctrl-C
  tracerctl files --op write,delete --path '!/tmp/**' -- make

What failed (look-ups of files that are not there, mostly) stands apart.  The
last line says whether the list is whole.  Of a command the exit code is kept
and the report goes to standard error; with -p it goes to standard output,
Ctrl-C detaches, and the exit code is 0.

A command may get a seccomp filter, with which all calls that are of no interest
here run at full speed; see --seccomp for what that means.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from tracerd.client.errors import ConnectionLost
from tracerd.client.selection import filter_of
from tracerd.ctl import filters, output
from tracerd.ctl.command import GOES_ON, add_no_io_uring, add_seccomp, end_as_command, traced
from tracerd.ctl.display import harmless
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.files import live
from tracerd.ctl.files.accesses import Operations
from tracerd.ctl.files.document import document
from tracerd.ctl.files.report import Report
from tracerd.ctl.files.table import table, verdict
from tracerd.ctl.follow import ENDINGS, gone
from tracerd.ctl.launch import NOT_EXECUTABLE, NOT_FOUND
from tracerd.ctl.output import STDERR, STDOUT, Output, OutputError
from tracerd.ctl.processes import attached, process_id
from tracerd.ctl.session import session
from tracerd.protocol.events import Blind, Event
from tracerd.protocol.text import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracerd.client.stream import Batch
    from tracerd.protocol.messages import Filter, ProcessState

OFFERED = frozenset({"path", "op", "comm", "exe"})
"""Filters that make sense where only file accesses are shown."""

EVERY_PATH = "**"

ADVICE = {"io_uring": " (a command run with --no-io-uring does without)"}
"""What can be done about something that is not seen."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    import argparse  # noqa: PLC0415  loaded by our caller already

    parser.usage = "tracerctl files [options] ([--] CMD ARGS... | -p PID...)"
    parser.set_defaults(takes_command=True)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD ARGS...")
    parser.add_argument(
        "-p", "--pid", dest="pids", nargs="+", action="extend", default=[], metavar="PID",
        help="look at running processes, and all they start",
    )  # fmt: skip
    parser.add_argument("-f", "--follow", action="store_true", help="show accesses as they happen")
    fields = {option.field for option in filters.OPTIONS} | {"min_duration_ns"}
    filters.add_options(parser, leave_out=frozenset(fields - OFFERED))
    filters.add_level(parser)
    add_seccomp(parser)
    add_no_io_uring(parser)
    group = parser.add_argument_group("output")
    output.add_options(group, "default: standard error; with -p standard output")
    group.add_argument(
        "--json", action="store_true",
        help="the report as one line of JSON; with -f after one line for each access",
    )  # fmt: skip
    group.add_argument(
        "--format", choices=("text", "whatfiles"), default="text",
        help="whatfiles: accesses as they happen in the form of the whatfiles program, no table",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    pids = [process_id(text) for text in arguments.pids]
    if bool(pids) == bool(arguments.command):
        raise UsageError("say what to look at: tracerctl files -- CMD ARGS..., or -p PID...")
    if arguments.json and arguments.format != "text":
        raise UsageError("--json and --format exclude each other")
    if pids and arguments.seccomp is not None:
        raise UsageError("--seccomp and --no-seccomp are for a command, not for -p")
    if pids and arguments.no_io_uring:
        raise UsageError("--no-io-uring is for a command, not for -p")
    selected = filters.selection(arguments)
    ops = selected.get("op", [])
    if pids:
        with Output.open(arguments.output, STDOUT) as target:
            return _processes(arguments, pids, selected, Reporter(arguments, target, ops))
    return end_as_command(
        lambda target: _command(arguments, selected, Reporter(arguments, target, ops)),
        arguments.output,
        STDERR,
    )


def _subscription(
    arguments: argparse.Namespace, selected: dict[str, Any], roots: Sequence[int]
) -> dict[str, Any]:
    """Return the arguments of `subscribe`: file accesses, and what could not be seen."""
    level = {"level": arguments.level} if arguments.level else {}
    return {"filters": wanted(selected, roots), "detail": "files", **level}


def wanted(selected: dict[str, Any], roots: Sequence[int]) -> list[Filter]:
    """Return the filters for all that the report is made of."""
    paths = selected.get("path", [])
    if all(path.startswith("!") for path in paths):
        paths = [EVERY_PATH, *paths]
    accesses = {**selected, "path": paths, "type": ["syscall_exit", "exec"], "tree": roots}
    return [filter_of(accesses), filter_of({"type": "blind", "tree": roots})]


def _command(
    arguments: argparse.Namespace, selected: dict[str, Any], report: Reporter
) -> tuple[int, bool]:
    """Return the command's wait status, and whether tracing failed on the way."""
    with (
        session(arguments) as opened,
        traced(
            opened,
            arguments.command,
            lambda pid: _subscription(arguments, selected, [pid]),
            seccomp=arguments.seccomp,
            no_io_uring=arguments.no_io_uring,
        ) as command,
    ):
        report.fate, report.unwritten = command.fate, GOES_ON
        whole = report.take(command.batches)
        if not whole:
            command.subscription.close()  # nobody reads on; the program goes on
        report.ended(command.subscription.end)
        status = command.finish()
    code = os.waitstatus_to_exitcode(status)
    if not (report.empty and code in {NOT_FOUND, NOT_EXECUTABLE}):
        command_line = [shown(os.fsencode(word)) for word in arguments.command]
        report.close(command=command_line, exit=code)
    return status, bool(report.reason)


def _processes(
    arguments: argparse.Namespace, pids: list[int], selected: dict[str, Any], report: Reporter
) -> int:
    def options(roots: Sequence[int]) -> dict[str, Any]:
        return {**_subscription(arguments, selected, roots), "overflow": "block"}

    with (
        session(arguments) as opened,
        attached(opened, pids, options) as (processes, wakeup),
    ):
        mine = set(pids)
        report.unseen(
            each for each in opened.client.list().processes if mine & {*each.roots, each.pid}
        )
        report.take(lambda reader: processes.batches(wakeup, reader))
        report.ended(processes.subscription.end)
    report.close(pids=pids)
    return 1 if report.reason else 0


class Reporter:
    """Takes events in, shows them if asked, and the report at the end.

    ops: as in the filter; what else a call did is left out (an open may also truncate).
    """

    def __init__(self, arguments: argparse.Namespace, target: Output, ops: Sequence[str]) -> None:
        self._report = Report()
        self._ops = Operations(ops)
        self._target = target
        self._ink = target.ink(arguments.color)
        self._json: bool = arguments.json
        self._whatfiles = arguments.format == "whatfiles"
        self._live = arguments.follow or self._whatfiles
        self._broken = False
        self.fate = "what was traced goes on untraced"
        """What becomes of it when the daemon is gone."""
        self.unwritten = self.fate
        """What becomes of it when the report cannot be written."""

    @property
    def reason(self) -> str:
        """Why the events ended too early; empty if they did not."""
        return self._report.interrupted

    @property
    def empty(self) -> bool:
        """Whether no access was seen."""
        report = self._report
        return not (report.files or report.failures or report.renames)

    def take(self, batches: Callable[[int], Iterator[Batch]]) -> bool:
        """Take all events in; return whether there is still a reader for the report."""
        try:
            for whole in batches(self._target.fd):
                batch = [self._ops.narrowed(event) for event in whole]
                for event in batch:
                    self._add(event)
                if self._live:
                    self._target.lines(line for event in batch for line in self._lines(event))
        except BrokenPipeError:
            self._broken = True
            return False
        except OutputError as error:
            self._broken = True
            self._interrupted(str(error), self.unwritten)
            return False
        except ConnectionLost as error:
            self._interrupted(gone(error))
        return True

    def _add(self, event: Event) -> None:
        known = len(self._report.blind)
        self._report.add(event)
        for blind in self._report.blind[known:]:
            text = f"{blind.comm}[{blind.pid}]: {blind.what}: {blind.detail}"
            complain(f"{text}; the list may lack files{ADVICE.get(blind.what, '')}")

    def unseen(self, processes: Iterable[ProcessState]) -> None:
        """Take notice of what cannot be seen of processes that were under trace already."""
        for process in processes:
            for what in process.blind:
                head = {"seq": 0, "time_ns": 0, "pid": process.pid, "tid": process.pid}
                detail = "it was so before"
                self._add(Blind(**head, comm=process.comm, what=what, detail=detail))

    def ended(self, end: str) -> None:
        """Take notice of why the daemon ended the stream."""
        if end in ENDINGS:
            self._interrupted(ENDINGS[end])

    def _interrupted(self, why: str, fate: str = "") -> None:
        self._report.interrupted = why
        complain(f"{why}; {fate or self.fate}")

    def _lines(self, event: Event) -> Iterator[str]:
        if self._json:
            return (self._encoded(record) for record in live.records(event))
        return live.whatfiles(event) if self._whatfiles else live.lines(event, self._ink)

    def _encoded(self, record: dict[str, Any]) -> str:
        return harmless(msgspec.json.encode(record)).decode()

    def close(self, **about: object) -> None:
        """Write the report."""
        if self._broken:
            return
        report = self._report
        if self._json:
            self._target.lines([self._encoded(document(report, **about))])
        elif self._whatfiles:
            complain(verdict(report, self._ink))
        else:
            self._target.lines(table(report, self._ink))
