"""Counts, errors and times of calls, as `strace -c` prints them.

Memory grows with the number of different calls (and processes, if told apart), not with how many
were made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracerd.ctl.text.escape import escape
from tracerd.protocol import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracerd.ctl.text.ink import Ink
    from tracerd.protocol.events import Event

TOTAL: Final = "total"
HEADS: Final = ("% time", "seconds", "usecs/call", "calls", "errors", "syscall")
WIDTHS: Final = (6, 11, 11, 9, 9, 16)


@dataclass(slots=True)
class Tally:
    """Calls of one name.  errors: of those, the ones that failed or are to be restarted.

    ns: between entry and exit as the tracer saw them, waits included.  longest_ns: of one call.
    """

    calls: int = 0
    errors: int = 0
    ns: int = 0
    longest_ns: int = 0

    def add(self, event: events.SyscallExit) -> None:
        """Count one call."""
        took = event.duration_ns or 0
        self.calls += 1
        self.errors += event.errno is not None
        self.ns += took
        self.longest_ns = max(self.longest_ns, took)


class Who(NamedTuple):
    """A process; pid 0: all together."""

    pid: int = 0
    start: int = 0


SORTS: Final[dict[str, Callable[[tuple[str, Tally]], Any]]] = {
    "time": lambda item: (-item[1].ns, item[0]),
    "calls": lambda item: (-item[1].calls, item[0]),
    "errors": lambda item: (-item[1].errors, item[0]),
    "longest": lambda item: (-item[1].longest_ns, item[0]),
    "name": lambda item: item[0],
}
"""Orders of a table."""


@dataclass(slots=True)
class Summary:
    """Adds up calls.

    by_process: tell processes apart.  lost: events that never arrived.  blind: what happened that
    makes no calls.  interrupted: why the stream ended before the program did, if so.
    """

    by_process: bool = False
    tallies: dict[Who, dict[str, Tally]] = field(default_factory=dict)
    names: dict[Who, str] = field(default_factory=dict)
    """Command names, as of the last call."""
    lost: int = 0
    blind: int = 0
    interrupted: str = ""

    @property
    def complete(self) -> bool:
        """Whether every call is known to be in it."""
        return not (self.lost or self.blind or self.interrupted)

    def add(self, event: Event) -> None:
        """Take in one event; those that are no returns of calls are ignored."""
        match event:
            case events.SyscallExit():
                who = Who(event.pid, event.start) if self.by_process else Who()
                self.names[who] = event.comm
                of_process = self.tallies.setdefault(who, {})
                tally = of_process.get(event.syscall)
                if tally is None:
                    tally = of_process[event.syscall] = Tally()
                tally.add(event)
            case events.Lost():
                self.lost += event.count
            case events.Blind():
                self.blind += 1
            case _:
                pass


def table(summary: Summary, order: str, ink: Ink) -> Iterator[str]:
    """Yield the lines for people; if not all calls are in it, the last one says so."""
    for who, calls in summary.tallies.items():
        if who.pid:
            yield ink.name(f"{escape(summary.names[who])}[{who.pid}]")
        yield from _rows(sorted(calls.items(), key=SORTS[order]), ink)
        yield ""
    if not summary.complete:
        figures = f"({summary.lost} lost, {summary.blind} blind)"
        why = f"; {summary.interrupted}" if summary.interrupted else ""
        yield ink.error(f"complete: no {figures}") + why


def _rows(calls: list[tuple[str, Tally]], ink: Ink) -> Iterator[str]:
    whole = Tally(
        sum(tally.calls for _, tally in calls),
        sum(tally.errors for _, tally in calls),
        sum(tally.ns for _, tally in calls),
    )
    rule = " ".join("-" * width for width in WIDTHS)
    yield _line(HEADS)
    yield rule
    for name, tally in calls:
        yield _row(name, tally, whole.ns, ink)
    yield rule
    yield _row(TOTAL, whole, whole.ns, ink)


def _row(name: str, tally: Tally, whole_ns: int, ink: Ink) -> str:
    fields = (
        f"{100 * tally.ns / whole_ns if whole_ns else 0:.2f}",
        f"{tally.ns / 1e9:.6f}",
        str(tally.ns // tally.calls // 1000 if tally.calls else 0),
        str(tally.calls),
        str(tally.errors or ""),
    )
    return _line((*fields, ink.name(escape(name))))


def _line(fields: tuple[str, ...]) -> str:
    aligned = [f"{text:>{width}}" for text, width in zip(fields[:-1], WIDTHS, strict=False)]
    return " ".join([*aligned, fields[-1]])


def document(summary: Summary, order: str, **about: object) -> dict[str, Any]:
    """Return it for programs; `about` stands first.  Fields are never removed or retyped."""
    return {
        "type": "summary",
        **about,
        "calls": [
            {
                **({"pid": who.pid, "comm": summary.names[who]} if who.pid else {}),
                "syscall": name,
                "calls": tally.calls,
                "errors": tally.errors,
                "total_ns": tally.ns,
                "longest_ns": tally.longest_ns,
            }
            for who, calls in summary.tallies.items()
            for name, tally in sorted(calls.items(), key=SORTS[order])
        ],
        "complete": summary.complete,
        "lost": summary.lost,
        "blind": summary.blind,
        "interrupted": summary.interrupted,
    }
