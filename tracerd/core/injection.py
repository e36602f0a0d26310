"""Faults made on purpose, for tests of the daemon and of its clients (`tracerd --inject`).

What is lost by injection is told as lost, so every promise about losses has to hold still.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

R = TypeVar("R")
W = TypeVar("W")

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


class InjectedError(Exception):
    """A fault that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Which faults, and how often.  Shares are of 1, durations in seconds.

    drop: share of events, per subscription, that are lost on their way to it (`injected`).
    decode_fail, encode_fail: share of calls that cannot be described, of events that cannot be
    encoded.  handoff_delay: before each batch of events goes to the subscriptions.
    tracer_hang, teller_hang, loop_hang: that thread hangs for good, so long after the start; 0:
    never.  seed: of the dice: the same faults again.
    """

    drop: float = 0.0
    decode_fail: float = 0.0
    encode_fail: float = 0.0
    handoff_delay: float = 0.0
    tracer_hang: float = 0.0
    teller_hang: float = 0.0
    loop_hang: float = 0.0
    seed: int = 0

    def dice(self, share: float) -> Callable[[], bool] | None:
        """Return a function that is true for that share of its calls; None: never."""
        if not share:
            return None
        roll = random.Random(self.seed).random  # noqa: S311  no secret
        return lambda: roll() < share

    def failing(self, share: float, function: Callable[[W], R]) -> Callable[[W], R]:
        """Return `function`, but that it raises InjectedError for that share of its calls."""
        fails = self.dice(share)
        if fails is None:
            return function

        def failing(what: W) -> R:
            if fails():
                raise InjectedError
            return function(what)

        return failing

    @staticmethod
    def hanging(after_s: float, function: Callable[[], R]) -> Callable[[], R]:
        """Return `function`, but that a call of it hangs for good once so long has passed."""
        if not after_s:
            return function
        due = time.monotonic() + after_s

        def hanging() -> R:
            if time.monotonic() >= due:
                threading.Event().wait()
            return function()

        return hanging


NONE: Final = Injection()


def parse(text: str) -> Injection:
    """Read `name=value,...`: shares as 1/1000 or 0.1, durations as 5ms.

    Raises ValueError that names the field and the reason.
    """
    given: dict[str, Any] = {}
    kinds = {field.name: _KINDS.get(field.name, _share) for field in fields(Injection)}
    for word in text.split(","):
        name, _, value = word.partition("=")
        if name not in kinds:
            raise ValueError(f"unknown fault `{name}`; there are {', '.join(kinds)}")
        if name in given:
            raise ValueError(f"{name}: given twice")
        try:
            given[name] = kinds[name](value)
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(f"{name}: {_MEANT[kinds[name]]}, not `{value}`") from error
    return Injection(**given)


def _share(text: str) -> float:
    over, _, under = text.partition("/")
    share = float(over) / float(under or 1)
    if not 0 <= share <= 1:
        raise ValueError
    return share


def _duration(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError
    return float(found[1]) * _UNITS[found[2]]


_KINDS: Final[dict[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("handoff_delay", "tracer_hang", "teller_hang", "loop_hang"), _duration),
    "seed": int,
}
_MEANT: Final[dict[Callable[[str], Any], str]] = {
    _share: "a share from 0 to 1, such as 1/1000",
    _duration: "a duration such as 5ms or 2s",
    int: "a number",
}
