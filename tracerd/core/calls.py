"""Calls that mean something to the tracer itself, and how to read their arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracerd.core import kernel

if TYPE_CHECKING:
    from tracerd.core.pump import Call

CLONE_THREAD = 0x00010000
CLONE_UNTRACED = 0x00800000
CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15

NOT_RESTARTED: dict[str, tuple[int | None, int | None]] = {
    "accept": (43, None),
    "accept4": (288, 364),
    "connect": (42, 362),
    "epoll_pwait": (281, 319),
    "epoll_pwait2": (441, 441),
    "epoll_wait": (232, 256),
    "io_getevents": (208, 247),
    "io_pgetevents": (333, 385),
    "io_pgetevents_time64": (None, 416),
    "io_uring_enter": (426, 426),
    "ppoll": (271, 309),
    "ppoll_time64": (None, 414),
    "preadv2": (327, 378),
    "pselect6": (270, 308),
    "pselect6_time64": (None, 413),
    "pwritev2": (328, 379),
    "read": (0, 3),
    "readv": (19, 145),
    "recvfrom": (45, 371),
    "recvmmsg": (299, 337),
    "recvmmsg_time64": (None, 417),
    "recvmsg": (47, 372),
    "rt_sigtimedwait": (128, 177),
    "rt_sigtimedwait_time64": (None, 421),
    "select": (23, 82),
    "_newselect": (None, 142),
    "semop": (65, None),
    "semtimedop": (220, None),
    "semtimedop_time64": (None, 420),
    "sendfile": (40, 187),
    "sendfile64": (None, 239),
    "sendmmsg": (307, 345),
    "sendmsg": (46, 370),
    "sendto": (44, 369),
    "splice": (275, 313),
    "write": (1, 4),
    "writev": (20, 146),
}
"""Calls that can return EINTR to a program because of our own interrupt, with their numbers on
x86-64 and i386.  Each of them has then done nothing, or (connect) goes on where it was when it is
made again; one that has done a part returns a count.

What of them sleeps so: the waits for epoll, semaphores, signals and asynchronous I/O; reads and
writes of sockets that have a timeout (SO_RCVTIMEO, SO_SNDTIMEO), through whichever call; select
and its like if the kernel cannot write back the time that is left.  All other calls are restarted
by the kernel.  Never to be entered here: close, whose EINTR comes after the descriptor is gone.

A limit: the timeout of a call that is run again starts anew, be it an argument or the socket's.
An epoll_wait of 10 s that is interrupted after 4 s returns after 14 s if nothing comes.  Calls
that the kernel restarts (poll, nanosleep, futex) keep their time.
"""

X86_64, I386 = kernel.X86_64, kernel.I386
_NUMBERS = {
    arch: frozenset({row[column] for row in NOT_RESTARTED.values()})
    for column, arch in enumerate((X86_64, I386))
}

TCSBRK = 0x5409
SECCOMP_IOCTL_NOTIF_RECV = 0xC0502100
_IOCTLS = (1, frozenset({TCSBRK, SECCOMP_IOCTL_NOTIF_RECV}))
_SOME_ONLY: dict[tuple[int, int], tuple[int, frozenset[int]]] = {
    (X86_64, 16): _IOCTLS,
    (I386, 54): _IOCTLS,
    # socketcall: connect, accept, send, recv, sendto, recvfrom, sendmsg, recvmsg, accept4, recvmmsg
    # and sendmmsg
    (I386, 102): (0, frozenset({3, 5, 9, 10, 11, 12, 16, 17, 18, 19, 20})),
    (I386, 117): (0, frozenset({1, 4})),  # ipc: semop and semtimedop
}
"""Calls that are many calls: which argument tells them apart, and its values that belong above."""


def runs_again(call: kernel.Interrupted) -> bool:
    """Whether a call that would return EINTR because of our interrupt may be run again."""
    if call.nr in _NUMBERS[call.arch]:
        return True
    position, values = _SOME_ONLY.get((call.arch, call.nr), (0, frozenset()))
    if call.args[position] not in values:
        return False
    # With 0 it sends a break after the wait; only with another argument is it tcdrain(3).
    return values is not _IOCTLS[1] or call.args[1] != TCSBRK or call.args[2] != 0


def clone_flags(entry: Call) -> int | None:
    """Return the flags of a call that makes a task; None if it is another, or not known.

    Those of clone3 are in memory, which may be unreadable, or not have been read (see Actions).
    """
    name = entry.action.syscall.name
    if name in ("fork", "vfork"):
        return 0
    if name == "clone":
        return entry.args[0]
    if name == "clone3" and entry.captured and isinstance(entry.captured[0], bytes):
        return int.from_bytes(entry.captured[0][:8], "little")
    return None
