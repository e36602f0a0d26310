"""Letting tracees wait for a subscriber that must not miss anything.

Held at syscall stops only: there a task can still be killed, and nothing of it
has happened that its parent waits for.
"""

from __future__ import annotations

from tracerd.core.commands import Answer, Recheck
from tracerd.core.scene import Scene
from tracerd.core.telling import Teller
from tracerd.core.tracee import Process
from tracerd.core.tracker import State


class Holder:
    """Holds tasks while the gate covers their process."""

    def __init__(self, scene: Scene, teller: Teller) -> None:
        self._scene = scene
        self._teller = teller

    def hold_covered(self) -> None:
        """Mark the processes that must wait: their tasks stop at their next call."""
        scene = self._scene
        for process in scene.processes.values():
            if not process.held and process.owners and scene.gate.covers(process):
                process.held = True
                scene.pump.manual |= process.threads

    def keep_or_handle(self, tid: int) -> bool:
        """At a syscall stop of a task in `manual`: keep it there, or do as the pump would."""
        scene = self._scene
        task = scene.tracker.tasks[tid]
        if task.state not in (State.RUNNING, State.HELD):
            return False
        process = scene.processes[task.tgid]
        if self._must_wait(process):
            scene.tracker.hold(tid)
            scene.statistics.held += 1
        else:
            self._let_on(process, tid)
        return True

    def recheck(self, _command: Recheck, answer: Answer) -> None:
        """Let on those whom the gate no longer covers."""
        scene = self._scene
        for process in list(scene.processes.values()):
            if not process.held or self._must_wait(process):
                continue
            process.held = False
            for tid in list(process.threads):
                if process.owners:
                    scene.pump.manual.discard(tid)
                if scene.tracker.tasks[tid].state is State.HELD:
                    scene.tracker.unhold(tid)
                    scene.statistics.held -= 1
                    self._let_on(process, tid)
        answer(None)

    def _must_wait(self, process: Process) -> bool:
        gate = self._scene.gate
        return process.held and gate.closed and gate.covers(process)

    def _let_on(self, process: Process, tid: int) -> None:
        if process.owners:
            self._scene.pump.manual.discard(tid)
        call = self._scene.pump.handle(tid)
        if call is not None:
            self._teller.call(call)
