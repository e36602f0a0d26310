"""What an event says about files, one operation on one file at a time.

Rules:

* a failed call gives accesses with an errno: attempts, not uses;
* a call that the kernel will restart gives nothing: its repetition does;
* a successful exec is told by the `exec` event (the execve call's own
  `syscall_exit` gives only what failed, and what the kernel opened by itself);
* a rename is one access with two names (an exchange is two), and so is the link that gives a
  file its first name (O_TMPFILE), which until then goes by the kernel's name for it;
* a path that the kernel itself could not look up (EFAULT, EBADF, ENAMETOOLONG) leaves nothing out:
  it is not counted as unresolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from tracerd.protocol import events
from tracerd.protocol.events import Event, FileAccess, SyscallExit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RENAMES: Final = frozenset({"rename-from", "rename-to"})
NOWHERE: Final = frozenset({"EFAULT", "EBADF", "ENAMETOOLONG"})
"""Errors of calls whose path could lead to no file."""
UNFINISHED: Final = "unfinished"
"""In place of an errno: the call never returned."""


class Name(NamedTuple):
    """A file name: as shown, and exactly (base64) where that differs."""

    shown: str
    exact: str | None = None


class Access(NamedTuple):
    """One operation.  to: the new name of a rename.  real: the kernel's own name, if another.

    made: the file was made by this call.  swaps: the rename is half of an exchange.
    """

    op: str
    name: Name
    syscall: str
    to: Name | None = None
    errno: str | None = None
    real: str | None = None
    implied: bool = False
    unresolved: bool = False
    made: bool = False
    swaps: bool = False


class Operations:
    """Which operations were asked for: names, or `!name` for what is not wanted."""

    def __init__(self, asked: Sequence[str]) -> None:
        wanted = {op for op in asked if not op.startswith("!")}
        unwanted = {op.removeprefix("!") for op in asked} - wanted
        chosen = (wanted or set(events.OPS)) - unwanted
        if RENAMES & chosen:  # a rename is told whole
            chosen |= RENAMES
        self._all = chosen >= set(events.OPS)
        self._chosen = frozenset(chosen)

    def narrowed(self, event: Event) -> Event:
        """Return the event without the accesses that were not asked for."""
        if self._all or not isinstance(event, SyscallExit):
            return event
        kept = [entry for entry in event.files if entry.op in self._chosen]
        if len(kept) == len(event.files):
            return event
        return msgspec.structs.replace(event, files=kept)


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
            to=_name(after),
            unresolved=access.unresolved or _is_unresolved(after, errno),
            swaps=len(renames) > 1,
        )
    told = [entry for pair in renames for entry in pair]
    links = [entry for entry in event.files if entry.op == "link"]
    if len(links) == 2 and links[0].deleted and errno is None:
        told += links
        yield _access(links[0], "link", event.syscall, errno)._replace(to=_name(links[1]))
    for entry in event.files:
        by_event = entry.op == "exec" and not entry.implied and errno is None
        if by_event or any(entry is other for other in told):
            continue
        yield _access(entry, entry.op, event.syscall, errno)


def _name(entry: FileAccess) -> Name:
    if entry.deleted and entry.real is not None:
        return Name(entry.real, entry.real_b64)  # it has no other (O_TMPFILE), or none any more
    return Name(entry.path, entry.path_b64)


def _is_unresolved(entry: FileAccess, errno: str | None) -> bool:
    return (entry.unresolved or entry.truncated) and errno not in NOWHERE


def _access(entry: FileAccess, op: str, syscall: str, errno: str | None) -> Access:
    return Access(
        op,
        _name(entry),
        syscall,
        errno=errno,
        real=entry.real if entry.real != entry.path and not entry.deleted else None,
        implied=entry.implied,
        unresolved=_is_unresolved(entry, errno),
        made=op == "create" and entry.created is True,
    )
