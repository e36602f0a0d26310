"""The watchdog over tracees: who has been stopped for long though nobody asked for it.

A stop lasts microseconds, unless a subscriber with overflow `block` makes tracees wait, or job
control keeps them.  Whatever else keeps one is a fault of ours: it is reported, in the log and in
Statistics, and left as it is.

A task counts as stopped all the while if it was found stopped at each of three looks and had not
run in between: the kernel's count of its context switches stood still.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from itertools import islice

from tracerd.core import procfs
from tracerd.core.commands import Answer, Checkup, Stuck
from tracerd.core.scene import Scene
from tracerd.core.tracker import State, Task

log = logging.getLogger("tracerd.tracer")

LOOKS = 3
AT_ONCE = 256
"""Tasks looked at per checkup, some 15 us each: the others wait meanwhile."""
TRACING_STOP = "t"
OPEN = "held, though no subscriber is full"


@dataclass(slots=True, eq=False)
class _Sight:
    """A task found stopped.  switches: its context switches then."""

    why: str
    switches: int
    since_ns: int
    looks: int = 1
    told: bool = False


class Examiner:
    """Answers Checkup."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._sights: dict[int, _Sight] = {}
        self._next = 0

    def examine(self, command: Checkup, answer: Answer) -> None:
        """Look at some of the tasks; the next checkup goes on with the others."""
        tasks = self._scene.tracker.tasks
        for tid in [tid for tid in self._sights if tid not in tasks]:
            del self._sights[tid]
        if self._next >= len(tasks):
            self._next = 0
        now = time.monotonic_ns()
        for task in list(islice(tasks.values(), self._next, self._next + AT_ONCE)):
            self._look(task, now)
        self._next += AT_ONCE
        self._scene.statistics.stuck = self._report(now, command.after_ns)
        answer(None)

    def _look(self, task: Task, now: int) -> None:
        why = self._suspicion(task)
        status = procfs.status(task.tid) if why else None
        if status is None or status.state != TRACING_STOP:
            self._sights.pop(task.tid, None)
            return
        known = self._sights.get(task.tid)
        if known is None or (known.why, known.switches) != (why, status.switches):
            self._sights[task.tid] = _Sight(why, status.switches, now)
        else:
            known.looks += 1

    def _suspicion(self, task: Task) -> str:
        """Return what would be wrong if the task were stopped, or "" if it may be."""
        if task.state is State.LISTENING:
            return ""
        if task.state is State.PARKED:
            return "its maker has not told of it"
        if task.state is State.HELD:
            process = self._scene.processes.get(task.tgid)
            gate = self._scene.gate
            if process is not None and process.held and gate.closed:
                return "" if gate.covers(process.identity) else OPEN
            return OPEN
        return "it was not resumed"

    def _report(self, now: int, after_ns: int) -> tuple[Stuck, ...]:
        found = []
        for tid, sight in self._sights.items():
            lasted = now - sight.since_ns
            if sight.looks < LOOKS or lasted < after_ns:
                continue
            process = self._scene.process_of(tid)
            found.append(Stuck(tid, process, lasted, sight.why))
            if not sight.told:
                sight.told = True
                fields = {
                    "tid": tid,
                    "pid": process.pid if process else 0,
                    "seconds": lasted // 1_000_000_000,
                    "why": sight.why,
                }
                log.warning("a tracee is kept stopped by nobody", extra={"fields": fields})
        return tuple(found)
