"""The teller: takes what the tracer thread recorded, makes events of it, and publishes them.

Of a call it makes no more than what was recorded and by whom: the rest is described when, and as
far as, a subscription wants it (call_event.py).

With the native pump it has a thread of its own: while it describes one batch, the tracer thread
goes on recording the next, without the GIL.  With the pump in Python there would be nothing to
gain, so the tracer thread itself tells after every round.  Either way the tracer thread makes all
ptrace calls, and what is told of a call is what the pump captured at its stops; who the process was
then comes through the queue too, in its place among the calls.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tracerd.core import files, kernel
from tracerd.core.actions import tells_return
from tracerd.core.call_event import NO_INFOS, CallEvent
from tracerd.core.commands import Gate, Item, Publish, Published, Statistics, TargetEnded
from tracerd.core.fd_info import infos, learn
from tracerd.core.injection import NONE, Injection
from tracerd.core.items import (
    HEAD,
    End,
    Gone,
    GoneProcess,
    Implied,
    Joined,
    Known,
    Reply,
    Resumable,
    Told,
    Unfinished,
)
from tracerd.core.pump import Call, Pair, Pump
from tracerd.core.socket_table import Sockets
from tracerd.core.tracee import Identity
from tracerd.protocol.events import Event, FileAccess, SyscallEnter, SyscallExit

log = logging.getLogger("tracerd.tracer")

PUBLISH_AT = 256
"""Events handed over at a time."""


class _Process:
    __slots__ = ("execs", "identity")

    def __init__(self, known: Known) -> None:
        self.identity, self.execs = known


class Teller:
    """See the head of this file.  `turn` or `run`; all state is this thread's.

    call_tracer: makes the tracer thread look at the gate, and returns when it has; called when that
    has closed.  Nothing is taken meanwhile: so what tracees do before they are made to wait is
    bounded by the queue of the pump.
    """

    def __init__(
        self,
        pump: Pump,
        publish: Publish,
        gate: Gate,
        statistics: Statistics,
        call_tracer: Callable[[], None],
        injection: Injection = NONE,
    ) -> None:
        self._pump = pump
        self._publish = publish
        self._gate = gate
        self._statistics = statistics
        self._call_tracer = call_tracer
        self._closings = gate.closings
        self._seq = 0
        self._offset = 0
        """Unix time minus CLOCK_MONOTONIC, in ns, as of this turn."""
        self._items: list[Item] = []
        self._processes: dict[int, _Process] = {}
        self._tasks: dict[int, tuple[_Process, str]] = {}
        """By tid, with the command name."""
        self._resumable: dict[int, str] = {}
        self._implied: dict[int, list[FileAccess]] = {}
        self._sockets = Sockets()
        self._over = False
        self._thread: threading.Thread | None = None
        self._table: dict[type, Callable[[Any], None]] = {
            Pair: self._pair,
            Call: self._entered,
            Told: self._told,
            Known: self._known,
            Joined: self._joined,
            Gone: self._gone,
            GoneProcess: self._gone_process,
            Resumable: self._note_resumable,
            Implied: self._note_implied,
            Unfinished: self._unfinished,
            Reply: self._reply,
            TargetEnded: self._items.append,
            End: self._end,
        }
        self._next_items = injection.hanging(injection.teller_hang, self._take)
        self._delay_s = injection.handoff_delay

    def start(self) -> None:
        """Begin, on a thread of its own if the pump is made for that."""
        if self._pump.threaded:
            self._thread = threading.Thread(target=self._run, name="teller", daemon=True)
            self._thread.start()

    def round(self) -> None:
        """After a round of the tracer: tell what it brought, if that falls to its thread."""
        if self._thread is None:
            self._turn()

    def finish(self) -> None:
        """Return when all has been told that is on the queue.  On the tracer thread."""
        self._pump.put(End())
        if self._thread is None:
            self._turn()
        else:
            self._thread.join()

    def _run(self) -> None:
        while not self._over:
            self._turn()

    def _take(self) -> Sequence[Any]:
        return self._pump.take()

    def _turn(self) -> None:
        taken = self._next_items()
        if not taken:
            self._over = self._thread is not None
            return
        self._offset = time.time_ns() - time.monotonic_ns()
        table = self._table
        for item in taken:
            try:
                table[type(item)](item)
            except Exception:
                # One call's oddity must not end the telling of the others.
                log.exception("something could not be told", extra={"fields": {"what": repr(item)}})
                self._statistics.untold += 1
            if len(self._items) >= PUBLISH_AT:
                self._flush()
        self._flush()
        self._statistics.stops = self._pump.stops

    def _flush(self) -> None:
        self._statistics.head = self._seq
        if self._items:
            if self._delay_s:
                time.sleep(self._delay_s)
            items = self._items.copy()
            self._items.clear()
            self._publish(items)
            if self._gate.closings != self._closings:
                self._closings = self._gate.closings
                if self._thread is not None:
                    self._call_tracer()

    def _emit(self, event: Event, process: Identity) -> None:
        self._seq += 1
        msgspec.structs.force_setattr(event, "seq", self._seq)
        self._items.append(Published(event, process))

    # --- calls --------------------------------------------------------------------------------

    def _emit_call(
        self,
        kind: type[SyscallEnter | SyscallExit],
        identity: Identity,
        comm: str,
        entry: Call,
        back: Call | None,
        time_ns: int,
        implied: Sequence[FileAccess] = (),
    ) -> None:
        self._seq += 1
        resumes = self._resumes(entry)
        infos = self._infos(entry, back) if entry.action.fd_info else NO_INFOS
        event = CallEvent(
            kind, self._seq, identity, comm, entry, back, time_ns, resumes, implied, infos
        )
        self._items.append(event)

    def _infos(self, entry: Call, back: Call | None) -> Mapping[str, Any]:
        """Describe descriptors now, while what is known of sockets is what was known then."""
        return infos(*files.part_told(entry, back), self._sockets)

    def _entered(self, entry: Call) -> None:
        found = self._tasks.get(entry.tid)
        if found is None or found[0].identity.hidden:
            return
        identity = found[0].identity
        time_ns = entry.when_ns + self._offset
        self._emit_call(SyscallEnter, identity, found[1], entry, None, time_ns)

    def _pair(self, pair: Pair) -> None:
        entry, back = pair
        tid = back.tid
        found = self._tasks.get(tid)
        if found is None:
            return
        process, comm = found
        if entry.action.fd_info:
            learn(entry, back, self._sockets)
        if self._tells(process, entry):
            self._emit_call(
                SyscallExit,
                process.identity,
                comm,
                entry,
                back,
                back.when_ns + self._offset,
                self._implied.pop(tid, ()) if self._implied else (),
            )
        if back.failed and back.ret == -kernel.ERESTART_RESTARTBLOCK and not self._resumes(entry):
            self._resumable[tid] = entry.action.syscall.name

    def _tells(self, process: _Process, entry: Call) -> bool:
        return not process.identity.hidden and tells_return(entry.action, process.execs)

    def _unfinished(self, item: Unfinished) -> None:
        entry, time_ns, comm, identity = item
        self._emit_call(SyscallExit, identity, comm, entry, None, time_ns)

    def _resumes(self, entry: Call) -> str | None:
        """Return what a restart_syscall goes on with."""
        if entry.action.syscall.name != "restart_syscall":
            return None
        return self._resumable.get(entry.tid)

    # --- what the tracer says -----------------------------------------------------------------

    def _told(self, item: Told) -> None:
        self._emit(*item)

    def _known(self, item: Known) -> None:
        process = self._processes.get(item.process.pid)
        if process is None:
            self._processes[item.process.pid] = _Process(item)
        else:
            process.identity, process.execs = item

    def _joined(self, item: Joined) -> None:
        self._tasks[item.tid] = self._processes[item.pid], item.comm

    def _gone(self, item: Gone) -> None:
        self._tasks.pop(item.tid, None)
        self._resumable.pop(item.tid, None)
        self._implied.pop(item.tid, None)

    def _gone_process(self, item: GoneProcess) -> None:
        self._processes.pop(item.pid, None)

    def _note_resumable(self, item: Resumable) -> None:
        self._resumable[item.tid] = item.name

    def _note_implied(self, item: Implied) -> None:
        self._implied[item.tid] = item.files

    def _reply(self, item: Reply) -> None:
        self._flush()
        item.answer(self._seq if item.value is HEAD else item.value)

    def _end(self, _item: End) -> None:
        self._over = True
