"""The index of live subscriptions: event type, then syscall, then pid.

Matching every filter against every event costs microseconds a piece; most subscriptions can be
ruled out by a dictionary.  What is left is matched in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracerd.protocol.events import Event, SyscallEnter, SyscallExit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracerd.server.subscription import Subscription

_MAX_SYSCALLS: Final = 4096
"""A program can make calls up in any number; the index must not grow with it."""


class Route(NamedTuple):
    """Whom events of one type and syscall may concern.

    by_pid: the candidates for a process that some filter names; others: for all other ones.
    """

    by_pid: dict[int, tuple[Subscription, ...]]
    others: tuple[Subscription, ...]


class Routes:
    """An index over a fixed set of subscriptions.  Filled in as events come: tracer thread."""

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        self._subscriptions = tuple(subscriptions)
        self._enter: dict[str, Route] = {}
        self._exit: dict[str, Route] = {}
        self._others: dict[type[Event], Route] = {}

    def candidates(self, event: Event) -> tuple[Subscription, ...]:
        """Return the subscriptions that may want `event`."""
        if isinstance(event, SyscallExit):
            route = self._exit.get(event.syscall) or self._exit_route(event.syscall)
        elif isinstance(event, SyscallEnter):
            route = self._enter.get(event.syscall) or self._enter_route(event.syscall)
        else:
            route = self._others.get(type(event)) or self._other_route(type(event))
        return route.by_pid.get(event.pid, route.others)

    def _exit_route(self, syscall: str) -> Route:
        if len(self._exit) >= _MAX_SYSCALLS:
            self._exit.clear()
        self._exit[syscall] = route = _route(
            one
            for one in self._subscriptions
            if "syscall_exit" in one.compiled.types
            and ((wanted := one.compiled.exit) is None or syscall in wanted)
        )
        return route

    def _enter_route(self, syscall: str) -> Route:
        if len(self._enter) >= _MAX_SYSCALLS:
            self._enter.clear()
        self._enter[syscall] = route = _route(
            one
            for one in self._subscriptions
            if "syscall_enter" in one.compiled.types
            and ((wanted := one.compiled.enter) is None or syscall in wanted)
        )
        return route

    def _other_route(self, kind: type[Event]) -> Route:
        tag = str(kind.__struct_config__.tag)
        self._others[kind] = route = _route(
            one for one in self._subscriptions if tag in one.compiled.types
        )
        return route


def _route(subscriptions: Iterable[Subscription]) -> Route:
    candidates = tuple(subscriptions)
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
