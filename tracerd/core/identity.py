"""Who a process is, as /proc tells.

Read when it comes under trace and again when it may have changed, by the tracer
thread only.
"""

from __future__ import annotations

import contextlib
import os
import time

from tracerd.core import credentials, procfs
from tracerd.core.tracee import Process
from tracerd.protocol.text import shown


def read_all(process: Process, tid: int) -> None:
    """Read start time, parent, names, root and credentials."""
    found = procfs.stat(tid)
    if found is not None:
        process.start = found.start
        process.ppid = found.ppid
    read_image(process, tid)
    read_root(process, tid)


def read_inner(process: Process, tid: int) -> None:
    """Read what a new thread, or a new process's first, is called in a namespace of its own."""
    if process.inner or tid == process.pid:
        status = procfs.status(tid)
        if status is not None and status.inner != tid:
            process.inner = {**process.inner, tid: status.inner}


def read_image(process: Process, tid: int) -> None:
    """Read what an exec changes."""
    exe = procfs.link(f"/proc/{tid}/exe")
    process.exe = "" if exe is None else shown(exe)
    name = procfs.comm(tid)
    if name is not None:
        process.comm = shown(name)
    read_credentials(process, tid)


def read_credentials(process: Process, tid: int) -> None:
    """Read those of a thread, and whether the process lets its user look into it."""
    owner = procfs.owner(tid)
    found = credentials.read(tid)
    if found is not None:
        process.set_credentials(tid, found)
        process.dumpable = owner == found.uids[1]


def read_root(process: Process, tid: int) -> None:
    """Read mount namespace and root directory: as we see it, /proc/TID/root without a name here."""
    process.mntns = mount_namespace(tid)
    link = f"/proc/{tid}/root"
    root = procfs.link(link)
    if root is None:
        return
    process.root = root.decode("utf-8", "surrogateescape")
    if process.root == "/":
        with contextlib.suppress(OSError):
            if not os.path.samefile(link, "/"):  # of a mount namespace of its own
                process.root = link


def mount_namespace(tid: int) -> int:
    """Return the inode number of a task's mount namespace; 0: it is ours, or it cannot be told."""
    try:
        found = os.stat(f"/proc/{tid}/ns/mnt").st_ino
    except OSError:
        return 0
    return 0 if found == os.stat("/proc/self/ns/mnt").st_ino else found


def child_of(parent: Process, maker: int, pid: int) -> Process:
    """Make the process that a thread of `parent` forked: what it inherits is known already."""
    child = Process(
        pid=pid,
        ppid=parent.pid,
        dumpable=parent.dumpable,
        exe=parent.exe,
        comm=parent.comm,
        root=f"/proc/{pid}/root" if parent.root.startswith("/proc/") else parent.root,
        mntns=mount_namespace(pid),  # CLONE_NEWNS: not its maker's
        lineage=parent.lineage | {pid},
        owners=set(parent.owners),
        hidden=parent.hidden,
        actions=parent.actions,
        mode=parent.mode,
        calls=parent.calls,
        attached_ns=time.time_ns(),
    )
    inherited = parent.credentials.get(maker)
    if inherited is None:
        read_credentials(child, pid)
    else:
        child.set_credentials(pid, inherited)
    found = procfs.stat(pid)
    if found is not None:
        child.start = found.start
        child.ppid = found.ppid  # CLONE_PARENT: not its maker
    read_inner(child, pid)
    return child
