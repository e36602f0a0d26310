"""The events of the recent past, for who comes late or comes back.

What is published is kept, encoded, until newer events need the room.  The teller adds, the trio
thread reads, a lock between them: it is taken once per round, and once per block that is read.

With each event is kept who the process was then: whether a peer may see it is judged by that.

Events lie in blocks, a few lists each: one object per event would be many for the collector of
garbage to look at, which stops everybody.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracerd.core.commands import Published
    from tracerd.core.tracee import Identity
    from tracerd.protocol.events import Event

EVENT_BYTES: Final = 96
"""What an event takes beside what its encoding does: the head of a bytes object, its places in the
lists, and what the allocator adds."""
IDENTITY_BYTES: Final = 1024
"""What a process takes; charged once to each row of events that are its."""
BLOCK_EVENTS: Final = 256
"""A block, which is dropped as a whole, holds so many events at most; less if the bound is low."""
LEAST_BYTES: Final = 16 << 10
"""A block has one event more for so many bytes of the bound."""


class Passage(NamedTuple):
    """Events in a row.  Lists of the same length, in the order of `seq`, which begins at `first`.

    payloads: MessagePack; empty: it could not be encoded; None: nobody wanted it after all.
    syscalls: empty if it is no call.
    missed: how many after what was asked for, and before these, have been dropped.  latest: the
    newest time of theirs, or a later one.
    """

    first: int
    payloads: list[bytes | None]
    kinds: list[type[Event]]
    syscalls: list[str]
    processes: list[Identity]
    missed: int
    latest: int

    @property
    def last(self) -> int:
        """The seq of the last one; if there is none, of the last that is missing."""
        return self.first + len(self.payloads) - 1


class _Block:
    __slots__ = ("first", "grown", "kinds", "latest", "payloads", "processes", "size", "syscalls")

    def __init__(self, first: int) -> None:
        self.first = first
        self.size = 0
        self.latest = 0
        self.payloads: list[bytes | None] = []
        self.kinds: list[type[Event]] = []
        self.syscalls: list[str] = []
        self.processes: list[Identity] = []
        self.grown = 0
        """Bytes that the last `add` took."""

    def add(self, items: Sequence[Published], payloads: Sequence[bytes | None]) -> int:
        """Append events; returns how many."""
        processes = [item.process for item in items]
        others = len(set(map(id, processes)) - set(map(id, self.processes[-1:])))
        self.payloads += payloads
        self.kinds += [item.kind for item in items]
        self.syscalls += [item.syscall for item in items]
        self.processes += processes
        self.latest = max(self.latest, *[item.facts.time_ns for item in items])
        size = sum([len(each) for each in payloads if each])
        self.grown = size + len(items) * EVENT_BYTES + others * IDENTITY_BYTES
        self.size += self.grown
        return len(items)


class History:
    """Holds the newest events, up to `max_bytes` of them; 0: none, and nothing is to be added."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._block_events = min(BLOCK_EVENTS, 1 + max_bytes // LEAST_BYTES)
        self._lock = threading.Lock()
        self._blocks: list[_Block] = []
        self._next = 1
        """The seq of the next event to come."""
        self._size = 0
        self._forgotten_ns = 0
        self.evicted = 0
        """How many events have been dropped, ever."""

    @property
    def on(self) -> bool:
        """Whether anything is kept at all."""
        return self.max_bytes > 0

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._size

    def oldest(self) -> int:
        """Return the seq of the oldest event kept; of the next to come if there is none."""
        with self._lock:
            return self._blocks[0].first if self._blocks else self._next

    def head(self) -> int:
        """Return the seq of the newest event that came."""
        return self._next - 1

    @property
    def forgotten_ns(self) -> int:
        """The newest time of the events that were dropped, or a later one; 0: there are none."""
        return self._forgotten_ns

    def add(self, items: Sequence[Published], payloads: Sequence[bytes | None]) -> None:
        """Keep events, in the order of their `seq`, and drop the oldest to make room."""
        with self._lock:
            first, last = items[0].seq, items[-1].seq
            if first != self._next or last - first != len(items) - 1:
                # One is missing, by a fault: rather none than a gap that nobody is told of.
                self._drop(len(self._blocks))
                self._next = last + 1
                return
            block = self._blocks[-1] if self._blocks else None
            at = 0
            while at < len(items):
                if block is None or len(block.payloads) >= self._block_events:
                    block = _Block(self._next)
                    self._blocks.append(block)
                end = at + self._block_events - len(block.payloads)
                self._next += block.add(items[at:end], payloads[at:end])
                at = end
                self._size += block.grown
            if (over := self._size - self.max_bytes) > 0:
                count = 0
                while over > 0:
                    over -= self._blocks[count].size
                    count += 1
                self._drop(count)

    def _drop(self, count: int) -> None:
        for block in self._blocks[:count]:
            self._size -= block.size
            self.evicted += len(block.payloads)
            self._forgotten_ns = max(self._forgotten_ns, block.latest)
        del self._blocks[:count]

    def after(self, seq: int) -> Passage:
        """Return some of the events after `seq`, none if there are none.  Any thread."""
        with self._lock:
            blocks = self._blocks
            first = max(seq + 1, blocks[0].first if blocks else self._next)
            if first >= self._next:
                return Passage(first, [], [], [], [], first - seq - 1, 0)
            block = blocks[bisect_right(blocks, first, key=_first) - 1]
            at = first - block.first
            return Passage(
                first,
                block.payloads[at:],
                block.kinds[at:],
                block.syscalls[at:],
                block.processes[at:],
                first - seq - 1,
                block.latest,
            )


def _first(block: _Block) -> int:
    return block.first
