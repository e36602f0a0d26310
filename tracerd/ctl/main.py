"""tracerctl's entry: finds the verb, runs it, turns errors into messages and exit codes.

Only the module of the verb that was asked for is imported; start-up is felt by
whoever types.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol, cast

from tracerd import __version__
from tracerd.ctl.errors import EXPECTED, complain, exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS: Final = {
    "run": "run a program and show its system calls",
    "files": "show which files a program touches, how, and by whom",
    "summary": "count system calls, errors and time, as strace -c",
    "trace": "attach to a process and show its system calls until Ctrl-C",
    "record": "record what a program or process does, to look at it later",
    "replay": "show a recording again",
    "export": "turn a recording into strace's text, NDJSON or a timeline for Perfetto",
    "watch": "show events of what is under trace already",
    "attach": "bring processes under trace, to stay there",
    "detach": "end what attach began",
    "list": "list the processes under trace",
    "status": "tell how the daemon does",
    "explain": "tell what filters ask of the tracer",
    "syscalls": "list the system calls the daemon knows, with their arguments",
}

DESCRIPTION: Final = "See what programs do, through the tracing daemon tracerd."

EPILOG: Final = """\
Without a daemon, run, files, summary, record, trace and explain start a private one for as long as
they need it.
`tracerctl VERB --help` tells more about a verb.
"""


class Verb(Protocol):
    """What a module in tracerd.ctl.verbs offers; its docstring is the help text."""

    __doc__: str

    def prepare(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's options.  A positional `command` takes all after `--`."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run tracerctl; return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    _fill_standard_descriptors()
    try:
        code = _main(words)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough.  What is still buffered must not complain at
        # interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    return code


def _fill_standard_descriptors() -> None:
    """Open what is closed of 0, 1 and 2, or a socket of ours would be taken for it.

    Close-on-exec: a traced program finds them closed, as we did.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _main(words: list[str]) -> int:
    name, arguments = parse(words)
    verb = _load(name)
    try:
        return verb.run(arguments)
    except BrokenPipeError:
        raise
    except EXPECTED as error:
        complain(error)
        return exit_code(error)


def parse(words: list[str]) -> tuple[str, argparse.Namespace]:
    """Return the verb and its arguments; ends the process with code 2 if they are wrong."""
    own, rest = _split(words)
    listed = "\n".join(f"  {verb:<10}{text}" for verb, text in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="tracerctl",
        usage="tracerctl [--socket PATH] VERB ...",
        description=f"{DESCRIPTION}\n\nverbs:\n{listed}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_socket(parser, default=None)
    parser.add_argument("--version", action="version", version=f"tracerctl {__version__}")
    outer = parser.parse_args(own)
    if not rest:
        parser.error(f"a verb is missing: {', '.join(VERBS)}")
    name, *given = rest
    if name not in VERBS:
        parser.error(f"no such verb: {name}{_hint(name)}")
    verb = _load(name)
    parser = argparse.ArgumentParser(
        prog=f"tracerctl {name}",
        description=verb.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_socket(parser, default=argparse.SUPPRESS)
    verb.prepare(parser)
    return name, _parse_verb(parser, given, outer)


def _parse_verb(
    parser: argparse.ArgumentParser, words: list[str], outer: argparse.Namespace
) -> argparse.Namespace:
    """Parse a verb's words.  What follows the first `--` is the traced command's alone."""
    command: list[str] = []
    ended = False
    if parser.get_default("takes_command") and "--" in words:
        at = words.index("--")
        words, command, ended = words[:at], words[at + 1 :], True
    arguments = parser.parse_args(words, namespace=outer)
    if ended:
        # A `--` after the command's first word is one of its own arguments.
        before: list[str] = arguments.command
        arguments.command = [*before, "--", *command] if before else command
    return arguments


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Part the options before the verb from the rest."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] == "--socket" else 1
    return words[:at], words[at:]


def _add_socket(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=default,
        help="the daemon's socket (default: $TRACERD_SOCKET, else /run/tracerd.sock for root, "
        "else $XDG_RUNTIME_DIR/tracerd.sock)",
    )


def _hint(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  for the rare wrong word only

    close = get_close_matches(name, VERBS, n=1)
    return f" (did you mean {close[0]}?)" if close else f" (there are {', '.join(VERBS)})"


def _load(name: str) -> Verb:
    return cast("Verb", import_module(f"tracerd.ctl.verbs.{name}"))
