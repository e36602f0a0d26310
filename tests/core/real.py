"""A real tracer thread on real programs, without server or socket."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from build import command

from tracerd.core import procfs
from tracerd.core.commands import (
    AttachCommand,
    ReleaseCommand,
    SetInterest,
    Stop,
    TargetEnded,
    Wish,
)
from tracerd.core.tracer import Tracer
from tracerd.protocol.events import EVENT_TYPES
from tracerd.protocol.filters import Interest

LAUNCHER = Path(__file__).with_name("launcher.py")
DEADLINE = 60.0

EVERYTHING = Interest(types=frozenset(EVENT_TYPES) - {"syscall_enter"}, exit=None, string_limit=32)
LIFECYCLE = Interest(
    types=frozenset(EVENT_TYPES) - {"syscall_enter", "syscall_exit", "blind"}, string_limit=32
)
"""No call makes a stop."""


def launch(*argv, output="/dev/null"):
    """Fork a program that waits before its exec; return the launcher (see there) and its pid."""
    launcher = subprocess.Popen(
        [sys.executable, LAUNCHER, output, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return launcher, int(launcher.stdout.readline())


def go(launcher):
    """Let the program that `launch` forked exec."""
    launcher.stdin.write(b"g")
    launcher.stdin.close()
    launcher.stdout.close()


class OpenGate:
    """Nobody has to wait."""

    closed = False
    closings = 0

    def covers(self, process):
        return False


class SwitchedGate:
    """Covers everybody while closed."""

    closed = False

    @property
    def closings(self):
        return int(self.closed)

    def covers(self, process):
        return self.closed


class Tracing:
    """A running tracer, its events, and ways to wait for them."""

    def __init__(self, gate=None, pump=None):
        self.items = []
        self.events = []
        self._changed = threading.Condition()
        self.tracer = Tracer(publish=self._publish, gate=gate or OpenGate(), pump=pump)
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="tracer")
        self._owners = itertools.count(1)
        self._thread.start()

    def _run(self):
        try:
            self.tracer.run()
        except BaseException as error:  # noqa: BLE001
            self._failure = error

    def _publish(self, items):
        with self._changed:
            self.items += items
            self.events += [item.event for item in items if not isinstance(item, TargetEnded)]
            self._changed.notify_all()

    def command(self, command, deadline=DEADLINE):
        """Submit, wait for the answer, raise it if it is an error."""
        done = threading.Event()
        box = []

        def answer(result):
            box.append(result)
            done.set()

        self.tracer.submit(command, answer)
        assert done.wait(deadline), f"no answer to {command}"
        if isinstance(box[0], Exception):
            raise box[0]
        return box[0]

    def interest(self, interest=EVERYTHING):
        self.command(SetInterest((Wish(interest),)))

    def attach(self, pid, **options):
        owner = next(self._owners)
        self.command(AttachCommand(pid, owner, **options))
        return owner

    def release(self, owner):
        self.command(ReleaseCommand(owner))

    def start(self, *argv, output="/dev/null"):
        """Fork, attach, let the child exec; return the launcher, the pid and the owner."""
        launcher, pid = launch(*argv, output=output)
        owner = self.attach(pid, until_exec=True)
        go(launcher)
        return launcher, pid, owner

    def run(self, *argv, output="/dev/null"):
        """Trace a program to its end and that of all its descendants; return its exit code."""
        launcher, _, owner = self.start(*argv, output=output)
        self.wait_for(lambda: self.ended(owner))
        return launcher.wait(DEADLINE)

    def ended(self, owner):
        return any(isinstance(i, TargetEnded) and i.owner == owner for i in list(self.items))

    def wait_for(self, condition, deadline=DEADLINE):
        """Wait until `condition()` is true; it is tried at every publication."""
        end = time.monotonic() + deadline
        with self._changed:
            while not condition():
                left = end - time.monotonic()
                assert left > 0, "the condition did not come true in time"
                self._changed.wait(min(left, 0.05))

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def stop(self):
        if self._thread.is_alive():
            self.command(Stop())
            self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure


def until(condition, deadline=DEADLINE):
    """Wait for what nobody tells of."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.002)


def asked(tracing, command):
    """Submit a command; return where its answer will be, without waiting for it."""
    answers = []
    tracing.tracer.submit(command, answers.append)
    return answers


def answered(tracing, answers, deadline=DEADLINE):
    until(lambda: answers, deadline)
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]


def living(pid):
    """The threads of a process that have not ended, by tid."""
    found = {tid: procfs.status(tid) for tid in procfs.tasks(pid) or ()}
    return {tid: one for tid, one in found.items() if one is not None and one.state not in "ZX"}


def tracers(pid):
    return {one.tracer for one in living(pid).values()}


def ended(parent, line):
    """See that attach_vfork has had all its children, and end it."""
    assert parent.stdout.readline() == line
    parent.tell()
    assert parent.wait() == 0


class Program:
    """A tracee that has said READY, as the child of a shell (see launcher.py for why).

    pid: the tracee's.  Its exit code, or 128 plus a signal, is the shell's.
    """

    def __init__(self, name, *args):
        script = 'exec 3<&0; "$@" <&3 3<&- & echo $!; wait $!'
        self._shell = subprocess.Popen(
            ["sh", "-c", script, "sh", *command(name, *args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.stdout = self._shell.stdout
        first = {self.stdout.readline(), self.stdout.readline()}  # in either order
        assert "READY\n" in first
        self.pid = int((first - {"READY\n"}).pop())

    def send(self, signo):
        os.kill(self.pid, signo)

    def tell(self, text="x"):
        """Write to its standard input."""
        self._shell.stdin.write(text)
        self._shell.stdin.flush()

    def children(self):
        found = []
        for tid in procfs.tasks(self.pid):
            text = procfs.read(f"/proc/{self.pid}/task/{tid}/children") or b""
            found += map(int, text.split())
        return found

    def wait(self):
        return self._shell.wait(60)

    def finish(self):
        """Ask it to end; return its exit code and what it said."""
        self.send(signal.SIGTERM)
        return self.wait(), self.stdout.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._shell.poll() is None:
            with suppress(ProcessLookupError):
                self.send(signal.SIGKILL)
            self.wait()
        self._shell.stdin.close()
        self.stdout.close()
