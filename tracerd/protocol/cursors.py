"""From where a subscription wants its past events: `Subscribe.since`, read.

A cursor, `RUN:SEQ`, names an event of a run of the daemon, whatever its type: what comes after
it is wanted.  It says nothing of filters, so any subscription can go on where another stopped.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from tracerd.errors import InvalidParameter

ALL: Final = "all"
"""Everything that is kept."""

_CURSOR: Final = re.compile(r"([0-9a-f]{1,64}):([0-9]{1,19})")
_TIME: Final = re.compile(r"[0-9]{1,19}")


class Since(NamedTuple):
    """What was asked for: the default is everything.

    run: the daemon's run that `seq` counts in; empty: no cursor.  seq: of the last event that is
    not wanted.  time_ns: Unix time; what is older is not wanted.
    """

    run: str = ""
    seq: int = 0
    time_ns: int = 0


def cursor(run: str, seq: int) -> str:
    """Return the cursor of an event."""
    return f"{run}:{seq}"


def read_since(text: str) -> Since:
    """Read `RUN:SEQ`, a Unix time in nanoseconds, or `all`.  Raises InvalidParameter."""
    if text == ALL:
        return Since()
    if found := _CURSOR.fullmatch(text):
        return Since(run=found[1], seq=int(found[2]))
    if _TIME.fullmatch(text):
        return Since(time_ns=int(text))
    raise InvalidParameter(
        "since", "neither a cursor (RUN:SEQ), nor a Unix time in nanoseconds, nor `all`"
    )
