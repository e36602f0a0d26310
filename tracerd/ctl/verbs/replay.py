r"""Show a recording again.

  tracerctl replay t.trace
  tracerctl replay -e openat,execve --failed t.trace
  tracerctl replay --path '/etc/**' --json t.trace | jq .

The same filters, and the same ways to show events, as `watch` has; no daemon is
needed.  Only what was recorded can pass, and by user nothing can be asked for:
a recording does not tell users.  If it was cut short, all that is whole is shown,
and the exit code is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracerd.ctl import display, filters
from tracerd.ctl.display import Display
from tracerd.ctl.errors import complain
from tracerd.ctl.output import STDOUT, Output
from tracerd.ctl.recording import NOT_RECORDED, Selection, opened
from tracerd.protocol.codec import encode_json

if TYPE_CHECKING:
    import argparse


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("file", metavar="FILE", help="made by `tracerctl record`")
    filters.add_options(parser, leave_out=NOT_RECORDED)
    filters.add_level(parser)
    display.add_options(parser, "default: standard output")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    display.options(arguments)  # for what it refuses
    with Output.open(arguments.output, STDOUT) as output, opened(arguments.file) as recording:
        wanted = filters.as_strace(filters.selection(arguments), arguments)
        level = arguments.level or recording.level
        selection = Selection(recording, {**wanted, "level": level})
        shown = Display(output, arguments, recording)
        for batch in recording.batches():
            passed = selection.of(batch)
            shown.show(list(map(encode_json, passed)) if arguments.json else passed)
        if recording.fault:
            complain(recording.fault)
            return 1
    return 0
