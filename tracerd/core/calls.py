"""Calls that mean something to the tracer itself, and how to read their arguments."""

from __future__ import annotations

from tracerd.core.pump import Call

CLONE_THREAD = 0x00010000
CLONE_UNTRACED = 0x00800000
PR_SET_NAME = 15

NOT_RESTARTED = frozenset({0, 43, 45, 47, 65, 128, 208, 220, 232, 281, 288, 333, 441})
"""x86-64 calls that can return EINTR to a program because of our own interrupt, and that have
done nothing when they do: read, accept, recvfrom, recvmsg, semop, rt_sigtimedwait, io_getevents,
semtimedop, epoll_wait, epoll_pwait, accept4, io_pgetevents, epoll_pwait2 (signal(7))."""


def clone_flags(entry: Call) -> int | None:
    """Return the flags of a call that makes a task; None if it is another, or unreadable."""
    name = entry.action.syscall.name
    if name in ("fork", "vfork"):
        return 0
    if name == "clone":
        return entry.args[0]
    if name == "clone3" and entry.captured and isinstance(entry.captured[0], bytes):
        return int.from_bytes(entry.captured[0][:8], "little")
    return None
