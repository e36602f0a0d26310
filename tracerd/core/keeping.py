"""From facts, and calls that mean something to the tracer, to what we know and what is told.

Calls as such are the teller's.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable

from tracerd.core import describe, files, identity, kernel, procfs
from tracerd.core.actions import ABIS, tells_return
from tracerd.core.calls import (
    CLONE_NEWUSER,
    CLONE_UNTRACED,
    PR_SET_DUMPABLE,
    PR_SET_NAME,
    clone_flags,
)
from tracerd.core.commands import TargetEnded
from tracerd.core.decode.signals import signal_name
from tracerd.core.describe import KINDS
from tracerd.core.interpreters import Interpreters
from tracerd.core.items import Gone, GoneProcess, Implied, Resumable, Unfinished
from tracerd.core.pump import Call, Mode, Pair
from tracerd.core.scene import Scene, Target
from tracerd.core.sight import IO_URING, UNSEEN, Sight
from tracerd.core.state_calls import CREDENTIAL_CALLS, ROOT_CALLS
from tracerd.core.syscalls import TABLED, lookup
from tracerd.core.syscalls.effects import CLONE_FILES
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
from tracerd.core.watching import Watcher
from tracerd.protocol import events
from tracerd.protocol.detail import Detail
from tracerd.protocol.text import shown

TRACING_REQUESTS = frozenset({0, 16, 0x4206})
"""PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE."""

log = logging.getLogger("tracerd.tracer")


class Keeper:
    """Keeps the scene true, and has the teller told."""

    def __init__(self, scene: Scene, watcher: Watcher) -> None:
        self._scene = scene
        self._watcher = watcher
        self._interpreters = Interpreters()
        self.sight = Sight(scene, watcher)
        self._table: dict[type, Callable[..., None]] = {
            Started: self._started,
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
        self._table[type(fact)](fact, time_ns)

    def call(self, pair: Pair) -> None:
        """Take note of a call whose action is `noted`, then have it told.

        The tracee runs again already.
        """
        entry, back = pair
        scene = self._scene
        task = scene.tracker.tasks.get(back.tid)
        if task is not None:
            process = scene.processes[task.tgid]
            self._note(process, entry, back)
            self._watcher.identify(process)
            scene.pump.put(pair)

    def suspended(self, tid: int) -> None:
        """Note, at a stop that our interrupt made, what restart_syscall will go on with."""
        found = kernel.suspended_call(tid)
        if found is not None:
            arch, nr = found
            name = lookup(nr, ABIS.get(arch, "")).name
            if name != "restart_syscall":
                self._scene.pump.put(Resumable(tid, name))

    def _note(self, process: Process, entry: Call, back: Call) -> None:
        """Follow what a call changed of its process, and say what can no longer be seen."""
        scene, syscall, tid = self._scene, entry.action.syscall, back.tid
        name = syscall.name
        if syscall.abi not in TABLED:
            detail = f"{syscall.abi} calls are shown by number only: no paths, no files"
            self._blind(process, back, "foreign calls", detail)
        if name == "ptrace":
            self._tracing_tracee(process, entry, back)
        if back.failed:
            return
        if name == "prctl" and entry.args[0] & 0xFFFFFFFF == PR_SET_NAME:
            comm = procfs.comm(tid)
            if comm is not None:
                scene.join(process, tid, shown(comm))
                if tid == process.pid:
                    process.comm = scene.comms[tid]
        hides = name == "prctl" and entry.args[0] & 0xFFFFFFFF == PR_SET_DUMPABLE
        if name in CREDENTIAL_CALLS or hides or not syscall.known:
            self._changed(process, tid)
        if name in ROOT_CALLS:
            identity.read_root(process, tid)
        if name == "io_uring_setup":
            self._blind(process, back, IO_URING, UNSEEN)
        if (clone_flags(entry) or 0) & CLONE_UNTRACED:
            scene.pump.distrust_descriptors(process.pid)
            self._blind(process, back, "untraced child", f"task {back.ret} escapes tracing")

    def _changed(self, process: Process, tid: int) -> None:
        """Read who a process has become, by a call of a thread of it."""
        dumpable = process.dumpable
        identity.read_credentials(process, tid)
        if dumpable and not process.dumpable:
            # So are all that share its memory: its maker, if it has not executed anything yet.
            processes = self._scene.processes
            for other in [*processes.values()]:
                if other.dumpable and (other.pid == process.ppid or other.ppid == process.pid):
                    self._look_at(other, other.pid)

    def _look_at(self, process: Process, tid: int) -> None:
        """Read who a process is as one thread of it shows, and tell it if that is news."""
        identity.read_credentials(process, tid)
        self._watcher.identify(process)

    def _if_free(self, process: Process, tid: int) -> None:
        """Look at a process before something of it is told, if its calls do not stop."""
        if process.mode is Mode.FREE and not process.hidden:
            self._look_at(process, tid)

    def _started(self, fact: Started, _time_ns: int) -> None:
        """A thread that was seized may have become another's until it stopped."""
        process = self._scene.process_of(fact.tid)
        if process is not None and process.attaching:
            self._look_at(process, fact.tid)

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
        """Say that a call has made something of a process unseen."""
        time_ns = back.when_ns + self._scene.offset
        self.sight.fails(process, back.tid, time_ns, what, detail)

    def _made(self, fact: Made, time_ns: int) -> None:
        scene = self._scene
        parent = scene.process_of(fact.tid)
        if parent is None:
            raise LookupError(f"no process for {fact.tid}, which made {fact.child}")
        if parent.wants("new_child"):
            self._if_free(parent, fact.tid)
        process = parent if fact.thread else self._new_process(parent, fact)
        process.threads.add(fact.child)
        if fact.thread and fact.tid in parent.credentials:
            parent.set_credentials(fact.child, parent.credentials[fact.tid])
        if fact.thread and process.inner:
            identity.read_inner(process, fact.child)
        self._watcher.identify(process)
        scene.join(process, fact.child, scene.comms.get(fact.tid, parent.comm))
        scene.watch(process, fact.child)
        self._judge_descriptors(parent, process, fact)
        if not process.owners or process.held:
            scene.pump.set_manual(fact.child, True)
        if parent.wants("new_child"):
            event = events.NewChild(
                **scene.head(parent, fact.tid, time_ns),
                child=fact.child,
                kind=KINDS[fact.kind],
                thread=fact.thread,
                child_start=0 if fact.thread else process.start,
                child_ns=process.inner.get(fact.child),
            )
            scene.emit(parent, event)
        if not fact.thread:
            self.sight.born(parent, process)

    def _judge_descriptors(self, parent: Process, process: Process, fact: Made) -> None:
        """Say whether a new process has a table of descriptors of its own, as after any fork."""
        if fact.thread:
            return
        pump = self._scene.pump
        entry = pump.entry(fact.tid)
        flags = None if entry is None else clone_flags(entry)
        shares = kernel.shares_files(fact.child, fact.tid) if flags is None else flags & CLONE_FILES
        if shares:
            pump.distrust_descriptors(parent.pid)
        elif shares is not None:
            pump.trust_descriptors(process.pid)

    def _new_process(self, parent: Process, fact: Made) -> Process:
        pid = fact.child
        process = identity.child_of(parent, fact.tid, pid)
        entry = self._scene.pump.entry(fact.tid)
        flags = None if entry is None else clone_flags(entry)
        if flags is None or flags & CLONE_NEWUSER:
            identity.read_credentials(process, pid)
        self._scene.processes[pid] = process
        if fact.let_go:
            self._let_go(parent, process, fact)
        for owner in process.owners:
            self._scene.targets[owner].processes.add(process)
        if not process.owners:
            for target in self._scene.leavings:
                if parent in target.leaving:
                    target.leaving.add(process)
                    break
        return process

    def _let_go(self, parent: Process, process: Process, fact: Made) -> None:
        """Say that a new process goes untraced, for there are too many tracees."""
        scene, most = self._scene, self._scene.max_tracees
        process.owners, process.let_go = set(), True
        scene.statistics.let_go += 1
        if scene.statistics.let_go == 1:
            log.warning(
                "new processes go untraced",
                extra={"fields": {"max_tracees": most, "first": process.pid, "of": parent.pid}},
            )
        if parent.wants("blind"):
            detail = f"process {process.pid} is not traced: there are {most} tracees already"
            head = scene.head(parent, fact.tid, time.time_ns())
            scene.emit(parent, events.Blind(**head, what="untraced child", detail=detail))

    def _executed(self, fact: Executed, time_ns: int) -> None:
        scene, tid = self._scene, fact.tid
        process = scene.processes[tid]  # whoever made the call is the leader now
        entry = scene.pump.entry(fact.former)
        if fact.superseded:
            self.unfinished(process, tid, time_ns)
            scene.pump.put(Gone(fact.former))
            process.threads.discard(fact.former)
            self._drop_inner(process, fact.former)
            scene.comms.pop(fact.former, None)
        process.threads.add(tid)
        scene.pump.new_image(tid, fact.former)
        process.credentials.clear()  # the other threads are gone, or will be
        process.kinds.clear()
        identity.read_image(process, tid)
        process.hidden = False
        self._watcher.identify(process)
        scene.join(process, tid, process.comm)
        scene.watch(process, tid)
        if not process.owners or process.held:
            scene.pump.set_manual(tid, True)
        detail = process.actions.exec_detail
        place = None
        if detail >= Detail.FILES:
            place = files.executed(process.identity, tid, entry)
        if entry is not None and place is not None:
            found = self._interpreters.implied(tid, files.exactly(place), process.root)
            each = [files.implied(process.identity, path) for path in found]
            scene.pump.put(Implied(tid, each))
        if process.wants("exec"):
            envp = process.actions.interest.envp
            event = describe.executed(
                process.identity, tid, fact.former, place, time_ns, detail=detail, envp=envp
            )
            scene.emit(process, event)
        self.sight.look(process)

    def unfinished(self, process: Process, tid: int, time_ns: int) -> None:
        """Tell of a call that will never return."""
        entry = self._scene.pump.entry(tid)
        if entry is not None:
            self._tell_unfinished(process, entry, time_ns)

    def _tell_unfinished(self, process: Process, entry: Call, time_ns: int) -> None:
        scene = self._scene
        wanted = process.actions.interest.exit
        if tells_return(entry.action, wanted) and process.wants("syscall_exit"):
            comm = scene.comms.get(entry.tid, "")
            scene.pump.put(Unfinished(entry, time_ns, comm, process.identity))

    def _ended(self, fact: Ended, time_ns: int) -> None:
        scene = self._scene
        process = scene.processes[fact.tgid]
        self.unfinished(process, fact.tid, time_ns)
        kind = "exit" if fact.status.kind is Kind.EXITED else "signal_exit"
        if process.wants(kind) and fact.tid not in process.untold:
            comm = scene.comms.get(fact.tid, "")
            event = describe.ended(
                process.identity, comm, fact.tid, fact.status, time_ns, whole=fact.process
            )
            scene.emit(process, event)
        if not fact.process and not process.owners and process.threads <= {fact.tid}:
            self._detached(process, time_ns)  # the others had left already
        self.drop_thread(process, fact.tid)

    def _left(self, fact: Left, time_ns: int) -> None:
        scene = self._scene
        process = scene.processes[fact.tgid]
        entry = scene.pump.entry(fact.tid)
        last = process.threads <= {fact.tid}
        if entry is not None and not last:
            process.left_inside[fact.tid] = entry
        if last:
            self._detached(process, time_ns)
        self.drop_thread(process, fact.tid)

    def _detached(self, process: Process, time_ns: int) -> None:
        scene = self._scene
        if process.wants("detached"):
            unasked = "limit" if process.let_go else "detach"
            why = next((t.why for t in scene.leavings if process in t.leaving), unasked)
            event = events.Detached(**scene.head(process, process.pid, time_ns), why=why)
            scene.emit(process, event)

    def forget_left(self, process: Process, time_ns: int) -> None:
        """Tell of the calls that were lost sight of as unfinished: the process stays after all."""
        for entry in process.left_inside.values():
            self._tell_unfinished(process, entry, time_ns)
        process.left_inside.clear()

    def drop_thread(self, process: Process, tid: int) -> None:
        """Forget a task that has ended or left, and its process if it was the last."""
        scene = self._scene
        scene.pump.forget(tid)
        scene.pump.put(Gone(tid))
        scene.comms.pop(tid, None)
        process.threads.discard(tid)
        process.drop_credentials(tid)
        self._drop_inner(process, tid)
        process.untold.discard(tid)
        if not process.threads and not process.attaching:
            self.drop_process(process)

    @staticmethod
    def _drop_inner(process: Process, tid: int) -> None:
        if tid in process.inner:
            process.inner = {each: own for each, own in process.inner.items() if each != tid}

    def drop_process(self, process: Process) -> None:
        """Forget a process that has no traced thread left, and answer for it."""
        scene = self._scene
        del scene.processes[process.pid]
        scene.tracker.leaderless.discard(process.pid)
        scene.pump.ended_process(process.pid)
        scene.pump.put(GoneProcess(process.pid))
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
        self._scene.pump.put(TargetEnded(target.owner, target.pid))

    def _signalled(self, fact: Signalled, time_ns: int) -> None:
        scene = self._scene
        process = scene.process_of(fact.tid)
        if process is None or not process.wants("signal_stop"):
            return
        self._if_free(process, fact.tid)
        comm = scene.comms.get(fact.tid, "")
        event = describe.signalled(process.identity, comm, fact.tid, fact.signo, time_ns)
        scene.emit(process, event)

    def _group_stopped(self, fact: GroupStopped, time_ns: int) -> None:
        scene = self._scene
        process = scene.process_of(fact.tid)
        if process is None:
            return
        process.stopped = True
        if process.wants("group_stop"):
            self._if_free(process, fact.tid)
            head = scene.head(process, fact.tid, time_ns)
            name = signal_name(fact.signo)
            scene.emit(process, events.GroupStop(**head, signal=name, signo=fact.signo))

    def _continued(self, fact: Continued, time_ns: int) -> None:
        scene = self._scene
        process = scene.process_of(fact.tid)
        if process is None:
            return
        process.stopped = False
        if process.wants("resumed"):
            self._if_free(process, fact.tid)
            scene.emit(process, events.Resumed(**scene.head(process, fact.tid, time_ns)))

    def _anomaly(self, fact: Anomaly, _time_ns: int) -> None:
        self._scene.statistics.odd_stops += 1
        log.warning("anomaly", extra={"fields": {"tid": fact.tid, "what": fact.what}})
