"""The rows of the benchmarks: each module measures one thing and returns tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rows import (
    attach,
    calls,
    descriptors,
    detail,
    files,
    floor,
    growth,
    hub,
    idle,
    latency,
    memory,
    overflow,
    placement,
    start,
    stops,
    subscribers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Bench
    from report import Table

ROWS: dict[str, Callable[[Bench], Iterator[Table]]] = {
    "calls": calls.measure,
    "detail": detail.measure,
    "files": files.measure,
    "idle": idle.measure,
    "subscribers": subscribers.measure,
    "overflow": overflow.measure,
    "latency": latency.measure,
    "stops": stops.measure,
    "placement": placement.measure,
    "descriptors": descriptors.measure,
    "hub": hub.measure,
    "floor": floor.measure,
    "attach": attach.measure,
    "memory": memory.measure,
    "start": start.measure,
    "growth": growth.measure,
}
"""By name; the order of a full run."""
