"""Filter options, shared by the verbs that show events, and what they mean in a Subscribe call.

Every option may be repeated; lists are separated by commas; a leading `!` turns
an option round, as with strace.  All options together make one filter.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from typing import Any, Final, NamedTuple

from tracerd.client.selection import NUMERIC, filter_of
from tracerd.ctl.errors import UsageError
from tracerd.errors import InvalidParameter
from tracerd.protocol.cursors import read_since
from tracerd.protocol.detail import DETAILS
from tracerd.protocol.events import EVENT_TYPES, LEVELS, OPS, STREAM_CONTROL

TASK_FIELDS: Final = frozenset({"pid", "tree", "tid", "uid", "comm", "exe"})
"""Fields that speak of who does something, not of what."""

LIVES: Final = ("signal_stop", "group_stop", "resumed", "exit", "signal_exit")
"""What strace shows beside calls."""


class Option(NamedTuple):
    """A command-line option that fills one field of a filter.

    several: the value is a list with commas.
    """

    field: str
    flags: tuple[str, ...]
    metavar: str
    help: str
    several: bool = True


OPTIONS: Final = (
    Option("pid", ("--pid",), "PID", "this process"),
    Option("tree", ("--tree",), "PID", "this process and its descendants"),
    Option("tid", ("--tid",), "TID", "this thread"),
    Option("uid", ("--uid",), "UID", "processes of this user"),
    Option("comm", ("--comm",), "NAME", "command name; * and ? are wild", several=False),
    Option("exe", ("--exe",), "PATTERN", "path of the program, as with --path", several=False),
    Option(
        "syscall",
        ("-e", "--syscall"),
        "NAMES",
        "system calls: names, classes (%%file %%desc %%process %%network %%signal %%memory "
        "%%ipc), wildcards (open*), /regular expressions",
    ),
    Option(
        "path",
        ("-P", "--path"),
        "PATTERN",
        "calls on files: exact, DIR/ (all below), or a glob with * ? [..] and ** "
        "(any depth); relative names are taken from the working directory",
        several=False,
    ),
    Option("op", ("--op",), "OPS", f"what is done to files: {', '.join(OPS)}"),
    Option(
        "type",
        ("--type",),
        "TYPES",
        f"kinds of events: {', '.join(t for t in EVENT_TYPES if t not in STREAM_CONTROL)}",
    ),
    Option("result", ("--result",), "RESULTS", "ok, error, or errno names such as ENOENT"),
)

_UNITS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "": 10**9}
_SPANS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([smhd])")
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zµ]*)")


def add_options(
    parser: argparse.ArgumentParser, *, leave_out: frozenset[str] = frozenset()
) -> None:
    """Add the filter options, but for the fields in `leave_out`."""
    group = parser.add_argument_group(
        "filters", "Each may be repeated (any may match) and negated with a leading '!'."
    )
    for option in OPTIONS:
        if option.field not in leave_out:
            group.add_argument(
                *option.flags,
                dest=option.field,
                metavar=option.metavar,
                help=option.help,
                action="append",
                default=[],
            )
    if "result" not in leave_out:
        group.add_argument(
            "-Z", "--failed", action="append_const", dest="result", const="error",
            help="only calls that failed",
        )  # fmt: skip
        group.add_argument(
            "-z", "--ok", action="append_const", dest="result", const="ok",
            help="only calls that succeeded",
        )  # fmt: skip
    if "min_duration_ns" not in leave_out:
        group.add_argument(
            "--min-duration", dest="min_duration_ns", type=duration, metavar="TIME",
            help="only calls that took so long: 10ms, 250us, 1.5s",
        )  # fmt: skip


def add_level(parser: argparse.ArgumentParser) -> None:
    """Add --level."""
    parser.add_argument(
        "--level",
        choices=LEVELS,
        help="what counts as file access: calls that name a path (path, the default), "
        "also those on descriptors that change or query a file (fd), also every transfer "
        "and mapping (io)",
    )


def add_detail(parser: argparse.ArgumentParser) -> None:
    """Add --detail."""
    parser.add_argument(
        "--detail",
        choices=DETAILS,
        help="how much to show of each event; what nobody asks for is not read from the "
        "processes, and costs them nothing: names and results of calls only, also files, also "
        "arguments but no contents, or all (full, the default)",
    )


def extent(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `subscribe` must be told of --level and --detail."""
    stated = {"level": arguments.level, "detail": arguments.detail}
    return {name: value for name, value in stated.items() if value}


