"""Events as they are shown to peers from whom something of them is hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracerd.core.syscalls.lookup import kinds
from tracerd.protocol.events import Event, SyscallEnter, SyscallExit
from tracerd.protocol.redaction import Redaction, redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_KINDS: Mapping[str, str] = {}


def without(event: Event, hidden: Redaction | None) -> Event:
    """Return an event without what is hidden; None: nothing is."""
    if hidden is None:
        return event
    if isinstance(event, SyscallEnter | SyscallExit):
        return redacted(event, kinds(event.nr, event.abi), hidden)
    return redacted(event, _NO_KINDS, hidden)
