"""The pump in pure Python: always there.  See pump for what it has to do."""

from __future__ import annotations

import errno
import os
import time

from tracerd.core import kernel
from tracerd.core.actions import Action, Actions
from tracerd.core.capture import Capturer
from tracerd.core.memory import Memory
from tracerd.core.prefixes import matters
from tracerd.core.pump import MAX_BATCH, Call, Mode, Pair, Stop, will_run_again
from tracerd.core.remembered import Remembered
from tracerd.core.syscalls.model import Captured
from tracerd.core.wait_status import SECCOMP_STOP, SYSCALL_STOP

_CALL_STOPS = frozenset({SYSCALL_STOP, SECCOMP_STOP})
_new = tuple.__new__
"""A NamedTuple made so costs half of one made by its constructor."""


class _Task:
    """A watched task.

    entry: the call it is in, if that has an action; compare: whether what was passed can still be
    compared with what is there now; entered: its last syscall stop was at an entry.  sees: it was
    resumed such that it stops at every call, and the stop is handled here.
    """

    __slots__ = ("actions", "compare", "entered", "entry", "mode", "sees", "space")

    def __init__(self, space: int, actions: Actions, mode: Mode) -> None:
        self.space = space
        self.actions = actions
        self.mode = mode
        self.entry: Call | None = None
        self.compare = True
        self.entered = False
        self.sees = False


