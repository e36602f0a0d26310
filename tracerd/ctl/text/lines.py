"""One event, one line, in strace's manner.

`Renderer.line` is total: whatever an event holds, it returns one line without a
newline and without control characters other than its own colours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tracerd.ctl.text.calls import FORMS, LAYOUTS
from tracerd.ctl.text.descriptors import described
from tracerd.ctl.text.escape import escape, quote
from tracerd.ctl.text.ink import PLAIN, Ink
from tracerd.ctl.text.kinds import KINDS
from tracerd.ctl.text.look import BARE, Look
from tracerd.ctl.text.outcome import outcome
from tracerd.ctl.text.structures import siginfo
from tracerd.ctl.text.values import Show, anything
from tracerd.protocol import events
from tracerd.protocol.events import Event, SyscallEnter, SyscallExit

RESULT_COLUMN: Final = 60
"""Where `= result` starts, unless the call is longer."""

LOG_COLUMN: Final = 40
"""Where strace has it."""

SYSCALLS_KEPT: Final = 1024
"""There are fewer; but names come from outside."""

SIGNAL_FIELDS: Final = (
    ("code", "code"),
    ("pid", "sender_pid"),
    ("uid", "sender_uid"),
    ("status", "status"),
    ("utime", "utime"),
    ("stime", "stime"),
    ("addr", "addr"),
    ("timerid", "timer"),
    ("overrun", "overrun"),
    ("value", "value"),
    ("band", "band"),
    ("fd", "fd"),
    ("syscall", "nr"),
    ("arch", "arch"),
)
"""Fields of siginfo_t, and of SignalStop."""

LOSSES: Final = {
    "slow": "slow reader",
    "budget": "slow reader, for which nobody waits any more",
    "expired": "no longer kept",
    "restarted": "the daemon was restarted",
    "unwatched": "if any, nobody asked for them then",
}
"""Plain words for `why` of a lost event."""

Kinds: TypeAlias = Mapping[str, Mapping[str, str]]
"""Syscall name -> argument name -> kind, from the daemon's Syscalls method."""


_Shows: TypeAlias = dict[str, Show]


