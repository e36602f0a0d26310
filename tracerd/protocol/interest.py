"""What all live filters together want, pushed down to the tracer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec


class Interest(msgspec.Struct, frozen=True):
    """What some subscription wants.  A superset: each event is still matched.

    types: event types.  enter, exit: the syscalls wanted as syscall_enter and as
    syscall_exit; None: all of them, also those without a name; empty: none.
    string_limit: bytes, the largest asked for.  envp: somebody wants the environment of
    an exec.  paths: if not None, syscall_exit events are wanted only if a path of the call
    (as joined, folded or real) begins with one of these.  The default wants nothing.
    """

    types: frozenset[str] = frozenset()
    enter: frozenset[str] | None = frozenset()
    exit: frozenset[str] | None = frozenset()
    string_limit: int = 0
    envp: bool = False
    paths: frozenset[str] | None = None

    def union(self, other: Interest) -> Interest:
        """Return what either wants."""
        return Interest(
            types=self.types | other.types,
            enter=either(self.enter, other.enter),
            exit=either(self.exit, other.exit),
            string_limit=max(self.string_limit, other.string_limit),
            envp=self.envp or other.envp,
            paths=either(self.paths, other.paths),
        )


NOTHING = Interest()


class Wanting(Protocol):
    """A compiled subscription, as far as the tracer cares."""

    @property
    def types(self) -> frozenset[str]:
        """Event types that can match."""

    @property
    def enter(self) -> frozenset[str] | None:
        """Syscalls wanted at entry; None: all."""

    @property
    def exit(self) -> frozenset[str] | None:
        """Syscalls wanted at exit; None: all."""


def union(compiled: Iterable[tuple[Wanting, int, bool]]) -> Interest:
    """Return the interest of all subscriptions, each with its string limit and wish for envp."""
    whole = NOTHING
    for one, string_limit, envp in compiled:
        whole = whole.union(Interest(one.types, one.enter, one.exit, string_limit, envp))
    return whole


def either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the union of two sets of syscalls, where None means all."""
    return None if one is None or other is None else one | other


def both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the intersection of two sets of syscalls, where None means all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
