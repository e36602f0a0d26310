"""What of a process cannot be seen: said once per process, in a `blind` event."""

from __future__ import annotations

import os
import time
from typing import Final

from tracerd.core.procfs import link
from tracerd.core.scene import Scene
from tracerd.core.tracee import Process
from tracerd.core.watching import Watcher
from tracerd.protocol import events

IO_URING: Final = "io_uring"
RING: Final = b"anon_inode:[io_uring]"
MOST: Final = 4096
"""Descriptors that are looked at: some 2 us each, on the tracer thread."""
UNSEEN: Final = "what is submitted to the ring is no call"


def holds_ring(process: Process) -> bool:
    """Whether a process has an io_uring among its first descriptors."""
    for tid in process.threads:
        try:
            fds = os.listdir(f"/proc/{tid}/fd")
        except OSError:
            continue  # it has ended, though others of its process may not have
        return any(link(f"/proc/{tid}/fd/{fd}") == RING for fd in fds[:MOST])
    return False


class Sight:
    """Says what cannot be seen.  All methods are for the tracer thread."""

    def __init__(self, scene: Scene, watcher: Watcher) -> None:
        self._scene = scene
        self._watcher = watcher

    def fails(self, process: Process, tid: int, time_ns: int, what: str, detail: str) -> None:
        """Say that from here on something in a process cannot be seen, if it is news."""
        scene = self._scene
        if what in process.blind or not process.wants("blind"):
            return
        process.blind.add(what)
        self._watcher.identify(process)
        head = scene.head(process, tid, time_ns)
        scene.emit(process, events.Blind(**head, what=what, detail=detail))

    def look(self, process: Process) -> None:
        """Look for what a process had before its calls were seen: a ring that is open already.

        Once, as long as somebody wants to know of it: what it makes meanwhile is seen by its call.
        """
        if not process.wants("blind"):
            process.looked_at = False
        elif not process.looked_at:
            process.looked_at = True
            if holds_ring(process):
                self.fails(process, process.pid, time.time_ns(), IO_URING, UNSEEN)

    def born(self, parent: Process, child: Process) -> None:
        """Take note of a fork: a child has what its parent had open."""
        child.looked_at = parent.looked_at and IO_URING not in parent.blind
        self.look(child)
