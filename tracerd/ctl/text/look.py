"""How much of an event a line shows, and in which colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tracerd.ctl.text.ink import PLAIN, Ink


@dataclass(frozen=True, slots=True)
class Look:
    """See Renderer.

    whole: structures are not abbreviated.  limit: bytes of a string that are shown, paths
    excepted; 0: all that there is.
    """

    ink: Ink = PLAIN
    whole: bool = False
    limit: int = 0


BARE: Final = Look()
