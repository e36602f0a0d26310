"""One connection, from its first byte to its last.

Calls are answered one after the other, as Varlink has it.  Whatever goes wrong here is this
connection's own affair: a session never raises.

Subscribe wants `more`: the first reply names the subscription, the following ones carry batches of
events, the last one (`continues` false) says in `end` why the stream is over; then the
connection takes calls again.  Or it wants `upgrade`: one reply, and from then on nothing but
frames, each a 32-bit big-endian length and so many bytes of MessagePack: an array is a batch of
events (an empty one a sign of life), a map `{"end": reason}` the end of the stream, after which
the daemon closes the connection.  The reasons are those of SubscribeReply.end, or `failed`.
"""

from __future__ import annotations

import contextlib
import errno
import math
import resource
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from tracerd import errors
from tracerd.protocol import messages
from tracerd.protocol.connection import ProtocolError, ServerConnection, decode_parameters
from tracerd.server import access
from tracerd.server.log import Log, Seldom
from tracerd.server.methods import HANDLERS, SUBSCRIBE, Caller, understood
from tracerd.server.roles import Role
from tracerd.server.streaming import UPGRADED, json_form, stream
from tracerd.server.wire import PeerGoneError, PeerStalledError, Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tracerd.server.access import Peer
    from tracerd.server.hub import Admission
    from tracerd.server.methods import House
    from tracerd.server.roles import Rules
    from tracerd.server.subscription import Subscription

log = Log(__name__)

Refusal: TypeAlias = errors.LimitReached | errors.PermissionDenied
"""All that a connection gets to hear."""

_refusals, _breaches = Seldom(), Seldom()

_REFUSED_S: Final = 5.0
"""How long a connection over the limit has to make its first call and to hear why it is refused."""
_MAX_REFUSED: Final = 64
"""Connections being refused at a time; beyond that they are closed without a word."""


class UnfinishedError(ProtocolError):
    """The peer began a message and did not end it in time."""


class Connections:
    """The handler of all accepted connections."""

    def __init__(self, house: House, rules: Rules) -> None:
        self._house = house
        self._refused = 0
        self._rules = rules
        self._open: dict[trio.CancelScope, Peer] = {}
        """Those that are served."""

    def follow(self, rules: Rules) -> int:
        """Go by other rules; ends the connections of whom they give other rights than they have.

        Returns how many.
        """
        self._rules = rules
        changed = [
            scope for scope, peer in self._open.items() if access.judged(peer, rules) != peer
        ]
        for scope in changed:
            scope.cancel()
        return len(changed)

    async def serve(self, accepted: trio.SocketStream) -> None:
        """Serve one connection; closes it.  Never raises but to be cancelled."""
        tally = self._house.health.tally
        ended = "shutdown"
        try:
            async with accepted:
                peer = access.peer_of(accepted.socket, self._rules)
                wire = Wire(accepted, self._house.limits.message_bytes)
                with contextlib.ExitStack() as stack:
                    refusal: Refusal | None = None
                    try:
                        if peer.role is Role.DENIED:
                            raise errors.PermissionDenied(0, peer.grant.why)  # noqa: TRY301  as that
                        stack.enter_context(self._house.admission.admit(peer))
                    except (errors.LimitReached, errors.PermissionDenied) as error:
                        refusal = error
                    if refusal is None:
                        ended = await self._serve(wire, peer)
                    else:
                        ended = "refused"
                        limit = isinstance(refusal, errors.LimitReached) and refusal.limit
                        tally.count("refused", limit or "denied")
                        await self._refuse(wire, peer, refusal)
        except Exception as error:  # noqa: BLE001  must not end the daemon
            ended = "failed"
            log.fault("a connection failed", error)
        finally:
            tally.count("closed", ended)

    async def _serve(self, wire: Wire, peer: Peer) -> str:
        with trio.CancelScope() as scope:
            self._open[scope] = peer
            try:
                return await _with_reader(wire, Session(self._house, peer, wire).run)
            finally:
                del self._open[scope]
        log.info("disconnected: its rights have changed", uid=peer.uid, peer_pid=peer.pid)
        return "rights"

    async def _refuse(self, wire: Wire, peer: Peer, refusal: Refusal) -> None:
        if times := _refusals.due():
            log.warning(
                "connection refused", reason=str(refusal), uid=peer.uid, peer_pid=peer.pid,
                times=times,
            )  # fmt: skip
        if self._refused >= _MAX_REFUSED:
            return
        self._refused += 1
        try:
            with trio.move_on_after(_REFUSED_S):
                await _with_reader(wire, Session(self._house, peer, wire, refusal).run)
        finally:
            self._refused -= 1


