"""What live filters want, pushed down to the tracer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from tracerd.protocol.detail import Detail

MOST_PREFIXES: Final = 64
"""Beginnings of paths that each call is held against; more of them are made fewer and shorter."""


class Interest(msgspec.Struct, frozen=True):
    """What some subscription wants.  A superset: each event is still matched.

    types: event types.  enter, exit: the syscalls wanted as syscall_enter and as
    syscall_exit; None: all of them, also those without a name; empty: none.
    string_limit: bytes, the largest asked for.  envp: somebody wants the environment of
    an exec.  paths: a syscall_exit is wanted only if it has an entry in `files` whose path, as
    joined, as folded, or the kernel's own name for it, begins with one of these, or one that is
    unresolved; None: whatever its paths are.  They are plain ASCII without backslashes, so they
    may be held against the bytes of a path as well as against its text.
    detail: how much of each event; what is wanted of a call is the most that anyone wants of it.
    fd_info: descriptors are wanted in detail.
    The default wants no event.
    """

    types: frozenset[str] = frozenset()
    enter: frozenset[str] | None = frozenset()
    exit: frozenset[str] | None = frozenset()
    string_limit: int = 0
    envp: bool = False
    paths: frozenset[str] | None = None
    detail: Detail = Detail.FULL
    fd_info: bool = False

    def union(self, other: Interest) -> Interest:
        """Return what either wants."""
        if self.exit == frozenset():
            paths = other.paths  # who wants no exits has nothing to say about their paths
        elif other.exit == frozenset():
            paths = self.paths
        elif self.paths is None or other.paths is None:
            paths = None
        else:
            paths = few(self.paths | other.paths)
        return Interest(
            types=self.types | other.types,
            enter=either(self.enter, other.enter),
            exit=either(self.exit, other.exit),
            string_limit=max(self.string_limit, other.string_limit),
            envp=self.envp or other.envp,
            paths=paths,
            detail=max(self.detail, other.detail),
            fd_info=self.fd_info or other.fd_info,
        )


NOTHING = Interest(detail=Detail.NAMES)


def union(interests: Iterable[Interest]) -> Interest:
    """Return what any of them wants."""
    whole = NOTHING
    for one in interests:
        whole = whole.union(one)
    return whole


def either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the union of two sets of syscalls, where None means all."""
    return None if one is None or other is None else one | other


def both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the intersection of two sets of syscalls, where None means all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def few(prefixes: Iterable[str]) -> frozenset[str] | None:
    """Return at most MOST_PREFIXES of them, shortened where there are more.

    What begins with one of `prefixes` begins with one of these.  None if every absolute path does.
    """
    kept = _shortest(prefixes)
    while len(kept) > MOST_PREFIXES:
        kept = _shortest(prefix[: prefix.rstrip("/").rfind("/") + 1] for prefix in kept)
    return None if kept & {"", "/"} else kept


def _shortest(prefixes: Iterable[str]) -> frozenset[str]:
    """Return those that begin with no other of them."""
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not (kept and prefix.startswith(kept[-1])):
            kept.append(prefix)
    return frozenset(kept)
