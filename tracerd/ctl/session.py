"""A connection to the daemon; to one of our own, if need be and allowed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tracerd.client.address import VARIABLE
from tracerd.client.errors import DaemonNotRunning
from tracerd.client.sync import SyncClient, connect_sync

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


class Session(NamedTuple):
    """hide: to be called once no further connection will be made."""

    client: SyncClient
    hide: Callable[[], None]


def connect(arguments: argparse.Namespace) -> SyncClient:
    """Connect to the daemon that runs.  Raises DaemonNotRunning."""
    return connect_sync(arguments.socket)


@contextlib.contextmanager
def session(arguments: argparse.Namespace) -> Iterator[Session]:
    """Connect to the daemon that runs; if nobody said which and none does, to a private one."""
    client = _running(arguments)
    if client is not None:
        with client:
            yield Session(client, _nothing)
        return
    from tracerd.ctl.private import PrivateDaemon  # noqa: PLC0415  seldom needed

    with PrivateDaemon() as daemon, connect_sync(daemon.path) as private:
        yield Session(private, daemon.hide)


def _running(arguments: argparse.Namespace) -> SyncClient | None:
    try:
        return connect(arguments)
    except DaemonNotRunning:
        if arguments.socket or os.environ.get(VARIABLE):
            raise
        return None


def _nothing() -> None:
    """There is nothing to hide of a daemon that is not ours."""