def add_overflow(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --overflow."""
    parser.add_argument(
        "--overflow",
        choices=("drop", "block", "disconnect"),
        default=default,
        help="when events come faster than they are read: drop and count them, block (the "
        f"processes wait), or disconnect (default: {default})",
    )
    parser.add_argument(
        "--block-budget", type=duration, metavar="TIME",
        help="with block: how long processes may wait in all; after that, drop",
    )  # fmt: skip


def overflow(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `subscribe` must be told of --overflow and --block-budget."""
    stated = {"overflow": arguments.overflow}
    if arguments.block_budget is None:
        return stated
    if arguments.overflow != "block":
        raise UsageError("--block-budget goes with --overflow block")
    return {**stated, "block_budget_ms": max(1, arguments.block_budget // 1_000_000)}


def add_since(parser: argparse.ArgumentParser) -> None:
    """Add --since."""
    parser.add_argument(
        "--since",
        type=moment,
        metavar="WHEN",
        help="begin with past events, as far as the daemon keeps them: of the last 90s, 5m, 2h; "
        "after a cursor RUN:SEQ; or all",
    )


def selection(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the filter fields that were stated, as `subscribe` takes them.

    Raises UsageError for a process id that is not a number.
    """
    stated: dict[str, Any] = {}
    for option in OPTIONS:
        values = [
            value
            for given in getattr(arguments, option.field, [])
            for value in _split(option, given)
        ]
        if values:
            stated[option.field] = values
    duration_ns = getattr(arguments, "min_duration_ns", None)
    if duration_ns:
        stated["min_duration_ns"] = duration_ns
    return stated


def as_strace(selected: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `subscribe` takes for the lines of `run` and `trace`.

    As strace does, signals and ends are shown whatever calls are, unless `--type` says what to
    show.  `--json` is for programs: it has what was asked for and nothing else.
    """
    of_calls = selected.keys() - TASK_FIELDS
    if arguments.json or not of_calls or "type" in of_calls:
        return selected
    tasks = {name: value for name, value in selected.items() if name in TASK_FIELDS}
    return {"filters": [filter_of(selected), filter_of({**tasks, "type": LIVES})]}


def _split(option: Option, given: str) -> list[str]:
    """Return the alternatives of one option: `!a,b` excludes both."""
    text = given.removeprefix("!")
    if option.field == "syscall":
        text = re.sub(r"^(trace|t)=", "", text)
    excluded = given.startswith("!") or text.startswith("!")
    parts = _parts(option, text.removeprefix("!"))
    if not parts or not all(parts):
        raise UsageError(f"{option.flags[-1]}: empty value in {given!r}")
    return [f"!{part}" if excluded else part for part in parts]


def _parts(option: Option, text: str) -> list[str]:
    if option.field in NUMERIC:
        numbers = re.split(r"[,\s]+", text.strip())  # "$(pidof nginx)" is a list with spaces
        for number in numbers:
            if not re.fullmatch(r"!?[0-9]+", number):
                raise UsageError(f"{option.flags[-1]}: not a number: {number or repr(text)}")
        return numbers
    if option.field in {"path", "exe"}:
        return [absolute(text, os.getcwd())] if text else []
    return [part.strip() for part in text.split(",")] if option.several else [text]


def absolute(pattern: str, directory: str) -> str:
    """Return a path pattern that means the same wherever it is read."""
    if pattern.startswith(("/", "**")):
        return pattern
    literal = re.sub(r"([*?[])", r"[\1]", directory).rstrip("/")
    return f"{literal}/{pattern.removeprefix('./')}"


def moment(text: str) -> str:
    """Read a span before now as a Unix time in nanoseconds; leave `all` and cursors as they are."""
    found = _SPAN.fullmatch(text)
    if found is not None:
        return str(max(0, time.time_ns() - round(float(found[1]) * _SPANS[found[2]] * 10**9)))
    try:
        read_since(text)
    except InvalidParameter as error:
        reason = f"not a time or cursor: {text} (try 5m, all, or RUN:SEQ)"
        raise argparse.ArgumentTypeError(reason) from error
    return text


def duration(text: str) -> int:
    """Read `10ms`, `250us` or `1.5` (seconds) as nanoseconds."""
    match = _DURATION.fullmatch(text.strip())
    unit = _UNITS.get(match[2]) if match else None
    if match is None or unit is None:
        raise argparse.ArgumentTypeError(f"not a time: {text} (try 10ms)")
    return round(float(match[1]) * unit)
