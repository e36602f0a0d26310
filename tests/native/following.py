"""Tracing without a tracer: loops as small as can be, around a pump or around none."""

import os
import signal
import threading
import time
from contextlib import suppress
from fcntl import F_DUPFD_CLOEXEC, fcntl

from tracerd.core import kernel, procfs
from tracerd.core.actions import ABIS, Action
from tracerd.core.pump import Call, Mode, Pair, Stop
from tracerd.core.syscalls import lookup, plan_for
from tracerd.core.wait_status import ENDINGS, SYSCALL_STOP, Kind, classify

DEADLINE = 30.0


class Table:
    """Stands for Actions: what to do at a call, by its name.

    names: the calls that have an action; None: all.  Options: fields of Action.
    """

    def __init__(self, names=None, *, tell_enter=False, tell_exit=True, noted=(), **options):
        self.names = names
        self.tell_enter = tell_enter
        self.tell_exit = tell_exit
        self.noted = frozenset(noted)
        self.options = options
        self.asked = []

    def find(self, arch, nr):
        self.asked.append((arch, nr))
        syscall = lookup(nr, ABIS.get(arch, hex(arch)))
        if self.names is not None and syscall.name not in self.names | self.noted:
            return None
        plan = plan_for(syscall)
        return Action(
            syscall,
            plan,
            plan.enter,
            plan.exit,
            self.tell_enter,
            self.tell_exit and (self.names is None or syscall.name in self.names),
            noted=syscall.name in self.noted,
            **self.options,
        )


WAITING = 'echo >&3; read -r _ <&4; exec "$@" 3>&- 4<&-'


def _high(fd):
    """Move a descriptor out of the way of those that the program is given."""
    moved = fcntl(fd, F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return moved


def held(*argv, output="/dev/null"):
    """Start a program that waits before its exec; return its pid, and what lets it go on.

    Spawned, not forked: a fork in the middle of threads' work is no good under the sanitizers.
    """
    words = [os.fspath(word) for word in argv]
    said = _high(os.open(output, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
    ready, says, waits, release = [_high(fd) for fd in (*os.pipe(), *os.pipe())]
    ends = {0: said, 1: said, 2: said, 3: says, 4: waits}
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", WAITING, "sh", *words],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in ends.items()],
        setsigmask=(),
    )
    for fd in (says, waits, said):
        os.close(fd)
    os.read(ready, 1)
    os.close(ready)
    return pid, lambda: os.close(release)


def end(tids):
    """Kill and reap what a test left.  A leader's end is told after its threads'."""
    left = set()
    for tid in tids:
        with suppress(ProcessLookupError):
            os.kill(tid, signal.SIGKILL)
            left.add(tid)
    with suppress(ChildProcessError):
        while left:
            tid, status = os.waitpid(-1, kernel.WAIT_FLAGS)
            if classify(status).ended:
                left.discard(tid)


def tgid_of(tid):
    status = procfs.status(tid)
    return status.tgid if status else tid


def every_call(*argv, on_call, on_exec):
    """Trace a program and its descendants without a pump; both are called at stops."""
    pid, go = held(*argv)
    live = {pid}
    try:
        kernel.seize(pid)
        kernel.interrupt(pid)
        go()
        while live:
            tid, status = os.waitpid(-1, kernel.WAIT_FLAGS)
            kind, value, _ = classify(status)
            if kind in ENDINGS:
                live.discard(tid)
                continue
            live.add(tid)
            if kind is Kind.EXEC:
                on_exec(tid, kernel.event_message(tid))
            elif status == SYSCALL_STOP:
                on_call(tid)
            if kind is Kind.GROUP_STOP:
                kernel.listen(tid)
            else:
                kernel.resume(kernel.SYSCALL, tid, value if kind is Kind.SIGNAL else 0)
    finally:
        end(live)


class Following:
    """A program and its descendants under a pump.

    items: what was taken, in order, by a thread of its own.  stops: what `wait` gave.
    on_stop(stop): called before the task is resumed; True: it has been dealt with.
    """

    def __init__(self, pump, table=None, mode=Mode.CALLS, options=0, on_stop=None):
        self.pump = pump
        self.table = table or Table()
        self.mode = mode
        self.on_stop = on_stop or (lambda _stop: False)
        self.live = set()
        self.codes = {}
        self.stops = []
        self.items = []
        self._options = kernel.OPTIONS | kernel.O_EXITKILL | options
        self._teller = None

    def start(self, *argv, output="/dev/null"):
        pid, go = held(*argv, output=output)
        self.live.add(pid)
        kernel.seize(pid, self._options)
        kernel.interrupt(pid)
        self.pump.watch(pid, pid, self.table, self.mode)
        go()
        return pid

    def tell(self):
        """Take on another thread from now on."""
        self._teller = threading.Thread(target=self._take_all)
        self._teller.start()

    def _take_all(self):
        while items := self.pump.take():
            self.items += items

    def round(self):
        for item in self.pump.wait():
            self.stops.append(item)
            if isinstance(item, Stop):
                self._stopped(item)
            else:
                self.pump.put(item)

    def _stopped(self, stop):
        tid = stop.tid
        kind, value, _ = classify(stop.status)
        if kind in ENDINGS:
            self.live.discard(tid)
            self.codes[tid] = stop.status
            self.on_stop(stop)
            self.pump.forget(tid)
            return
        if tid not in self.live:
            self.live.add(tid)
            self.pump.watch(tid, tgid_of(tid), self.table, self.mode)
        if kind is Kind.EXEC:
            former = kernel.event_message(tid)
            self.pump.new_image(tid, former)
            self.pump.watch(tid, tid, self.table, self.mode)
            if former != tid:
                self.live.discard(former)
        if self.on_stop(stop):
            return
        if kind is Kind.GROUP_STOP:
            kernel.listen(tid)
        elif kind is Kind.SYSCALL:
            noted = self.pump.handle(tid)
            if noted is not None:
                self.pump.put(noted)
        else:
            self.pump.resume(tid, value if kind is Kind.SIGNAL else 0)

    def run(self, *argv, output="/dev/null"):
        """Trace to the end; return the status that the first program ended with."""
        pid = self.start(*argv, output=output)
        self.tell()
        while self.live:
            self.round()
        self.finish()
        return self.codes[pid]

    def finish(self):
        self.pump.close()
        if self._teller is not None:
            self._teller.join(DEADLINE)
            assert not self._teller.is_alive()
            self._teller = None

    def end(self):
        end(self.live)
        self.finish()

    # What was taken.

    def pairs(self, *names):
        found = [item for item in self.items if isinstance(item, Pair)]
        return [one for one in found if not names or one.entry.action.syscall.name in names]

    def entries(self, *names):
        found = [item for item in self.items if isinstance(item, Call)]
        return [one for one in found if not names or one.action.syscall.name in names]


def until(condition, deadline=DEADLINE):
    end_at = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end_at, "the condition did not come true in time"
        time.sleep(0.001)
