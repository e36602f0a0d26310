"""What goes wrong between a client and a daemon that does not answer.

What the daemon itself answers comes as the classes of tracerd.errors.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Final

CLOSED: Final = "the daemon closed the connection"


class ClientError(Exception):
    """Base of the errors that have no answer of a daemon behind them."""


@dataclass(eq=False)
class CannotConnect(ClientError):
    """The socket cannot be used; `reason` is the system's word for it."""

    socket: str
    reason: str

    def __str__(self) -> str:
        return f"cannot connect to {self.socket}: {self.reason}"


@dataclass(eq=False)
class DaemonNotRunning(CannotConnect):
    """Nobody listens on the socket."""

    def __str__(self) -> str:
        return (
            f"no daemon answers at {self.socket} ({self.reason}); "
            f"start one with: tracerd --socket {self.socket}"
        )


@dataclass(eq=False)
class ConnectionLost(ClientError):
    """The daemon went away, or the connection was closed, before the answer had come."""

    socket: str
    reason: str = CLOSED

    def __str__(self) -> str:
        return f"connection to {self.socket} lost: {self.reason}"


def connecting(socket: str, error: OSError) -> CannotConnect:
    """Return what an error of connect(2) means."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    absent = error.errno in {errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR}
    return DaemonNotRunning(socket, reason) if absent else CannotConnect(socket, reason)


def breaking(socket: str, error: OSError) -> ConnectionLost:
    """Return what an error of a connection in use means."""
    return ConnectionLost(socket, error.strerror or str(error))
