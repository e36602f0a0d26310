"""Who is under trace, for whom: attaching, sharing, letting go."""

from __future__ import annotations

import logging
import os
import time

from tracerd import errors
from tracerd.core import attach, identity, kernel, procfs, untraceable
from tracerd.core.attach import AttachJob, Seized
from tracerd.core.commands import (
    Answer,
    AttachCommand,
    AttachResult,
    ExpireAttach,
    ExpireRelease,
    ReleaseCommand,
    ReleaseResult,
    TargetEnded,
)
from tracerd.core.doorbell import Doorbell
from tracerd.core.items import Gone
from tracerd.core.keeping import Keeper
from tracerd.core.pidfd import PidFd
from tracerd.core.scene import Scene, Target
from tracerd.core.tracee import Process
from tracerd.core.tracker import Resume, State, Task
from tracerd.core.watching import Watcher
from tracerd.protocol import events
from tracerd.protocol.text import shown

LOOK_EVERY_S = 0.02

log = logging.getLogger("tracerd.tracer")


class Attacher:
    """Carries out attaches and releases; both take many rounds."""

    def __init__(self, scene: Scene, keeper: Keeper, watcher: Watcher, doorbell: Doorbell) -> None:
        self._scene = scene
        self._keeper = keeper
        self._watcher = watcher
        self._doorbell = doorbell
        self._jobs: dict[int, AttachJob] = {}
        self.stopping = False
        self._looked = 0.0
        self._vanished: set[int] = set()
        """Tasks that were not to be found at the last look."""

    @property
    def busy(self) -> bool:
        """Whether anything waits for stops."""
        return bool(self._jobs or self._scene.leavings)

    def attach(self, command: AttachCommand, answer: Answer) -> None:
        """Bring a process under trace, or share it.  Raises the errors of AttachCommand."""
        if self.stopping:
            raise errors.ShuttingDown
        scene, pid, owner = self._scene, command.pid, command.owner
        known = scene.processes.get(pid)
        if known is not None and known.owners:
            target = scene.targets.setdefault(owner, Target(owner, pid))
            target.processes.add(known)
            known.owners.add(owner)
            answer(AttachResult(pid, sorted(known.threads)))
            return
        if known is not None:
            self._keep(known, command, answer)
            return
        if len(scene.tracker.tasks) >= scene.max_tracees:
            raise errors.LimitReached("tracees", scene.max_tracees)
        held = command.held or PidFd(pid)
        ours = {os.getpid(), self._doorbell.tid}
        attach.check(pid, held, ours, trace_init=command.trace_init)
        process = Process(
            pid=pid,
            lineage=frozenset({pid}),
            hidden=command.until_exec,
            told=False,
            calls=command.calls,
            attached_ns=time.time_ns(),
        )
        identity.read_all(process, pid)
        scene.processes[pid] = process
        self._watcher.identify(process)
        job = self._begin(process, command, answer, held)
        self._doorbell.ring_soon()  # see _look_again
        try:
            self._scan(job, process)
            if not held.alive():  # the pid may be another process's by now
                process.hidden = True
                self._watcher.identify(process)
                raise errors.NoSuchProcess(pid)
        except errors.TracerdError as error:
            self._fail(job, error)

    def _keep(self, process: Process, command: AttachCommand, answer: Answer) -> None:
        """Attach to a process that is leaving: what has not left stays, what has is seized anew."""
        scene = self._scene
        for tid in process.threads:
            scene.tracker.tasks[tid].leaving = False
        for leaving in scene.leavings:
            leaving.leaving.discard(process)
        scene.pump.distrust_descriptors(process.pid)  # threads that have left run on
        process.let_go = False
        self._keeper.forget_left(process, time.time_ns())
        job = self._begin(process, command, answer, PidFd(process.pid))
        job.pending = {tid for tid in process.threads if scene.tracker.tasks[tid].interrupted}
        self.progress()

    def _begin(
        self, process: Process, command: AttachCommand, answer: Answer, held: PidFd
    ) -> AttachJob:
        owner = command.owner
        process.owners.add(owner)
        process.attaching = True
        self._scene.targets[owner] = Target(owner, process.pid, {process})
        job = self._jobs[owner] = AttachJob(process.pid, owner, answer, held, command.by_uid)
        return job

    def _end(self, job: AttachJob) -> Process:
        """Take an attach off the list, and its process with it if nothing of that is traced."""
        del self._jobs[job.owner]
        process = self._scene.processes[job.pid]
        process.attaching = False
        if not process.threads:
            self._keeper.drop_process(process)
        return process

    def expire(self, command: ExpireAttach, answer: Answer) -> None:
        """Answer an attach that takes too long with what has been reached."""
        job = self._jobs.get(command.owner)
        if job is not None:
            self._succeed(job)
        answer(None)

    def release(self, command: ReleaseCommand, answer: Answer) -> None:
        """Give up an owner's processes; answered when they run free."""
        job = self._jobs.get(command.owner)
        if job is not None:
            self._give_up(job, errors.NoSuchProcess(job.pid))
        target = self._scene.targets.get(command.owner)
        if target is None:
            answer(ReleaseResult())
            return
        for process in target.processes:
            if process.needs_us and process.owners == {command.owner}:
                raise errors.SeccompFiltered(process.pid)
        target.why = command.why
        target.releases.append(answer)
        self._let_go(target)
        self.progress()

    def expire_release(self, command: ExpireRelease, answer: Answer) -> None:
        """Answer a release that takes too long with the tasks that have not left yet."""
        for target in self._scene.leavings:
            if target.owner == command.owner:
                tids = sorted(tid for process in target.leaving for tid in process.threads)
                for waiting in target.releases:
                    waiting(ReleaseResult(tids))
                target.releases.clear()
        answer(None)

    def release_all(self, why: str, *, patient: bool) -> None:
        """Give up everything: the daemon ends.  patient: all but what needs us to go on."""
        self.stopping = True
        scene = self._scene
        for tid in scene.tracker.parked():
            del scene.tracker.tasks[tid]
            kernel.detach(tid)
        for job in list(self._jobs.values()):
            self._give_up(job, errors.ShuttingDown())
        if not patient:
            self._abandon()
        for target in list(scene.targets.values()):
            if any(process.needs_us for process in target.processes):
                continue
            target.why = why
            self._let_go(target)
        self.progress()

    def _abandon(self) -> None:
        """Leave those to the kernel that cannot go on without us: it kills them when we end."""
        scene = self._scene
        for process in [each for each in scene.processes.values() if each.needs_us]:
            log.warning("a program ends with its tracer", extra={"fields": {"pid": process.pid}})
            for tid in list(process.threads):
                del scene.tracker.tasks[tid]
                self._keeper.drop_thread(process, tid)

    def progress(self) -> None:
        """Move on what waited for the stops of this round."""
        scene = self._scene
        if self.busy:
            self._look_again()
        for job in list(self._jobs.values()):
            job.pending = {tid for tid in job.pending if self._has_to_stop(tid)}
            while not job.pending and job.owner in self._jobs:
                self._advance(job)
        for target in list(scene.leavings):
            if not target.leaving:
                scene.leavings.remove(target)
                scene.pump.put(TargetEnded(target.owner, target.pid))
                for answer in target.releases:
                    answer(ReleaseResult())

    def _look_again(self) -> None:
        """Wait no more for tasks that will not stop.

        Leaders that have ended while other threads go on.  Leaders whose tid a thread has taken
        that was not ours yet, by execve: the kernel tells neither of the leader's end nor of the
        exec then.  And, to be sure, whatever is not there any more at two looks.
        """
        self._doorbell.ring_soon()  # no stop tells of these things
        scene, now = self._scene, time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        waited_for = {tid for job in self._jobs.values() for tid in job.pending}
        for target in scene.leavings:
            waited_for.update(*(process.threads for process in target.leaving))
        vanished = set()
        for tid in waited_for & scene.tracker.tasks.keys():
            task = scene.tracker.tasks[tid]
            status = procfs.status(tid)
            if status is None:
                vanished.add(tid)
                if tid in self._vanished and not self._took_the_lead(task):
                    self._drop(task)
            elif tid != task.tgid:
                continue
            elif status.state in untraceable.DEAD:
                # Its end is told when the last thread's is.
                process = scene.processes[tid]
                if not process.owners and len(procfs.tasks(tid) or ()) > 1:
                    self._lose(tid)
            elif status.tracer != scene.tracer_tid:
                self._drop(task)
        self._vanished = vanished

    def _took_the_lead(self, task: Task) -> bool:
        """Whether a thread that is not there any more may be its leader now, by execve.

        Its PTRACE_EVENT_EXEC is on the way then, for as long as loading the image takes.
        """
        status = procfs.status(task.tgid)
        return (
            task.tid != task.tgid
            and status is not None
            and status.state not in untraceable.DEAD
            and status.tracer == self._scene.tracer_tid
        )

    def _is_anothers(self, tid: int) -> bool:
        """Whether a leader's tid is by now that of a living task which is not ours."""
        status = procfs.status(tid)
        return (
            status is not None
            and status.state not in untraceable.DEAD
            and status.tracer != self._scene.tracer_tid
        )

    def _drop(self, task: Task) -> None:
        """Forget a task that is none of ours any more; an attach under way seizes it anew."""
        scene = self._scene
        process = scene.processes[task.tgid]
        if process.attaching:
            self._keeper.unfinished(process, task.tid, time.time_ns())
            del scene.tracker.tasks[task.tid]
            process.threads.discard(task.tid)
            scene.pump.forget(task.tid)
            scene.pump.put(Gone(task.tid))
        else:
            self._lose(task.tid)

    def _lose(self, tid: int) -> None:
        self._keeper.tell(self._scene.tracker.lost(tid), time.time_ns())

    def _has_to_stop(self, tid: int) -> bool:
        task = self._scene.tracker.tasks.get(tid)
        if task is None or not (task.state is State.STARTING or task.interrupted):
            return False
        return tid != task.tgid or not untraceable.is_dead(tid)

    def _advance(self, job: AttachJob) -> None:
        process = self._scene.processes[job.pid]
        if not job.held.alive():
            self._fail(job, errors.NoSuchProcess(job.pid))
        elif process.threads and job.quiet >= attach.QUIET_PASSES:
            self._succeed(job)
        else:  # without threads: one that was not ours yet has replaced them all, by execve
            try:
                self._scan(job, process)
            except errors.TracerdError as error:
                self._fail(job, error)

    def _scan(self, job: AttachJob, process: Process) -> None:
        """Seize every thread that is not ours yet; count quiet passes."""
        scene = self._scene
        fresh = False
        unannounced = 0
        for tid in procfs.tasks(job.pid) or []:
            task = scene.tracker.tasks.get(tid)
            if task is not None:
                if tid != job.pid or not self._is_anothers(tid):
                    continue
                self._drop(task)
            options = kernel.OPTIONS if process.calls is None else kernel.OPTIONS_FILTERED
            seized = attach.seize(job.pid, tid, scene.tracer_tid, options)
            if seized is Seized.GONE:
                fresh = True  # it may have made another before it went
            elif seized is Seized.OURS:
                unannounced += 1
            if seized is not Seized.YES:
                continue
            if self._is_strange(tid, job.pid):
                continue
            scene.tracker.seized(tid, job.pid)
            process.threads.add(tid)
            if not process.told:
                process.untold.add(tid)
            identity.read_inner(process, tid)
            self._watcher.identify(process)
            comm = procfs.comm(tid)
            scene.join(process, tid, process.comm if comm is None else shown(comm))
            scene.watch(process, tid)
            job.pending.add(tid)
            fresh = True
        status = procfs.status(job.pid)
        known = len(process.threads & scene.tracker.tasks.keys()) + unannounced
        if status is not None and status.threads > known:
            fresh = True  # the listing has missed some
        job.passes += 1
        job.quiet = 0 if fresh and job.passes < attach.MOST_PASSES else job.quiet + 1

    def _is_strange(self, tid: int, pid: int) -> bool:
        """Let a task go that was seized by mistake: its tid was recycled as we looked.

        A seized task's tid is its own until we reap it, so now its process can be told for sure.
        """
        status = procfs.status(tid)
        if status is None or status.tgid == pid:
            return False
        scene = self._scene
        if status.tgid not in scene.processes:
            stranger = Process(pid=status.tgid, hidden=True)
            scene.processes[stranger.pid] = stranger
            self._watcher.identify(stranger)
        process = scene.processes[status.tgid]
        process.threads.add(tid)
        scene.tracker.seized(tid, process.pid)
        scene.join(process, tid, process.comm)
        scene.watch(process, tid)
        if not process.owners:
            self._ask_to_leave(tid)
        return True

    def _succeed(self, job: AttachJob) -> None:
        scene = self._scene
        process = self._end(job)
        process.told = True
        process.untold.clear()
        scene.pump.trust_descriptors(process.pid)
        if process.threads and job.pid not in process.threads:
            scene.tracker.leaderless.add(job.pid)
        if process.wants("attached"):
            event = events.Attached(
                **scene.head(process, process.pid, time.time_ns()),
                by_uid=job.by_uid,
                threads=sorted(process.threads),
                exe=process.exe,
            )
            scene.emit(process, event)
        self._keeper.sight.look(process)
        ready = sorted(process.threads - job.pending)
        calls = process.calls if process.hidden else None
        job.answer(AttachResult(job.pid, ready, sorted(job.pending), calls))

    def _fail(self, job: AttachJob, error: errors.TracerdError) -> None:
        """Undo an attach: threads already seized are let go."""
        self._give_up(job, error)
        target = self._scene.targets.get(job.owner)
        if target is not None:
            self._let_go(target)

    def _give_up(self, job: AttachJob, error: errors.TracerdError) -> None:
        """Answer an attach that comes to nothing."""
        self._end(job)
        job.answer(error)

    def _let_go(self, target: Target) -> None:
        """Detach the processes that no other owner needs."""
        scene = self._scene
        del scene.targets[target.owner]
        for process in target.processes:
            process.owners.discard(target.owner)
            if not process.owners:
                target.leaving.add(process)
        target.processes.clear()
        scene.leavings.append(target)
        # Interrupt everybody before waiting for anybody: a vfork parent stops only after its child.
        for process in list(target.leaving):
            for tid in list(process.threads):
                self._ask_to_leave(tid)

    def _ask_to_leave(self, tid: int) -> None:
        scene = self._scene
        task = scene.tracker.tasks.get(tid)
        if task is None:
            return
        scene.pump.set_manual(tid, True)
        if task.state is State.HELD and kernel.syscall_info(tid)[0] in kernel.ENTRIES:
            # Left here, the call would end with EINTR: see Tracer._on_manual_call.
            scene.tracker.unhold(tid)
            scene.pump.resume(tid)
        needs = scene.tracker.needs_interrupt(tid)
        decision = scene.tracker.leave(tid)
        if decision.resume is Resume.HOLD:
            if needs:
                scene.interrupt(task)
            return
        scene.resume(tid, decision.resume)
        for fact in decision.facts:
            self._keeper.tell(fact, time.time_ns())
