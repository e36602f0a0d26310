"""What a process is at this moment, told as if it had just come under trace: for snapshots.

On the tracer thread, so that it fits the stream: what returned before has been recorded before, and
what returns after is recorded after.  Of a call in progress the effect may be seen here already.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from tracerd.core import procfs
from tracerd.core.decode.descriptor import kind_of
from tracerd.core.descriptors import Descriptor, descriptors_of
from tracerd.core.paths import seen_from
from tracerd.protocol import events
from tracerd.protocol.text import exact, shown

if TYPE_CHECKING:
    from tracerd.core.tracee import Process

SNAPSHOT: Final = "snapshot"
"""Attached.why."""

MOST_DESCRIPTORS: Final = 1024
"""Of a process; it and all others stand still while they are looked at, some 20 us each."""

_ACCESS: Final = ("read", "write", "read-write", "path")
"""By O_ACCMODE."""


def surveyed(process: Process, head: dict[str, Any]) -> events.Attached:
    """Return the event for a process.  head: the fields that every event has."""
    tid = process.pid if process.pid in process.threads else min(process.threads, default=0)
    cwd = procfs.link(f"/proc/{tid}/cwd")
    argv, _whole = procfs.cmdline(tid)
    found, whole = descriptors_of(process, MOST_DESCRIPTORS)
    return events.Attached(
        **head,
        why=SNAPSHOT,
        threads=sorted(process.threads),
        exe=process.exe,
        cwd=None if cwd is None else shown(seen_from(process.root, cwd)),
        argv=[shown(each) for each in argv],
        descriptors=[_described(each, process.root) for each in found],
        truncated=not whole,
    )


def _described(one: Descriptor, root: str) -> events.OpenDescriptor:
    path = seen_from(root, one.file.link)
    mode = one.flags & os.O_ACCMODE
    return events.OpenDescriptor(
        fd=one.fd,
        path=shown(path),
        path_b64=exact(path),
        kind=kind_of(one.file),
        access=_ACCESS[3 if one.flags & os.O_PATH else mode],
        position=one.position,
        deleted=one.file.deleted,
        more=shown(one.file.more),
    )
