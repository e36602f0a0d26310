"""The synchronous client: plain sockets, no event loop.

A connection carries one call at a time, so a client has one connection for its
verbs and each subscription one of its own.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, Self, TypeVar, Unpack

import msgspec

from tracerd.client.address import default_socket
from tracerd.client.errors import ConnectionLost, breaking, connecting
from tracerd.client.resume import BROKEN, Resume
from tracerd.client.selection import Changes, Options, subscribe_call, update_call
from tracerd.client.stream import Batch, Format, Stream
from tracerd.errors import TracerdError
from tracerd.protocol import messages
from tracerd.protocol.connection import ClientConnection, ProtocolError, parameters_as

CHUNK: Final = 256 * 1024
"""Bytes read at once: some thousand events."""

_R = TypeVar("_R", bound=msgspec.Struct)


def connect_sync(socket: str | None = None, *, timeout: float | None = None) -> SyncClient:
    """Connect to the daemon at `socket` (default: default_socket()).

    timeout: seconds that each call may take, None for ever.  Raises DaemonNotRunning.
    """
    return SyncClient(socket or default_socket(), timeout=timeout)


def _connected(path: str, timeout: float | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise connecting(path, error) from error
    return sock


class SyncClient:
    """A connection to the daemon.  Not for use by two threads at once.

    Every verb raises the daemon's error (tracerd.errors), ConnectionLost, or TimeoutError,
    after which the connection is closed.
    """

    def __init__(self, path: str, *, timeout: float | None = None) -> None:
        self.socket: Final = path
        self._timeout = timeout
        self._connection = ClientConnection()
        self._socket = _connected(path, timeout)
        self._subscriptions: set[SyncSubscription | SyncFollow] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and all subscriptions made here."""
        self._socket.close()
        for subscription in list(self._subscriptions):
            subscription.close()

    def attach(
        self,
        pid: int,
        *,
        scope: Literal["daemon", "connection"] = "daemon",
        until_exec: bool = False,
        timeout_ms: int = 10_000,
        calls: messages.CallSelection | None = None,
        keep: messages.CallSelection | None = None,
    ) -> messages.AttachReply:
        """Bring a process, and all its children to come, under trace (see messages.Attach)."""
        call = messages.Attach(
            pid=pid,
            scope=scope,
            until_exec=until_exec,
            timeout_ms=timeout_ms,
            calls=calls,
            keep=keep,
        )
        return self._call("Attach", call, messages.AttachReply)

    def detach(self, pid: int) -> messages.DetachReply:
        """Give up the attach of `pid`."""
        return self._call("Detach", messages.Detach(pid=pid), messages.DetachReply)

    def list(self) -> messages.ListReply:
        """Tell which processes are under trace."""
        return self._call("List", messages.Nothing(), messages.ListReply)

    def status(self) -> messages.StatusReply:
        """Tell how the daemon does."""
        return self._call("Status", messages.Nothing(), messages.StatusReply)

    def syscalls(self, abi: str | None = None) -> messages.SyscallsReply:
        """Return the daemon's table of system calls.

        abi: x86_64, i386 or aarch64; None: a row for every name.  Raises InvalidParameter.
        """
        return self._call("Syscalls", messages.Syscalls(abi=abi), messages.SyscallsReply)

    def sync(self, id: str) -> messages.SyncReply:  # noqa: A002
        """Return once all that happened before has been written to the subscription `id`."""
        return self._call("Sync", messages.Sync(id=id), messages.SyncReply)

    def explain(
        self, filters: Sequence[messages.Filter] = (), level: Literal["path", "fd", "io"] = "path"
    ) -> messages.ExplainReply:
        """Tell what a subscription with these filters would want of the tracer."""
        call = messages.Explain(filters=[*filters], level=level)
        return self._call("Explain", call, messages.ExplainReply)

    def update(
        self,
        id: str,  # noqa: A002
        **options: Unpack[Changes],
    ) -> messages.UpdateReply:
        """Change what the subscription `id` asks for; see selection.Changes.

        Its stream has an Updated event where the change takes effect.
        """
        return self._call("Update", update_call(id, options), messages.UpdateReply)

    def unsubscribe(self, id: str) -> None:  # noqa: A002
        """End the subscription `id` after what is queued for it."""
        self._call("Unsubscribe", messages.Unsubscribe(id=id), messages.Nothing)

    def subscribe(
        self,
        *,
        format: Format = "msgpack",  # noqa: A002
        raw: bool = False,
        **options: Unpack[Options],
    ) -> SyncSubscription:
        """Open a stream of events on a connection of its own; see selection.Options.

        raw: read() returns bytes: the JSON text of each event, or whole frames of MessagePack,
        each an array of events.
        Raises InvalidFilter and the like at once, before any event is read.
        """
        stream = Stream(subscribe_call(options), format, self.socket, raw=raw)
        subscription = SyncSubscription(
            stream, self.socket, self._timeout, self._subscriptions.discard
        )
        self._subscriptions.add(subscription)
        return subscription

    def follow(self, **options: Unpack[Options]) -> SyncFollow:
        """Open a stream that goes on after its connection broke; see selection.Options.

        It asks for heartbeats and for lingering, unless told otherwise.  Raises what subscribe
        does if it cannot be opened now.
        """
        stream = SyncFollow(
            self.socket, Resume(options), self._timeout, self._subscriptions.discard
        )
        self._subscriptions.add(stream)
        return stream

    def _call(self, method: str, parameters: msgspec.Struct, reply: type[_R]) -> _R:
        if self._socket.fileno() < 0:
            raise ConnectionLost(self.socket, "it was closed before")
        with _whole_or_closed(self._socket, self.socket):
            self._socket.sendall(self._connection.call(f"io.tracerd.{method}", parameters))
            while (answer := self._connection.next_reply()) is None:
                data = self._socket.recv(CHUNK)
                if not data:
                    raise ConnectionLost(self.socket)
                self._connection.receive_data(data)
            return parameters_as(answer, reply)


