"""What a wait status says.  The only file that knows its bits.

With PTRACE_SEIZE and PTRACE_O_TRACESYSGOOD every kind of stop can be told from
the status alone (ptrace(2)): no PTRACE_GETSIGINFO, no counting.  Pure.
"""

from __future__ import annotations

import enum
import signal
from functools import lru_cache
from typing import NamedTuple


class Kind(enum.Enum):
    """What waitpid reported."""

    EXITED = "exited"
    SIGNALED = "signaled"
    SYSCALL = "syscall-stop"
    SIGNAL = "signal-delivery-stop"
    GROUP_STOP = "group-stop"
    INTERRUPT = "interrupt-stop"
    """PTRACE_EVENT_STOP that is no group-stop: our interrupt, a new tracee's first stop,
    or the end of a group-stop."""
    FORK = "fork"
    VFORK = "vfork"
    CLONE = "clone"
    EXEC = "exec"
    VFORK_DONE = "vfork-done"
    EXIT = "exit-event"
    SECCOMP = "seccomp"
    UNKNOWN = "unknown"


class WaitStatus(NamedTuple):
    """A status, read.

    value: exit code (EXITED), signal number (SIGNALED, SIGNAL, GROUP_STOP), the raw status
    (UNKNOWN), else 0.
    """

    kind: Kind
    value: int = 0
    core_dumped: bool = False

    @property
    def ended(self) -> bool:
        """Whether the task is gone."""
        return self.kind in ENDINGS


ENDINGS = frozenset({Kind.EXITED, Kind.SIGNALED})
CALL_STOPS = frozenset({Kind.SYSCALL, Kind.SECCOMP})
MAKERS = frozenset({Kind.FORK, Kind.VFORK, Kind.CLONE})
"""Stops in a task that has made another."""

SYSGOOD = signal.SIGTRAP | 0x80
STOPPING_SIGNALS = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
STOPPING_MASK = sum(1 << (signo - 1) for signo in STOPPING_SIGNALS)
"""As in /proc/PID/status."""

EVENT_STOP = 128
EVENTS: dict[int, Kind] = {
    1: Kind.FORK,
    2: Kind.VFORK,
    3: Kind.CLONE,
    4: Kind.EXEC,
    5: Kind.VFORK_DONE,
    6: Kind.EXIT,
    7: Kind.SECCOMP,
}
"""PTRACE_EVENT_* of <linux/ptrace.h>."""

SYSCALL_STOP = (SYSGOOD << 8) | 0x7F
"""The whole status of a syscall-stop: the hot loop compares with it."""
SECCOMP_STOP = (7 << 16) | (signal.SIGTRAP << 8) | 0x7F
"""The whole status of a PTRACE_EVENT_SECCOMP stop, where a filter of ours picked a call."""


@lru_cache(maxsize=1024)
def classify(status: int) -> WaitStatus:
    """Read a status as waitpid(2) gave it."""
    low = status & 0x7F
    if low == 0:
        return WaitStatus(Kind.EXITED, (status >> 8) & 0xFF)
    if low != 0x7F:
        return WaitStatus(Kind.SIGNALED, low, core_dumped=bool(status & 0x80))
    sig = (status >> 8) & 0xFF
    event = status >> 16
    if event == 0:
        if sig == SYSGOOD:
            return WaitStatus(Kind.SYSCALL)
        return WaitStatus(Kind.SIGNAL, sig)
    if event == EVENT_STOP:
        if sig in STOPPING_SIGNALS:
            return WaitStatus(Kind.GROUP_STOP, sig)
        return WaitStatus(Kind.INTERRUPT)
    return WaitStatus(EVENTS.get(event, Kind.UNKNOWN), 0 if event in EVENTS else status)


def for_exit(code: int) -> int:
    """Build the status of a task that exited."""
    return (code & 0xFF) << 8


def for_killed(signo: int, *, core_dumped: bool = False) -> int:
    """Build the status of a task killed by a signal."""
    return signo | (0x80 if core_dumped else 0)


def for_signal(signo: int) -> int:
    """Build the status of a signal-delivery-stop."""
    return (signo << 8) | 0x7F


def for_event(event: int, signo: int = signal.SIGTRAP) -> int:
    """Build the status of a PTRACE_EVENT stop (EVENT_STOP with a stopping signal: group-stop)."""
    return (event << 16) | (signo << 8) | 0x7F
