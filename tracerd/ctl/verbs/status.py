"""Tell how the daemon does: what it traces, and who subscribes to what.

For each subscription, matched = delivered + queued + lost.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from tracerd.ctl.session import connect
from tracerd.ctl.text.columns import columns
from tracerd.ctl.text.escape import escape
from tracerd.ctl.text.openmetrics import openmetrics

if TYPE_CHECKING:
    import argparse

    from tracerd.protocol.messages import StatusReply, SubscriptionState


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the daemon's answer, as JSON")
    form.add_argument(
        "--openmetrics",
        action="store_true",
        help="as OpenMetrics text, for the textfile collector of node_exporter",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    with connect(arguments) as client:
        reply = client.status()
    if arguments.json:
        print(msgspec.json.encode(reply).decode())
        return 0
    if arguments.openmetrics:
        print(openmetrics(reply), end="")
        return 0
    for line in columns(_facts(reply)):
        print(line)
    for each in reply.stuck:
        seconds = each.lasted_ns // 1_000_000_000
        print(f"stuck        {each.tid} of {each.pid}, stopped for {seconds} s: {escape(each.why)}")
    for waiting in reply.waiting:
        for by in waiting.by:
            waited = max(0, time.time_ns() - by.since_ns) / 1e9
            print(
                f"waiting      {escape(waiting.comm)}[{waiting.pid}], {len(waiting.tids)} threads, "
                f"for {waited:.1f} s: subscription {escape(by.id)} of uid {by.uid}, pid {by.pid}"
            )
    if reply.subscriptions:
        head = (
            *("ID", "UID", "PID", "OVERFLOW", "MATCHED", "DELIVERED", "QUEUED", "MOST", "LOST"),
            *("BLOCKED", "FILTERS"),
        )
        print()
        rows = [head, *map(_row, reply.subscriptions)]
        for line in columns(rows, right=frozenset({1, 2, 4, 5, 6, 7, 8, 9})):
            print(line)
    return 0


def _facts(reply: StatusReply) -> list[tuple[str, str]]:
    held = f", {reply.held} held by a full subscription" if reply.held else ""
    return [
        ("version", escape(reply.version)),
        ("pid", str(reply.pid)),
        ("up", _span(reply.uptime_ns)),
        ("run", escape(reply.run)),
        ("pump", escape(reply.pump)),
        ("events", f"{reply.head}, {reply.events_per_s:.0f} per second"),
        ("traced", f"{reply.processes} processes, {reply.tracees} threads{held}"),
        ("memory", f"{reply.memory_bytes / (1 << 20):.1f} MiB"),
        ("files open", f"{reply.descriptors} of {reply.max_descriptors}"),
        ("connections", str(reply.connections)),
        ("anomalies", str(reply.anomalies)),
        ("answered", f"{reply.answered_ns / 1e9:.0f} s ago, in {reply.answer_ns / 1e6:.1f} ms"),
        *(
            (escape(name), said)
            for name, counts in reply.counters.items()
            if (said := _said(counts))
        ),
    ]


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{escape(reason)} {count}" for reason, count in counts.items() if count)


def _row(state: SubscriptionState) -> tuple[str, ...]:
    filters = msgspec.json.encode(state.filters).decode() if state.filters else "all"
    return (
        escape(state.id),
        str(state.uid),
        str(state.pid),
        escape(state.overflow)
        + (" (holding)" if state.blocking else " (was block)" if state.degraded else ""),
        str(state.matched),
        str(state.delivered),
        str(state.queued),
        str(state.queued_max),
        str(state.lost),
        f"{_blocked_ns(state) / 1e9:.1f} s",
        escape(filters),
    )


def _blocked_ns(state: SubscriptionState) -> int:
    """Return for how long tracees have waited for it, this very moment included."""
    since_ns = state.blocking_since_ns
    return state.blocked_ns + (max(0, time.time_ns() - since_ns) if since_ns else 0)


def _span(nanoseconds: int) -> str:
    minutes, seconds = divmod(nanoseconds // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours:02}:{minutes:02}:{seconds:02}"