class SyncSubscription:
    """A stream of events, to iterate over; `with` or close() ends it.

    Iteration ends when the daemon ends the stream (`end` says why) or after close(); it raises
    ConnectionLost if the daemon is gone without a word.
    """

    def __init__(
        self,
        stream: Stream,
        path: str,
        timeout: float | None,
        on_close: Callable[[SyncSubscription], object],
    ) -> None:
        self._stream = stream
        self._path = path
        self._ready: deque[Batch] = deque()
        self._on_close = on_close
        self.closed = False
        """Whether close() was called."""
        self._socket = _connected(path, timeout)
        with _whole_or_closed(self._socket, path, even_on_answers=True):
            self._socket.sendall(stream.opening)
            while stream.reply is None:
                self._receive()
        self._socket.settimeout(None)

    @property
    def reply(self) -> messages.SubscribeReply:
        """What the daemon answered: id, run, the filters as understood."""
        assert self._stream.reply is not None
        return self._stream.reply

    @property
    def id(self) -> str:
        """The subscription's name, for sync() and unsubscribe()."""
        return self.reply.id

    @property
    def end(self) -> str:
        """Why the daemon ended the stream (see messages.SubscribeReply); empty until it has."""
        return self._stream.end

    @property
    def waiting(self) -> bool:
        """Whether read() returns without looking at the socket: with events, or as all have ended.

        The end may have come along with the last events.
        """
        return bool(self._ready or self.end)

    def fileno(self) -> int:
        """Return the descriptor to select on: when it is readable, read() does not block.

        Events that came along with the first answer are there already: see `waiting`.
        """
        return self._socket.fileno()

    def read(self, timeout: float | None = None) -> Batch | None:
        """Return the next events, perhaps none; None once the stream has ended.

        Waits at most `timeout` seconds (0: not at all, None: for ever), then raises TimeoutError.
        """
        if self._ready:
            return self._ready.popleft()
        if self.end or self.closed:
            return None
        try:
            self._socket.settimeout(timeout)
            self._receive()
        except TimeoutError:
            raise
        except BlockingIOError:  # what a timeout of nothing at all ends in
            raise TimeoutError from None
        except (OSError, ConnectionLost) as error:
            if self.closed:
                return None
            if isinstance(error, OSError):
                raise breaking(self._path, error) from error
            raise
        merged = [event for batch in self._ready for event in batch]
        self._ready.clear()
        return merged or (None if self.end else merged)

    def _receive(self) -> None:
        """Read once from the socket, and take what came apart."""
        data = self._socket.recv(CHUNK)
        if not data:
            raise ConnectionLost(self._path)
        self._stream.receive_data(data)
        while not self.end and (batch := self._stream.next_batch()) is not None:
            if batch:
                self._ready.append(batch)

    def __iter__(self) -> Iterator[Any]:
        while (batch := self.read()) is not None:
            yield from batch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription.  A thread that waits in read() is woken."""
        if not self.closed:
            self.closed = True
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._on_close(self)


class SyncFollow:
    """Events to iterate over, across broken connections and restarts of the daemon.

    What could not be had is in its place as a Lost event (see resume.py).  `cursor` is the place
    after the last event that was given out.  Iteration ends when the daemon ends the stream for
    good (`end` says why) or after close(); it raises what the daemon answers to a request that
    will not get better.
    """

    def __init__(
        self,
        path: str,
        resume: Resume,
        timeout: float | None,
        on_close: Callable[[SyncFollow], object],
    ) -> None:
        self._on_close = on_close
        self._path = path
        self._resume = resume
        self._timeout = timeout
        self._closed = threading.Event()
        self.end = ""
        """Why the daemon ended the stream; empty until it has."""
        self._subscription: SyncSubscription | None = self._open()

    @property
    def cursor(self) -> str:
        """Where it is: `since` of another subscription that is to go on after it."""
        return self._resume.cursor

    def _open(self) -> SyncSubscription:
        stream = Stream(self._resume.opening(), "msgpack", self._path)
        opened = SyncSubscription(stream, self._path, self._timeout, lambda _: None)
        self._resume.opened(opened.reply)
        return opened

    def __iter__(self) -> Iterator[Any]:
        while not self._closed.is_set():
            try:
                subscription = self._subscription = self._subscription or self._open()
                for event in subscription:
                    if self._resume.take(event):
                        yield event
                if self._closed.is_set() or self._resume.is_over(subscription.end):
                    self.end = subscription.end
                    self.close()
                    return
            except BROKEN:
                pass
            self._drop()
            self._closed.wait(self._resume.delay_s())

    def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End it.  A thread that iterates over it is woken."""
        self._closed.set()
        self._drop()
        self._on_close(self)


@contextlib.contextmanager
def _whole_or_closed(
    sock: socket.socket, path: str, *, even_on_answers: bool = False
) -> Iterator[None]:
    """Close `sock` unless what is inside runs to its end: half a message cannot be taken back.

    An error that the daemon answered is a whole message; with even_on_answers it closes too.
    """
    try:
        yield
    except TracerdError:
        if even_on_answers:
            sock.close()
        raise
    except BaseException as error:
        sock.close()
        if isinstance(error, ProtocolError):
            raise ConnectionLost(path, str(error)) from error
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise breaking(path, error) from error
        raise
