"""From facts and recorded calls to events, and what they change of what we know."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable

from tracerd.core import identity, kernel, procfs
from tracerd.core.actions import ABIS
from tracerd.core.calls import CLONE_UNTRACED, PR_SET_NAME, clone_flags
from tracerd.core.commands import TargetEnded
from tracerd.core.decode.signals import signal_name
from tracerd.core.describe import KINDS
from tracerd.core.pump import Call
from tracerd.core.scene import Scene, Target
from tracerd.core.state_calls import CREDENTIAL_CALLS, EXECS, ROOT_CALLS
from tracerd.core.syscalls import TABLES, lookup
from tracerd.core.tracee import Process
from tracerd.core.tracker import (
    Anomaly,
    Continued,
    Ended,
    Executed,
    Fact,
    GroupStopped,
    Left,
    Made,
    Signalled,
    Started,
)
from tracerd.core.wait_status import Kind
from tracerd.protocol import events
from tracerd.protocol.text import shown

TRACING_REQUESTS = frozenset({0, 16, 0x4206})
"""PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE."""

log = logging.getLogger("tracerd.tracer")


class Teller:
    """Keeps the scene true and tells subscribers."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._table: dict[type, Callable[..., None]] = {
            Made: self._made,
            Executed: self._executed,
            Ended: self._ended,
            Left: self._left,
            Signalled: self._signalled,
            GroupStopped: self._group_stopped,
            Continued: self._continued,
            Anomaly: self._anomaly,
        }

    def tell(self, fact: Fact, time_ns: int) -> None:
        """Take note of one fact."""
        if not isinstance(fact, Started):  # who waits for it asks the tracker
            self._table[type(fact)](fact, time_ns)

    def call(self, call: Call) -> None:
        """Take note of a recorded syscall stop; the tracee runs again already."""
        scene, tid = self._scene, call.tid
        task = scene.tracker.tasks.get(tid)
        if task is None:
            return
        process = scene.processes[task.tgid]
        time_ns = call.when_ns + scene.offset
        comm = scene.comms.get(tid, "")
        if call.entering:
            scene.entries[tid] = call
            if call.action.tell_enter and not process.hidden and scene.wants("syscall_enter"):
                resumes = self._resumes(call)
                entered = scene.describer.entered(process, comm, call, time_ns, resumes)
                scene.emit(process, entered)
            return
        entry = scene.entries.pop(tid, None)
        if entry is None:
            return
        if entry.action.noted or not entry.action.syscall.known:
            self._note(process, entry, call)
        resumes = self._resumes(entry)
        if not process.hidden and self._tells_exit(entry):
            event = scene.describer.returned(process, comm, entry, call, time_ns, resumes)
            scene.emit(process, event)
        if call.failed and call.ret == -kernel.ERESTART_RESTARTBLOCK and not resumes:
            scene.resumable[tid] = entry.action.syscall.name

    def suspended(self, tid: int) -> None:
        """Note, at a stop that our interrupt made, what restart_syscall will go on with."""
        found = kernel.suspended_call(tid)
        if found is not None:
            arch, nr = found
            name = lookup(nr, ABIS.get(arch, "")).name
            if name != "restart_syscall":
                self._scene.resumable[tid] = name

    def _resumes(self, entry: Call) -> str | None:
        """Return what a restart_syscall goes on with."""
        if entry.action.syscall.name != "restart_syscall":
            return None
        return self._scene.resumable.get(entry.tid)

    def _tells_exit(self, entry: Call) -> bool:
        if not self._scene.wants("syscall_exit"):
            return False
        action = entry.action
        if action.noted and action.syscall.name in EXECS:  # may have been entered while hidden
            wanted = self._scene.actions.interest.exit
            return wanted is None or action.syscall.name in wanted
        return action.tell_exit

    def _note(self, process: Process, entry: Call, back: Call) -> None:
        """Follow what a call changed of its process, and say what can no longer be seen."""
        scene, syscall, tid = self._scene, entry.action.syscall, back.tid
        name = syscall.name
        if syscall.abi not in TABLES:
            detail = f"{syscall.abi} calls are shown by number only: no paths, no files"
            self._blind(process, back, "foreign calls", detail)
        if name == "ptrace":
            self._tracing_tracee(process, entry, back)
        if back.failed:
            return
        if name == "prctl" and entry.args[0] & 0xFFFFFFFF == PR_SET_NAME:
            comm = procfs.comm(tid)
            if comm is not None:
                scene.comms[tid] = shown(comm)
                if tid == process.pid:
                    process.comm = scene.comms[tid]
        if name in CREDENTIAL_CALLS:
            identity.read_credentials(process, tid)
        if name in ROOT_CALLS:
            identity.read_root(process, tid)
        if name == "io_uring_setup":
            self._blind(process, back, "io_uring", "what is submitted to the ring is no call")
        if (clone_flags(entry) or 0) & CLONE_UNTRACED:
            self._blind(process, back, "untraced child", f"task {back.ret} escapes tracing")

    def _tracing_tracee(self, process: Process, entry: Call, back: Call) -> None:
        """Say why a tracer fails under trace, or that one does not."""
        if not back.failed:
            detail = "the program is itself a tracer: what it traces, we cannot"
        elif entry.args[0] in TRACING_REQUESTS and back.ret == -errno.EPERM:
            detail = "the program cannot trace what tracerd traces: Linux allows one tracer"
        else:
            return
        self._blind(process, back, "ptrace", detail)

    def _blind(self, process: Process, back: Call, what: str, detail: str) -> None:
        """Say once per process that something in it cannot be seen."""
        scene = self._scene
        if what in process.blind or process.hidden or not scene.wants("blind"):
            return
        process.blind.add(what)
        head = scene.head(process, back.tid, back.when_ns + scene.offset)
        scene.emit(process, events.Blind(**head, what=what, detail=detail))

    def _made(self, fact: Made, time_ns: int) -> None:
        scene = self._scene
        parent = scene.process_of(fact.tid)
        if parent is None:
            raise LookupError(f"no process for {fact.tid}, which made {fact.child}")
        process = parent if fact.thread else self._new_process(parent, fact.child)
        process.threads.add(fact.child)
        if fact.thread and process.inner:
            identity.read_inner(process, fact.child)
        scene.comms[fact.child] = scene.comms.get(fact.tid, parent.comm)
        scene.pump.watch(fact.child, process.pid, hidden=process.hidden)
        if not process.owners or process.held:
            scene.pump.manual.add(fact.child)
        if scene.wants("new_child") and not parent.hidden:
            event = events.NewChild(
                **scene.head(parent, fact.tid, time_ns),
                child=fact.child,
                kind=KINDS[fact.kind],
                thread=fact.thread,
                child_start=0 if fact.thread else process.start,
                child_ns=process.inner.get(fact.child),
            )
            scene.emit(parent, event)

    def _new_process(self, parent: Process, pid: int) -> Process:
        process = identity.child_of(parent, pid)
        self._scene.processes[pid] = process
        for owner in process.owners:
            self._scene.targets[owner].processes.add(process)
        if not process.owners:
            for target in self._scene.leavings:
                if parent in target.leaving:
                    target.leaving.add(process)
                    break
        return process

    def _executed(self, fact: Executed, time_ns: int) -> None:
        scene, tid = self._scene, fact.tid
        process = scene.processes[tid]  # whoever made the call is the leader now
        entry = scene.entries.pop(fact.former, None)
        if fact.superseded:
            self.unfinished(process, tid, time_ns)
            process.threads.discard(fact.former)
            process.inner.pop(fact.former, None)
            scene.comms.pop(fact.former, None)
            scene.resumable.pop(fact.former, None)
        process.threads.add(tid)
        scene.pump.new_image(tid, fact.former)
        scene.pump.watch(tid, process.pid)
        if not process.owners or process.held:
            scene.pump.manual.add(tid)
        identity.read_image(process, tid)
        scene.comms[tid] = process.comm
        process.hidden = False
        if scene.wants("exec"):
            envp = scene.actions.interest.envp
            event = scene.describer.executed(process, tid, fact.former, entry, time_ns, envp=envp)
            scene.emit(process, event)
        if entry is not None and scene.actions.any_calls:  # else its return makes no stop
            scene.entries[tid] = entry._replace(tid=tid)

    def unfinished(self, process: Process, tid: int, time_ns: int) -> None:
        """Tell of a call that will never return."""
        scene = self._scene
        entry = scene.entries.pop(tid, None)
        if entry is not None and not process.hidden and self._tells_exit(entry):
            comm = scene.comms.get(tid, "")
            scene.emit(process, scene.describer.returned(process, comm, entry, None, time_ns))

    def _ended(self, fact: Ended, time_ns: int) -> None:
        scene = self._scene
        process = scene.processes[fact.tgid]
        self.unfinished(process, fact.tid, time_ns)
        kind = "exit" if fact.status.kind is Kind.EXITED else "signal_exit"
        if scene.wants(kind) and not process.hidden and fact.tid not in process.untold:
            comm = scene.comms.get(fact.tid, "")
            event = scene.describer.ended(
                process, comm, fact.tid, fact.status, time_ns, whole=fact.process
            )
            scene.emit(process, event)
        if not fact.process and not process.owners and process.threads <= {fact.tid}:
            self._detached(process, time_ns)  # the others had left already
        self._drop_thread(process, fact.tid)

    def _left(self, fact: Left, time_ns: int) -> None:
        scene = self._scene
        process = scene.processes[fact.tgid]
        entry = scene.entries.pop(fact.tid, None)
        last = process.threads <= {fact.tid}
        if entry is not None and not last:
            process.left_inside[fact.tid] = entry
        if last:
            self._detached(process, time_ns)
        self._drop_thread(process, fact.tid)

    def _detached(self, process: Process, time_ns: int) -> None:
        scene = self._scene
        if scene.wants("detached") and not process.hidden:
            why = next((t.why for t in scene.leavings if process in t.leaving), "detach")
            event = events.Detached(**scene.head(process, process.pid, time_ns), why=why)
            scene.emit(process, event)

    def forget_left(self, process: Process, time_ns: int) -> None:
        """Tell of the calls that were lost sight of as unfinished: the process stays after all."""
        for tid, entry in process.left_inside.items():
            self._scene.entries[tid] = entry
            self.unfinished(process, tid, time_ns)
        process.left_inside.clear()

    def _drop_thread(self, process: Process, tid: int) -> None:
        scene = self._scene
        scene.pump.forget(tid)
        scene.comms.pop(tid, None)
        scene.resumable.pop(tid, None)
        process.threads.discard(tid)
        process.inner.pop(tid, None)
        process.untold.discard(tid)
        if not process.threads and not process.attaching:
            self.drop_process(process)

    def drop_process(self, process: Process) -> None:
        """Forget a process that has no traced thread left, and answer for it."""
        scene = self._scene
        del scene.processes[process.pid]
        scene.tracker.leaderless.discard(process.pid)
        scene.pump.ended_process(process.pid)
        for owner in process.owners:
            target = scene.targets.get(owner)
            if target is not None:
                target.processes.discard(process)
                if not target.processes:
                    self._target_ended(target)
        for target in scene.leavings:
            target.leaving.discard(process)

    def _target_ended(self, target: Target) -> None:
        del self._scene.targets[target.owner]
        self._scene.items.append(TargetEnded(target.owner, target.pid))

    def _signalled(self, fact: Signalled, time_ns: int) -> None:
        scene = self._scene
        process = scene.process_of(fact.tid)
        if process is None or process.hidden or not scene.wants("signal_stop"):
            return
        comm = scene.comms.get(fact.tid, "")
        event = scene.describer.signalled(process, comm, fact.tid, fact.signo, time_ns)
        scene.emit(process, event)

    def _group_stopped(self, fact: GroupStopped, time_ns: int) -> None:
        scene = self._scene
        process = scene.process_of(fact.tid)
        if process is None:
            return
        process.stopped = True
        if scene.wants("group_stop") and not process.hidden:
            head = scene.head(process, fact.tid, time_ns)
            name = signal_name(fact.signo)
            scene.emit(process, events.GroupStop(**head, signal=name, signo=fact.signo))

    def _continued(self, fact: Continued, time_ns: int) -> None:
        scene = self._scene
        process = scene.process_of(fact.tid)
        if process is None:
            return
        process.stopped = False
        if scene.wants("resumed") and not process.hidden:
            scene.emit(process, events.Resumed(**scene.head(process, fact.tid, time_ns)))

    def _anomaly(self, fact: Anomaly, _time_ns: int) -> None:
        self._scene.statistics.anomalies += 1
        log.warning("anomaly", extra={"fields": {"tid": fact.tid, "what": fact.what}})
