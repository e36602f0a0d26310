"""Events on their way out: lines for people, or NDJSON exactly as the daemon sent it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from tracerd.ctl import output
from tracerd.ctl.errors import UsageError
from tracerd.ctl.text.lines import Renderer

if TYPE_CHECKING:
    import argparse

    from tracerd.client.stream import Batch
    from tracerd.ctl.output import Output
    from tracerd.ctl.text.lines import Kinds
    from tracerd.protocol.messages import SyscallsReply

STRING_LIMIT: Final = 32
"""As strace's: lines are for reading."""

_UNSAFE: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets pass unescaped and a terminal may obey."""


def add_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the options on how events look; `default` says where they go without -o."""
    group = parser.add_argument_group("output")
    output.add_options(group, default)
    group.add_argument("--json", action="store_true", help="one JSON object per event and line")
    group.add_argument("-t", "--time", action="store_true", help="start lines with the time of day")
    group.add_argument(
        "-T", "--duration", action="store_true", help="end lines with the seconds a call took"
    )
    group.add_argument(
        "-Y", "--show-comm", action="store_true", help="name the program beside the thread id"
    )
    group.add_argument(
        "-y", "--fd-details", action="store_true",
        help="say what descriptors are: addresses of sockets, numbers of devices",
    )  # fmt: skip
    group.add_argument("-v", "--verbose", action="store_true", help="do not abbreviate structures")
    group.add_argument(
        "-s", "--string-limit", type=int, metavar="BYTES",
        help="cut buffers and long strings there, paths never (default: 32; with --json the "
        "daemon's own limit)",
    )  # fmt: skip


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what `subscribe` must be told of the display options."""
    limit = arguments.string_limit
    if limit is not None and limit <= 0:
        raise UsageError(f"--string-limit: not a number of bytes: {limit}")
    wanted = {"fd_info": True} if arguments.fd_details else {}
    if arguments.json:
        return {"format": "json", "raw": True, "string_limit": limit or 0, **wanted}
    return {"string_limit": limit or STRING_LIMIT, **wanted}


class Table(Protocol):
    """What knows the system calls: a client, for its daemon, or a recording."""

    def syscalls(self) -> SyscallsReply:
        """Return the table."""


class Display:
    """Writes batches of a subscription made with options()."""

    def __init__(self, target: Output, arguments: argparse.Namespace, client: Table) -> None:
        """Be ready to show.  client: whoever can say how arguments are to be read."""
        self._target = target
        self._renderer: Renderer | None = None
        self._terminal = os.isatty(target.fd)
        if not arguments.json:
            self._renderer = Renderer(
                kinds=kinds(client),
                ink=target.ink(arguments.color),
                times=arguments.time,
                durations=arguments.duration,
                comms=arguments.show_comm,
                whole=arguments.verbose,
                limit=arguments.string_limit or STRING_LIMIT,
            )

    def show(self, batch: Batch) -> None:
        """Write a batch at once.  Raises BrokenPipeError."""
        if self._renderer is not None:
            self._target.lines(map(self._renderer.line, batch))
            return
        data = b"".join(event + b"\n" for event in batch)
        if data:
            self._target.write(harmless(data) if self._terminal else data)


def harmless(data: bytes) -> bytes:
    """Return JSON lines that mean the same and have no effect on a terminal."""
    text = data.decode("utf-8", "backslashreplace")
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def kinds(client: Table) -> Kinds:
    """Ask how to read each argument of each call."""
    return {
        row.name: {argument.name: argument.kind for argument in row.args}
        for row in client.syscalls().syscalls
    }
