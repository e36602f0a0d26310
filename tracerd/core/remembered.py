"""What descriptors of tasks under trace refer to, so that /proc is not asked at every call.

For each process, what its descriptors referred to when they were looked at last: at the return of
the call that made one, else when it was first used.  It holds until a call takes the number away
(core/syscalls/effects.py), which is seen at two stops: from the first one on nothing is said of the
number, and from the second one on it is looked at anew.  Between them nothing is remembered nor
recalled of the whole table, so that it does not matter which of several threads is heard first.

It is recalled only if all that can happen to the table shows in stops:

* all threads of the process are known, and stop at every call, since the look;
* the task shares the table of the others (kcmp(2)): it may have got one of its own;
* nothing outside shares it, no io_uring works on it.

Else, and after at most FRESH_NS, it is looked at anew: a look is always right.  What has a name is
looked at anew, too, after any tracee's call that changes names; what others rename is seen after
FRESH_NS.  native/descriptors.c is the same in C.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, field
from typing import Final

from tracerd.core import kernel
from tracerd.core.syscalls.effects import Change, Effect
from tracerd.core.syscalls.model import Captured, OpenedFile

FRESH_NS: Final = 100_000_000
"""For how long a look is good, whatever happens."""
MOST: Final = 1024
"""Descriptors remembered of a process."""
LONGEST: Final = 512
"""Bytes of a link that is remembered."""
CLOSE_RANGE_UNSHARE: Final = 2
CLOSE_RANGE_CLOEXEC: Final = 4


@dataclass(slots=True)
class _Entry:
    """A look at a descriptor.  names: see Remembered.  details: see capture.DETAILS."""

    value: Captured
    details: bool
    named: bool
    names: int
    when_ns: int


@dataclass(slots=True, eq=False)
class _Table:
    """The descriptors of a process.

    tasks, seeing: how many there are, and how many stop at every call.  changing: how many are in a
    call that takes descriptors away.  trusted: all its tasks are known; escaped: until the next
    exec, not all that happens shows.  reference: a task that has this table; others are compared
    with it, once for each `age`.
    """

    tasks: int = 0
    seeing: int = 0
    changing: int = 0
    trusted: bool = False
    escaped: bool = False
    reference: int = 0
    age: int = 1
    entries: dict[int, _Entry] = field(default_factory=dict)

    def renew(self) -> None:
        """Forget everything, and who shares the table."""
        self.entries.clear()
        self.reference = 0
        self.age += 1


@dataclass(slots=True, eq=False)
class _Member:
    """A task.

    sees: it stops at every call.  age: of its table, when it was found to share that.  inside: what
    the call that it is in does, with its arguments.
    """

    tid: int
    table: _Table
    sees: bool = False
    age: int = 0
    inside: tuple[Change, tuple[int, ...]] | None = None


class Remembered:
    """See the head of this file.  All methods are for the tracer thread.

    names: counts changes of names; naming: how many tasks are in a call that makes one.
    now_ns: CLOCK_MONOTONIC; to be set at each stop.  looked, recalled: how often a descriptor was
    looked at, and how often that was not needed.  remembers: False: it never is.
    """

    def __init__(self, *, remembers: bool = True) -> None:
        self._remembers = remembers
        self.now_ns = 0
        self.looked = 0
        self.recalled = 0
        self._names = 0
        self._naming = 0
        self._tables: dict[int, _Table] = {}
        self._members: dict[int, _Member] = {}

    def join(self, tid: int, tgid: int) -> None:
        """Know a task of a process; it may be known already."""
        if tid not in self._members:
            table = self._tables.setdefault(tgid, _Table())
            table.tasks += 1
            self._members[tid] = _Member(tid, table)

    def leave(self, tid: int, tgid: int) -> None:
        """Forget a task, and its process with the last of them."""
        self.ended(tid)
        member = self._members.pop(tid)
        table = member.table
        table.tasks -= 1
        table.seeing -= member.sees
        if table.reference == tid:
            table.renew()
        if not table.tasks:
            del self._tables[tgid]

    def sees(self, tid: int, *, sees: bool) -> None:
        """Note whether a task goes on such that it stops at every call."""
        member = self._members[tid]
        if member.sees is not sees:
            member.sees = sees
            member.table.seeing += 1 if sees else -1
            if not sees:
                member.table.renew()

    def trust(self, tgid: int) -> None:
        """Note that all tasks of a process are known, and nothing outside shares its table."""
        table = self._tables.get(tgid)
        if table is not None:
            table.trusted = True

    def distrust(self, tgid: int) -> None:
        """Note that until the next exec not all that happens to the table shows."""
        table = self._tables.get(tgid)
        if table is not None:
            table.escaped = True

    def new_image(self, tid: int) -> None:
        """Note an exec: by that the task is alone, and has a table of its own."""
        self.ended(tid)
        table = self._members[tid].table
        table.renew()
        table.trusted, table.escaped = True, False

    def entered(self, tid: int, change: Change, args: tuple[int, ...]) -> None:
        """Note that a call has been entered that changes something."""
        member = self._members[tid]
        if change.mask and args[change.a] & change.mask != change.mask:
            return
        member.inside = change, args
        if change.effect is Effect.RENAMES:
            self._naming += 1
            self._names += 1
        else:
            member.table.changing += 1
            self._change(member.table, change, args)

    def ended(self, tid: int) -> None:
        """Note that the call a task was in is over, however; that may not have changed anything."""
        member = self._members[tid]
        if member.inside is None:
            return
        change, args = member.inside
        member.inside = None
        if change.effect is Effect.RENAMES:
            self._naming -= 1
            self._names += 1
        else:
            member.table.changing -= 1
            self._change(member.table, change, args)

    @staticmethod
    def _change(table: _Table, change: Change, args: tuple[int, ...]) -> None:
        entries, effect = table.entries, change.effect
        if effect is Effect.CLOSES:
            entries.pop(args[change.a] & 0xFFFF_FFFF, None)
        elif effect is Effect.CLOSES_RANGE:
            flags = args[change.c]
            if flags & CLOSE_RANGE_UNSHARE:
                table.renew()
            elif not flags & CLOSE_RANGE_CLOEXEC:
                first, last = args[change.a] & 0xFFFF_FFFF, args[change.b] & 0xFFFF_FFFF
                for fd in [fd for fd in entries if first <= fd <= last]:
                    del entries[fd]
        elif effect is Effect.ESCAPES:
            table.escaped = True
        else:
            table.renew()

    def recall(self, tid: int, fd: int, *, details: bool) -> Captured:
        """Return what was seen of a descriptor, if that still holds; else None."""
        member = self._members.get(tid)
        if member is None:
            return None
        entry = member.table.entries.get(fd)
        if entry is None or entry.details is not details:
            return None
        if entry.named and (self._naming or entry.names != self._names):
            return None
        if self.now_ns - entry.when_ns >= FRESH_NS or not self._usable(member):
            return None
        self.recalled += 1
        return entry.value

    def remember(self, tid: int, fd: int, value: Captured, *, details: bool) -> None:
        """Keep what a look at an open descriptor has just shown, while the task is stopped."""
        self.looked += 1
        member = self._members.get(tid)
        if member is None or not self._usable(member):
            return
        entries = member.table.entries
        link = value.link if isinstance(value, OpenedFile) else value
        if not isinstance(link, bytes) or len(link) > LONGEST:
            entries.pop(fd, None)
            return
        if len(entries) >= MOST and fd not in entries:
            entries.clear()
        named = link.startswith(b"/")
        entries[fd] = _Entry(value, details, named, self._names, self.now_ns)

    def _usable(self, member: _Member) -> bool:
        table = member.table
        if not (self._remembers and table.trusted) or table.escaped:
            return False
        if table.changing or table.seeing != table.tasks:
            return False
        if member.age == table.age:
            return True
        if not table.reference:
            table.reference = member.tid
        elif not (COMPARES and kernel.shares_files(member.tid, table.reference)):
            return False
        member.age = table.age
        return True

    def kept(self) -> dict[str, list[int]]:
        """Return the tids and tgids of which anything is kept."""
        return {"tables": list(self._tables), "members": list(self._members)}


def _compares() -> bool:
    """Whether kcmp(2) does not wait for an exec that waits for us: since Linux 5.8."""
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    return numbers is not None and tuple(map(int, numbers.groups())) >= (5, 8)


COMPARES: Final = _compares()
