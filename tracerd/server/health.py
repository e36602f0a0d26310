"""How the daemon does: what was lost, refused and ended, how fast events come, who answers.

Every place at which something can be lost, or a peer sent away, counts it here (or, if it is the
core's, in core's Statistics), by reason.  A count never goes back while the daemon runs.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Family = Literal["lost", "faults", "refused", "closed", "ended", "accept"]

REASONS: Final[Mapping[Family, tuple[str, ...]]] = {
    "lost": ("slow", "unencodable", "undescribed", "expired"),
    "faults": ("undescribed", "unpublished"),
    "refused": (),
    "closed": (
        "left",
        "stalled",
        "unfinished",
        "protocol",
        "refused",
        "rights",
        "failed",
        "shutdown",
    ),
    "ended": ("left", "slow", "target", "unsubscribed", "shutdown", "failed"),
    "accept": (),
}
"""What can be counted.  The reasons that are known beforehand are shown from the start, at 0.

lost: events, by subscriptions, live or over.  faults: events lost to all, for a fault of ours.
refused: calls and connections, by the limit that was reached.  closed: connections.  ended:
streams.  accept: failures to take a connection, by errno.
Each family is counted by one thread: `lost` and `faults` by the teller, the others, and events lost
that had `expired`, by trio's.
"""

SAMPLE_S: Final = 1.0
_SAMPLES: Final = 6


class Tally:
    """Counts by family and reason."""

    def __init__(self) -> None:
        self._counts = {
            family: Counter(dict.fromkeys(reasons, 0)) for family, reasons in REASONS.items()
        }

    def count(self, family: Family, why: str, times: int = 1) -> None:
        """Count something.  Never raises, whatever the reason is."""
        self._counts[family][why] += times

    def of(self, family: Family) -> int:
        """Return how many there were, whatever the reason."""
        return self._counts[family].copy().total()

    def counts(self) -> dict[str, dict[str, int]]:
        """Return all that was counted, in order.  Any thread."""
        return {family: dict(sorted(each.copy().items())) for family, each in self._counts.items()}


class Meter:
    """Tells how fast a count has grown in the last seconds.  Pure: `now` is the caller's clock.

    `sample` is to be called every SAMPLE_S seconds.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)

    def sample(self, now: float, count: int) -> None:
        """Note what the count is at `now`, seconds."""
        self._samples.append((now, count))

    def per_second(self, now: float, count: int) -> float:
        """Return the growth per second up to `now`; 0 before there is anything to compare with."""
        if not self._samples:
            return 0.0
        then, before = self._samples[0]
        return max(0, count - before) / (now - then) if now > then else 0.0


class Pulse:
    """When the trio loop, the tracer thread and the teller last answered, one through the other."""

    def __init__(self) -> None:
        self._at = time.monotonic_ns()
        self.took_ns = 0
        """How long the last answer was on its way through all of them."""

    def beat(self, asked_ns: int) -> None:
        """Note that what was asked at `asked_ns` (CLOCK_MONOTONIC) has been answered."""
        self._at = time.monotonic_ns()
        self.took_ns = self._at - asked_ns

    @property
    def age_ns(self) -> int:
        """How long ago the last answer came."""
        return time.monotonic_ns() - self._at


class Health:
    """All of it."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.events = Meter()
        self.pulse = Pulse()
