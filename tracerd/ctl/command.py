"""A program started under trace: its events, and its end as our own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from tracerd.ctl.errors import (
    EXPECTED,
    OWN_FAILURE,
    CommandError,
    UsageError,
    complain,
    exit_code,
)
from tracerd.ctl.follow import Follower
from tracerd.ctl.launch import Child, end_as
from tracerd.ctl.output import Output
from tracerd.ctl.wakeup import Wakeup
from tracerd.protocol.messages import CallSelection

if TYPE_CHECKING:
    import argparse
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

GOES_ON: Final = "the program goes on, and nothing more is told of it"
"""What becomes of it when its events cannot be written any more."""

ALL_CALLS: Final = ["*"]
"""SubscribeReply.pushed_down, if a seccomp filter can spare nothing."""


def add_seccomp(parser: argparse.ArgumentParser) -> None:
    """Add --seccomp and --no-seccomp, and --no-io-uring."""
    import argparse  # noqa: PLC0415  loaded by our caller already

    parser.add_argument(
        "--seccomp",
        action=argparse.BooleanOptionalAction,
        help="have the kernel stop the command at the calls that are shown only, so that the "
        "others cost nothing; it is then killed if the daemon dies, and cannot be detached from. "
        "Without privileges this keeps set-user-ID programs from changing users. (default: where "
        "it needs no such restriction; --no-seccomp: never)",
    )


def add_no_io_uring(parser: argparse.ArgumentParser) -> None:
    """Add --no-io-uring."""
    parser.add_argument(
        "--no-io-uring",
        action="store_true",
        help="have the kernel answer the command's io_uring calls with ENOSYS, as one without "
        "io_uring does, so that it uses calls that can be seen. Without privileges this keeps "
        "set-user-ID programs from changing users, as --seccomp does.",
    )


def end_as_command(
    work: Callable[[Output], tuple[int, bool]], path: str | None, default: int
) -> int:
    """Have a command run under trace, and end as it did; return the exit code if that has one.

    work: returns the command's wait status, and whether tracing failed on the way.  path, default:
    where its output goes, see Output.open.
    """
    try:
        with Output.open(path, default) as target:
            status, failed = work(target)
    except EXPECTED as error:
        complain(error)
        code = exit_code(error)
        return code if code == UsageError.exit_code else OWN_FAILURE
    return OWN_FAILURE if failed else end_as(status)


class TracedCommand:
    """A program that runs under trace.  See traced().

    filtered: it has a seccomp filter, and so needs its tracer.
    """

    def __init__(
        self, child: Child, subscription: SyncSubscription, wakeup: Wakeup, *, filtered: bool
    ) -> None:
        self.child = child
        self.subscription = subscription
        self.filtered = filtered
        self._wakeup = wakeup

    @property
    def fate(self) -> str:
        """What becomes of it when the daemon is gone, in words for people."""
        if self.filtered:
            return "the program, which has a seccomp filter, ends with it (see --no-seccomp)"
        return "the program goes on untraced"

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
    session: Session,
    command: list[str],
    options: Callable[[int], Mapping[str, Any]],
    *,
    seccomp: bool | None = None,
    no_io_uring: bool = False,
) -> Iterator[TracedCommand]:
    """Start `command` under trace, with a subscription that loses nothing of it.

    options: the arguments of `subscribe`, given the program's pid; overflow is `block` unless
    they say otherwise.  seccomp: whether to use a seccomp filter if not all calls are wanted; None:
    if that changes nothing else for the program.  no_io_uring: let io_uring's calls fail.  Raises
    CommandError if a filter has to be and cannot.
    """
    if no_io_uring:
        _check_filters("--no-io-uring")
    restrict = bool(seccomp) or no_io_uring
    client = session.client
    tracer = client.status().pid
    with Wakeup(SIGNALS) as wakeup:
        child = Child(command, wakeup, tracer, no_new_privs=restrict, no_io_uring=no_io_uring)
        try:
            wanted = options(child.pid)
            subscription = client.subscribe(**{"until": child.pid, "overflow": "block", **wanted})
            calls = _selection(subscription, wanted, seccomp, restrict=restrict)
            reply = client.attach(child.pid, scope="connection", until_exec=True, calls=calls)
            filter_ = _filter(reply.calls)
        except BaseException:
            child.abandon()
            raise
        session.hide()
        child.release(filter_)
        with subscription:
            yield TracedCommand(child, subscription, wakeup, filtered=bool(filter_))


def _check_filters(option: str) -> None:
    """Raise CommandError if no filter can be installed, which an option asks for."""
    from tracerd.client.seccomp import refusal  # noqa: PLC0415  slow to import

    # Now, for once it is under trace with a filter in view there is no way back.
    if (error := refusal(no_new_privs=True)) is not None:
        raise CommandError(f"{option}: no filter can be installed here: {error.strerror}")


def _selection(
    subscription: SyncSubscription,
    wanted: Mapping[str, Any],
    seccomp: bool | None,
    *,
    restrict: bool,
) -> CallSelection | None:
    """Return which calls to filter for; None if there is to be no filter.

    restrict: no_new_privs will be set anyhow.
    """
    reply = subscription.reply
    if seccomp is False or not reply.pushed_down or reply.pushed_down == ALL_CALLS:
        return None  # without any call to look at, none stops
    if seccomp:
        _check_filters("--seccomp")
    else:
        from tracerd.client.seccomp import refusal  # noqa: PLC0415  as above

        if refusal(no_new_privs=restrict) is not None:
            return None
    return CallSelection(filters=reply.filters or [], level=wanted.get("level", "path"))


def _filter(calls: object) -> bytes:
    """Return the seccomp filter for AttachReply.calls; empty if there is to be none."""
    if not isinstance(calls, dict) or not calls:
        return b""
    from tracerd.client.seccomp import program  # noqa: PLC0415  as above

    return program(calls)
