"""A program started under trace: its events, and its end as our own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tracerd.ctl.follow import Follower
from tracerd.ctl.launch import Child
from tracerd.ctl.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracerd.client.stream import Batch
    from tracerd.client.sync import SyncSubscription
    from tracerd.ctl.session import Session

SIGNALS: Final = (
    signal.SIGCHLD,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGTSTP,
)
"""The terminal's own (INT, QUIT, TSTP) reach the program by themselves: it and we are one process
group.  What it makes of them decides; we only take part in its end, and in its stops."""


class TracedCommand:
    """A program that runs under trace.  See traced()."""

    def __init__(self, child: Child, subscription: SyncSubscription, wakeup: Wakeup) -> None:
        self.child = child
        self.subscription = subscription
        self._wakeup = wakeup

    def batches(self, reader: int) -> Iterator[Batch]:
        """Yield the program's events until its last descendant has ended.

        Once the program itself has ended, Ctrl-C and SIGTERM leave its descendants to
        themselves.
        """
        return Follower(self.subscription, self._wakeup, self._react, reader).batches()

    def finish(self) -> int:
        """Wait for the program to end; return its wait status."""
        poller = select.poll()
        poller.register(self._wakeup, select.POLLIN)
        self._react(signal.SIGCHLD)  # it may have ended before we listened
        while self.child.status is None:
            poller.poll()
            for number in self._wakeup.take():
                self._react(number)
        return self.child.status

    def _react(self, number: int) -> None:
        if number == signal.SIGCHLD:
            if self.child.poll() is not None:
                self._stop_too()
        elif self.child.status is not None:
            if number == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)
            else:
                self.subscription.close()
        elif number == signal.SIGTERM:
            self.child.signal(number)

    def _stop_too(self) -> None:
        """Be stopped as long as the program is, so that our shell sees what it would see of it."""
        os.kill(os.getpid(), signal.SIGSTOP)
        # Here we were continued.  `fg` continues the whole job; who continued us alone meant it.
        pid, status = os.waitpid(self.child.pid, os.WNOHANG | os.WCONTINUED)
        if not (pid and os.WIFCONTINUED(status)):
            if pid:
                self.child.status = status
            self.child.signal(signal.SIGCONT)


@contextlib.contextmanager
def traced(
    session: Session, command: list[str], options: Callable[[int], Mapping[str, Any]]
) -> Iterator[TracedCommand]:
    """Start `command` under trace, with a subscription that loses nothing of it.

    options: the arguments of `subscribe`, given the program's pid.
    """
    client = session.client
    tracer = client.status().pid
    with Wakeup(SIGNALS) as wakeup:
        child = Child(command, wakeup, tracer)
        try:
            subscription = client.subscribe(until=child.pid, overflow="block", **options(child.pid))
            client.attach(child.pid, scope="connection", until_exec=True)
        except BaseException:
            child.abandon()
            raise
        session.hide()
        child.release()
        with subscription:
            yield TracedCommand(child, subscription, wakeup)
