"""The asynchronous client, on anyio: the same under asyncio and trio.

A connection carries one call at a time, so a client has one connection for its
verbs and each subscription one of its own.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar, Unpack

import anyio
import msgspec

from tracerd.client.address import default_socket
from tracerd.client.errors import ConnectionLost, connecting
from tracerd.client.resume import BROKEN, Resume
from tracerd.client.selection import Changes, Options, subscribe_call, update_call
from tracerd.client.stream import Format, Stream
from tracerd.errors import TracerdError
from tracerd.protocol import messages
from tracerd.protocol.connection import ClientConnection, ProtocolError, parameters_as

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import UNIXSocketStream

CHUNK: Final = 256 * 1024
"""Bytes read at once: some thousand events."""

_R = TypeVar("_R", bound=msgspec.Struct)


def connect(socket: str | None = None) -> AsyncClient:
    """Return a client of the daemon at `socket` (default: default_socket()).

    Use as `async with connect() as client`.  Entering raises DaemonNotRunning.
    """
    return AsyncClient(socket or default_socket())


async def _connected(path: str) -> UNIXSocketStream:
    try:
        return await anyio.connect_unix(path)
    except OSError as error:
        raise connecting(path, error) from error


class AsyncClient:
    """A connection to the daemon.  Tasks may share it; their calls wait for one another.

    Every verb raises the daemon's error (tracerd.errors) or ConnectionLost.  *Cancellation*: a
    call that is cancelled half-way closes the connection, as its answer could not be told from
    the next one's.
    """

    def __init__(self, path: str) -> None:
        self.socket: Final = path
        self._connection = ClientConnection()
        self._stream: UNIXSocketStream | None = None
        self._lock = anyio.Lock()
        self._subscriptions: set[AsyncSubscription] = set()

    async def __aenter__(self) -> Self:
        self._stream = await _connected(self.socket)
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection and all subscriptions made here."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await anyio.aclose_forcefully(stream)
        for subscription in list(self._subscriptions):
            await subscription.aclose()

    async def attach(
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
        return await self._call("Attach", call, messages.AttachReply)

    async def detach(self, pid: int) -> messages.DetachReply:
        """Give up the attach of `pid`."""
        return await self._call("Detach", messages.Detach(pid=pid), messages.DetachReply)

    async def list(self) -> messages.ListReply:
        """Tell which processes are under trace."""
        return await self._call("List", messages.Nothing(), messages.ListReply)

    async def status(self) -> messages.StatusReply:
        """Tell how the daemon does."""
        return await self._call("Status", messages.Nothing(), messages.StatusReply)

    async def syscalls(self, abi: str | None = None) -> messages.SyscallsReply:
        """Return the daemon's table of system calls.

        abi: x86_64, i386 or aarch64; None: a row for every name.  Raises InvalidParameter.
        """
        return await self._call("Syscalls", messages.Syscalls(abi=abi), messages.SyscallsReply)

    async def sync(self, id: str) -> messages.SyncReply:  # noqa: A002
        """Return once all that happened before has been written to the subscription `id`."""
        return await self._call("Sync", messages.Sync(id=id), messages.SyncReply)

    async def explain(
        self, filters: Sequence[messages.Filter] = (), level: Literal["path", "fd", "io"] = "path"
    ) -> messages.ExplainReply:
        """Tell what a subscription with these filters would want of the tracer."""
        call = messages.Explain(filters=[*filters], level=level)
        return await self._call("Explain", call, messages.ExplainReply)

    async def update(
        self,
        id: str,  # noqa: A002
        **options: Unpack[Changes],
    ) -> messages.UpdateReply:
        """Change what the subscription `id` asks for; see selection.Changes.

        Its stream has an Updated event where the change takes effect.
        """
        return await self._call("Update", update_call(id, options), messages.UpdateReply)

    async def unsubscribe(self, id: str) -> None:  # noqa: A002
        """End the subscription `id` after what is queued for it."""
        await self._call("Unsubscribe", messages.Unsubscribe(id=id), messages.Nothing)

    def subscribe(
        self,
        *,
        format: Format = "msgpack",  # noqa: A002
        raw: bool = False,
        **options: Unpack[Options],
    ) -> AsyncSubscription:
        """Return a stream of events with a connection of its own; see selection.Options.

        Iterate over it, or enter it first to have the answer (`id`, `reply`) before the first
        event.  raw: bytes instead, see stream.Stream.
        """
        stream = Stream(subscribe_call(options), format, self.socket, raw=raw)
        return AsyncSubscription(stream, self.socket, self._subscriptions)

    def follow(self, **options: Unpack[Options]) -> AsyncFollow:
        """Return a stream that goes on after its connection broke; see selection.Options.

        It asks for heartbeats and for lingering, unless told otherwise.
        """
        return AsyncFollow(self.socket, Resume(options), self._subscriptions)

    async def _call(self, method: str, parameters: msgspec.Struct, reply: type[_R]) -> _R:
        async with self._lock:
            if self._stream is None:
                raise ConnectionLost(self.socket, "it is not open")
            try:
                async with _errors(self.socket):
                    await self._stream.send(
                        self._connection.call(f"io.tracerd.{method}", parameters)
                    )
                    while (answer := self._connection.next_reply()) is None:
                        self._connection.receive_data(await self._stream.receive(CHUNK))
                    return parameters_as(answer, reply)
            except TracerdError:
                raise  # a whole answer: the connection goes on
            except BaseException:
                await self._abandon()
                raise

    async def _abandon(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await anyio.aclose_forcefully(stream)


class AsyncSubscription:
    """A stream of events: `async for`, after `async with` or without.

    Iteration ends when the daemon ends the stream (`end` says why) or after aclose(); it raises
    ConnectionLost if the daemon is gone without a word.  *Cancellation*: nothing that was
    received is lost; iterate again.
    """

    def __init__(self, stream: Stream, path: str, siblings: set[AsyncSubscription]) -> None:
        self._protocol = stream
        self._path = path
        self._siblings = siblings
        self._stream: UNIXSocketStream | None = None
        self._ready: deque[Any] = deque()
        self.closed = False
        """Whether aclose() was called."""

    @property
    def reply(self) -> messages.SubscribeReply:
        """What the daemon answered: id, run, the filters as understood.  Once entered."""
        assert self._protocol.reply is not None, "the subscription has not been entered"
        return self._protocol.reply

    @property
    def id(self) -> str:
        """The subscription's name, for sync() and unsubscribe().  Once entered."""
        return self.reply.id

    @property
    def end(self) -> str:
        """Why the daemon ended the stream (see messages.SubscribeReply); empty until it has."""
        return self._protocol.end

    async def __aenter__(self) -> Self:
        """Subscribe.  Raises InvalidFilter and the like."""
        if self._stream is None and not self.closed:
            self._stream = await _connected(self._path)
            self._siblings.add(self)
            try:
                async with _errors(self._path):
                    await self._stream.send(self._protocol.opening)
                    while self._protocol.reply is None:
                        await self._receive(self._stream)
            except BaseException:
                await self.aclose()
                raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the subscription."""
        self.closed = True
        self._siblings.discard(self)
        stream, self._stream = self._stream, None
        if stream is not None:
            await anyio.aclose_forcefully(stream)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if not self._ready:
            await self.__aenter__()
        while not self._ready:
            if self.end or self._stream is None:
                raise StopAsyncIteration
            try:
                async with _errors(self._path):
                    await self._receive(self._stream)
            except ConnectionLost:
                if self.closed:
                    raise StopAsyncIteration from None
                raise
        return self._ready.popleft()

    async def _receive(self, stream: UNIXSocketStream) -> None:
        """Read once from the socket, and take what came apart."""
        self._protocol.receive_data(await stream.receive(CHUNK))
        while not self.end and (batch := self._protocol.next_batch()) is not None:
            self._ready.extend(batch)


class AsyncFollow:
    """Events, across broken connections and restarts of the daemon: `async for`.

    What could not be had is in its place as a Lost event (see resume.py).  `cursor` is the place
    after the last event that was given out.  Iteration ends when the daemon ends the stream for
    good (`end` says why) or after aclose(); it raises what the daemon answers to a request that
    will not get better, and, if it cannot be opened at first, what subscribe does.
    *Cancellation*: nothing is lost; iterate again.
    """

    def __init__(self, path: str, resume: Resume, siblings: set[AsyncSubscription]) -> None:
        self._path = path
        self._resume = resume
        self._siblings = siblings
        self._subscription: AsyncSubscription | None = None
        self._begun = False
        self.closed = False
        """Whether aclose() was called."""
        self.end = ""
        """Why the daemon ended the stream; empty until it has."""

    @property
    def cursor(self) -> str:
        """Where it is: `since` of another subscription that is to go on after it."""
        return self._resume.cursor

    async def __aenter__(self) -> Self:
        """Subscribe.  Raises InvalidFilter, DaemonNotRunning and the like."""
        if self._subscription is None and not self.closed:
            stream = Stream(self._resume.opening(), "msgpack", self._path)
            subscription = AsyncSubscription(stream, self._path, self._siblings)
            await subscription.__aenter__()
            self._resume.opened(subscription.reply)
            self._subscription, self._begun = subscription, True
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End it."""
        self.closed = True
        await self._drop()

    async def _drop(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self.closed and not self.end:
            try:
                await self.__aenter__()
                subscription = self._subscription
                if subscription is None:
                    break
                async for event in subscription:
                    if self._resume.take(event):
                        return event
                if not self.closed and self._resume.is_over(subscription.end):
                    self.end = subscription.end
                    await self._drop()
                    break
            except BROKEN:
                if not self._begun:
                    raise
            await self._drop()
            if not self.closed:
                await anyio.sleep(self._resume.delay_s())
        raise StopAsyncIteration


@asynccontextmanager
async def _errors(path: str) -> AsyncIterator[None]:
    """Turn what anyio and the protocol raise about a connection into ConnectionLost."""
    try:
        yield
    except anyio.EndOfStream:
        raise ConnectionLost(path) from None
    except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        raise ConnectionLost(path, "it is broken") from error
    except ProtocolError as error:
        raise ConnectionLost(path, str(error)) from error
