"""The loop of every verb that shows events: it waits for events, signals, and lost readers."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tracerd.client.errors import CLOSED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracerd.client.errors import ConnectionLost
    from tracerd.client.stream import Batch
    from tracerd.client.sync import SyncSubscription
    from tracerd.ctl.wakeup import Wakeup


ENDINGS: Final = {
    "shutdown": "the daemon was shut down",
    "slow": "this reader was too slow (overflow is `disconnect`)",
    "failed": "the daemon had a fault, see its log",
}
"""Ends of a stream that are nobody's wish here, by SubscribeReply.end."""


def gone(error: ConnectionLost) -> str:
    """Return what a lost connection means, in words for people."""
    if error.reason == CLOSED:
        return "the daemon has gone"
    return f"lost touch with the daemon: {error.reason}"


class Follower:
    """Yields batches until the stream ends or is closed.

    react: called with each signal that came, between batches.  reader: a descriptor we write
    to; BrokenPipeError is raised as soon as nobody reads it any more, and not only at the next
    event.
    """

    def __init__(
        self,
        subscription: SyncSubscription,
        wakeup: Wakeup,
        react: Callable[[int], None],
        reader: int,
    ) -> None:
        self._subscription = subscription
        self._wakeup = wakeup
        self._react = react
        self._reader = reader
        self._poller = select.poll()
        self._poller.register(subscription, select.POLLIN)
        self._poller.register(wakeup, select.POLLIN)
        self._poller.register(reader, 0)  # errors and hang-ups are always told
        self._callbacks: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, callback: Callable[[], None]) -> None:
        """Call back whenever `fd` is readable; forget() it when it is no longer of interest."""
        self._callbacks[fd] = callback
        self._poller.register(fd, select.POLLIN)

    def forget(self, fd: int) -> None:
        """End add()."""
        del self._callbacks[fd]
        self._poller.unregister(fd)

    def batches(self) -> Iterator[Batch]:
        """Yield batches as they come.  Raises ConnectionLost, BrokenPipeError."""
        subscription = self._subscription
        while not subscription.closed:
            ready = {fd for fd, _mask in self._poller.poll(0 if subscription.waiting else None)}
            if self._wakeup.fileno() in ready:
                for number in self._wakeup.take():
                    self._react(number)
            for fd in ready & self._callbacks.keys():
                self._callbacks[fd]()
            if self._reader in ready:
                raise BrokenPipeError
            if subscription.closed:
                return
            if subscription.waiting or subscription.fileno() in ready:
                batch = subscription.read()
                if batch is None:
                    return
                yield batch
