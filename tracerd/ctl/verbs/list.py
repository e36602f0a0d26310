"""List the processes under trace that you may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tracerd.ctl.session import connect
from tracerd.ctl.text.columns import columns
from tracerd.ctl.text.escape import escape, name

if TYPE_CHECKING:
    import argparse

    from tracerd.protocol.messages import ProcessState


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="the daemon's answer, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    with connect(arguments) as client:
        reply = client.list()
    if arguments.json:
        print(msgspec.json.encode(reply).decode())
        return 0
    if not reply.processes:
        print("no process is under trace")
        return 0
    head = ("PID", "PPID", "UID", "THREADS", "STATE", "COMMAND", "PROGRAM", "ATTACHED BY WAY OF")
    for line in columns([head, *map(_row, reply.processes)], right=frozenset({0, 1, 2, 3})):
        print(line)
    return 0


def _row(process: ProcessState) -> tuple[str, ...]:
    own = process.roots == [process.pid]
    return (
        str(process.pid),
        str(process.ppid),
        str(process.uid),
        str(len(process.threads)),
        escape(process.state),
        name(process.comm),
        name(process.exe),
        "itself" if own else ", ".join(map(str, process.roots)),
    )
