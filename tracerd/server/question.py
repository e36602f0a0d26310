"""What a subscription asks for: its filters, and all else that can change while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from tracerd import errors
from tracerd.core.commands import Wish
from tracerd.protocol.detail import Detail
from tracerd.protocol.redaction import NOTHING, Redaction

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tracerd.core.tracee import Identity
    from tracerd.protocol import messages
    from tracerd.protocol.filters import Compiled
    from tracerd.server.access import Peer
    from tracerd.server.settings import Limits

Sight: TypeAlias = tuple[int, int, int, Redaction] | None
"""Whose eyes may see what: user, group, user namespace, and what they may not see of others'
processes; None: root's, which see all of all."""


class Question:
    """Immutable.  key: equal for those that the same is to be recorded for.

    Raises InvalidParameter for what does not go together.
    """

    __slots__ = ("compiled", "detail", "everything", "key", "request", "sight", "wishes")

    def __init__(
        self, request: messages.Subscribe, compiled: Compiled, peer: Peer, limits: Limits
    ) -> None:
        if request.envp and Detail.named(request.detail) < Detail.ARGS:
            raise errors.InvalidParameter("envp", "goes with detail `args` or `full`")
        if request.fd_info and Detail.named(request.detail) < Detail.ARGS:
            raise errors.InvalidParameter("fd_info", "goes with detail `args` or `full`")
        self.request = request
        self.compiled = compiled
        self.detail = Detail.named(request.detail)
        self.everything = not request.filters
        """No filter: what its types let through need not be matched."""
        self.sight: Sight = sight_of(peer)
        """With `compiled`, all that decides which events it gets; with `detail`, how."""
        limit = min(request.string_limit or limits.string_limit, limits.max_string_limit)
        self.wishes = tuple(
            Wish(
                msgspec.structs.replace(
                    want.interest,
                    string_limit=limit if self.detail is Detail.FULL else 0,
                    envp=request.envp,
                    fd_info=request.fd_info,
                    detail=max(self.detail, Detail.FILES if want.judged else Detail.NAMES),
                ),
                _seen_and(peer, want.covers),
            )
            for want in compiled.wants
        )
        """Made once: the tracer may tell them apart by identity."""
        more = request.envp, request.fd_info
        self.key: Hashable = (compiled, self.sight, self.detail, limit, more)


def sight_of(peer: Peer) -> Sight:
    """Return what decides what a peer sees."""
    if peer.powers.sees_all and peer.hidden == NOTHING:
        return None
    return peer.uid, peer.gid, peer.user_ns, peer.hidden


def _seen_and(peer: Peer, covers: Callable[[Identity], bool]) -> Callable[[Identity], bool]:
    """Return what `covers` says of the processes that the peer may see."""
    if peer.powers.sees_all:
        return covers
    return lambda process: peer.may_see(process) and covers(process)
