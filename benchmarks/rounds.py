"""Measure in turn: whatever else the machine does meets all ways alike.

In each round every way is measured once, starting with another one each time; a ratio is taken
within its round.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from errors import OverLimitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_K = TypeVar("_K")
_V = TypeVar("_V")


def in_turn(
    ways: Sequence[_K], rounds: int, measure: Callable[[_K], _V], what: str = ""
) -> dict[_K, list[_V]]:
    """Return what `measure` gave for each way, per round.

    One that goes over the limit is left out from then on: its list is shorter.
    """
    found: dict[_K, list[_V]] = {way: [] for way in ways}
    for number in range(rounds):
        progress(f"{what}: round {number + 1} of {rounds}")
        shift = number % len(ways)
        for way in [*ways[shift:], *ways[:shift]]:
            if len(found[way]) < number:
                continue
            try:
                found[way].append(measure(way))
            except OverLimitError:
                print(f"    {what}: {way} went over the limit, left out", file=sys.stderr)
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return one by the other, round by round, for the rounds that both have."""
    return [one / other for one, other in zip(above, below, strict=False)]


def of(times: Mapping[_K, Sequence[float]], above: _K, below: _K) -> list[float]:
    """Return the ratios of two ways; none if one of them was not measured."""
    return ratios(times.get(above, ()), times.get(below, ()))


def progress(text: str) -> None:
    """Say on standard error what is being done; one line that is written over on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
