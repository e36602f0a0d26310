"""The daemon's health as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/).

For the textfile collector of node_exporter, which reads the same text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tracerd.protocol.messages import StatusReply, SubscriptionState

_SECOND_NS: Final = 1_000_000_000


class Metric(NamedTuple):
    """One number of the daemon.  kind: `gauge` or `counter`.  read: its value."""

    name: str
    kind: str
    unit: str
    help: str
    read: Callable[[StatusReply], float]


class StreamMetric(NamedTuple):
    """One number of each subscription."""

    name: str
    kind: str
    unit: str
    help: str
    read: Callable[[SubscriptionState], float]


METRICS: Final = (
    Metric("up", "gauge", "seconds", "Time since the start.", lambda s: s.uptime_ns / _SECOND_NS),
    Metric("events", "counter", "", "Events that any subscriber wanted.", lambda s: s.head),
    Metric("event_rate", "gauge", "", "Events per second, lately.", lambda s: s.events_per_s),
    Metric("stops", "counter", "", "Stops of tracees handled.", lambda s: s.stops),
    Metric("processes", "gauge", "", "Processes under trace.", lambda s: s.processes),
    Metric("tracees", "gauge", "", "Threads under trace.", lambda s: s.tracees),
    Metric("held_tracees", "gauge", "", "Threads that wait for a subscriber.", lambda s: s.held),
    Metric(
        "stuck_tracees", "gauge", "", "Threads stopped though nobody asked.", lambda s: len(s.stuck)
    ),
    Metric("anomalies", "counter", "", "Faults of the daemon, each logged.", lambda s: s.anomalies),
    Metric("connections", "gauge", "", "Connections of clients.", lambda s: s.connections),
    Metric("subscriptions", "gauge", "", "Live subscriptions.", lambda s: len(s.subscriptions)),
    Metric(
        "resident_memory", "gauge", "bytes", "Memory of the daemon.", lambda s: s.memory_bytes
    ),
    Metric("open_fds", "gauge", "", "Open files of the daemon.", lambda s: s.descriptors),
    Metric("max_fds", "gauge", "", "Files it may have open.", lambda s: s.max_descriptors),
    Metric(
        "answer_age", "gauge", "seconds", "Time since all threads of the daemon last answered.",
        lambda s: s.answered_ns / _SECOND_NS,
    ),
    Metric(
        "answer", "gauge", "seconds", "How long that answer took.",
        lambda s: s.answer_ns / _SECOND_NS,
    ),
)  # fmt: skip

STREAM_METRICS: Final = (
    StreamMetric("matched", "counter", "", "Events that its filters matched.", lambda s: s.matched),
    StreamMetric("delivered", "counter", "", "Events written to it.", lambda s: s.delivered),
    StreamMetric("lost", "counter", "", "Events it lost.", lambda s: s.lost),
    StreamMetric("queued", "gauge", "", "Events that wait for it.", lambda s: s.queued),
    StreamMetric("queued_most", "gauge", "", "The most there ever were.", lambda s: s.queued_max),
    StreamMetric("queue_bound", "gauge", "", "Bound of its queue.", lambda s: s.queue_events),
    StreamMetric("queued_size", "gauge", "bytes", "What waits for it.", lambda s: s.queued_bytes),
    StreamMetric("queue_size_bound", "gauge", "bytes", "Its bound.", lambda s: s.queue_bytes),
    StreamMetric("blocking", "gauge", "", "Whether tracees wait now.", lambda s: s.blocking),
    StreamMetric(
        "blocked", "counter", "seconds", "For how long tracees waited, till they went on.",
        lambda s: s.blocked_ns / _SECOND_NS,
    ),
)  # fmt: skip

FAMILIES: Final[Mapping[str, tuple[str, str, str]]] = {
    "lost": ("events_lost", "why", "Events that subscriptions lost."),
    "faults": ("faults", "what", "Events and records lost to all, for a fault of the daemon."),
    "refused": ("refused", "limit", "Connections and calls refused because of a limit."),
    "closed": ("connections_closed", "why", "Connections that are over."),
    "ended": ("streams_ended", "why", "Streams that are over."),
    "accept": ("accept_failures", "errno", "Failures to take a connection."),
    "history": ("past_events", "what", "Events kept for `since`, and no longer."),
    "let_go": ("processes_let_go", "why", "New processes that went untraced."),
    "log": ("log_lines", "what", "Lines of the log."),
}
"""Of StatusReply.counters: the metric, its label, and its help.  Others go by their own name."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def openmetrics(reply: StatusReply) -> str:
    """Return the text, with its end."""
    return "\n".join((*_lines(reply), "# EOF", ""))


def _lines(reply: StatusReply) -> Iterator[str]:
    yield from _head("build", "info", "", "Which daemon this is.")
    about = _labels(version=reply.version, run=reply.run, pump=reply.pump)
    yield f"tracerd_build_info{about} 1"
    for name, kind, unit, text, read in METRICS:
        yield from _head(name, kind, unit, text)
        yield f"{_sample(name, kind, unit)} {_number(read(reply))}"
    for family, counts in reply.counters.items():
        name, label, text = FAMILIES.get(family, (family, "why", f"Counts of {family}."))
        if _NAME.fullmatch(name):
            yield from _counts(name, label, text, counts)
    yield from _counts(
        "placements", "what", "Moves to the CPU of a tracee, and why it was left.", reply.placements
    )
    yield from _histogram(reply.stop_ns_log2)
    for name, kind, unit, text, read_stream in STREAM_METRICS:
        name = f"subscription_{name}"  # noqa: PLW2901  shorter in the table
        yield from _head(name, kind, unit, text)
        for one in reply.subscriptions:
            whose = _labels(id=one.id, uid=one.uid, pid=one.pid, overflow=one.overflow)
            yield f"{_sample(name, kind, unit)}{whose} {_number(read_stream(one))}"


def _counts(name: str, label: str, text: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield from _head(name, "counter", "", text)
    for reason, count in counts.items():
        yield f"{_sample(name, 'counter', '')}{_labels(**{label: reason})} {count}"


def _histogram(stops: list[int]) -> Iterator[str]:
    if not stops:
        return
    yield from _head("stop", "histogram", "seconds", "How long tasks stood still at calls.")
    name = "tracerd_stop_seconds"
    so_far = 0
    for exponent, count in enumerate(stops):
        so_far += count
        bound = 2 ** (exponent + 1) / _SECOND_NS
        yield f"{name}_bucket{_labels(le=repr(bound))} {so_far}"
    yield f"{name}_bucket{_labels(le='+Inf')} {so_far}"


def _full_name(name: str, unit: str) -> str:
    return f"tracerd_{name}_{unit}" if unit else f"tracerd_{name}"


def _head(name: str, kind: str, unit: str, text: str) -> Iterator[str]:
    full = _full_name(name, unit)
    yield f"# TYPE {full} {kind}"
    if unit:
        yield f"# UNIT {full} {unit}"
    yield f"# HELP {full} {_escaped(text)}"


def _sample(name: str, kind: str, unit: str) -> str:
    return _full_name(name, unit) + ("_total" if kind == "counter" else "")


def _labels(**labels: object) -> str:
    return (
        "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items()) + "}"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return repr(float(value)) if isinstance(value, float) else str(int(value))
