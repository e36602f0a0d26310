"""What is recorded, for whom: the wishes that the tracer is to heed.

Subscriptions that ask for the same share a recording; so do those that follow each other, if one
comes before the last has gone, or while it lingers.  Then all that happened in between is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tracerd.core.commands import Wish


@dataclass(slots=True, eq=False)
class Recording:
    """Wishes, as long as anybody has them.

    since: the seq after which all that is wished for is recorded; None: it is not in force yet.
    """

    key: Hashable
    wishes: tuple[Wish, ...]
    holders: int = 0
    since: int | None = None


class Recordings:
    """All of them.  The trio thread's, but for `since`, which the teller sets."""

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Recording] = {}

    def hold(self, key: Hashable, wishes: tuple[Wish, ...]) -> Recording:
        """Return the recording of what `key` stands for; `release` it once."""
        recording = self._by_key.get(key)
        if recording is None:
            recording = self._by_key[key] = Recording(key, wishes)
        recording.holders += 1
        return recording

    def release(self, recording: Recording) -> None:
        """End it, if nobody else has it."""
        recording.holders -= 1
        if not recording.holders:
            del self._by_key[recording.key]

    def wishes(self) -> tuple[Wish, ...]:
        """Return all wishes, each once."""
        return tuple(wish for each in self._by_key.values() for wish in each.wishes)
