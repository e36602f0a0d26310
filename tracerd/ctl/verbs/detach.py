"""End what `attach` began: the processes leave trace and run on as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracerd.ctl.errors import complain
from tracerd.ctl.processes import process_id
from tracerd.ctl.session import connect
from tracerd.errors import TracerdError

if TYPE_CHECKING:
    import argparse


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("pids", nargs="+", metavar="PID")


def run(arguments: argparse.Namespace) -> int:
    """Detach each; the exit code is that of the first that failed."""
    code = 0
    pids = [process_id(text) for text in arguments.pids]
    with connect(arguments) as client:
        for pid in pids:
            try:
                reply = client.detach(pid)
            except TracerdError as error:
                complain(error)
                code = code or error.exit_code
                continue
            stays = f"; it stays under trace for {reply.holders} others" if reply.holders else ""
            print(f"detached {reply.pid}{stays}")
    return code
