"""Adds up file accesses.

Only what succeeded is a use of a file; failures stand apart, by errno.  Memory
grows with the number of distinct files and of processes per file, not with the
number of calls.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tracerd.ctl.files.accesses import Access, Name, accesses
from tracerd.protocol import events

if TYPE_CHECKING:
    from tracerd.protocol.events import Event

_Key = TypeVar("_Key")

_SUPERFLUOUS = re.compile(r"/(?=/)|/\.(?=/|$)")


class Rename(NamedTuple):
    """The two names of a rename."""

    old: Name
    new: Name


class Failure(NamedTuple):
    """What was asked for and why it was refused."""

    name: Name
    errno: str


@dataclass(slots=True)
class Tally:
    """How often each operation was done, and by whom.

    who: command name -> pids.  real: the kernel's own names of the file, where they differ.
    implied: all of it was done by the kernel of its own accord (see FileAccess.implied).  via: the
    names that the file had while it was written, before it was given this one.
    """

    ops: Counter[str] = field(default_factory=Counter)
    who: dict[str, set[int]] = field(default_factory=dict)
    real: set[str] = field(default_factory=set)
    unresolved: bool = False
    implied: bool = True
    via: set[str] = field(default_factory=set)

    def take(self, other: Tally) -> None:
        """Add all that was counted of the same file under another name."""
        self.ops += other.ops
        for comm, pids in other.who.items():
            self.who.setdefault(comm, set()).update(pids)
        self.real |= other.real
        self.unresolved |= other.unresolved
        self.implied &= other.implied
        self.via |= other.via

    def add(self, event: Event, access: Access) -> None:
        """Count one access, made by the process of `event`."""
        self.ops[access.op] += 1
        pids = self.who.get(event.comm)
        if pids is None:
            pids = self.who[event.comm] = set()
        pids.add(event.pid)
        if access.real is not None and access.real != plain(access.name).shown:
            self.real.add(access.real)
        self.unresolved |= access.unresolved
        self.implied &= access.implied

    @property
    def count(self) -> int:
        """How many operations in all."""
        return sum(self.ops.values())


@dataclass(slots=True)
class Report:
    """All that `tracerctl files` tells at the end.

    lost: events that never arrived.  unresolved: accesses whose path is not known whole.
    interrupted: why the stream ended before the program did, if so.
    """

    files: dict[Name, Tally] = field(default_factory=dict)
    renames: dict[Rename, Tally] = field(default_factory=dict)
    failures: dict[Failure, Tally] = field(default_factory=dict)
    lost: int = 0
    blind: list[events.Blind] = field(default_factory=list)
    unresolved: int = 0
    interrupted: str = ""
    made: set[Name] = field(default_factory=set)
    """Names of files that were made and have been neither deleted nor renamed."""

    @property
    def complete(self) -> bool:
        """Whether the list is known to be whole."""
        return not (self.lost or self.blind or self.unresolved or self.interrupted)

    def add(self, event: Event) -> None:
        """Take in one event; those that say nothing about files are ignored."""
        match event:
            case events.Lost():
                self.lost += event.count
            case events.Blind():
                known = {(each.pid, each.what) for each in self.blind}
                if (event.pid, event.what) not in known:
                    self.blind.append(event)
            case _:
                for access in accesses(event):
                    self.unresolved += access.unresolved
                    self._tally(access).add(event, access)

    def _tally(self, access: Access) -> Tally:
        name = plain(access.name)
        if access.errno is not None:
            return _of(self.failures, Failure(name, access.errno))
        if access.made:
            self.made.add(name)
        if access.op == "delete":
            self.made.discard(name)
        if access.to is None:
            return _of(self.files, name)
        to = plain(access.to)
        if name in self.made and not access.swaps:
            return self._moved(name, to)
        self.made.discard(to)
        return _of(self.files, to) if access.op == "link" else _of(self.renames, Rename(name, to))

    def _moved(self, name: Name, to: Name) -> Tally:
        """Tell a file that was made under one name and then given another under the latter."""
        self.made.discard(name)
        self.made.add(to)
        whole = _of(self.files, to)
        whole.take(self.files.pop(name, Tally()))
        whole.via.add(name.shown)
        return whole


def plain(name: Name) -> Name:
    """Return a name without `.` components and doubled slashes, which change nothing.

    `..` stays: behind a symbolic link it does not lead back.
    """
    text = name.shown
    if name.exact is not None or not text.startswith("/") or not _SUPERFLUOUS.search(text):
        return name
    folded = _SUPERFLUOUS.sub("", text)
    return Name(folded or "/")


def _of(tallies: dict[_Key, Tally], key: _Key) -> Tally:
    tally = tallies.get(key)
    if tally is None:
        tally = tallies[key] = Tally()
    return tally
