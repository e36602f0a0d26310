"""What the parts of the tracer thread share.

One object, touched by the tracer thread only.  The parts: tracer (the loop), keeping (facts, and
what they change), watching (which calls stop), attaching (who is traced, for whom), holding (who
must wait).  What is to be told goes to the teller, by the queue of the pump.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from tracerd.core import describe, kernel
from tracerd.core.commands import Answer, Gate, Statistics
from tracerd.core.items import Joined, Reply, Told
from tracerd.core.pump import Pump, choose
from tracerd.core.tracee import Details, Process
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

    comms: command names by tid.
    offset: Unix time minus CLOCK_MONOTONIC, in ns, as of this round.
    """

    def __init__(self, gate: Gate, pump: Pump | None, max_tracees: int = sys.maxsize) -> None:
        self.max_tracees = max_tracees
        self.gate = gate
        self.pump = pump or choose()
        self.tracker = Tracker()
        self.processes: dict[int, Process] = {}
        self.comms: dict[int, str] = {}
        self.targets: dict[int, Target] = {}
        self.leavings: list[Target] = []
        self.offset = 0
        self.tracer_tid = 0
        self.statistics = Statistics(
            pump=self.pump.name,
            reads=lambda: self.pump.reads,
            histogram=self.pump.histogram,
            placements=self.pump.placements,
        )

    def emit(self, process: Process, event: Event) -> None:
        """Tell an event, of the process as it was last identified."""
        self.pump.put(Told(event, process.identity))

    def reply(self, answer: Answer, value: object) -> None:
        """Answer a command after all that is to be told of what came before."""
        self.pump.put(Reply(answer, value))

    def process_of(self, tid: int) -> Process | None:
        """Return the process of a task, also of one that left or ended at this very stop."""
        task = self.tracker.tasks.get(tid)
        if task is not None:
            return self.processes.get(task.tgid)
        return next((p for p in self.processes.values() if tid in p.threads), None)

    def head(self, process: Process, tid: int, time_ns: int) -> Details:
        """Return the fields every event carries."""
        comm = self.comms.get(tid, process.comm)
        return describe.head(process.identity, tid, time_ns, comm)

    def join(self, process: Process, tid: int, comm: str) -> None:
        """Let a task belong to a process, or take note of its new name."""
        self.comms[tid] = comm
        self.pump.put(Joined(tid, process.pid, comm))

    def watch(self, process: Process, tid: int) -> None:
        """Have the pump handle a task of a process as that is to be handled now."""
        self.pump.watch(tid, process.pid, process.actions, process.mode)

    def interrupt(self, task: Task) -> None:
        """Ask a task to stop.  Whatever stop comes first is the answer, so all come to us."""
        task.interrupted = True
        self.pump.set_manual(task.tid, True)
        kernel.interrupt(task.tid)

    def back_to_pump(self, task: Task) -> None:
        """Let the pump handle a task's syscall stops again, unless it is to wait or to leave."""
        process = self.processes.get(task.tgid)
        if process is not None and process.owners and not process.held:
            self.pump.set_manual(task.tid, False)

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