class Session:
    """The dialogue with one peer.  refusal: all that it gets to hear."""

    def __init__(
        self,
        house: House,
        peer: Peer,
        wire: Wire,
        refusal: Refusal | None = None,
    ) -> None:
        self._house = house
        self._wire = wire
        self._refusal = refusal
        self._caller = Caller(peer)
        self._connection = ServerConnection(house.limits.message_bytes)
        self._stall_s = house.limits.stall_s
        self._message_s = house.limits.message_s
        self._tally = house.health.tally

    async def run(self) -> str:
        """Answer calls until the connection is over; returns why: see health.REASONS, `closed`."""
        try:
            while (call := await self._next_call()) is not None:
                if not await self._answer(call):
                    break
        except PeerStalledError:
            return "stalled"
        except PeerGoneError:
            pass
        except UnfinishedError as error:
            await self._break_off(error)
            return "unfinished"
        except ProtocolError as error:
            await self._break_off(error)
            return "protocol"
        finally:
            self._house.attaches.release_all(self._caller)
        return "left"

    async def _break_off(self, error: ProtocolError) -> None:
        if times := _breaches.due():
            peer = self._caller.peer
            log.info(
                "protocol error", reason=error.reason, uid=peer.uid, peer_pid=peer.pid, times=times
            )
        with contextlib.suppress(PeerGoneError):
            await self._write_error(errors.InvalidParameter("message", error.reason))

    async def _next_call(self) -> messages.Call | None:
        with trio.CancelScope() as patience:
            while (call := self._connection.next_call()) is None:
                if not self._connection.within_message:
                    patience.deadline = math.inf
                elif patience.deadline == math.inf:
                    patience.deadline = trio.current_time() + self._message_s
                data = await self._wire.read()
                if not data:
                    return None
                self._connection.receive_data(data)
            return call
        raise UnfinishedError(f"a message begun and not ended within {self._message_s:g} seconds")

    async def _answer(self, call: messages.Call) -> bool:
        """Answer one call; returns whether the connection can take another."""
        try:
            if self._refusal is not None:
                raise self._refusal  # noqa: TRY301  answered as any error
            parameters = decode_parameters(call.method, call.parameters)
            if call.method == SUBSCRIBE:
                assert isinstance(parameters, messages.Subscribe)
                return await self._subscribe(call, parameters)
            if call.upgrade:
                raise errors.Unsupported(f"upgrade of {call.method}")  # noqa: TRY301
            with self._guard(parameters):
                reply = await HANDLERS[call.method](self._house, self._caller, parameters)
        except errors.TracerdError as error:
            if isinstance(error, errors.LimitReached) and error is not self._refusal:
                self._tally.count("refused", error.limit)
            if not call.oneway:
                await self._write_error(error)
            return self._refusal is None
        except PeerGoneError:
            raise
        except Exception as error:  # noqa: BLE001  the daemon goes on, and so does the connection
            said = self._failure(call, error)
            if not call.oneway:
                await self._write_error(said)
            return True
        if not call.oneway:
            await self._write(self._connection.reply(reply))
        return True

    def _failure(self, call: messages.Call, error: Exception) -> errors.TracerdError:
        """Take note of what a call failed with, and return what the peer gets to hear."""
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            reached = errors.LimitReached("open files of the daemon", most)
            self._tally.count("refused", reached.limit)
            return reached
        log.fault("a call failed", error, method=call.method)
        return errors.InternalError(f"{type(error).__name__}; see the daemon's log")

    def _guard(self, parameters: object) -> contextlib.AbstractContextManager[None]:
        """Return the context for a call: it is abandoned if what it gains ends with the peer.

        Others go on: a peer that has only closed its sending side still waits for the answer.
        """
        if isinstance(parameters, messages.Attach) and parameters.scope == "connection":
            return self._wire.until_gone()
        return contextlib.nullcontext()

    async def _subscribe(self, call: messages.Call, request: messages.Subscribe) -> bool:
        if call.oneway or not (call.more or call.upgrade):
            raise errors.ExpectedMore
        hub = self._house.hub
        with self._wire.until_gone():
            subscription, admission = await hub.subscribe(
                request, self._caller.peer, "msgpack" if call.upgrade else "json"
            )
            ended = "left"
            try:
                reply = self._first_reply(subscription, admission)
                await self._write(self._connection.reply(reply, continues=not call.upgrade))
                form = UPGRADED if call.upgrade else json_form(self._connection)
                ended = await stream(subscription, hub, self._wire, form, self._stall_s)
            finally:
                self._tally.count("ended", ended)
                hub.discard(subscription)
        return not call.upgrade

    def _first_reply(
        self, subscription: Subscription, admission: Admission
    ) -> messages.SubscribeReply:
        return messages.SubscribeReply(
            id=subscription.id,
            run=self._house.run,
            head=admission.head,
            oldest=admission.oldest,
            recorded_from=admission.recorded_from,
            **understood(subscription.compiled),
        )

    async def _write_error(self, error: errors.TracerdError) -> None:
        await self._write(self._connection.error(error))

    async def _write(self, data: bytes) -> None:
        await self._wire.write(data, self._stall_s)


async def _with_reader(wire: Wire, serve: Callable[[], Awaitable[str]]) -> str:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.run)
        ended = await serve()
        nursery.cancel_scope.cancel()
    return ended
