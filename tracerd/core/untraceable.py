"""What no tracer could trace, or should, whoever asks."""

from __future__ import annotations

import os

from tracerd import errors
from tracerd.core import procfs

DEAD = frozenset("ZX")
INIT = 1


def is_dead(tid: int) -> bool:
    """Whether a task has ended and is not reaped yet."""
    stat = procfs.stat(tid)
    return stat is None or stat.state in DEAD


def refuse(pid: int, *, trace_init: bool = False) -> None:
    """Raise if a process is none that can be traced.

    Raises NoSuchProcess, ZombieProcess, ExitingProcess, KernelThread, InitProcess (unless
    trace_init), PermissionDenied for a process that traces us: neither could be killed then.
    """
    stat = procfs.stat(pid)
    if stat is None:
        raise errors.NoSuchProcess(pid)
    if stat.flags & procfs.PF_KTHREAD:
        raise errors.KernelThread(pid)
    if stat.flags & procfs.PF_EXITING:
        # A leader can end while other threads go on.
        threads = [each for tid in procfs.tasks(pid) or () if (each := procfs.stat(tid))]
        if all(each.state in DEAD for each in threads):
            raise errors.ZombieProcess(pid)
        if all(each.flags & procfs.PF_EXITING for each in threads):
            raise errors.ExitingProcess(pid)
    if pid == INIT and not trace_init:
        raise errors.InitProcess(pid)
    if any(procfs.tracer_of(tid) == pid for tid in procfs.tasks(os.getpid()) or ()):
        raise errors.PermissionDenied(pid, "it traces this daemon")
