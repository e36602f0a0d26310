"""The report as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracerd.ctl.text.escape import escape, name
from tracerd.protocol.events import OPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tracerd.ctl.completeness import Completeness
    from tracerd.ctl.files.accesses import Name
    from tracerd.ctl.files.report import Report, Tally
    from tracerd.ctl.text.ink import Ink

PIDS_SHOWN: Final = 3
COMMANDS_SHOWN: Final = 4
"""Beyond these, the number of the others is told."""

WIDEST_PATH: Final = 72
WIDEST_OPS: Final = 48
"""What is longer pushes its own columns to the right, not everybody's."""

_ORDER: Final = {op: place for place, op in enumerate((*OPS, "rename"))}


def table(report: Report, ink: Ink) -> Iterator[str]:
    """Yield the lines of the table, the verdict last."""
    yield from _section("FILES", _files(report), ink.path, ink)
    yield from _section("RENAMES", _renames(report), ink.path, ink)
    yield from _section("FAILED", _failures(report), ink.error, ink)
    yield verdict(report, ink)


def verdict(report: Completeness | Report, ink: Ink) -> str:
    """Return whether the list is whole, and if not, why not."""
    lost, blind, unresolved = report.lost, len(report.blind), report.unresolved
    figures = f"({lost} lost, {blind} blind, {unresolved} unresolved)"
    if report.complete:
        return f"complete: yes {figures}"
    text = ink.error(f"complete: no {figures}")
    if report.interrupted:
        text += f"; {report.interrupted}"
    causes = {f"{escape(event.what)} in {who({event.comm: {event.pid}})}" for event in report.blind}
    return "; ".join([text, *sorted(causes)])


def who(processes: Mapping[str, set[int]]) -> str:
    """Return `cat[12], sh[9,10,11,+4]`."""
    shown = []
    for comm, pids in list(processes.items())[:COMMANDS_SHOWN]:
        listed = [str(pid) for pid in sorted(pids)[:PIDS_SHOWN]]
        if len(pids) > PIDS_SHOWN:
            listed.append(f"+{len(pids) - PIDS_SHOWN}")
        shown.append(f"{escape(comm, also='[],') or '?'}[{','.join(listed)}]")
    if len(processes) > COMMANDS_SHOWN:
        shown.append(f"+{len(processes) - COMMANDS_SHOWN} others")
    return ", ".join(shown)


def operations(ops: Mapping[str, int]) -> str:
    """Return `read 12, stat 3`, in the order of events.OPS."""
    ordered = sorted(ops.items(), key=lambda item: (_ORDER.get(item[0], len(_ORDER)), item[0]))
    return ", ".join(f"{escape(op)} {count}" for op, count in ordered)


def marked(shown: Name, tally: Tally) -> str:
    """Return a name with what must be known about it."""
    text = name(shown.shown)
    if len(tally.real) == 1:
        text += f" -> {name(*tally.real)}"
    if tally.via:
        text += f" (by way of {name(min(tally.via))}{', ...' if len(tally.via) > 1 else ''})"
    if tally.unresolved:
        text += " (unresolved)"
    if tally.implied:
        text += " (by the kernel)"
    return text


def _files(report: Report) -> Iterator[tuple[str, str, str]]:
    for shown, tally in sorted(report.files.items(), key=lambda item: item[0].shown):
        yield marked(shown, tally), operations(tally.ops), who(tally.who)


def _renames(report: Report) -> Iterator[tuple[str, str, str]]:
    for rename, tally in report.renames.items():
        text = f"{name(rename.old.shown)} -> {name(rename.new.shown)}"
        yield text, operations(tally.ops), who(tally.who)


def _failures(report: Report) -> Iterator[tuple[str, str, str]]:
    for failure, tally in sorted(report.failures.items(), key=lambda item: item[0].name.shown):
        text = f"{escape(failure.errno)}: {operations(tally.ops)}"
        yield marked(failure.name, tally), text, who(tally.who)


def _section(
    title: str, rows: Iterable[tuple[str, str, str]], paint: Callable[[str], str], ink: Ink
) -> Iterator[str]:
    listed = list(rows)
    if not listed:
        return
    yield ink.name(f"{title} ({len(listed)})")
    first = min(max(len(row[0]) for row in listed), WIDEST_PATH)
    second = min(max(len(row[1]) for row in listed), WIDEST_OPS)
    for path, what, by in listed:
        yield f"{paint(path)}{' ' * (first - len(path))}  {what:{second}}  {ink.aside(by)}"
    yield ""
