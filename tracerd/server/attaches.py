"""Attach and Detach: access rules, deadlines, and who gives up what.

Of one user, every Attach of a process with scope `daemon` is the same hold: repeating it changes
nothing, one Detach ends it.  Otherwise askers have a hold each, and share the trace.

A program with a seccomp filter for us stays under trace until it ends: its last hold cannot be
given up, and one that should have ended with its connection becomes its user's lasting one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from tracerd import errors
from tracerd.core.commands import (
    AttachCommand,
    ExpireAttach,
    ExpireRelease,
    ReleaseCommand,
    Snapshot,
)
from tracerd.core.pidfd import PidFd
from tracerd.protocol import messages
from tracerd.protocol.filters import compile_filters
from tracerd.protocol.interest import Interest
from tracerd.server.log import Log
from tracerd.server.permits import explain_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracerd.core.commands import AttachResult, ReleaseResult
    from tracerd.core.tracee import Process
    from tracerd.protocol.catalogue import Catalogue
    from tracerd.server.access import Peer
    from tracerd.server.hub import Hub
    from tracerd.server.permits import Permits
    from tracerd.server.settings import Limits
    from tracerd.server.targets import Hold, Targets
    from tracerd.server.tracing import Tracing

log = Log(__name__)

_DAEMON: Final = "daemon"


class Attaches:
    """Takes processes under trace and lets them go.  Trio thread."""

    def __init__(
        self,
        tracing: Tracing,
        targets: Targets,
        limits: Limits,
        catalogue: Catalogue,
        permits: Permits,
        hub: Hub,
        *,
        trace_init: bool = False,
    ) -> None:
        self._hub = hub
        self._tracing = tracing
        self._catalogue = catalogue
        self._targets = targets
        self._limits = limits
        self._permits = permits
        self._trace_init = trace_init

    async def attach(
        self, peer: Peer, holder: object, request: messages.Attach
    ) -> messages.AttachReply:
        """Take a process under trace for `peer`; `holder` stands for its connection.

        If cancelled, the process is let go again.  Raises what Permits.check raises, and
        what the tracer answers to AttachCommand; InvalidFilter and InvalidParameter for `calls`
        and `keep`.
        """
        calls = self._names(request)
        keep = request.keep and self._hub.wanted(peer, request.pid, request.keep)
        held = PidFd(request.pid)  # from here on, no other process is taken for it
        try:
            target = await self._permits.check(peer, request.pid, held)
        except errors.PermissionDenied as error:
            log.warning(
                "attach refused", pid=request.pid, uid=peer.uid, peer_pid=peer.pid,
                reason=error.reason,
            )  # fmt: skip
            raise
        lasting = request.scope == _DAEMON
        while lasting and (there := self._targets.lasting(target, peer.uid)):
            await there.settled.wait()
            if self._targets.is_held(there):
                if keep:
                    await self._hub.keep(there.owner, keep)
                return messages.AttachReply(pid=target.pid, threads=await self._threads(target.pid))
        hold = self._targets.add(target, peer.uid, None if lasting else holder)
        try:
            if keep:
                await self._hub.keep(hold.owner, keep)  # before it comes: so nothing is missed
            result = await self._take(hold, request, held, calls)
            await self._permits.check_again(peer, target, held)
        except BaseException as error:
            self._release(hold, keep=False)
            if isinstance(error, errors.TracerdError):
                log.warning(
                    "attach failed", pid=target.pid, uid=peer.uid, peer_pid=peer.pid,
                    reason=str(error),
                )  # fmt: skip
            if isinstance(error, errors.PermissionDenied):
                raise explain_refusal(error) from None
            raise
        hold.settled.set()
        log.info(
            "attached", pid=target.pid, scope=request.scope, uid=peer.uid, peer_pid=peer.pid,
            threads=len(result.threads), pending=len(result.pending),
        )  # fmt: skip
        return messages.AttachReply(
            pid=result.pid,
            threads=sorted(result.threads),
            pending=sorted(result.pending),
            calls=msgspec.UNSET if result.calls is None else _numbers(result.calls),
        )

    async def detach(
        self, peer: Peer, holder: object, request: messages.Detach
    ) -> messages.DetachReply:
        """Give up the asking connection's attach of `pid`, or else its user's lasting one.

        Who manages gives up everybody's lasting ones.  Raises PermissionDenied if only others hold
        it; NotTraced if it is traced as a descendant, or not at all, as far as the peer may see;
        SeccompFiltered if nobody else holds it and it cannot go on without us.
        """
        pid = request.pid
        holds = self._targets.on(pid)
        mine = [hold for hold in holds if hold.holder is holder]
        lasting = [hold for hold in holds if hold.holder is None]
        manages = peer.powers.manages
        given_up = mine[:1] or [hold for hold in lasting if manages or hold.uid == peer.uid]
        if not given_up:
            roots = await self._roots_of(pid, peer)
            if holds and pid in roots:
                raise errors.PermissionDenied(pid, _held_by(holds))
            raise errors.NotTraced(pid, roots[0] if roots else 0)
        for hold in given_up:
            self._targets.drop(hold.owner)
            self._hub.forget(hold.owner)
        pending: set[int] = set()
        deadline = trio.current_time() + self._patience(request.timeout_ms)
        refusal: errors.SeccompFiltered | None = None
        for hold in given_up:
            holder = hold.holder
            try:
                result: ReleaseResult = await self._tracing.ask(
                    ReleaseCommand(hold.owner),
                    patience_s=max(0.0, deadline - trio.current_time()),
                    impatient=partial(self._tracing.tell, ExpireRelease(hold.owner)),
                )
            except errors.SeccompFiltered as error:
                self._targets.keep(hold, holder)
                refusal = error
            else:
                pending.update(result.pending)
        if refusal is not None:
            raise refusal
        log.info("detached", pid=pid, uid=peer.uid, peer_pid=peer.pid, pending=len(pending))
        holders = len(self._targets.on(pid))
        return messages.DetachReply(pid=pid, holders=holders, pending=sorted(pending))

    def release_all(self, holder: object) -> None:
        """Give up all that a connection held: it has ended."""
        for hold in self._targets.of(holder):
            self._release(hold)
            log.info("released", pid=hold.target.pid, uid=hold.uid)

    def _release(self, hold: Hold, *, keep: bool = True) -> None:
        """Give a hold up.  keep: if that is not possible, it is its user's lasting one."""

        def refused(error: errors.TracerdError) -> None:
            log.info("not released", pid=hold.target.pid, uid=hold.uid, reason=str(error))
            if keep:
                self._targets.keep(hold)

        # Releasing what was never attached, or has ended, is harmless.
        self._hub.forget(hold.owner)
        if self._targets.drop(hold.owner):
            self._tracing.tell(ReleaseCommand(hold.owner), refused=refused)

    def _patience(self, timeout_ms: int) -> float:
        """Return how long to wait for threads that do not stop, seconds."""
        return min(max(timeout_ms, 0) / 1000, self._limits.attach_s)

    def _names(self, request: messages.Attach) -> frozenset[str] | None:
        """Return the names of the calls that a seccomp filter is to stop; None for no filter."""
        wanted = request.calls
        if wanted is None:
            return None
        if not request.until_exec:
            raise errors.InvalidParameter("calls", "goes with until_exec")
        compiled = compile_filters(
            wanted.filters, self._catalogue, level=wanted.level, field="calls.filters"
        )
        from tracerd.core.actions import captured_names  # noqa: PLC0415  loaded late, as by daemon

        return captured_names([Interest(compiled.types, compiled.enter, compiled.exit)])

    async def _take(
        self,
        hold: Hold,
        request: messages.Attach,
        held: PidFd,
        calls: frozenset[str] | None,
    ) -> AttachResult:
        command = AttachCommand(
            pid=hold.target.pid,
            owner=hold.owner,
            until_exec=request.until_exec,
            by_uid=hold.uid,
            held=held,
            trace_init=self._trace_init,
            calls=calls,
        )
        result: AttachResult = await self._tracing.ask(
            command,
            patience_s=self._patience(request.timeout_ms),
            impatient=lambda: self._tracing.tell(ExpireAttach(hold.owner)),
        )
        return result

    async def _threads(self, pid: int) -> list[int]:
        def threads(processes: Sequence[Process]) -> list[int]:
            return sorted(tid for each in processes if each.pid == pid for tid in each.threads)

        found: list[int] = await self._tracing.ask(Snapshot(), threads)
        return found

    async def _roots_of(self, pid: int, peer: Peer) -> list[int]:
        """Return the attached processes that `pid` came under trace with; none if it is hidden."""

        def owners(processes: Sequence[Process]) -> set[int]:
            return {
                owner
                for each in processes
                if each.pid == pid and peer.may_see(each)
                for owner in each.owners
            }

        return self._targets.roots(await self._tracing.ask(Snapshot(), owners))


def _numbers(names: frozenset[str]) -> dict[str, list[int]]:
    """Return the numbers of calls by ABI."""
    from tracerd.core.syscalls import numbers  # noqa: PLC0415  as above

    return numbers(names)


def _held_by(holds: Sequence[Hold]) -> str:
    uids = ", ".join(str(uid) for uid in sorted({hold.uid for hold in holds}))
    if any(hold.holder is None for hold in holds):
        return f"attached by another user (uid {uids})"
    return f"held by another connection (uid {uids}), and ends with that"
