"""Bringing a whole process under trace.

One pass over /proc/PID/task, as strace does, leaves threads untraced under
churn: a clone in flight when its maker is seized yields an untraced thread, and
the directory can end early while threads die.  So: seize what is found, wait until
every seized thread has stopped once (its clones are traced from then on), and
scan again, until two passes in a row find nothing new, and as many threads as the
kernel counts.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from tracerd import errors
from tracerd.core import kernel, procfs, untraceable
from tracerd.core.commands import Answer
from tracerd.core.pidfd import PidFd

QUIET_PASSES = 2
MOST_PASSES = 1000
"""After which what was found has to do; each takes some 100 us and a few for each thread."""
RETRIES = 10
YAMA = "/proc/sys/kernel/yama/ptrace_scope"


@dataclass(slots=True, eq=False)
class AttachJob:
    """An attach under way.  pending: seized, not stopped yet."""

    pid: int
    owner: int
    answer: Answer
    held: PidFd
    by_uid: int | None = None
    pending: set[int] = field(default_factory=set)
    quiet: int = 0
    passes: int = 0


def check(pid: int, held: PidFd, ours: Container[int], *, trace_init: bool = False) -> None:
    """Refuse what cannot be traced, before any ptrace request.  ours: the daemon and its helpers.

    Raises NoSuchProcess, OwnDaemon and what untraceable.refuse raises.
    """
    if pid in ours:
        raise errors.OwnDaemon(pid)
    for tries_left in reversed(range(RETRIES)):
        try:
            untraceable.refuse(pid, trace_init=trace_init)
            break
        except (errors.NoSuchProcess, errors.ZombieProcess, errors.ExitingProcess):
            # A thread may be taking a dying leader's place, by execve.
            if not tries_left or not held.alive():
                raise
    status = procfs.status(pid)
    if status is not None and status.tgid != pid:
        raise errors.NoSuchProcess(pid)


class Seized(enum.Enum):
    """What came of seizing a thread."""

    YES = "yes"
    OURS = "ours"
    """It is traced by us already: its maker's event is on the way.  Or a leader that has ended."""
    GONE = "gone"


def seize(pid: int, tid: int, tracer: int, options: int = kernel.OPTIONS) -> Seized:
    """Seize one thread and ask it to stop.

    tracer: tid of the tracer thread.  Raises AlreadyTraced, PermissionDenied.
    """
    status = None
    for _ in range(RETRIES):
        try:
            if not kernel.seize(tid, options):
                return Seized.GONE
        except OSError as error:
            if error.errno != errno.EPERM:
                raise
        else:
            # It may have had another tid by the time it was seized, after an execve.
            return Seized.YES if kernel.interrupt(tid) else Seized.GONE
        status = procfs.status(tid)
        if status is None:
            return Seized.GONE
        if status.state in untraceable.DEAD:
            return Seized.OURS if tid == pid or status.tracer == tracer else Seized.GONE
        if status.tracer == tracer:
            if tid == pid and kernel.interrupt(tid):
                return Seized.YES  # seized as the thread that it was before its execve
            return Seized.OURS
        if tracing := procfs.tracer_of(tid):
            raise errors.AlreadyTraced(pid, tracing)
        # Alive and nobody's: refused for good, or a thread has just taken a dying leader's tid.
    raise errors.PermissionDenied(pid, _why(status) if status else "the kernel refuses")


def _why(status: procfs.Status) -> str:
    me = os.geteuid()
    if me != 0 and status.uids[0] != me:
        return f"it belongs to uid {status.uids[0]}, the daemon runs as uid {me}"
    try:
        scope = int(Path(YAMA).read_text(encoding="ascii"))
    except (OSError, ValueError):
        scope = 0
    if scope == 1:
        return (
            "Yama allows tracing descendants only; run the daemon as root, or "
            "set kernel.yama.ptrace_scope to 0, or start the program with `tracerctl run`"
        )
    if scope == 2:
        return "Yama allows tracing to administrators only (kernel.yama.ptrace_scope is 2)"
    if scope == 3:
        return "Yama forbids tracing altogether (kernel.yama.ptrace_scope is 3)"
    return "the kernel refuses (capabilities, a user namespace, or a security module)"
