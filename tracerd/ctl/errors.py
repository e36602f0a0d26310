"""Errors of tracerctl itself, with the exit code each ends in, and how errors are told."""

from __future__ import annotations

import re
import sys
from typing import Final

from tracerd.client.errors import ClientError
from tracerd.ctl.text.escape import escape
from tracerd.errors import InvalidFilter, TracerdError

OWN_FAILURE: Final = 125
"""Exit code of `run` and `files -- CMD` when tracing failed, not the program (as timeout(1))."""


class CommandError(Exception):
    """The command cannot go on; the text says why, to a person."""

    exit_code: int = 1


class UsageError(CommandError):
    """The command line does not mean anything."""

    exit_code = 2


EXPECTED: Final = (TracerdError, ClientError, CommandError, OSError)
"""What is told in one line.  Anything else is a fault of ours, to be shown whole."""


def exit_code(error: Exception) -> int:
    """Return the exit code that an error of EXPECTED ends in."""
    return error.exit_code if isinstance(error, TracerdError | CommandError) else 1


def complain(problem: object) -> None:
    """Tell on standard error what is wrong; control characters in it do no harm."""
    text = _option(problem) if isinstance(problem, InvalidFilter) else str(problem)
    if sys.stderr is not None:
        print(f"tracerctl: {escape(text)}", file=sys.stderr, flush=True)


def _option(error: InvalidFilter) -> str:
    """Name the option that was typed instead of the field it became."""
    place = re.match(r"filters\[\d+\](?:\.not)?\.(\w+)", error.field)
    return f"--{place[1].replace('_', '-')}: {error.reason}" if place else str(error)
