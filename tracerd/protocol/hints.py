"""Reasons that help: what is unknown, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_LONGEST_ECHO = 80
"""Characters of a refused value that are repeated in its reason."""


def quoted(value: str) -> str:
    """Return `value` in backticks, cut: it came from outside and may be of any length."""
    return f"`{value}`" if len(value) <= _LONGEST_ECHO else f"`{value[:_LONGEST_ECHO]}...`"


def unknown(kind: str, value: str, known: Iterable[str]) -> str:
    """Return a reason such as "unknown syscall `opnat`; did you mean `openat`?"."""
    reason = f"unknown {kind} {quoted(value)}"
    meant = value[:_LONGEST_ECHO]
    # Two that are equally close (ENOET: ENOENT or ENONET) are both told.
    close = get_close_matches(meant, sorted(known), n=2)
    close = [name for name in close if _likeness(name, meant) == _likeness(close[0], meant)]
    if not close:
        return reason
    return f"{reason}; did you mean {' or '.join(f'`{name}`' for name in close)}?"


def _likeness(name: str, value: str) -> float:
    return SequenceMatcher(a=name, b=value).ratio()
