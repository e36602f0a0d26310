"""Which calls of which process stop: what the wishes of all subscriptions come to.

A process that no wish for calls covers runs with PTRACE_CONT.  What is wanted is judged anew when
the wishes change, and when a process has become another: by fork, exec, or new credentials.
"""

from __future__ import annotations

import logging
from typing import Final, TypeAlias

import msgspec

from tracerd.core import identity, untraceable
from tracerd.core.actions import Actions, captured_names, exec_detail
from tracerd.core.commands import Answer, ExpireInterest, SetInterest, Wish
from tracerd.core.items import Known
from tracerd.core.pump import Mode
from tracerd.core.scene import Scene
from tracerd.core.tracee import Identity, Process
from tracerd.core.tracker import State
from tracerd.protocol.detail import Detail
from tracerd.protocol.interest import Interest

log = logging.getLogger("tracerd.tracer")

_Tables: TypeAlias = dict[tuple[frozenset[Interest], Detail], Actions]


_ENVP: Final = frozenset({Interest(envp=True)})
"""No call but what is wanted of those that have to be seen anyhow: the environment."""


class Watcher:
    """See the head of this file."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._wishes: tuple[Wish, ...] = ()
        self._becoming = Detail.NAMES
        """How much of an exec any wish wants: whom it covers may change by it."""
        self._tables: _Tables = {}
        """By what is wanted, so that processes of which the same is wanted share one."""
        self._switching: list[tuple[set[int], Answer]] = []
        """Changes of interest, each with the tasks that still run the old way."""
        self._freed: set[int] = set()
        """Tasks that were told to stop, to be switched over, and have not yet."""

    @property
    def switching(self) -> bool:
        """Whether anything waits for tasks to stop."""
        return bool(self._switching or self._freed)

    def set_interest(self, command: SetInterest, answer: Answer) -> None:
        """Heed other wishes; tasks that ran without syscall stops are switched over."""
        scene = self._scene
        self._wishes = command.wishes
        self._becoming = exec_detail(wish.interest for wish in command.wishes)
        scene.pump.limit(*command.lag or (None, None))
        before, self._tables = self._tables, {}
        waiting: set[int] = set()
        for process in scene.processes.values():
            told = process.actions.interest.exit
            changed = bool(command.wishes) and self.look_at(process)
            waiting |= self._judge(process, before)
            if changed or process.actions.interest.exit != told:
                self._tell(process)
        if waiting:
            self._switching.append((waiting, answer))
        else:
            answer(None)

    def progress(self) -> None:
        """Answer the changes whose tasks have all stopped."""
        scene = self._scene
        tasks = scene.tracker.tasks
        for tid in list(self._freed):
            task = tasks.get(tid)
            if task is None:
                self._freed.discard(tid)
            elif not task.interrupted:
                # From here on its calls stop: what they change of it is noted.
                self._freed.discard(tid)
                process = scene.processes[task.tgid]
                identity.read_credentials(process, tid)
                self.identify(process)
        for change in list(self._switching):
            tids, answer = change
            for tid in list(tids):
                task = tasks.get(tid)
                if task is None or not task.interrupted:
                    tids.discard(tid)
            if not tids:
                self._switching.remove(change)
                answer(None)

    def expire(self, _command: ExpireInterest, answer: Answer) -> None:
        """Answer every change now; tasks that cannot stop are switched over when they do."""
        for _, waiting in self._switching:
            waiting(None)
        self._switching.clear()
        answer(None)

    def look_at(self, process: Process) -> bool:
        """See whether a process has changed of which no call stops; returns whether it has."""
        if process.mode is not Mode.FREE or process.hidden:
            return False
        # Only privileged threads can become another's; what they were told apart by is noted.
        leader = process.pid if process.pid in process.threads else min(process.threads, default=0)
        identity.read_credentials(process, leader)
        if process.others:
            for tid in process.threads - {leader}:
                identity.read_credentials(process, tid)
        return process.identify()

    def identify(self, process: Process) -> None:
        """Tell who a process is now, and judge anew what is wanted of it if that has changed."""
        if process.identify():
            self.changed(process)

    def changed(self, process: Process) -> None:
        """Tell who a process is now, and judge anew what is wanted of it."""
        self._judge(process, {})
        self._tell(process)

    def _tell(self, process: Process) -> None:
        self._scene.pump.put(Known(process.identity, process.actions.interest.exit))

    def _judge(self, process: Process, tables: _Tables) -> set[int]:
        """Watch a process as is wanted; returns the tasks that have yet to stop for it.

        tables: to be taken over, if it is one of them that is wanted.
        """
        scene = self._scene
        actions = self._actions(process.identity, tables)
        mode = self._mode(process, actions)
        if actions is process.actions and mode is process.mode:
            return set()
        stops_more = mode is Mode.CALLS and process.mode is not Mode.CALLS
        process.actions, process.mode = actions, mode
        waiting: set[int] = set()
        for tid in process.threads:
            task = scene.tracker.tasks.get(tid)
            if task is None:
                continue
            scene.watch(process, tid)
            if not stops_more or task.state is not State.RUNNING or task.leaving:
                continue
            if not task.interrupted:
                scene.interrupt(task)
            self._freed.add(tid)
            if not task.vforking and not (tid == task.tgid and untraceable.is_dead(tid)):
                waiting.add(tid)
        return waiting

    def _actions(self, process: Identity, tables: _Tables) -> Actions:
        wanted = frozenset(
            self._seen_from(process, wish)
            for wish in self._wishes
            if not process.hidden and _covers(wish, process)
        )
        if process.hidden and any(wish.interest.envp for wish in self._wishes):
            wanted = _ENVP  # its exec is the first that is told, and whole
        key = wanted, self._becoming
        found = self._tables.get(key)
        if found is None:
            found = self._tables[key] = tables.get(key) or Actions(*key)
        return found

    @staticmethod
    def _seen_from(process: Identity, wish: Wish) -> Interest:
        """Return what a wish wants: of who has another root, links look different to us."""
        if process.root != "/" and wish.interest.paths is not None:
            return msgspec.structs.replace(wish.interest, paths=None)
        return wish.interest

    @staticmethod
    def _mode(process: Process, actions: Actions) -> Mode:
        if process.hidden:
            return Mode.CALLS  # until its exec
        if not actions.calls:
            return Mode.FREE
        if process.calls is not None:
            names = captured_names(actions.interests)
            if names is not None and names <= process.calls:
                return Mode.FILTERED
        return Mode.CALLS


def _covers(wish: Wish, process: Identity) -> bool:
    try:
        return wish.covers(process)
    except Exception:
        log.exception("a wish could not be judged", extra={"fields": {"pid": process.pid}})
        return True
