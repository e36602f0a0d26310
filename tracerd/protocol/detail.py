"""Levels of detail: how much of an event a subscriber gets, and so what is read from a tracee.

An event is captured once, at the highest level that anyone asked for, and seen by each at their
own.  Everything that shows less of an event than was captured goes through `seen`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec.structs import replace

from tracerd.protocol.events import Attached, Event, Exec, SyscallEnter, SyscallExit

if TYPE_CHECKING:
    from tracerd.protocol.conditions import Subject

DetailName: TypeAlias = Literal["names", "files", "args", "full"]
"""As in Subscribe.detail."""


class Detail(enum.IntEnum):
    """Each has what the ones before it have."""

    NAMES = 0
    """Which call, what it returned, how long it took; for this no memory is read.  Of an exec the
    path of the executable."""
    FILES = 1
    """Also `files`: paths, and what descriptors refer to.  Of an exec the path as passed."""
    ARGS = 2
    """Also arguments, argv, and descriptors; of buffers their sizes only."""
    FULL = 3
    """Also what is in buffers, up to a limit."""

    @classmethod
    def named(cls, name: DetailName) -> Detail:
        """Return the level of this name."""
        return cls[name.upper()]


DETAILS: Final[tuple[str, ...]] = tuple(each.name.lower() for each in Detail)


def seen(event: Event, process: Subject, detail: Detail) -> Event:
    """Return an event as it is seen at a level; the same one if nothing of it is left out.

    process: that made it.
    """
    hide = _HIDING.get(type(event))
    return event if hide is None or detail is Detail.FULL else hide(event, process, detail)


def _enter(event: SyscallEnter, _process: Subject, detail: Detail) -> Event:
    if detail is Detail.ARGS:
        return _emptied(event)
    return replace(event, args={}, fds={}, fd_info={})


def _exit(event: SyscallExit, _process: Subject, detail: Detail) -> Event:
    if detail is Detail.ARGS:
        return _emptied(event)
    files = event.files if detail is Detail.FILES else []
    return replace(
        event,
        args={},
        fds={},
        fd_info={},
        files=files,
        ret_path=None,
        ret_info=None,
        rets=None,
        ret_names=[],
    )


def _exec(event: Exec, process: Subject, detail: Detail) -> Event:
    if detail is Detail.ARGS:
        return event
    without = replace(event, argv=[], envp=None, truncated=False)
    return without if detail else replace(without, path=process.exe, path_b64=None)


def _attached(event: Attached, _process: Subject, detail: Detail) -> Event:
    if detail is Detail.ARGS:
        return event
    without = replace(event, argv=[])
    return without if detail else replace(without, cwd=None, descriptors=[], truncated=False)


_HIDING: Final[dict[type[Event], Callable[[Any, Subject, Detail], Event]]] = {
    SyscallEnter: _enter,
    SyscallExit: _exit,
    Exec: _exec,
    Attached: _attached,
}
"""All other events are the same at every level."""


def _emptied(event: SyscallEnter | SyscallExit) -> Event:
    """Return a call without what was in its buffers."""
    args = {name: _without_text(value) for name, value in event.args.items()}
    return event if args == event.args else replace(event, args=args)


def _without_text(value: Any) -> Any:
    """Return a value of `args` without contents: those have a text and the size of the whole.

    They come by themselves (kinds buffer, iovec, msghdr) or as `messages` of a vector (mmsghdr).
    """
    if type(value) is not dict:
        return value
    if "text" in value and value.get("size"):
        return {**value, "text": "", "truncated": True}
    if isinstance(several := value.get("messages"), list):
        return {**value, "messages": [_without_text(each) for each in several]}
    return value
