"""Who holds which process under trace.  Data only: the asking is in attaches.py.

Each attach is a hold of its own, with an owner id that the tracer knows it by; the tracer keeps
a process under trace as long as any owner is left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Collection

    from tracerd.server.permits import Target


@dataclass(slots=True, eq=False)
class Hold:
    """One attach.  holder: the connection it ends with (any object); None: until Detach."""

    owner: int
    target: Target
    uid: int
    holder: object | None
    settled: trio.Event = field(default_factory=trio.Event)
    """The attach has succeeded, or failed (and the hold is gone again)."""


class Targets:
    """All holds, by owner."""

    def __init__(self) -> None:
        self._holds: dict[int, Hold] = {}
        self._owners = itertools.count(1)

    def add(self, target: Target, uid: int, holder: object | None) -> Hold:
        """Register a hold, under an owner id that was never used before."""
        hold = Hold(next(self._owners), target, uid, holder)
        self._holds[hold.owner] = hold
        return hold

    def drop(self, owner: int) -> Hold | None:
        """Forget a hold; None if it is not known (any more)."""
        hold = self._holds.pop(owner, None)
        if hold is not None:
            hold.settled.set()
        return hold

    def keep(self, hold: Hold, holder: object | None = None) -> None:
        """Take a hold back that was dropped: it could not be given up."""
        hold.holder = holder
        self._holds[hold.owner] = hold

    def is_held(self, hold: Hold) -> bool:
        """Whether the hold is still registered."""
        return self._holds.get(hold.owner) is hold

    def on(self, pid: int) -> list[Hold]:
        """Return the holds on a root process."""
        return [hold for hold in self._holds.values() if hold.target.pid == pid]

    def of(self, holder: object) -> list[Hold]:
        """Return the holds that end with a connection."""
        return [hold for hold in self._holds.values() if hold.holder is holder]

    def lasting(self, target: Target, uid: int) -> Hold | None:
        """Return the hold until Detach that a user has on a process."""
        for hold in self._holds.values():
            if hold.target == target and hold.uid == uid and hold.holder is None:
                return hold
        return None

    def roots(self, owners: Collection[int]) -> list[int]:
        """Return the root processes of owners, in order, each once."""
        return sorted({self._holds[each].target.pid for each in owners if each in self._holds})
