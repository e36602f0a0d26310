"""What the parts of the tracer thread share.

One object, touched by the tracer thread only.  The parts: tracer (the loop),
telling (facts to events), attaching (who is traced, for whom), holding (who must
wait).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tracerd.core import kernel
from tracerd.core.actions import NOBODY, Actions, only_exec
from tracerd.core.commands import Answer, Gate, Item, Published, Statistics
from tracerd.core.describe import Describer
from tracerd.core.pump import Call, Pump, PythonPump
from tracerd.core.tracee import Process
from tracerd.core.tracker import Resume, Task, Tracker
from tracerd.protocol.events import Event


@dataclass(slots=True, eq=False)
class Target:
    """An attach: the processes that are under trace because of it.

    leaving: those being detached, after which the `releases` are answered.
    """

    owner: int
    pid: int
    processes: set[Process] = field(default_factory=set)
    leaving: set[Process] = field(default_factory=set)
    releases: list[Answer] = field(default_factory=list)
    why: str = "detach"


class Scene:
    """See the head of this file.

    comms: command names by tid.  entries: calls entered and not returned from, by tid.
    resumable: names of the calls that restart_syscall would go on with, by tid.
    offset: Unix time minus CLOCK_MONOTONIC, in ns, as of this round.
    """

    def __init__(self, gate: Gate, pump: Pump | None) -> None:
        self.gate = gate
        self.actions = Actions(NOBODY)
        self.pump: Pump = pump or PythonPump(self.actions, only_exec())
        self.tracker = Tracker()
        self.describer = Describer()
        self.processes: dict[int, Process] = {}
        self.comms: dict[int, str] = {}
        self.entries: dict[int, Call] = {}
        self.resumable: dict[int, str] = {}
        self.targets: dict[int, Target] = {}
        self.leavings: list[Target] = []
        self.items: list[Item] = []
        self.answers: list[tuple[Answer, object]] = []
        """To be given once the items have been published: what they tell of came before."""
        self.offset = 0
        self.tracer_tid = 0
        self.statistics = Statistics(pump=self.pump.name)

    def wants(self, kind: str) -> bool:
        """Whether anyone subscribed to this type of event."""
        return kind in self.actions.interest.types

    def emit(self, process: Process, event: Event) -> None:
        """Publish an event with this round's batch."""
        self.items.append(Published(event, process))

    def process_of(self, tid: int) -> Process | None:
        """Return the process of a task, also of one that left or ended at this very stop."""
        task = self.tracker.tasks.get(tid)
        if task is not None:
            return self.processes.get(task.tgid)
        return next((p for p in self.processes.values() if tid in p.threads), None)

    def head(self, process: Process, tid: int, time_ns: int) -> dict[str, Any]:
        """Return the fields every event carries; gives out the next seq."""
        return self.describer.head(process, tid, time_ns, self.comms.get(tid))

    def interrupt(self, task: Task) -> None:
        """Ask a task to stop.  Whatever stop comes first is the answer, so all come to us."""
        task.interrupted = True
        self.pump.manual.add(task.tid)
        kernel.interrupt(task.tid)

    def back_to_pump(self, task: Task) -> None:
        """Let the pump handle a task's syscall stops again, unless it is to wait or to leave."""
        process = self.processes.get(task.tgid)
        if process is not None and process.owners and not process.held:
            self.pump.manual.discard(task.tid)

    def resume(self, tid: int, resume: Resume, signo: int = 0) -> None:
        """Carry out what the state machine decided."""
        if resume is Resume.RUN:
            self.pump.resume(tid)
        elif resume is Resume.INJECT:
            self.pump.resume(tid, signo)
        elif resume is Resume.LISTEN:
            kernel.listen(tid)
        elif resume is Resume.DETACH:
            kernel.detach(tid)
        elif resume is Resume.DETACH_INJECT:
            kernel.detach(tid, signo)
