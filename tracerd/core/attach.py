"""Bringing a whole process under trace.

One pass over /proc/PID/task, as strace does, leaves threads untraced under
churn: a clone in flight when its maker is seized yields an untraced thread, and
the directory can end early while threads die.  So: seize what is found, wait until
every seized thread has stopped once (its clones are traced from then on), and
scan again, until two passes in a row find nothing new.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from tracerd import errors
from tracerd.core import kernel, procfs, untraceable
from tracerd.core.commands import Answer

QUIET_PASSES = 2
YAMA = "/proc/sys/kernel/yama/ptrace_scope"


@dataclass(slots=True, eq=False)
class AttachJob:
    """An attach under way.  pending: seized, not stopped yet."""

    pid: int
    owner: int
    answer: Answer
    by_uid: int | None = None
    pending: set[int] = field(default_factory=set)
    quiet: int = 0
    seized: int = 0


def check(pid: int, ours: Container[int], *, trace_init: bool = False) -> None:
    """Refuse what cannot be traced, before any ptrace request.  ours: the daemon and its helpers.

    Raises NoSuchProcess, OwnDaemon and what untraceable.refuse raises.
    """
    status = procfs.status(pid)
    if status is None or status.tgid != pid:
        raise errors.NoSuchProcess(pid)
    if pid in ours:
        raise errors.OwnDaemon(pid)
    untraceable.refuse(pid, trace_init=trace_init)


def seize(pid: int, tid: int, tracer: int) -> bool:
    """Seize one thread and ask it to stop.  False: it is gone, or already ours.

    tracer: tid of the tracer thread.  Raises AlreadyTraced, PermissionDenied.
    """
    try:
        if not kernel.seize(tid):
            return False
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        return _refused(pid, tid, tracer)
    kernel.interrupt(tid)
    return True


def _refused(pid: int, tid: int, tracer: int) -> bool:
    """Say why the kernel refused, or False if it is no matter."""
    status = procfs.status(tid)
    if status is None or status.state in untraceable.DEAD or status.tracer == tracer:
        return False
    if status.tracer:
        holder = procfs.status(status.tracer)
        raise errors.AlreadyTraced(pid, holder.tgid if holder else status.tracer)
    raise errors.PermissionDenied(pid, _why(status))


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