@dataclass(frozen=True, slots=True)
class Renderer:
    """How lines look.

    times: start with the local time of day, in microseconds.  durations: end with the seconds
    a call took.  comms: name the program beside the tid.  whole: do not abbreviate structures.
    limit: bytes of a string that are shown, paths excepted; 0: all that there is.  log: as
    `strace -f -o` begins lines, and where it has results.
    """

    kinds: Kinds = field(default_factory=dict)
    ink: Ink = PLAIN
    times: bool = False
    durations: bool = False
    comms: bool = False
    whole: bool = False
    limit: int = 0
    log: bool = False
    _look: Look = field(init=False, default=BARE)
    _shows: dict[str, _Shows] = field(init=False, default_factory=dict)
    """By syscall: how each argument is shown, worked out once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_look", Look(self.ink, self.whole, self.limit))

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
        if self.log:
            start = f"{event.tid:<5} "
        if self.times:
            seconds, rest = divmod(event.time_ns, 1_000_000_000)
            start += f"{clock(seconds)}.{rest // 1000:06} "
        if event.tid and not self.log:
            who = escape(event.comm, also="[]") if self.comms and event.comm else "pid"
            start += f"[{who} {event.tid:>5}] "
        return self.ink.aside(start)

    def _call(self, event: SyscallEnter | SyscallExit) -> str:
        shows = self._shows.get(event.syscall)
        if shows is None:
            shows = self._shows_of(event.syscall)
        look, fds = self._look, event.fds
        shown: dict[str, str] = {}
        for name, value in event.args.items():
            if value is None and name == "mode":
                continue  # an open that creates nothing: the mode is not looked at
            show = shows.get(name) or KINDS.get(_guess(name, value, fds), anything)
            text = show(value, look)
            if name in fds:
                text += described(event.fd_info.get(name), fds[name], look)
            shown[name] = text
        layout = LAYOUTS.get(event.syscall)
        if shows and not event.args:  # it has some, which were not asked for
            laid = [self.ink.aside("..."), *_files(event)]
        else:
            laid = list(shown.values()) if layout is None else layout(event, shown)
        if event.resumes is not None:
            told = f"<... resuming interrupted {escape(event.resumes)} ...>"
            laid.insert(0, self.ink.aside(told))
        return f"{self.ink.name(escape(event.syscall))}({', '.join(laid)})"

    def _shows_of(self, syscall: str) -> _Shows:
        kinds = self.kinds.get(syscall, {})
        shows = {name: KINDS.get(kind, anything) for name, kind in kinds.items()}
        shows |= FORMS.get(syscall, {})
        if len(self._shows) < SYSCALLS_KEPT:
            self._shows[syscall] = shows
        return shows

    def _exit(self, start: str, event: SyscallExit) -> str:
        call = f"{start}{self._call(event)}"
        column = LOG_COLUMN if self.log else RESULT_COLUMN
        line = f"{call} {' ' * (column - self.ink.width(call) - 1)}"
        line += outcome(event, self._look)
        if event.abi != "x86_64":
            line += self.ink.aside(f" /* {escape(event.abi)} */")
        if self.durations and event.duration_ns is not None:
            line += self.ink.aside(f" <{event.duration_ns / 1e9:.6f}>")
        return line


def _files(event: SyscallEnter | SyscallExit) -> list[str]:
    """Return what a call did to which files."""
    files = event.files if isinstance(event, SyscallExit) else []
    return [f"{escape(file.op)} {quote(file.path)}" for file in files]


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
    info: dict[str, Any] = {"signo": event.signal}
    for name, attribute in SIGNAL_FIELDS:
        value = getattr(event, attribute)
        if value is not None and value != "":
            info[name] = value
    return f"--- {escape(event.signal)} {siginfo(info, BARE)} ---"


def _group_stop(event: events.GroupStop) -> str:
    return f"--- stopped by {escape(event.signal)} ---"


def _resumed(_event: events.Resumed) -> str:
    return "--- resumed by SIGCONT ---"


def _new_child(event: events.NewChild) -> str:
    what = "thread" if event.thread else "process"
    return f"+++ new {what} {event.child} ({escape(event.kind)}) +++"


def _exec(event: events.Exec) -> str:
    argv = ", ".join(quote(item) for item in event.argv) + (", ..." if event.truncated else "")
    if event.redacted and not argv:
        argv = "(redacted)"
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
    if event.why == "snapshot":
        return _there(event, f"{threads}{exe}")
    why = f" by {escape(event.why)}" if event.why != "attach" else ""
    return f"+++ attached{why} ({threads}{exe}) +++"


def _there(event: events.Attached, who: str) -> str:
    """Return the line of a process that was there already."""
    parts = [who]
    if event.argv:
        parts.append(f"[{', '.join(quote(item) for item in event.argv)}]")
    if event.cwd is not None:
        parts.append(f"in {quote(event.cwd)}")
    parts += [f"{one.fd}<{escape(one.path)}>" for one in event.descriptors]
    return f"+++ there already ({', '.join(parts)}{', ...' if event.truncated else ''}) +++"


def _detached(event: events.Detached) -> str:
    why = f" ({escape(event.why)})" if event.why != "detach" else ""
    return f"+++ detached{why} +++"


def _lost(event: events.Lost) -> str:
    why = escape(LOSSES.get(event.why, event.why))
    many = f"{event.count} events" if event.count else "an unknown number of events"
    return f"+++ lost {many} (seq {event.first}..{event.last}): {why} +++"


def _blind(event: events.Blind) -> str:
    detail = f" ({escape(event.detail)})" if event.detail else ""
    return f"+++ blind: {escape(event.what)}{detail} +++"


def _synced(event: events.Synced) -> str:
    return f"+++ all up to seq {event.seq} has been sent +++"


def _heartbeat(event: events.Heartbeat) -> str:
    return (
        f"+++ heartbeat: {event.matched} matched, {event.delivered} delivered, "
        f"{event.queued} queued, {event.lost} lost +++"
    )


def _updated(_event: events.Updated) -> str:
    return "+++ the filters have been changed +++"


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
    events.Updated: _updated,
}
"""Every type but the syscalls; a test holds it against events.EVENT_TYPES."""
