"""Processes (thread groups) as the tracer knows them.  Data, no kernel calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Process:
    """A thread group under trace.  Written by the tracer thread only.

    uids, gids: real, effective, saved, file system.  lineage: its own pid and those of all
    traced ancestors.  owners: the attaches that keep it under trace; empty: it is leaving.
    hidden: nothing is told of it before its next exec (see AttachCommand.until_exec).
    blind: what was said of it in `blind` events.
    dumpable: whether the kernel would let its own user trace it.
    inner: what its threads call themselves in their pid namespace, by tid; empty if that is ours.
    """

    pid: int
    start: int = 0
    ppid: int = 0
    uids: tuple[int, int, int, int] = (0, 0, 0, 0)
    gids: tuple[int, int, int, int] = (0, 0, 0, 0)
    dumpable: bool = True
    exe: str = ""
    comm: str = ""
    root: str = "/"
    lineage: frozenset[int] = frozenset()
    owners: set[int] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)
    blind: set[str] = field(default_factory=set)
    inner: dict[int, int] = field(default_factory=dict)
    hidden: bool = False
    stopped: bool = False
    held: bool = False
    attaching: bool = False
    """An attach is looking for its threads: it is kept though none may be known."""
    told: bool = True
    """Subscribers have heard of it: it was forked under trace, or its attach has succeeded."""
    untold: set[int] = field(default_factory=set)
    """Threads seized by an attach whose `attached` event has not been told yet."""
    left_inside: dict[int, Any] = field(default_factory=dict)
    """Calls in which threads were detached, by tid, while others have yet to be."""
    attached_ns: int = 0
