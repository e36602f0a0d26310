"""How many connections there may be."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from tracerd import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracerd.server.access import Peer
    from tracerd.server.settings import Limits


class Admission:
    """Counts connections, in all and per user."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_uid: Counter[int] = Counter()

    def of(self, peer: Peer) -> int:
        """Return how many there are of a user, or in all for who sees all."""
        return len(self) if peer.powers.sees_all else self._by_uid[peer.uid]

    def __len__(self) -> int:
        return self._by_uid.total()

    @contextlib.contextmanager
    def admit(self, peer: Peer) -> Iterator[None]:
        """Count a connection while it lasts.  Raises LimitReached.

        Root is bound by the total only, and some of that is root's alone, so that an administrator
        can always look.
        """
        total = self._limits.connections
        if not peer.is_root:
            total = max(1, total - self._limits.connections_for_root)
        if len(self) >= total:
            raise errors.LimitReached("connections", total)
        most = self._limits.connections_per_uid
        if not peer.is_root and self._by_uid[peer.uid] >= most:
            raise errors.LimitReached("connections of a user", most)
        self._by_uid[peer.uid] += 1
        try:
            yield
        finally:
            self._by_uid[peer.uid] -= 1
            if not self._by_uid[peer.uid]:
                del self._by_uid[peer.uid]
