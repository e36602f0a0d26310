"""Decoder of struct termios."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.terminals import (
    CHARACTERS,
    CONTROL,
    DELAYS,
    DISCIPLINE,
    INPUT,
    LOCAL,
    OUTPUT,
    SIZE,
    SIZE_MASK,
    SPEED,
    SPEED_MASK,
)


def _output(word: int) -> list[str]:
    found: list[str] = []
    for mask, names in DELAYS:
        shift = (mask & -mask).bit_length() - 1
        found.append(names[(word & mask) >> shift])
        word &= ~mask
    return found + OUTPUT.render(word)


def _control(word: int) -> list[str]:
    speed = word & SPEED_MASK
    size = SIZE[(word & SIZE_MASK) >> 4]
    named = SPEED.names.get(speed, f"{speed:#x}")
    return [named, size, *CONTROL.render(word & ~(SPEED_MASK | SIZE_MASK))]


_CHARACTERS: Final = (*CHARACTERS, *[str(n) for n in range(len(CHARACTERS), 19)])
"""Two more have no name."""


def termios_of(
    iflag: int, oflag: int, cflag: int, lflag: int, line: int, characters: bytes
) -> dict[str, Any]:
    """Return the settings of a terminal; cc: the control characters by what they are for."""
    return {
        "iflag": INPUT.render(iflag),
        "oflag": _output(oflag),
        "cflag": _control(cflag),
        "lflag": LOCAL.render(lflag),
        "line": DISCIPLINE.render(line),
        "cc": dict(zip(_CHARACTERS, characters, strict=True)),
    }


TERMIOS: Final = "<IIIIB19s"
TERMIOS2: Final = "<IIIIB19sII"
