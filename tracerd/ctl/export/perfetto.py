"""Events as a timeline: the JSON that Perfetto and Chrome's about:tracing read.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
(Trace Event Format).  Calls are slices, signals, execs and ends are instants, processes and threads
have their names.  Times are in microseconds from the beginning; when that was stands in
`otherData`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from tracerd.ctl.text.outcome import failure
from tracerd.protocol import events
from tracerd.protocol.events import SyscallEnter, SyscallExit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracerd.protocol.events import Event

INSTANTS: Final = {
    events.SignalStop: ("signal", "t"),
    events.GroupStop: ("signal", "p"),
    events.Resumed: ("signal", "p"),
    events.NewChild: ("process", "t"),
    events.Exec: ("process", "p"),
    events.Exit: ("process", "t"),
    events.SignalExit: ("process", "t"),
    events.Attached: ("process", "p"),
    events.Detached: ("process", "p"),
    events.Blind: ("process", "p"),
    events.Lost: ("stream", "g"),
}
"""Type -> (category, scope: thread, process or global)."""

_SAID: Final = frozenset(events.Event.__struct_fields__)
"""Fields that an instant says by where it stands."""


class Timeline:
    """Makes the document piece by piece: beginning(), of() each batch, ending().

    start_ns: Unix time of zero; None: that of the first event.
    """

    def __init__(self, start_ns: int | None = None) -> None:
        self._start_ns = start_ns
        self._names: dict[tuple[int, int], str] = {}
        self._any = False

    @staticmethod
    def beginning() -> bytes:
        """Return what the document begins with."""
        return b'{"displayTimeUnit":"ns","traceEvents":[\n'

    def of(self, batch: Iterable[Event]) -> bytes:
        """Return what a batch adds."""
        made = [msgspec.json.encode(each) for event in batch for each in self._entries(event)]
        if not made:
            return b""
        comma = b",\n" if self._any else b""
        self._any = True
        return comma + b",\n".join(made)

    def ending(self) -> bytes:
        """Return what the document ends with."""
        start_ns = str(self._start_ns or 0)
        return b'\n],"otherData":' + msgspec.json.encode({"start_ns": start_ns}) + b"}\n"

    def _entries(self, event: Event) -> Iterator[dict[str, Any]]:
        if self._start_ns is None:
            self._start_ns = event.time_ns - (getattr(event, "duration_ns", None) or 0)
        if event.tid and self._names.get((event.pid, event.tid)) != event.comm:
            self._names[event.pid, event.tid] = event.comm
            yield from _naming(event)
        match event:
            case SyscallEnter():
                return
            case SyscallExit():
                yield self._call(event)
            case _:
                known = INSTANTS.get(type(event))
                if known is not None:
                    yield self._instant(event, *known)

    def _when(self, time_ns: int) -> float:
        return (time_ns - (self._start_ns or 0)) / 1000

    def _call(self, event: SyscallExit) -> dict[str, Any]:
        about: dict[str, Any] = {"args": event.args}
        if event.fds:
            about["fds"] = event.fds
        if event.errno is not None:
            about["error"] = failure(event.errno)
        elif event.ret is not None:
            about["ret"] = event.ret
        place = {"name": event.syscall, "cat": "syscall", "pid": event.pid, "tid": event.tid}
        if event.duration_ns is None:
            when = self._when(event.time_ns)
            return {**place, "ph": "i", "s": "t", "ts": when, "args": about}
        begun = self._when(event.time_ns - event.duration_ns)
        return {**place, "ph": "X", "ts": begun, "dur": event.duration_ns / 1000, "args": about}

    def _instant(self, event: Event, category: str, scope: str) -> dict[str, Any]:
        fields = msgspec.to_builtins(event)
        name = str(fields.pop("type"))
        signal = getattr(event, "signal", "")
        return {
            "name": f"{name} {signal}" if signal else name,
            "cat": category,
            "ph": "i",
            "s": scope,
            "ts": self._when(event.time_ns),
            "pid": event.pid,
            "tid": event.tid,
            "args": {key: value for key, value in fields.items() if key not in _SAID},
        }


def _naming(event: Event) -> Iterator[dict[str, Any]]:
    named = [("thread_name", event.comm)]
    if event.pid == event.tid:
        named.append(("process_name", event.comm))
    for what, name in named:
        yield {
            "name": what,
            "ph": "M",
            "pid": event.pid,
            "tid": event.tid,
            "args": {"name": name},
        }
