"""What one subscriber was told, checked as it comes: gaps, order, births and ends."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from tracerd.protocol.events import (
    Attached,
    Detached,
    Exec,
    Exit,
    Lost,
    NewChild,
    SignalExit,
    SyscallEnter,
    SyscallExit,
)

MOST = 20
"""Findings kept in detail."""


class Account:
    """See the head of this file.

    calls: it gets both ends of calls, and so can check that they nest.  whole: it was told of all
    births since the beginning.
    """

    def __init__(self, name: str, *, calls: bool = False, whole: bool = False) -> None:
        self.wrong: list[str] = []
        self.events = 0
        self.lost = 0
        self.kinds: Counter[str] = Counter()
        self.alive: dict[int, int] = {}
        """Tasks born and not ended, with their processes."""
        self._name = name
        self._calls = calls
        self._whole = whole
        self._seq = 0
        self._inside: dict[int, tuple[str, int]] = {}
        """Calls entered and not returned from, and the processes that made them."""

    def take(self, batch: list[Any]) -> None:
        """Check some events."""
        for event in batch:
            if isinstance(event, Lost):
                self._gap(event)
            else:
                self._event(event)

    def settle(self, events: int) -> None:
        """Wait until so many events have come, for a while."""
        deadline = time.monotonic() + 20
        while self.events < events and time.monotonic() < deadline:
            time.sleep(0.01)

    def _find(self, what: str, event: Any) -> None:
        if len(self.wrong) < MOST:
            self.wrong.append(f"{self._name}: {what}: {str(event)[:400]}")

    def _gap(self, gap: Lost) -> None:
        self.lost += gap.count
        if not self._seq < gap.first <= gap.last or gap.count > gap.last - gap.first + 1:
            self._find("a wrong gap", gap)
        self._seq = gap.last
        self._inside.clear()
        self.alive.clear()

    def _event(self, event: Any) -> None:
        self.events += 1
        self.kinds[event.__struct_config__.tag] += 1
        if event.seq <= self._seq:
            self._find(f"out of order or twice, after {self._seq}", event)
        self._seq = event.seq
        match event:
            case SyscallEnter() if self._calls:
                if event.tid in self._inside:
                    self._find(f"entered inside {self._inside[event.tid][0]}", event)
                self._inside[event.tid] = event.syscall, event.pid
            case SyscallExit() if self._calls:
                inside, _ = self._inside.pop(event.tid, (event.syscall, 0))
                if inside != event.syscall:
                    self._find(f"returned from inside {inside}", event)
            case NewChild():
                if event.child in self.alive:
                    self._find("born twice", event)
                self.alive[event.child] = event.pid if event.thread else event.child
            case Exec(former_tid=int(former)):
                self._inside.pop(event.tid, None)
                if former in self._inside:
                    self._inside[event.tid] = self._inside.pop(former)
                self.alive.pop(former, None)
            case Exec():
                self.alive.setdefault(event.tid, event.pid)  # as a program that was run appears
            case Attached():
                self.alive |= dict.fromkeys(event.threads, event.pid)
            case Detached():
                self._process_gone(event.pid)
            case Exit() | SignalExit():
                self._end(event)

    def _end(self, event: Any) -> None:
        if self._whole and not self.lost and event.tid not in self.alive:
            self._find("the end of a task that was not told of", event)
        self.alive.pop(event.tid, None)
        self._inside.pop(event.tid, None)
        if event.process:
            self._process_gone(event.pid)

    def _process_gone(self, pid: int) -> None:
        self.alive = {tid: owner for tid, owner in self.alive.items() if owner != pid}
        self._inside = {tid: call for tid, call in self._inside.items() if call[1] != pid}
