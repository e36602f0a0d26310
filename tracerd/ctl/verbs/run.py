r"""Run a program and show its system calls as they happen.

  tracerctl run -- make -j4
  tracerctl run -e %file -Z -- ./app          only file calls that failed
  tracerctl run -o calls.txt -P '/etc/**' -- ./app

Like `strace -f`: all processes the program starts are followed, nothing is
lost, and it ends when the last of them has ended.  The program runs as without
tracerctl (terminal, directory, environment, standard input); lines go to
standard error.  Signals and ends are shown whatever calls are, unless --type or
--json is given.  The exit code is the program's, a death by signal too; 125 if
tracing itself failed, 126 or 127 if the program cannot be run.

If only some calls are to be shown, the program may get a seccomp filter, with
which all others run at full speed; see --seccomp for what that means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracerd.client.errors import ConnectionLost
from tracerd.ctl import display, filters
from tracerd.ctl.command import GOES_ON, add_no_io_uring, add_seccomp, end_as_command, traced
from tracerd.ctl.display import Display
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.follow import ENDINGS, gone
from tracerd.ctl.output import STDERR, Output, OutputError
from tracerd.ctl.session import session

if TYPE_CHECKING:
    import argparse

    from tracerd.ctl.command import TracedCommand

FOREIGN = frozenset({"pid", "tree", "tid", "uid"})
"""Filters that make no sense for a program that does not run yet."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    import argparse  # noqa: PLC0415  loaded by our caller already

    parser.usage = "tracerctl run [options] [--] CMD ARGS..."
    parser.set_defaults(takes_command=True)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD ARGS...")
    filters.add_options(parser, leave_out=FOREIGN)
    filters.add_level(parser)
    filters.add_detail(parser)
    display.add_options(parser, "default: standard error")
    parser.add_argument("--env", action="store_true", help="show the environment in exec events")
    add_seccomp(parser)
    add_no_io_uring(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    if not arguments.command:
        raise UsageError("a command is missing: tracerctl run -- CMD ARGS...")
    selected = filters.selection(arguments)
    return end_as_command(
        lambda output: _run(arguments, selected, output), arguments.output, STDERR
    )


def _run(
    arguments: argparse.Namespace, selected: dict[str, Any], output: Output
) -> tuple[int, bool]:
    """Return the program's wait status, and whether tracing failed on the way."""
    extent = filters.extent(arguments)

    def options(pid: int) -> dict[str, Any]:
        wanted = filters.as_strace({**selected, "tree": pid}, arguments)
        return {**wanted, **extent, "envp": arguments.env, **display.options(arguments)}

    with session(arguments) as opened:
        shown = Display(output, arguments, opened.client)
        with traced(
            opened,
            arguments.command,
            options,
            seccomp=arguments.seccomp,
            no_io_uring=arguments.no_io_uring,
        ) as command:
            failed = _show(command, shown, output)
            return command.finish(), failed


def _show(command: TracedCommand, shown: Display, output: Output) -> bool:
    """Show events to the end; return whether they ended too early."""
    try:
        for batch in command.batches(output.fd):
            shown.show(batch)
    except BrokenPipeError:
        command.subscription.close()  # nobody reads on; the program goes on
        return False
    except OutputError as error:
        command.subscription.close()
        complain(f"{error}; {GOES_ON}")
        return True
    except ConnectionLost as error:
        complain(f"{gone(error)}; {command.fate}")
        return True
    if command.subscription.end in ENDINGS:
        complain(f"{ENDINGS[command.subscription.end]}; {command.fate}")
        return True
    return False
