"""Running processes under trace for as long as we look: `trace PID`, `files -p PID`."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracerd.ctl.errors import UsageError, complain
from tracerd.ctl.follow import Follower
from tracerd.ctl.session import connect
from tracerd.ctl.wakeup import Wakeup
from tracerd.errors import NotTraced, TracerdError

if TYPE_CHECKING:
    import argparse

    from tracerd.client.stream import Batch
    from tracerd.client.sync import SyncClient, SyncSubscription
    from tracerd.ctl.session import Session

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AttachedProcesses:
    """Processes under trace by our own attach.  See attached()."""

    def __init__(self, session: Session, pids: Sequence[int], main: SyncSubscription) -> None:
        self.subscription = main
        self.detached = False
        """Whether it was us who ended the trace."""
        self._client = session.client
        self.pids = pids
        self._ends: dict[int, SyncSubscription] = {}

    def expect(self, end: SyncSubscription) -> None:
        """End the stream once this subscription, and all others given here, have ended."""
        self._ends[end.fileno()] = end

    def batches(self, wakeup: Wakeup, reader: int) -> Iterator[Batch]:
        """Yield events until all processes have ended, or have been detached on Ctrl-C."""
        follower = Follower(self.subscription, wakeup, self._react, reader)
        for fd in list(self._ends):
            follower.add(fd, partial(self._ended, follower, fd))
        return follower.batches()

    def detach(self) -> None:
        """Let the processes go; they have left trace on return, unless others hold them."""
        self.detached = True
        shared = False
        for pid in self.pids:
            with contextlib.suppress(NotTraced):
                shared |= self._client.detach(pid).holders > 0
        if shared:  # the stream would go on as long as they do
            self.subscription.close()

    def _react(self, _number: int) -> None:
        if self.detached:  # asked twice: what is still on its way is not waited for
            self.subscription.close()
        else:
            self.detach()

    def _ended(self, follower: Follower, fd: int) -> None:
        end = self._ends[fd]
        if end.read() is None or end.end:  # the end may have come along with an event
            follower.forget(fd)
            del self._ends[fd]
            if not self._ends:
                self._client.unsubscribe(self.subscription.id)


@contextlib.contextmanager
def attached(
    session: Session, pids: Sequence[int], options: Callable[[Sequence[int]], Mapping[str, Any]]
) -> Iterator[tuple[AttachedProcesses, Wakeup]]:
    """Bring `pids` under trace until the end of the block.

    options: the arguments of `subscribe`, given the pids.
    """
    client = session.client
    with Wakeup(SIGNALS) as wakeup, contextlib.ExitStack() as stack:
        # Subscribed before attached: so nothing is missed.
        until = pids[0] if len(pids) == 1 else 0
        main = stack.enter_context(client.subscribe(until=until, **options(pids)))
        processes = AttachedProcesses(session, pids, main)
        if len(pids) > 1:
            # A stream can end with one process only; so each gets one that says nothing else.
            for pid in pids:
                end = client.subscribe(until=pid, tree=pid, type="detached")
                processes.expect(stack.enter_context(end))
        session.hide()
        for pid in pids:
            reply = client.attach(pid, scope="connection")
            if reply.pending:
                complain(f"{pid}: {len(reply.pending)} threads have not stopped yet")
        yield processes, wakeup


def each(arguments: argparse.Namespace, act: Callable[[SyncClient, int], None]) -> int:
    """Do something to each of `arguments.pids`; return the exit code of the first that failed."""
    code = 0
    pids = [process_id(text) for text in arguments.pids]
    with connect(arguments) as client:
        for pid in pids:
            try:
                act(client, pid)
            except TracerdError as error:
                complain(error)
                code = code or error.exit_code
    return code


def process_id(text: str) -> int:
    """Read a process id from the command line."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 31):
        raise UsageError(f"not a process id: {text}")
    return int(text)
