"""File accesses as they happen: records for programs, lines for people, whatfiles' lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracerd.ctl.files.accesses import Access, accesses
from tracerd.ctl.text.escape import escape, name
from tracerd.ctl.text.outcome import failure
from tracerd.protocol import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracerd.ctl.text.ink import Ink
    from tracerd.protocol.events import Event

WHO_WIDTH: Final = 20
OP_WIDTH: Final = 9


def records(event: Event) -> Iterator[dict[str, Any]]:
    """Yield the accesses of an event as JSON objects.

    `{type: "file", time_ns, pid, tid, comm, syscall, op, path, path_b64?, to?, to_b64?, real?,
    errno?, implied?, unresolved?}`; `to` is the new name of a rename.
    """
    for access in accesses(event):
        fields: dict[str, Any] = {
            "type": "file",
            "time_ns": event.time_ns,
            "pid": event.pid,
            "tid": event.tid,
            "comm": event.comm,
            "syscall": access.syscall,
            "op": access.op,
            "path": access.name.shown,
            "path_b64": access.name.exact,
            "to": access.to and access.to.shown,
            "to_b64": access.to and access.to.exact,
            "real": access.real,
            "errno": access.errno,
            "implied": access.implied or None,
            "unresolved": access.unresolved or None,
        }
        yield {key: value for key, value in fields.items() if value is not None}


def lines(event: Event, ink: Ink) -> Iterator[str]:
    """Yield a line per access, `cat[4321]  read  /etc/passwd`, and one for what was missed."""
    who = f"{escape(event.comm, also='[]') or '?'}[{event.pid}]"
    start = ink.aside(f"{who:{WHO_WIDTH}}")
    match event:
        case events.Lost():
            yield ink.error(f"+++ lost {event.count} events +++")
        case events.Blind():
            yield f"{start} {ink.error('blind')} {escape(event.what)}"
        case _:
            for access in accesses(event):
                yield f"{start} {_what(access, ink)}"


def _what(access: Access, ink: Ink) -> str:
    op = escape(access.op)
    text = f"{ink.name(f'{op:{OP_WIDTH}}')} {ink.path(name(access.name.shown))}"
    if access.to is not None:
        text += f" -> {ink.path(name(access.to.shown))}"
    if access.errno is not None:
        text += f"  {ink.error(failure(access.errno))}"
    return text


def whatfiles(event: Event) -> Iterator[str]:
    """Yield lines in the form of the whatfiles program; what failed is left out.

    `mode:  read, file: PATH, syscall: openat(), PID: 4321, process: cat`: one line per
    file that a call touched; reading and writing together are `rd/wr`.
    """
    done: dict[str, list[Access]] = {}
    for access in accesses(event):
        if access.errno is None:
            done.setdefault(access.name.shown, []).append(access)
    for path, made in done.items():
        yield (
            f"mode: {_mode([access.op for access in made]):>5}, file: {escape(path)}, "
            f"syscall: {escape(made[0].syscall)}(), PID: {event.pid}, "
            f"process: {escape(event.comm)}"
        )


def _mode(ops: list[str]) -> str:
    for mode in ("create", "delete"):
        if mode in ops:
            return mode
    if "read" in ops and "write" in ops:
        return "rd/wr"
    return escape(ops[0])
