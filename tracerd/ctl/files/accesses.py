"""What an event says about files, one operation on one file at a time.

Rules:

* a failed call gives accesses with an errno: attempts, not uses;
* a call that the kernel will restart gives nothing: its repetition does;
* a successful exec is told by the `exec` event (the execve call's own
  `syscall_exit` gives only what failed, and what the kernel opened by itself);
* a rename is one access with two names (an exchange is two).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracerd.protocol import events
from tracerd.protocol.events import Event, FileAccess, SyscallExit

if TYPE_CHECKING:
    from collections.abc import Iterator

UNFINISHED: Final = "unfinished"
"""In place of an errno: the call never returned."""


class Name(NamedTuple):
    """A file name: as shown, and exactly (base64) where that differs."""

    shown: str
    exact: str | None = None


class Access(NamedTuple):
    """One operation.  to: the new name of a rename.  real: the kernel's own name, if another."""

    op: str
    name: Name
    syscall: str
    to: Name | None = None
    errno: str | None = None
    real: str | None = None
    implied: bool = False
    unresolved: bool = False


def accesses(event: Event) -> Iterator[Access]:
    """Yield the accesses of an event; none for events that say nothing about files."""
    match event:
        case SyscallExit() if event.files and not event.restart:
            yield from _call(event)
        case events.Exec():
            yield Access("exec", Name(event.path, event.path_b64), "execve")
        case _:
            pass


def _call(event: SyscallExit) -> Iterator[Access]:
    errno = event.errno or (UNFINISHED if event.unfinished else None)
    old = [entry for entry in event.files if entry.op == "rename-from"]
    new = [entry for entry in event.files if entry.op == "rename-to"]
    renames = list(zip(old, new, strict=False))
    for before, after in renames:
        access = _access(before, "rename", event.syscall, errno)
        yield access._replace(
            to=_name(after), unresolved=access.unresolved or after.unresolved or after.truncated
        )
    told = [entry for pair in renames for entry in pair]
    for entry in event.files:
        by_event = entry.op == "exec" and not entry.implied and errno is None
        if by_event or any(entry is other for other in told):
            continue
        yield _access(entry, entry.op, event.syscall, errno)


def _name(entry: FileAccess) -> Name:
    return Name(entry.path, entry.path_b64)


def _access(entry: FileAccess, op: str, syscall: str, errno: str | None) -> Access:
    return Access(
        op,
        _name(entry),
        syscall,
        errno=errno,
        real=entry.real if entry.real != entry.path else None,
        implied=entry.implied,
        unresolved=entry.unresolved or entry.truncated,
    )
