"""The tracer thread: the one place that makes ptrace calls.

`run` is its body: wait (the pump), feed the state machine, resume, describe,
publish (the teller).  Everything else asks it through `submit`.  Resume first,
describe after: the tracee runs meanwhile; only what the stop alone can tell (a
signal's siginfo, a new image) is read before.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from tracerd import errors
from tracerd.core import kernel, procfs
from tracerd.core.attaching import Attacher
from tracerd.core.calls import CLONE_THREAD, clone_flags, runs_again
from tracerd.core.checkup import Examiner
from tracerd.core.commands import (
    Answer,
    AttachCommand,
    Barrier,
    Checkup,
    Command,
    ExpireAttach,
    ExpireInterest,
    ExpireRelease,
    Gate,
    Publish,
    Recheck,
    ReleaseCommand,
    SetInterest,
    Snapshot,
    Statistics,
    Stop,
    Survey,
)
from tracerd.core.doorbell import Doorbell
from tracerd.core.holding import Holder
from tracerd.core.injection import NONE, Injection
from tracerd.core.items import HEAD
from tracerd.core.keeping import Keeper
from tracerd.core.pump import Pair, Pump
from tracerd.core.pump import Stop as StopRecord
from tracerd.core.scene import Scene
from tracerd.core.survey import surveyed
from tracerd.core.telling import Teller
from tracerd.core.tracee import Process
from tracerd.core.tracker import (
    Decision,
    Ended,
    Executed,
    Made,
    Observation,
    Signalled,
    State,
    Task,
)
from tracerd.core.wait_status import (
    CALL_STOPS,
    MAKERS,
    STOPPING_SIGNALS,
    Kind,
    WaitStatus,
    classify,
)
from tracerd.core.watching import Watcher

log = logging.getLogger("tracerd.tracer")

PATIENCE_NS = 1_000_000_000
"""How long a new task waits for its maker's event, which comes at once or not at all; but on a busy
machine the maker may not get to run on for a while."""
LOOK_S = 0.25
"""The longest that the teller waits for a look at the gate, seconds."""

TOLD_BEFORE_RESUME = (Signalled, Executed, Made)


class Tracer:
    """See the head of this file.

    publish, gate: see commands.py.  max_tracees: threads; when there are so many, no process more
    is taken under trace.
    """

    def __init__(
        self,
        *,
        publish: Publish,
        gate: Gate,
        pump: Pump | None = None,
        injection: Injection = NONE,
        max_tracees: int = sys.maxsize,
    ) -> None:
        self.tid = 0
        self._scene = Scene(gate, pump, max_tracees)
        self.statistics: Statistics = self._scene.statistics
        self._doorbell = Doorbell()
        self._teller = Teller(
            self._scene.pump, publish, gate, self.statistics, self._have_gate_looked_at, injection
        )
        self._next_records = injection.hanging(injection.tracer_hang, self._wait)
        self._watcher = Watcher(self._scene)
        self._keeper = Keeper(self._scene, self._watcher)
        self._attacher = Attacher(self._scene, self._keeper, self._watcher, self._doorbell)
        self._holder = Holder(self._scene, self._keeper)
        self._examiner = Examiner(self._scene)
        self._looked: threading.Event | None = None
        """To be set after the next look at the gate."""
        self._commands: deque[tuple[Command, Answer]] = deque()
        self._parked: dict[int, int] = {}
        """New tasks that their makers have not told of, and since when (CLOCK_MONOTONIC)."""
        self._stop: Answer | None = None
        self._closed = False
        self._handlers: dict[type, Callable[..., None]] = {
            AttachCommand: self._attacher.attach,
            ExpireAttach: self._attacher.expire,
            ReleaseCommand: self._attacher.release,
            ExpireRelease: self._attacher.expire_release,
            SetInterest: self._set_interest,
            ExpireInterest: self._watcher.expire,
            Recheck: self._holder.recheck,
            Snapshot: self._snapshot,
            Survey: self._survey,
            Checkup: self._examiner.examine,
            Barrier: self._barrier,
            Stop: self._begin_stop,
        }

    def submit(self, command: Command, answer: Answer) -> None:
        """Queue a command, from any thread.

        `answer` gets the result, or the exception, where events are published; once the tracer has
        stopped it gets ShuttingDown on the caller's thread.
        """
        self._commands.append((command, answer))
        if self._closed:
            self._refuse_commands()
        else:
            self._doorbell.ring()

    def run(self) -> None:
        """Trace until told to stop.  The calling thread becomes the tracer thread."""
        self.tid = self._scene.tracer_tid = threading.get_native_id()
        self._doorbell.hang()
        try:
            self._teller.start()
            self._obey()
            self._sum_up()
            while self._stop is None or self._scene.tracker.tasks:
                self._round()
            self._sum_up()
            self._stop(None)
            self._teller.finish()
        finally:
            self._closed = True
            self._refuse_commands()
            self._doorbell.take_down()
            self._scene.pump.close()

    def _round(self) -> None:
        scene = self._scene
        records = self._next_records()
        scene.offset = time.time_ns() - time.monotonic_ns()
        for record in records:
            try:
                if isinstance(record, Pair):
                    self._keeper.call(record)
                else:
                    self._on_stop(record)
            except Exception:
                # One tracee's oddity must not end the tracing of the others.
                log.exception("a stop could not be handled", extra={"fields": {"what": record}})
                scene.statistics.odd_stops += 1
                self._rescue(record)
        if self._parked:
            self._settle_parked()
        if self._attacher.busy:
            self._attacher.progress()
        if self._watcher.switching:
            self._watcher.progress()
        if self._commands:
            self._obey()
        self._sum_up()

    def _wait(self) -> Sequence[Pair | StopRecord]:
        return self._scene.pump.wait()

    def _rescue(self, record: StopRecord | Pair) -> None:
        """Let a task go on whose stop made us fail."""
        if isinstance(record, StopRecord):
            status = classify(record.status)
            if status.kind is Kind.GROUP_STOP:
                kernel.listen(record.tid)
            elif not status.ended:
                signo = status.value if status.kind is Kind.SIGNAL else 0
                self._scene.pump.resume(record.tid, signo)

    def _sum_up(self) -> None:
        """Have told what this round brought, then see who must wait for whom."""
        scene = self._scene
        scene.statistics.tracees = len(scene.tracker.tasks)
        scene.statistics.processes = len(scene.processes)
        self._teller.round()
        looked, self._looked = self._looked, None  # now: who comes during the look wants another
        if scene.gate.closed or scene.statistics.held:
            self._holder.hold_covered()
        if looked is not None:
            looked.set()

    def _have_gate_looked_at(self) -> None:
        """Make a round, and return when it is over.  Called by the teller."""
        looked = self._looked = threading.Event()
        self._doorbell.ring()
        looked.wait(LOOK_S)  # at the end the tracer thread may be waiting for us

    # --- stops --------------------------------------------------------------------------------

    def _on_stop(self, record: StopRecord) -> None:
        tid, status = record.tid, classify(record.status)
        if tid == self._doorbell.tid:
            self._on_doorbell(status)
            return
        task = self._scene.tracker.tasks.get(tid)
        if task is not None and self._is_past(task, status):
            return
        if task is not None:
            if status.kind in CALL_STOPS and self._on_manual_call(task):
                return
            self._undo_wakening(task, status)
            self._scene.back_to_pump(task)
        message = child_tgid = 0
        alive = let_go = False
        if status.kind in MAKERS or status.kind is Kind.EXEC:
            told = kernel.event_message(tid)
            if told is None:
                return  # killed meanwhile: its end is on the way
            message = told
            if task is not None and status.kind in MAKERS:
                child_tgid = self._tgid_of_child(tid, task.tgid, message)
                let_go = child_tgid == message and self._is_full(task)
                if self._scene.tracker.doubtful(message):
                    child = procfs.status(message)
                    alive = child is not None and child.tracer == self.tid
        decision = self._scene.tracker.feed(
            Observation(tid, status, message, child_tgid, alive, let_go)
        )
        self._carry_out(tid, status, decision, record.when_ns + self._scene.offset)
        if task is None and not status.ended:
            self._parked[tid] = record.when_ns

    def _is_full(self, maker: Task) -> bool:
        """Whether a process that this task made is to go untraced: there are enough tracees.

        A process is traced whole or not at all, so its threads stay, whatever their number; and so
        do the children of one whose seccomp filter makes calls fail without a tracer.
        """
        scene = self._scene
        process = scene.processes.get(maker.tgid)
        return (
            len(scene.tracker.tasks) - len(self._parked) >= scene.max_tracees
            and process is not None
            and process.calls is None
        )

    def _is_past(self, task: Task, status: WaitStatus) -> bool:
        """Whether a leader has been replaced since it stopped, by a thread that called execve.

        That one is at its PTRACE_EVENT_EXEC stop under the same tid; its status is yet to come.
        """
        if task.tid != task.tgid or status.kind is Kind.EXEC or status.ended:
            return False
        process = self._scene.processes.get(task.tgid)
        if process is None or len(process.threads) < 2:
            return False
        info = kernel.signal_info(task.tid)
        return info is not None and (info.signo, info.code) == kernel.AT_EXEC

    def _undo_wakening(self, task: Task, status: WaitStatus) -> None:
        """Spare the program the EINTR of a stop that it would not have made untraced."""
        if status.kind is Kind.INTERRUPT and task.state is not State.LISTENING:
            # Ours, or that of a SIGCONT to a program that was not stopped: each thread makes one.
            _undo_interrupt(task.tid)
            if task.interrupted:
                self._keeper.suspended(task.tid)
        elif (
            status.kind is Kind.SIGNAL
            and status.value not in STOPPING_SIGNALS
            and not task.continued
        ):
            # An ignored signal, which wakes only who is traced.  One that has a handler still ends
            # the call, and so does the end of a group-stop.
            _undo_interrupt(task.tid)

    def _on_manual_call(self, task: Task) -> bool:
        """Deal with a syscall stop the pump left to us; False: it is the task's last with us.

        While our interrupt is outstanding, a call that is entered ends at once with EINTR.  So a
        task is neither detached nor given back to the pump before that has been undone.
        """
        tid, pump = task.tid, self._scene.pump
        if not task.interrupted:
            return not task.leaving and self._holder.keep_or_handle(task)
        if kernel.syscall_info(tid)[0] in kernel.ENTRIES:
            # This stop has used up the interrupt, and a call with a signal mask would not notice.
            kernel.interrupt(tid)
            self._holder.let_on(task)
            return True
        undone = _undo_interrupt(tid)
        if task.leaving:
            return False
        task.interrupted = False
        self._scene.back_to_pump(task)
        if undone:
            pump.skip(tid)
            return True
        return self._holder.keep_or_handle(task)

    def _on_doorbell(self, status: WaitStatus) -> None:
        if status.ended:
            log.warning("the doorbell was killed; hanging a new one")
            self._doorbell.hang()
        else:
            self._doorbell.answer()

    def _carry_out(self, tid: int, status: WaitStatus, decision: Decision, time_ns: int) -> None:
        """Tell what only the stop can show, resume, tell the rest."""
        for fact in decision.facts:
            if isinstance(fact, TOLD_BEFORE_RESUME):
                self._keeper.tell(fact, time_ns)
        signo = status.value if status.kind is Kind.SIGNAL else 0
        self._scene.resume(tid, decision.resume, signo)
        for other, resume in decision.others:
            self._scene.resume(other, resume)
        for fact in decision.facts:
            if isinstance(fact, Executed) and fact.superseded:  # the leader may have been a maker
                self._adopt(self._scene.processes[fact.tid], time_ns)
            if isinstance(fact, Ended):
                self._adopt(self._scene.processes[fact.tgid], time_ns)
            if not isinstance(fact, TOLD_BEFORE_RESUME):
                self._keeper.tell(fact, time_ns)

    def _tgid_of_child(self, tid: int, tgid: int, child: int) -> int:
        """Return the process of a new task: its maker's for a thread, else its own."""
        entry = self._scene.pump.entry(tid)
        flags = None if entry is None else clone_flags(entry)
        if flags is not None:
            return tgid if flags & CLONE_THREAD else child
        return tgid if os.path.exists(f"/proc/{tgid}/task/{child}") else child

    def _adopt(self, dead: Process, time_ns: int) -> None:
        """Take in new tasks whose maker died before its clone event could be seen.

        dead: a process of which a task has died; it is in the table still.
        """
        scene = self._scene
        for tid in scene.tracker.parked():
            status = procfs.status(tid)
            if status is None:
                continue
            if status.tgid != tid:
                maker = scene.processes.get(status.tgid)
            elif status.ppid in scene.processes and status.ppid != dead.pid:
                continue  # its maker lives: the event will come
            else:
                maker = dead
            if maker is None:
                continue
            self._take_in(maker, tid, status.tgid, time_ns)

    def _take_in(self, maker: Process, tid: int, tgid: int, time_ns: int) -> None:
        parent = maker.pid if maker.pid in maker.threads else next(iter(maker.threads))
        decision = self._scene.tracker.announce(
            parent, tid, Kind.CLONE, tgid, leaving=not maker.owners, adopted=True
        )
        self._carry_out(parent, WaitStatus(Kind.CLONE), decision, time_ns)

    def _settle_parked(self) -> None:
        """Take in new tasks that no event told of in time, or let them go.

        Their makers died and a tracee is the parent of the orphans now; or the end of a maker came
        before their first stop; or they were made with CLONE_UNTRACED and CLONE_PTRACE.
        """
        scene, now = self._scene, time.monotonic_ns()
        for tid, since in list(self._parked.items()):
            task = scene.tracker.tasks.get(tid)
            if task is not None and task.state is State.PARKED:
                if now - since < PATIENCE_NS:
                    continue
                self._settle(tid, now + scene.offset)
            del self._parked[tid]
        if self._parked:
            self._doorbell.ring_soon()

    def _settle(self, tid: int, time_ns: int) -> None:
        status = procfs.status(tid)
        if status is None:
            return  # killed: its end is on the way
        processes = self._scene.processes
        maker = processes.get(status.ppid if status.tgid == tid else status.tgid)
        if maker is not None:
            self._take_in(maker, tid, status.tgid, time_ns)
        else:
            log.info("a child without a traced parent is let go", extra={"fields": {"tid": tid}})
            del self._scene.tracker.tasks[tid]
            kernel.detach(tid)

    # --- commands -----------------------------------------------------------------------------

    def _obey(self) -> None:
        while self._commands:
            command, asker = self._commands.popleft()
            answer = partial(self._scene.reply, asker)
            try:
                self._handlers[type(command)](command, answer)
            except errors.TracerdError as error:
                answer(error)
            except Exception as error:
                log.exception("a command failed", extra={"fields": {"command": repr(command)}})
                answer(error)

    def _refuse_commands(self) -> None:
        while self._commands:
            self._commands.popleft()[1](errors.ShuttingDown())

    def _set_interest(self, command: SetInterest, answer: Answer) -> None:
        self._watcher.set_interest(command, answer)
        for process in self._scene.processes.values():
            if process.told:
                self._keeper.sight.look(process)

    def _snapshot(self, _command: Snapshot, answer: Answer) -> None:
        processes = [p for p in self._scene.processes.values() if not p.hidden]
        for process in processes:
            if self._watcher.look_at(process):
                self._watcher.changed(process)
        answer(
            [
                dataclasses.replace(p, owners=set(p.owners), threads=set(p.threads))
                for p in processes
            ]
        )

    def _survey(self, command: Survey, answer: Answer) -> None:
        scene, now = self._scene, time.time_ns()
        found = []
        for process in scene.processes.values():
            # One whose attach is under way is told of when that succeeds.
            if process.hidden or not process.told or not process.owners or not process.threads:
                continue
            if self._watcher.look_at(process):
                self._watcher.changed(process)
            if command.covers(process.identity):
                head = scene.head(process, process.pid, now)
                found.append((surveyed(process, head), process.identity))
        answer(found)

    def _barrier(self, _command: Barrier, answer: Answer) -> None:
        """Answered with the newest seq by the teller, when it comes to that."""
        answer(HEAD)

    def _begin_stop(self, command: Stop, answer: Answer) -> None:
        self._stop = answer
        self._attacher.release_all(command.why, patient=command.patient)


def _undo_interrupt(tid: int) -> bool:
    """Spare the program the EINTR that our own interrupt made (see calls.NOT_RESTARTED).

    At its exit-stop, a call that a waiting signal would have ended anyway is left to be told so.
    """
    call = kernel.interrupted_call(tid)
    if call is None or not runs_again(call):
        return False
    if call.at_exit:
        status = procfs.status(tid)
        if status is None or (status.pending | status.shared_pending) & ~status.blocked:
            return False
    return kernel.rewind(tid, call)
