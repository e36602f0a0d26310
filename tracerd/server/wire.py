"""The socket of a connection: bounded reading ahead, and writing with patience.

Reading goes on while a call is being answered, so that the peer's leaving is noticed at once,
whatever the daemon is doing for it.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READ_BYTES: Final = 1 << 16


class PeerGoneError(Exception):
    """The peer has closed the connection, or accepts no more."""


class PeerStalledError(PeerGoneError):
    """The peer has accepted nothing for too long."""


class Wire:
    """Reads and writes one connection.  `run` must be running for `read` to give anything."""

    def __init__(self, stream: trio.SocketStream, ahead_bytes: int) -> None:
        self._socket = stream.socket
        self._ahead_bytes = ahead_bytes
        self._ahead = bytearray()
        self._ended = False
        self._arrived = trio.Event()
        self._taken = trio.Event()
        self._scopes: set[trio.CancelScope] = set()

    async def run(self) -> None:
        """Read ahead until the peer ends its side; then cancel what `until_gone` guards."""
        with contextlib.suppress(OSError):
            while data := await self._socket.recv(_READ_BYTES):
                self._ahead += data
                self._arrived.set()
                while self._is_full:
                    if self._scopes:
                        break
                    self._taken = trio.Event()
                    await self._taken.wait()
                if self._is_full:
                    break
        self._leave()

    @property
    def _is_full(self) -> bool:
        """Whether no more is read, so that a leaving would go unnoticed."""
        return len(self._ahead) >= self._ahead_bytes

    def _leave(self) -> None:
        self._ended = True
        self._arrived.set()
        for scope in self._scopes:
            scope.cancel()

    async def read(self) -> bytes:
        """Return what has arrived, waiting for something; empty: the peer sends no more."""
        while not self._ahead and not self._ended:
            self._arrived = trio.Event()
            await self._arrived.wait()
        data = bytes(self._ahead)
        self._ahead.clear()
        self._taken.set()
        return data

    @contextlib.contextmanager
    def until_gone(self) -> Iterator[None]:
        """Cancel the body as soon as the peer has gone; then raises PeerGoneError.

        A peer that sends so much meanwhile that its leaving would go unnoticed counts as gone.
        """
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            if self._ended or self._is_full:
                scope.cancel()
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise PeerGoneError

    async def write(
        self, data: bytes, stall_s: float, is_patient: Callable[[], bool] = lambda: False
    ) -> None:
        """Write all of `data`.

        Raises PeerGoneError if the peer has gone, PeerStalledError if it has taken not one byte
        for `stall_s` seconds and `is_patient` does not say to go on waiting.  After that, or if
        cancelled,
        half a message may have been written: the connection is good for nothing any more.
        """
        rest = memoryview(data)
        while rest:
            sent = 0
            with trio.move_on_after(stall_s):
                try:
                    sent = await self._socket.send(rest)
                except OSError as error:
                    raise PeerGoneError from error
            if not sent and not is_patient():
                raise PeerStalledError
            rest = rest[sent:]