class PythonPump:
    """See pump.Pump.

    remembers: what descriptors refer to, instead of a look into /proc at each call.
    """

    name = "python"
    threaded = False

    def __init__(self, *, remembers: bool = True) -> None:
        self.stops = 0
        self._memory = Memory()
        self._remembered = Remembered(remembers=remembers)
        self._capturer = Capturer(self._memory, self._remembered)
        self._tasks: dict[int, _Task] = {}
        self._crowds: dict[int, int] = {}
        """How many tasks a process has, by tgid."""
        self._manual: set[int] = set()
        self._next: tuple[int, int] | None = None
        """A second status of a task already in the batch: it opens the next one."""
        self._queue: list[object] = []

    @property
    def reads(self) -> int:
        """Reads of tracees' memory so far."""
        return self._memory.reads

    def watch(self, tid: int, tgid: int, actions: Actions, mode: Mode) -> None:
        """Handle this task's syscall stops from now on, or from now on in this way."""
        task = self._tasks.get(tid)
        if task is None:
            self._crowds[tgid] = self._crowds.get(tgid, 0) + 1
            self._tasks[tid] = _Task(tgid, actions, mode)
            self._remembered.join(tid, tgid)
        else:
            task.actions, task.mode = actions, mode

    def forget(self, tid: int) -> None:
        """The task is gone or detached."""
        task = self._tasks.pop(tid, None)
        if task is not None:
            self._remembered.leave(tid, task.space)
            self._crowds[task.space] -= 1
            if not self._crowds[task.space]:
                del self._crowds[task.space]
        self._manual.discard(tid)

    def new_image(self, tid: int, former: int) -> None:
        """The task exec'ed: its memory is another, and its tid was `former`."""
        task = self._tasks.get(former)
        if task is None:
            return
        entry = task.entry
        if former != tid:
            self.forget(former)
            self.forget(tid)
            self.watch(tid, task.space, task.actions, task.mode)
            task = self._tasks[tid]
        if entry is not None:
            task.entry, task.entered = entry._replace(tid=tid), True
            task.compare = False  # what was passed is gone
        self._memory.forget(task.space)
        self._remembered.new_image(tid)

    def ended_process(self, tgid: int) -> None:
        """The process is gone: drop what is kept of its memory."""
        self._memory.forget(tgid)

    def trust_descriptors(self, tgid: int) -> None:
        """Whatever happens to this process's descriptors shows in its tasks' calls."""
        self._remembered.trust(tgid)

    def distrust_descriptors(self, tgid: int) -> None:
        """Not so, until its next exec."""
        self._remembered.distrust(tgid)

    def set_manual(self, tid: int, manual: bool) -> None:
        """Return all stops of this task from `wait`, or no longer; it need not be watched yet."""
        if manual:
            self._manual.add(tid)
            task = self._tasks.get(tid)
            if task is not None:
                self._note_sees(tid, task, sees=False)
        else:
            self._manual.discard(tid)

    def is_manual(self, tid: int) -> bool:
        """Whether all stops of this task are returned."""
        return tid in self._manual

    def resume(self, tid: int, signo: int = 0) -> bool:
        """Resume a stopped task as its mode asks; a manual one with syscall stops."""
        task = self._tasks.get(tid)
        if task is None:
            request = kernel.SYSCALL if tid in self._manual else kernel.CONT
            return kernel.resume(request, tid, signo)
        sees = task.mode is Mode.CALLS and tid not in self._manual
        if sees is not task.sees:
            self._note_sees(tid, task, sees=sees)
        if sees or tid in self._manual or (task.mode is Mode.FILTERED and task.entry is not None):
            return kernel.resume(kernel.SYSCALL, tid, signo)
        self._drop_entry(tid, task)
        return kernel.resume(kernel.CONT, tid, signo)

    def _note_sees(self, tid: int, task: _Task, *, sees: bool) -> None:
        task.sees = sees
        self._remembered.sees(tid, sees=sees)

    def _drop_entry(self, tid: int, task: _Task) -> None:
        """Whatever call the task was in, it is over."""
        if task.entry is not None and task.entry.action.change.effect:
            self._remembered.ended(tid)
        task.entry, task.entered = None, False

    def wait(self) -> list[Stop | Pair]:
        """Return what is for the tracer: see pump.Pump."""
        first = self._next or os.waitpid(-1, kernel.WAIT_FLAGS)
        self._next = None
        statuses = {first[0]: first[1]}
        # Else there is nobody else to stop; but whoever rings often must not starve the tracee.
        if len(self._tasks) > 1 or first[0] not in self._tasks:
            self._gather(statuses)
        records: list[Stop | Pair] = []
        tasks, manual, clock = self._tasks, self._manual, time.monotonic_ns
        for tid, status in statuses.items():
            if status in _CALL_STOPS and tid in tasks and tid not in manual:
                noted = self.handle(tid)
                if noted is not None:
                    records.append(noted)
            else:
                records.append(Stop(tid, status, clock()))
        self.stops += len(statuses)
        return records

    def _gather(self, statuses: dict[int, int]) -> None:
        wait, flags = os.waitpid, kernel.WAIT_FLAGS | os.WNOHANG
        while len(statuses) < MAX_BATCH:
            try:
                tid, status = wait(-1, flags)
            except ChildProcessError:
                return
            if tid == 0:
                return
            if tid in statuses:
                self._next = (tid, status)
                return
            statuses[tid] = status

    def skip(self, tid: int) -> None:
        """Resume a task at a syscall-exit-stop whose call is to be run again, unrecorded."""
        self._drop_entry(tid, self._tasks[tid])
        self.resume(tid)

    def handle(self, tid: int) -> Pair | None:
        """Record a plain syscall stop if its action asks for it, and resume the task."""
        when_ns = time.monotonic_ns()
        op, info = kernel.syscall_info(tid)
        task, noted = self._tasks[tid], None
        self._remembered.now_ns = when_ns
        if op == kernel.EXIT:
            entry = task.entry
            self._drop_entry(tid, task)
            if entry is not None:
                noted = self._returned(tid, task, entry, info, when_ns)
        elif op == kernel.SECCOMP and (task.entered or task.mode is Mode.FREE):
            pass  # its syscall-enter-stop has been seen, or nobody wants it
        elif op:
            self._drop_entry(tid, task)
            task.entered = True
            action = task.actions.find(info[0], info[1])
            if action is not None:
                self._entered(tid, task, action, info, when_ns)
        else:
            # Killed; or it was a leader, and the thread that took its place by execve is at a stop
            # of its own by now, which has yet to be waited for.
            return None
        self.resume(tid)
        return noted

    def _entered(
        self, tid: int, task: _Task, action: Action, info: tuple[int, ...], when_ns: int
    ) -> None:
        args = info[2:]
        captured: tuple[Captured, ...] = ()
        if action.enter:
            captured = self._capturer.read(action.enter, tid, task.space, args, -1)
        entry = _new(Call, (tid, True, action, info[1], args, 0, False, when_ns, captured, ()))
        task.entry, task.compare = entry, True
        if action.change.effect:
            self._remembered.entered(tid, action.change, args)
        if action.tell_enter:
            self._queue.append(entry)

    def _returned(
        self, tid: int, task: _Task, entry: Call, info: tuple[int, ...], when_ns: int
    ) -> Pair | None:
        action, nr, args = entry.action, entry.nr, entry.args
        _, ret, failed = info
        captured: tuple[Captured, ...] = ()
        changed: tuple[int, ...] = ()
        if action.plan.paths and task.compare and self._crowds[task.space] > 1:
            changed = self._changed(tid, task, entry)
        if failed and ret == -errno.EINTR and action.again and will_run_again(tid):
            ret = -kernel.ERESTARTNOHAND
        if action.exit and not failed:
            captured = self._capturer.read(action.exit, tid, task.space, args, ret)
        back = _new(
            Call, (tid, False, action, nr, args, ret, failed != 0, when_ns, captured, changed)
        )
        pair = _new(Pair, (entry, back))
        if action.noted:
            return pair
        if action.tell_exit and (action.prefixes is None or matters(pair, action.prefixes)):
            self._queue.append(pair)
        return None

    def _changed(self, tid: int, task: _Task, entry: Call) -> tuple[int, ...]:
        """Return which of the paths captured at entry read otherwise now."""
        action = entry.action
        again = [action.enter[at] for at in action.plan.paths]
        now = self._capturer.read(again, tid, task.space, entry.args, -1)
        return tuple(
            [
                at
                for at, path in zip(action.plan.paths, now, strict=True)
                if path != entry.captured[at]
            ]
        )

    def entry(self, tid: int) -> Call | None:
        """Return the call that a task is in, if that was recorded."""
        task = self._tasks.get(tid)
        return None if task is None else task.entry

    def put(self, item: object) -> None:
        """Queue something behind all that has been recorded."""
        self._queue.append(item)

    def limit(self, calls: int | None, size: int | None) -> None:
        """Nothing to do: what is queued is taken after every round."""

    def take(self) -> list[object]:
        """Return what was recorded and put, in order."""
        queue, self._queue = self._queue, []
        return queue

    def kept(self) -> dict[str, list[int]]:
        """Return the tids and tgids of which anything is kept, by what that is."""
        return {
            "watched": list(self._tasks),
            "crowds": list(self._crowds),
            "manual": list(self._manual),
            "memory": self._memory.kept(),
            **self._remembered.kept(),
        }

    def histogram(self) -> list[int]:
        """Nothing: measuring would cost more than what is measured."""
        return []

    def placements(self) -> dict[str, int]:
        """Nothing: as it holds the GIL, it must not run below others."""
        return {}

    def looks(self) -> dict[str, int]:
        """Return how often a descriptor was looked at in /proc, and how often that was spared."""
        return {"looked": self._remembered.looked, "recalled": self._remembered.recalled}

    def close(self) -> None:
        """Drop all resources."""
        self._memory.close()
