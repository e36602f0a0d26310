"""One event, one line, in strace's manner.

`Renderer.line` is total: whatever an event holds, it returns one line without a
newline and without control characters other than its own colours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tracerd.ctl.text.escape import escape, quote
from tracerd.ctl.text.ink import PLAIN, Ink
from tracerd.ctl.text.outcome import outcome
from tracerd.ctl.text.values import argument
from tracerd.protocol import events
from tracerd.protocol.events import Event, SyscallEnter, SyscallExit

RESULT_COLUMN: Final = 60
"""Where `= result` starts, unless the call is longer."""

LOSSES: Final = {"slow": "slow reader"}
"""Plain words for `why` of a lost event."""

Kinds: TypeAlias = Mapping[str, Mapping[str, str]]
"""Syscall name -> argument name -> kind, from the daemon's Syscalls method."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """How lines look.

    times: start with the local time of day, in microseconds.  durations: end with the seconds
    a call took.  comms: name the program beside the tid.  whole: do not abbreviate structures.
    """

    kinds: Kinds = field(default_factory=dict)
    ink: Ink = PLAIN
    times: bool = False
    durations: bool = False
    comms: bool = False
    whole: bool = False

    def line(self, event: Event) -> str:
        """Return the line of one event."""
        start = self._start(event)
        match event:
            case SyscallEnter():
                return f"{start}{self._call(event)} <unfinished ...>"
            case SyscallExit():
                return self._exit(start, event)
            case _:
                return start + self.ink.notice(_WORDS[type(event)](event))

    def _start(self, event: Event) -> str:
        start = ""
        if self.times:
            seconds, rest = divmod(event.time_ns, 1_000_000_000)
            start = f"{clock(seconds)}.{rest // 1000:06} "
        if event.tid:
            who = escape(event.comm, also="[]") if self.comms and event.comm else "pid"
            start += f"[{who} {event.tid:>5}] "
        return self.ink.aside(start)

    def _call(self, event: SyscallEnter | SyscallExit) -> str:
        kinds = self.kinds.get(event.syscall, {})
        shown = []
        if event.resumes is not None:
            shown.append(self.ink.aside(f"<... resuming interrupted {escape(event.resumes)} ...>"))
        for name, value in event.args.items():
            kind = kinds.get(name) or _guess(name, value, event.fds)
            if kind == "mode" and value is None:
                continue  # an open that creates nothing: the mode is not looked at
            if name == "envp" and isinstance(value, list) and not self.whole:
                shown.append(f"[/* {len(value)} vars */]")
                continue
            link = event.fds.get(name)
            shown.append(argument(kind, value, link, self.ink, whole=self.whole))
        return f"{self.ink.name(escape(event.syscall))}({', '.join(shown)})"

    def _exit(self, start: str, event: SyscallExit) -> str:
        call = f"{start}{self._call(event)}"
        line = f"{call} {' ' * (RESULT_COLUMN - self.ink.width(call) - 1)}"
        line += outcome(event, self.ink)
        if event.abi != "x86_64":
            line += self.ink.aside(f" /* {escape(event.abi)} */")
        if self.durations and event.duration_ns is not None:
            line += self.ink.aside(f" <{event.duration_ns / 1e9:.6f}>")
        return line


def clock(seconds: int) -> str:
    """Return the local time of day; of the epoch for what no calendar can show."""
    try:
        moment = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):
        moment = time.localtime(0)
    return time.strftime("%H:%M:%S", moment)


def _guess(name: str, value: Any, fds: Mapping[str, str]) -> str:
    """Return a kind for an argument that the table does not describe."""
    if name in fds:
        return "fd"
    return "flags" if isinstance(value, list) and all(isinstance(v, str) for v in value) else ""


def _signal_stop(event: events.SignalStop) -> str:
    fields = [f"si_signo={escape(event.signal)}"]
    if event.code:
        fields.append(f"si_code={escape(event.code)}")
    if event.sender_pid is not None:
        fields.append(f"si_pid={event.sender_pid}")
    if event.sender_uid is not None:
        fields.append(f"si_uid={event.sender_uid}")
    if event.addr is not None:
        fields.append(f"si_addr={escape(event.addr)}")
    return f"--- {escape(event.signal)} {{{', '.join(fields)}}} ---"


def _group_stop(event: events.GroupStop) -> str:
    return f"--- stopped by {escape(event.signal)} ---"


def _resumed(_event: events.Resumed) -> str:
    return "--- resumed by SIGCONT ---"


def _new_child(event: events.NewChild) -> str:
    what = "thread" if event.thread else "process"
    return f"+++ new {what} {event.child} ({escape(event.kind)}) +++"


def _exec(event: events.Exec) -> str:
    argv = ", ".join(quote(item) for item in event.argv) + (", ..." if event.truncated else "")
    by = f" by thread {event.former_tid}" if event.former_tid is not None else ""
    envp = "" if event.envp is None else f", [{', '.join(quote(item) for item in event.envp)}]"
    return f"+++ executed {quote(event.path)}, [{argv}]{envp}{by} +++"


def _end(event: events.Exit) -> str:
    return f"+++ exited with {event.code} +++"


def _signal_exit(event: events.SignalExit) -> str:
    dumped = " (core dumped)" if event.core_dumped else ""
    return f"+++ killed by {escape(event.signal)}{dumped} +++"


def _attached(event: events.Attached) -> str:
    threads = f"{len(event.threads)} thread{'s' if len(event.threads) != 1 else ''}"
    exe = f", {quote(event.exe)}" if event.exe is not None else ""
    why = f" by {escape(event.why)}" if event.why != "attach" else ""
    return f"+++ attached{why} ({threads}{exe}) +++"


def _detached(event: events.Detached) -> str:
    why = f" ({escape(event.why)})" if event.why != "detach" else ""
    return f"+++ detached{why} +++"


def _lost(event: events.Lost) -> str:
    why = LOSSES.get(event.why, event.why)
    return f"+++ lost {event.count} events (seq {event.first}..{event.last}): {escape(why)} +++"


def _blind(event: events.Blind) -> str:
    detail = f" ({escape(event.detail)})" if event.detail else ""
    return f"+++ blind: {escape(event.what)}{detail} +++"


def _synced(event: events.Synced) -> str:
    return f"+++ all before seq {event.seq} has been sent +++"


def _heartbeat(event: events.Heartbeat) -> str:
    return (
        f"+++ heartbeat: {event.matched} matched, {event.delivered} delivered, "
        f"{event.queued} queued, {event.lost} lost +++"
    )


_WORDS: Final[Mapping[type[Event], Callable[[Any], str]]] = {
    events.SignalStop: _signal_stop,
    events.GroupStop: _group_stop,
    events.Resumed: _resumed,
    events.NewChild: _new_child,
    events.Exec: _exec,
    events.Exit: _end,
    events.SignalExit: _signal_exit,
    events.Attached: _attached,
    events.Detached: _detached,
    events.Lost: _lost,
    events.Blind: _blind,
    events.Synced: _synced,
    events.Heartbeat: _heartbeat,
}
"""Every type but the syscalls; a test holds it against events.EVENT_TYPES."""
