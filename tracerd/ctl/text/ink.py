"""Colours.  The text between two colour sequences is already escaped, so every ESC is ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SEQUENCE: Final = re.compile("\x1b\\[[0-9;]*m")

_BOLD: Final = "1"
_RED: Final = "31"
_CYAN: Final = "36"
_DIM: Final = "2"
_YELLOW: Final = "33"


@dataclass(frozen=True, slots=True)
class Ink:
    """Paints what a line is made of; without `coloured`, text comes back as it is."""

    coloured: bool = False

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.coloured and text else text

    def name(self, text: str) -> str:
        """Paint a syscall or an operation."""
        return self._paint(_BOLD, text)

    def path(self, text: str) -> str:
        """Paint what names a file."""
        return self._paint(_CYAN, text)

    def error(self, text: str) -> str:
        """Paint a failure."""
        return self._paint(_RED, text)

    def aside(self, text: str) -> str:
        """Paint what the eye may skip: process ids, times."""
        return self._paint(_DIM, text)

    def notice(self, text: str) -> str:
        """Paint signals and the life of processes."""
        return self._paint(_YELLOW, text)

    def width(self, text: str) -> int:
        """Return how many characters of `text` are seen."""
        return len(_SEQUENCE.sub("", text)) if self.coloured else len(text)


PLAIN: Final = Ink()
