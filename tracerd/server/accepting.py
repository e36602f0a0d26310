"""Taking connections, also when there are no descriptors left to take one with."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

import trio

from tracerd.server.log import Log, Seldom

if TYPE_CHECKING:
    from tracerd.server.health import Tally
    from tracerd.server.listener import Listening
    from tracerd.server.session import Connections

log = Log(__name__)

_RETRY_S: Final = 0.1
"""How long to leave those who connect in the backlog, when one of them could not be taken."""


async def accept(
    listening: Listening, connections: Connections, sessions: trio.Nursery, tally: Tally
) -> None:
    """Serve who connects, until cancelled; what there is no room for waits, and others are served.

    Raises OSError if the socket itself is broken.
    """
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening.socket))
    failures = Seldom(60.0)
    while True:
        try:
            stream = await listener.accept()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "")
            if name not in {"EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"}:
                raise
            tally.count("accept", name)
            if times := failures.due():
                log.warning(
                    "cannot take a connection", socket=listening.path,
                    reason=str(error.strerror), times=times,
                )  # fmt: skip
            await trio.sleep(_RETRY_S)
        else:
            sessions.start_soon(connections.serve, stream)
