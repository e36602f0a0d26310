r"""Turn a recording into a format that others read.

  tracerctl export t.trace --format strace            as `strace -f -y -o` writes it
  tracerctl export t.trace --format ndjson | jq .     an event per line
  tracerctl export t.trace --format perfetto -o t.json   for https://ui.perfetto.dev
  tracerctl export t.trace --format files             what `tracerctl files` tells

Filters are those of `replay`.  Instead of a recording the file may hold events as
lines of JSON, as `--json` of other verbs writes them; - is standard input.  How
strace's text of those has to look is asked of the daemon (a private one, if
none runs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracerd.ctl import filters, output
from tracerd.ctl.display import STRING_LIMIT, kinds
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.output import STDOUT, Output
from tracerd.ctl.recording import NOT_RECORDED, Selection, Source, opened_any
from tracerd.protocol import events
from tracerd.protocol.codec import encode_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


STRACE_TELLS: Final = (
    events.SyscallEnter,
    events.SyscallExit,
    events.SignalStop,
    events.GroupStop,
    events.Exit,
    events.SignalExit,
)
"""Events that strace has lines for."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="a recording, or events as NDJSON; -: stdin")
    parser.add_argument("--format", choices=list(FORMATS), required=True, help="what to make of it")
    filters.add_options(parser, leave_out=NOT_RECORDED)
    filters.add_level(parser)
    output.add_options(parser.add_argument_group("output"), "default: standard output")
    group = parser.add_argument_group("strace's text")
    group.add_argument("-t", "--time", action="store_true", help="with the time of day")
    group.add_argument("-T", "--duration", action="store_true", help="with how long calls took")
    group.add_argument("-v", "--verbose", action="store_true", help="do not abbreviate structures")
    group.add_argument(
        "-s", "--string-limit", type=int, metavar="BYTES", default=STRING_LIMIT,
        help=f"cut buffers and long strings there (default: {STRING_LIMIT})",
    )  # fmt: skip
    parser.set_defaults(json=False)


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    if arguments.string_limit <= 0:
        raise UsageError(f"--string-limit: not a number of bytes: {arguments.string_limit}")
    with Output.open(arguments.output, STDOUT) as target, opened_any(arguments.file) as source:
        chosen = filters.selection(arguments)
        wanted = filters.as_strace(chosen, arguments) if arguments.format == "strace" else chosen
        level = {"level": arguments.level or source.level}
        selection = Selection(source.table(arguments, needed=bool(wanted)), {**wanted, **level})
        FORMATS[arguments.format](arguments, source, selection, target)
        if source.fault:
            complain(source.fault)
            return 1
    return 0


def _strace(
    arguments: argparse.Namespace, source: Source, selection: Selection, target: Output
) -> None:
    from tracerd.ctl.text.lines import Renderer  # noqa: PLC0415  only for this format

    renderer = Renderer(
        kinds=kinds(source.table(arguments, needed=True)),
        ink=target.ink(arguments.color),
        times=arguments.time,
        durations=arguments.duration,
        whole=arguments.verbose,
        limit=arguments.string_limit,
        log=True,
    )
    lost = 0
    for batch in source.batches():
        passed = selection.of(batch)
        lost += sum(event.count for event in passed if isinstance(event, events.Lost))
        shown = [event for event in passed if isinstance(event, STRACE_TELLS)]
        target.lines(map(renderer.line, shown))
    if lost:
        complain(f"{lost} events were lost when this was recorded")


def _ndjson(
    _arguments: argparse.Namespace, source: Source, selection: Selection, target: Output
) -> None:
    for batch in source.batches():
        data = b"".join(encode_json(event) + b"\n" for event in selection.of(batch))
        if data:
            target.write(data)


def _perfetto(
    _arguments: argparse.Namespace, source: Source, selection: Selection, target: Output
) -> None:
    from tracerd.ctl.export.perfetto import Timeline  # noqa: PLC0415  only for this format

    timeline = Timeline(source.created_ns)
    target.write(timeline.beginning())
    try:
        for batch in source.batches():
            if made := timeline.of(selection.of(batch)):
                target.write(made)
    finally:
        target.write(timeline.ending())  # valid, whatever the recording is


def _files(
    arguments: argparse.Namespace, source: Source, selection: Selection, target: Output
) -> None:
    from tracerd.ctl.files.report import Report  # noqa: PLC0415  only for this format
    from tracerd.ctl.files.table import table  # noqa: PLC0415

    report = Report()
    for batch in source.batches():
        for event in selection.of(batch):
            report.add(event)
    report.interrupted = source.fault
    target.lines(table(report, target.ink(arguments.color)))


FORMATS: Final[dict[str, Callable[[argparse.Namespace, Source, Selection, Output], None]]] = {
    "strace": _strace,
    "ndjson": _ndjson,
    "perfetto": _perfetto,
    "files": _files,
}
