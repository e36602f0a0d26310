"""The index of live subscriptions: event type, then syscall, then pid.

Matching every filter against every event costs microseconds a piece; most subscriptions can be
ruled out by a dictionary.  What is left is matched in full, once for all that ask for the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from tracerd.protocol.events import Event, SyscallEnter, SyscallExit
from tracerd.protocol.redaction import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracerd.core.commands import Published
    from tracerd.core.tracee import Identity
    from tracerd.protocol.filters import Compiled
    from tracerd.protocol.redaction import Redaction
    from tracerd.server.subscription import Subscription

_MAX_SYSCALLS: Final = 4096
"""A program can make calls up in any number; the index must not grow with it."""


class Group:
    """Live subscriptions that get the same: alike in filters, sight, detail, and wire.

    Judged, and given to, as one.  Lives until subscriptions come or go; the teller's.
    alike: what they are like, if there are none: then what is wanted is kept, and given to nobody.
    """

    __slots__ = (
        "_everything",
        "_hidden",
        "_peer",
        "_sees_all",
        "compiled",
        "detail",
        "events",
        "flawed",
        "members",
        "payloads",
        "wire",
    )

    def __init__(
        self, members: tuple[Subscription, ...], alike: Subscription | None = None
    ) -> None:
        first = alike or members[0]
        self.members = members
        self.compiled = first.compiled
        self.wire = first.wire
        self.detail = first.question.detail
        self._everything = first.question.everything
        self._peer = first.peer
        self._sees_all = first.peer.powers.sees_all
        self._hidden = first.peer.hidden
        self.payloads: list[bytes] = []
        """What matched in this round, encoded; empty: it could not be."""
        self.events: list[Event] = []
        """The same events."""
        self.flawed = False
        """Something in `payloads` is empty."""

    def wants(self, item: Published) -> bool:
        """Return whether the members get this event, for which they are candidates.

        Not a call of which less was captured than they need: it was entered before they came, and
        would not have been told if others, who need less, had not been there.
        """
        return self.may_see(item) and (
            self._everything or self.compiled.matches(item.facts, item.process, item.kind)
        )

    def may_see(self, item: Published) -> bool:
        """Return whether it is for the members' eyes, and enough of it was captured for them."""
        return item.captured >= self.detail and self.sees(item.process)

    def sees(self, process: Identity) -> bool:
        """Return whether anything of a process is for the members' eyes."""
        return self._sees_all or self._peer.owns(process)

    def hidden(self, process: Identity) -> Redaction | None:
        """Return what is not shown to the members of a process: nothing of their own."""
        if self._hidden is NOTHING or self._peer.owns(process):
            return None
        return self._hidden


def grouped(
    subscriptions: Iterable[Subscription], standing: Iterable[Subscription] = ()
) -> list[Group]:
    """Return the groups of live subscriptions; of others, which get nothing, one for each."""
    alike: dict[object, list[Subscription]] = {}
    for one in subscriptions:
        asked = one.question
        key = (asked.compiled, asked.sight, asked.detail, one.wire)
        alike.setdefault(key, []).append(one)
    groups = [Group(tuple(members)) for members in alike.values()]
    return groups + [Group((), one) for one in standing]


class Routed(Protocol):
    """What can be found by the index: a group."""

    @property
    def compiled(self) -> Compiled:
        """Its filters."""


R = TypeVar("R", bound=Routed)


class Route(NamedTuple, Generic[R]):
    """Whom events of one type and syscall may concern.

    by_pid: the candidates for a process that some filter names; others: for all other ones.
    """

    by_pid: dict[int, tuple[R, ...]]
    others: tuple[R, ...]


class Routes(Generic[R]):
    """An index over a fixed set of groups.  Filled in as events come: by the teller."""

    def __init__(self, groups: Iterable[R] = ()) -> None:
        self._groups = tuple(groups)
        self._enter: dict[str, Route[R]] = {}
        self._exit: dict[str, Route[R]] = {}
        self._others: dict[type[Event], Route[R]] = {}

    def candidates(self, item: Published) -> tuple[R, ...]:
        """Return the groups that may want an event."""
        kind = item.kind
        if kind is SyscallExit:
            name = item.syscall
            route = self._exit.get(name) or self._exit_route(name)
        elif kind is SyscallEnter:
            name = item.syscall
            route = self._enter.get(name) or self._enter_route(name)
        else:
            route = self._others.get(kind) or self._other_route(kind)
        return route.by_pid.get(item.pid, route.others)

    def _exit_route(self, syscall: str) -> Route[R]:
        if len(self._exit) >= _MAX_SYSCALLS:
            self._exit.clear()
        self._exit[syscall] = route = _route(
            one
            for one in self._groups
            if "syscall_exit" in one.compiled.types
            and ((wanted := one.compiled.exit) is None or syscall in wanted)
        )
        return route

    def _enter_route(self, syscall: str) -> Route[R]:
        if len(self._enter) >= _MAX_SYSCALLS:
            self._enter.clear()
        self._enter[syscall] = route = _route(
            one
            for one in self._groups
            if "syscall_enter" in one.compiled.types
            and ((wanted := one.compiled.enter) is None or syscall in wanted)
        )
        return route

    def _other_route(self, kind: type[Event]) -> Route[R]:
        tag = str(kind.__struct_config__.tag)
        self._others[kind] = route = _route(
            one for one in self._groups if tag in one.compiled.types
        )
        return route


def _route(groups: Iterable[R]) -> Route[R]:
    candidates = tuple(groups)
    named = {pid for one in candidates for pid in one.compiled.pids or ()}
    return Route(
        by_pid={
            pid: tuple(
                one for one in candidates if one.compiled.pids is None or pid in one.compiled.pids
            )
            for pid in named
        },
        others=tuple(one for one in candidates if one.compiled.pids is None),
    )
