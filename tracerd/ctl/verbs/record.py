r"""Record what a program, or running processes, do, to look at it later.

  tracerctl record -o t.trace -- make -j4
  tracerctl record -o t.trace -p 4321
  tracerctl record -o t.trace -e %file,%process -- ./app

`tracerctl replay` shows a recording again, with other filters if need be, and
`tracerctl export` turns it into other formats.  All that happens is recorded
unless filters are given; a program waits rather than lose anything.  The last
line on standard error says whether the recording is whole.

The exit code is the program's, as with `run`; with -p it is 0 after Ctrl-C.  If
the file cannot be written any more, what is traced goes on untraced and the
exit code is 125 (with -p: 1).
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from tracerd import __version__
from tracerd.client.errors import ConnectionLost
from tracerd.client.selection import filter_of
from tracerd.ctl import filters
from tracerd.ctl.command import GOES_ON, add_no_io_uring, add_seccomp, end_as_command, traced
from tracerd.ctl.completeness import Completeness
from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.files.table import verdict
from tracerd.ctl.follow import ENDINGS, gone
from tracerd.ctl.output import STDOUT, Output, OutputError
from tracerd.ctl.processes import attached, process_id
from tracerd.ctl.session import session
from tracerd.ctl.text.ink import PLAIN
from tracerd.protocol.codec import decode_batch_msgpack
from tracerd.protocol.framing import ProtocolError, frame
from tracerd.protocol.recording import Header, beginning, ending
from tracerd.protocol.text import shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from tracerd.client.stream import Batch
    from tracerd.client.sync import SyncSubscription
    from tracerd.ctl.session import Session

WHO: Final = ("new_child", "exec", "attached", "detached", "blind")
"""Recorded whatever calls are: without them, who is who could not be told."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    import argparse  # noqa: PLC0415  loaded by our caller already

    parser.usage = "tracerctl record -o FILE [options] ([--] CMD ARGS... | -p PID...)"
    parser.set_defaults(takes_command=True, json=False)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD ARGS...")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the recording; - is standard output"
    )
    parser.add_argument(
        "-p", "--pid", dest="pids", nargs="+", action="extend", default=[], metavar="PID",
        help="record running processes, and all they start",
    )  # fmt: skip
    filters.add_options(parser, leave_out=frozenset({"pid", "tree", "tid", "uid"}))
    filters.add_level(parser)
    filters.add_overflow(parser, "block")
    parser.add_argument(
        "-y", "--fd-details", action="store_true",
        help="record what descriptors are: addresses of sockets, numbers of devices",
    )  # fmt: skip
    parser.add_argument("--env", action="store_true", help="record the environment of programs")
    parser.add_argument(
        "-s", "--string-limit", type=int, default=0, metavar="BYTES",
        help="cut buffers and long strings there (default: the daemon's own limit)",
    )  # fmt: skip
    add_seccomp(parser)
    add_no_io_uring(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    pids = [process_id(text) for text in arguments.pids]
    if bool(pids) == bool(arguments.command):
        raise UsageError("say what to record: tracerctl record -o FILE -- CMD ARGS..., or -p PID")
    if arguments.string_limit < 0:
        raise UsageError(f"--string-limit: not a number of bytes: {arguments.string_limit}")
    if pids and (arguments.seccomp is not None or arguments.no_io_uring):
        raise UsageError("--seccomp and --no-io-uring are for a command, not for -p")
    selected = filters.selection(arguments)
    if pids:
        with Output.open(arguments.output, STDOUT) as target:
            return _processes(arguments, selected, pids, target)
    return end_as_command(
        lambda target: _command(arguments, selected, target), arguments.output, STDOUT
    )


def _options(
    arguments: argparse.Namespace, selected: dict[str, Any], roots: Sequence[int]
) -> dict[str, Any]:
    """Return the arguments of `subscribe`."""
    wanted = filters.as_strace({**selected, "tree": roots}, arguments)
    if "filters" in wanted:
        wanted["filters"].append(filter_of({"tree": roots, "type": WHO}))
    level = {"level": arguments.level} if arguments.level else {}
    limit = {"string_limit": arguments.string_limit} if arguments.string_limit else {}
    details = {"fd_info": True} if arguments.fd_details else {}
    return {**wanted, **level, **limit, **details, "envp": arguments.env, "raw": True}


def _command(
    arguments: argparse.Namespace, selected: dict[str, Any], target: Output
) -> tuple[int, bool]:
    """Return the command's wait status, and whether recording failed on the way."""

    def options(pid: int) -> dict[str, Any]:
        return {**_options(arguments, selected, [pid]), "overflow": arguments.overflow}

    with session(arguments) as opened:
        command_line = [shown(os.fsencode(word)) for word in arguments.command]
        begin = _Begin(opened, command=command_line, level=arguments.level)
        with traced(
            opened,
            arguments.command,
            options,
            seccomp=arguments.seccomp,
            no_io_uring=arguments.no_io_uring,
        ) as command:
            recorder = Recorder(target, command.subscription, command.fate, GOES_ON)
            recorder.take(begin, command.batches)
            return command.finish(), recorder.failed


def _processes(
    arguments: argparse.Namespace, selected: dict[str, Any], pids: list[int], target: Output
) -> int:
    def options(roots: Sequence[int]) -> dict[str, Any]:
        return {**_options(arguments, selected, roots), "overflow": arguments.overflow}

    with session(arguments) as opened:
        begin = _Begin(opened, pids=pids, level=arguments.level)
        with attached(opened, pids, options) as (processes, wakeup):
            who = ", ".join(map(str, pids))
            fate = f"{who} runs on untraced"
            recorder = Recorder(target, processes.subscription, fate, fate)
            recorder.take(begin, lambda reader: processes.batches(wakeup, reader))
            return 1 if recorder.failed else 0


class _Begin:
    """Makes the header, asking the daemon before anything is traced."""

    def __init__(self, opened: Session, *, level: str | None, **about: Any) -> None:
        self._syscalls = opened.client.syscalls().syscalls
        self._about = {**about, "level": level or "path"}

    def header(self, subscription: SyncSubscription) -> Header:
        reply = subscription.reply
        return Header(
            run=reply.run,
            created_ns=time.time_ns(),
            tracerd=__version__,
            filters=reply.filters or [],
            syscalls=self._syscalls,
            **self._about,
        )


class Recorder:
    """Writes a raw stream to a file, and sees whether it is whole.

    fate, unwritten: what becomes of what is traced when the daemon is gone, and when nothing can be
    written any more; in words for people.
    """

    def __init__(
        self, target: Output, subscription: SyncSubscription, fate: str, unwritten: str
    ) -> None:
        self._target = target
        self._subscription = subscription
        self._fate = fate
        self._unwritten = unwritten
        self._seen = Completeness()
        self.failed = False

    def take(self, begin: _Begin, batches: Callable[[int], Iterator[Batch]]) -> None:
        """Record to the end, and tell the verdict."""
        end = ""
        try:
            self._target.write(beginning(begin.header(self._subscription)))
            for batch in batches(self._target.fd):
                for payload in batch:
                    self._target.write(frame(payload))
                    self._seen.add(decode_batch_msgpack(payload))
            end = self._subscription.end or "closed"
            self._target.write(ending(end))
        except (OutputError, BrokenPipeError) as error:
            self._subscription.close()
            why = str(error) if isinstance(error, OutputError) else "nobody reads on"
            self._fail(why, self._unwritten)
        except ProtocolError as error:
            self._subscription.close()
            self._fail(f"the daemon sent what is no events: {error.reason}")
        except ConnectionLost as error:
            self._fail(gone(error))
        if end in ENDINGS:
            self._fail(ENDINGS[end])
        print(verdict(self._seen, PLAIN), file=sys.stderr, flush=True)

    def _fail(self, why: str, fate: str = "") -> None:
        self.failed = True
        self._seen.interrupted = why
        complain(f"{why}; {fate or self._fate}")
