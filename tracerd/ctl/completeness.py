"""Whether what was seen is all there was."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tracerd.protocol import events
from tracerd.protocol.events import Event, SyscallExit

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Completeness:
    """Adds up what is missing from a stream.

    lost: events that never arrived.  unresolved: paths that are not known whole.  interrupted:
    why the stream ended too early, if it did.
    """

    lost: int = 0
    blind: list[events.Blind] = field(default_factory=list)
    unresolved: int = 0
    interrupted: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not (self.lost or self.blind or self.unresolved or self.interrupted)

    def add(self, batch: Iterable[Event]) -> None:
        """Take in events."""
        for event in batch:
            match event:
                case SyscallExit() if event.files:
                    self.unresolved += sum(e.unresolved or e.truncated for e in event.files)
                case events.Lost():
                    self.lost += event.count
                case events.Blind():
                    self.blind.append(event)
                case _:
                    pass
