"""Letting tracees wait for a subscriber that must not miss anything.

Held at syscall stops only: there a task can still be killed, and nothing of it
has happened that its parent waits for.
"""

from __future__ import annotations

from tracerd.core.commands import Answer, Recheck, Waiting
from tracerd.core.keeping import Keeper
from tracerd.core.scene import Scene
from tracerd.core.tracee import Process
from tracerd.core.tracker import State, Task


class Holder:
    """Holds tasks while the gate covers their process."""

    def __init__(self, scene: Scene, keeper: Keeper) -> None:
        self._scene = scene
        self._keeper = keeper

    def hold_covered(self) -> None:
        """Mark the processes that must wait: their tasks stop at their next call; count."""
        scene = self._scene
        if scene.gate.closed:
            for process in scene.processes.values():
                if not process.held and process.owners and scene.gate.covers(process.identity):
                    process.held = True
                    for tid in process.threads:
                        scene.pump.set_manual(tid, True)
        self._count()

    def _count(self) -> None:
        """Keep the figures of who waits."""
        scene = self._scene
        tids: dict[int, list[int]] = {}
        for task in scene.tracker.tasks.values():
            if task.state is State.HELD:
                tids.setdefault(task.tgid, []).append(task.tid)
        scene.statistics.held = sum(map(len, tids.values()))
        scene.statistics.waiting = tuple(
            [
                Waiting(process, tuple(tids.get(process.pid, ())))
                for process in scene.processes.values()
                if process.held
            ]
        )

    def keep_or_handle(self, task: Task) -> bool:
        """At a syscall stop of a task in `manual`: keep it there, or do as the pump would."""
        scene = self._scene
        if task.state not in (State.RUNNING, State.HELD):
            return False
        process = scene.processes[task.tgid]
        if self._must_wait(process):
            scene.tracker.hold(task.tid)
        else:
            scene.back_to_pump(task)
            self.let_on(task)
        return True

    def recheck(self, _command: Recheck, answer: Answer) -> None:
        """Let on those whom the gate no longer covers."""
        scene = self._scene
        for process in list(scene.processes.values()):
            if not process.held or self._must_wait(process):
                continue
            process.held = False
            for tid in list(process.threads):
                task = scene.tracker.tasks[tid]
                if not task.interrupted:
                    scene.back_to_pump(task)
                if task.state is State.HELD:
                    scene.tracker.unhold(tid)
                    self.let_on(task)
        self._count()
        answer(None)

    def _must_wait(self, process: Process) -> bool:
        gate = self._scene.gate
        return process.held and gate.closed and gate.covers(process.identity)

    def let_on(self, task: Task) -> None:
        """Do as the pump would at a syscall stop."""
        noted = self._scene.pump.handle(task.tid)
        if noted is not None:
            self._keeper.call(noted)
