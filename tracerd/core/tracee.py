"""Processes (thread groups) as the tracer knows them.  Data, no kernel calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from tracerd.core.actions import NOBODY, Actions
from tracerd.core.credentials import OURS, UNKNOWN, Credentials, Four
from tracerd.core.pump import Call, Mode


@dataclass(slots=True, eq=False)
class Identity:
    """Who a process was when something happened in it.  Not changed once it has been told.

    start: clock ticks since boot.  uids to ns_owner: its first thread's Credentials; others: those
    of threads that differ.  dumpable: whether the kernel would let its own user trace it.
    lineage: its own pid and those of all traced ancestors.  root: its root directory as we see it.
    mntns: inode number of its mount namespace; 0: it is ours.
    inner: what its threads call themselves in their pid namespace, by tid; empty if that is ours.
    hidden: nothing is told of it before its next exec (see AttachCommand.until_exec).
    """

    pid: int
    start: int = 0
    ppid: int = 0
    uids: Four = (0, 0, 0, 0)
    gids: Four = (0, 0, 0, 0)
    caps: int = 0
    user_ns: int = OURS
    ns_owner: int = UNKNOWN
    others: frozenset[Credentials] = frozenset()
    dumpable: bool = True
    exe: str = ""
    comm: str = ""
    root: str = "/"
    mntns: int = 0
    lineage: frozenset[int] = frozenset()
    inner: Mapping[int, int] = field(default_factory=dict)
    hidden: bool = False


_PARTS = tuple(part.name for part in fields(Identity))


@dataclass(slots=True, eq=False)
class Process(Identity):
    """A thread group under trace, as it is now.  For the tracer thread only.

    None of the values that make its identity is ever changed in place.
    owners: the attaches that keep it under trace; empty: it is leaving.  actions: what is wanted of
    it, mode: at which calls its tasks stop.  blind: what was said of it in `blind` events.
    calls: names of those that a seccomp filter of ours makes it stop at; None: it has none.
    """

    owners: set[int] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)
    actions: Actions = NOBODY
    mode: Mode = Mode.FREE
    calls: frozenset[str] | None = None
    blind: set[str] = field(default_factory=set)
    looked_at: bool = False
    """What it had open before has been looked for; see Sight."""
    stopped: bool = False
    held: bool = False
    attaching: bool = False
    """An attach is looking for its threads: it is kept though none may be known."""
    let_go: bool = False
    """It goes free because there are too many tracees."""
    told: bool = True
    """Subscribers have heard of it: it was forked under trace, or its attach has succeeded."""
    untold: set[int] = field(default_factory=set)
    """Threads seized by an attach whose `attached` event has not been told yet."""
    left_inside: dict[int, Call] = field(default_factory=dict)
    """Calls in which threads were detached, by tid, while others have yet to be."""
    attached_ns: int = 0
    credentials: dict[int, Credentials] = field(default_factory=dict)
    """By thread."""
    kinds: Counter[Credentials] = field(default_factory=Counter)
    """How many threads have which."""
    identity: Identity = field(default_factory=lambda: Identity(0))
    """As it was when it was last looked at (`identify`)."""

    def identify(self) -> bool:
        """Bring `identity` up to date; returns whether it had changed."""
        now = [getattr(self, name) for name in _PARTS]
        if now == [getattr(self.identity, name) for name in _PARTS]:
            return False
        self.identity = Identity(*now)
        return True

    def set_credentials(self, tid: int, credentials: Credentials) -> None:
        """Take note of what a thread has from now on."""
        if self.credentials.get(tid) != credentials:
            self.drop_credentials(tid)
            self.credentials[tid] = credentials
            self.kinds[credentials] += 1
            self._sum_up()

    def drop_credentials(self, tid: int) -> None:
        """Forget those of a thread that is gone."""
        former = self.credentials.pop(tid, None)
        if former is None:
            return
        self.kinds[former] -= 1
        if not self.kinds[former]:
            del self.kinds[former]
        if self.kinds:
            self._sum_up()

    def _sum_up(self) -> None:
        first = self.credentials.get(self.pid) or next(iter(self.kinds))
        self.uids, self.gids, self.caps, self.user_ns, self.ns_owner = first
        self.others = frozenset(self.kinds) - {first} if len(self.kinds) > 1 else frozenset()

    @property
    def needs_us(self) -> bool:
        """Whether it has a filter by now that makes calls fail without a tracer."""
        return self.calls is not None and not self.hidden

    def wants(self, kind: str) -> bool:
        """Whether anyone wants this type of event of it, now."""
        return kind in self.actions.interest.types and not self.hidden


Details: TypeAlias = dict[str, Any]
"""Fields of an event."""
