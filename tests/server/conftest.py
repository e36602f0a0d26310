"""A daemon in this process, on a real socket, with a tracer that traces nothing.

`FakeTracer` keeps the contract of core's Tracer (a thread of its own, commands answered on it,
publish and gate used on it), and emits what a test tells it to.
"""

import contextlib
import json
import os
import queue
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import trio
from real_daemon import Daemons

from tracerd import errors
from tracerd.core import commands
from tracerd.core.syscalls.model import Syscall
from tracerd.core.tracee import Process
from tracerd.protocol import events
from tracerd.protocol.codec import decode_batch_json, decode_frame
from tracerd.protocol.connection import ClientConnection
from tracerd.protocol.filters import Catalogue, union
from tracerd.protocol.framing import FrameReader
from tracerd.server import daemon as daemon_module
from tracerd.server import systemd
from tracerd.server.listener import listen
from tracerd.server.settings import Limits, Settings
from tracerd.server.tracing import Core

CATALOGUE = Catalogue(
    names=frozenset({"read", "write", "openat", "close", "getppid"}),
    classes={"file": frozenset({"openat"})},
    files={
        "path": frozenset({"openat"}),
        "fd": frozenset({"openat"}),
        "io": frozenset({"openat", "read", "write"}),
    },
)
TABLE = (Syscall("getppid", 110, (), frozenset({"process"}), ret="pid"),)

TRACEE = Process(pid=4000, start=7, uids=(0,) * 4, gids=(0,) * 4, lineage=frozenset({4000}))


class FakeTracer:
    """See the head of this file.  Other threads use `submit`, `emit`, `tell`, `produce`."""

    def __init__(self, *, publish, gate):
        self.statistics = commands.Statistics(pump="fake")
        self.publish = publish
        self.gate = gate
        self.interests = []
        """What all wishes together wanted, each time."""
        self.wishes = []
        self.lags = []
        self.gone = set()
        """Owners whose target has ended."""
        self.slow_attach = False
        """AttachCommand is answered only by ExpireAttach."""
        self.attached = []
        """AttachCommands, as they came."""
        self.filters = True
        """A seccomp filter may be installed if asked for."""
        self.needed = False
        """The last owner is not released: SeccompFiltered."""
        self.slow_release = False
        """ReleaseCommand is answered only by ExpireRelease."""
        self.failing = None
        """An exception for `run` to end with."""
        self.released = []
        self.processes = {}
        self._attaching = {}
        self._releasing = {}
        self._inbox = queue.SimpleQueue()
        self._held = []
        self._running = True

    # any thread

    def submit(self, command, answer):
        self._inbox.put(lambda: self._obey(command, answer))

    def emit(self, *made, process=TRACEE):
        """Publish events, as one round.  `made`: functions from a seq to an event."""
        self._inbox.put(lambda: self._emit(made, process))

    def tell(self, *items):
        """Publish other items."""
        self._inbox.put(lambda: self.publish(items))

    def produce(self, count, process=TRACEE, batch=1, **more):
        """Be a tracee that makes so many calls, and waits at the gate if it must."""
        steps = iter(range(0, count, batch))
        made = [call(pid=process.pid, **more)] * batch
        self._inbox.put(lambda: self._produce(steps, made, process))

    def fail(self, error):
        self._inbox.put(lambda: self._raise(error))

    # the tracer thread

    def run(self):
        while self._running:
            self._inbox.get()()

    def _raise(self, error):
        raise error

    def _emit(self, made, process):
        items = []
        for make in made:
            self.statistics.head += 1
            items.append(commands.Published(make(self.statistics.head), process))
        self.publish(items)

    def _produce(self, steps, made, process):
        for _ in steps:
            self._emit(made, process)
            if self.gate.closed and self.gate.covers(process):
                self._held.append((steps, made, process))
                self.statistics.held = len(self._held)
                return
            if not self._inbox.empty():  # commands come between two stops
                self._inbox.put(lambda: self._produce(steps, made, process))
                return

    def _obey(self, command, answer):
        match command:
            case commands.SetInterest(wishes, lag):
                self.wishes.append(wishes)
                self.lags.append(lag)
                self.interests.append(union(wish.interest for wish in wishes))
                answer(None)
            case commands.Barrier():
                answer(self.statistics.head)
            case commands.Recheck():
                held, self._held = self._held, []
                self.statistics.held = 0
                for one in held:
                    if self.gate.closed and self.gate.covers(one[-1]):
                        self._held.append(one)
                        self.statistics.held = len(self._held)
                    else:
                        self._inbox.put(lambda one=one: self._produce(*one))
                answer(None)
            case commands.AttachCommand(pid=pid, owner=owner, calls=calls):
                self.attached.append(command)
                if self.slow_attach:
                    self._attaching[owner] = answer, pid
                else:
                    self._attach(pid, owner)
                    calls = calls if self.filters else None
                    answer(commands.AttachResult(pid, [pid], calls=calls))
            case commands.ExpireAttach(owner):
                if owner in self._attaching:
                    waiting, pid = self._attaching.pop(owner)
                    self._attach(pid, owner)
                    waiting(commands.AttachResult(pid, [pid], [pid + 1]))
                answer(None)
            case commands.ReleaseCommand(owner) if self.needed and (
                alone := [each.pid for each in self.processes.values() if each.owners == {owner}]
            ):
                answer(errors.SeccompFiltered(alone[0]))
            case commands.ReleaseCommand(owner):
                self.released.append(owner)
                for process in list(self.processes.values()):
                    if owner in process.owners:
                        process.owners.discard(owner)
                        self.publish([commands.TargetEnded(owner, process.pid)])
                        if not process.owners:
                            del self.processes[process.pid]
                if self.slow_release:
                    self._releasing[owner] = answer
                else:
                    answer(commands.ReleaseResult())
            case commands.ExpireRelease(owner):
                self._releasing.pop(owner)(commands.ReleaseResult([77]))
                answer(None)
            case commands.Snapshot():
                answer(list(self.processes.values()))
            case commands.Survey(covers):
                answer([(self._portrait(p), p) for p in self.processes.values() if covers(p)])
            case commands.Stop():
                self._emit([detached], TRACEE)
                self._running = False
                answer(None)

    def _portrait(self, process):
        return events.Attached(
            seq=0, time_ns=0, pid=process.pid, tid=process.pid, why="snapshot", argv=["a", "b"]
        )

    def _attach(self, pid, owner):
        process = self.processes.setdefault(pid, Process(pid=pid, threads={pid}))
        process.owners.add(owner)


def call(pid=TRACEE.pid, name="getppid", **more):
    """Return a maker of a syscall event."""

    def make(seq):
        return events.SyscallExit(
            seq=seq, time_ns=0, pid=pid, tid=pid, start=7, comm="x", syscall=name, nr=110, **more
        )

    return make


def detached(seq):
    return events.Detached(seq=seq, time_ns=0, pid=TRACEE.pid, tid=TRACEE.pid, why="shutdown")


class Client:
    """A peer, over a real socket."""

    def __init__(self, stream):
        self.stream = stream
        self.connection = ClientConnection()
        self.frames = FrameReader()
        self.upgraded = False

    async def send(self, method, parameters=None, **flags):
        name = method if "." in method else f"io.tracerd.{method}"
        await self.stream.send_all(self.connection.call(name, parameters, **flags))

    async def reply(self):
        """Return the parameters of the next reply; raises what it says, EOFError at the end."""
        while (reply := self.connection.next_reply()) is None:
            data = await self.stream.receive_some(65536)
            if not data:
                raise EOFError
            self.connection.receive_data(data)
        return json.loads(bytes(reply.parameters))

    async def call(self, method, parameters=None, **flags):
        await self.send(method, parameters, **flags)
        return await self.reply()

    async def subscribe(self, *, upgrade=False, **parameters):
        first = await self.call("Subscribe", parameters, more=not upgrade, upgrade=upgrade)
        self.id = first["id"]
        if upgrade:
            self.upgraded = True
            self.frames.receive_data(self.connection.take_rest())
        return first

    async def batch(self):
        """Return the next batch of events, or the reason of the end."""
        if not self.upgraded:
            reply = await self.reply()
            if "events" not in reply:
                return reply["end"]
            return decode_batch_json([json.dumps(each).encode() for each in reply["events"]])
        while (frame := self.frames.next_frame()) is None:
            data = await self.stream.receive_some(65536)
            if not data:
                raise EOFError
            self.frames.receive_data(data)
        return decode_frame(frame)

    async def events(self, count):
        """Return the next `count` events."""
        found = []
        while len(found) < count:
            batch = await self.batch()
            assert not isinstance(batch, str), batch
            found += batch
        assert len(found) == count
        return found

    async def rest(self):
        """Return all events up to the end, and the reason of the end."""
        found = []
        while not isinstance(batch := await self.batch(), str):
            found += batch
        return found, batch


class Running:
    """A daemon that serves."""

    def __init__(self, path, tracer, daemon, exited):
        self.path = path
        self.tracer = tracer
        self.daemon = daemon
        self.exited = exited

    @contextlib.asynccontextmanager
    async def client(self):
        async with await trio.open_unix_socket(self.path) as stream:
            yield Client(stream)

    async def status(self):
        async with self.client() as client:
            return await client.call("Status")

    async def until(self, condition):
        """Wait until an async condition holds; fails after a while, by the test's own limit."""
        while not await condition():  # noqa: ASYNC110  the state is another process's, or thread's
            await trio.sleep(0.005)

    async def stalled(self, client):
        """Wait until tracees wait for `client`, for good: its socket takes no more either."""
        before = None
        while True:
            states = (await self.status())["subscriptions"]
            [now] = [state for state in states if state["id"] == client.id]
            if now["blocking"] and now == before:
                return now
            before = now
            await trio.sleep(0.02)

    async def quiet(self):
        """Wait until the tracer has done all that was asked of it so far."""
        done = threading.Event()
        self.tracer.submit(commands.Barrier(), lambda _: done.set())
        await trio.to_thread.run_sync(done.wait)


@pytest.fixture
def serving(tmp_path):
    """Return a function that runs `body(running)` beside a daemon, and ends the daemon."""

    def run(body, *, seconds=60, code=0, notifier=None, **limits):
        async def main():
            path = str(tmp_path / "tracerd.sock")
            settings = Settings(limits=Limits(**limits))
            listening = [listen(path, 0o600)]
            made = []

            def make_tracer(**ports):
                made.append(FakeTracer(**ports))
                return made[0]

            exits = []
            exited = trio.Event()
            daemon = daemon_module.Daemon(settings, listening, notifier or systemd.Notifier())

            async def serve():
                exits.append(await daemon.run(Core(make_tracer, CATALOGUE, TABLE)))
                exited.set()

            with trio.fail_after(seconds):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(serve)
                    await daemon.ready.wait()
                    await body(Running(path, made[0], daemon, exited))
                    daemon.ending.set()
            for each in listening:
                each.close()
            assert exits == [code]

        trio.run(main)
        assert list(tmp_path.iterdir()) == []

    return run


@pytest.fixture
def path(tmp_path):
    """Where daemons of their own processes listen."""
    return str(tmp_path / "tracerd.sock")


@pytest.fixture
def daemons(path):
    """Daemons as processes of their own; see real_daemon.Daemons."""
    found = Daemons(path)
    yield found
    found.close()


@pytest.fixture
def start(daemons):
    return daemons.start


@pytest.fixture
def connect(daemons):
    return daemons.connect


@pytest.fixture
def manager(tmp_path):
    """A service manager's notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


@pytest.fixture
def make_call():
    return call


@pytest.fixture
def tracee():
    return TRACEE


@pytest.fixture
def target():
    """Return a live process that is nobody's relative but ours."""
    process = subprocess.Popen(["sleep", "600"])
    # Until its exec it is a copy of this one.
    deadline = time.monotonic() + 60
    while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
        assert time.monotonic() < deadline
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def fake_process():
    """Return a function that makes a traced process."""

    def make(pid, **more):
        return Process(pid=pid, threads={pid}, **more)

    return make


@pytest.fixture
def as_nobody():
    """Return a context manager like Running.client, for a peer of user and group 65534."""

    @contextlib.asynccontextmanager
    async def connect(running):
        # The kernel notes the credentials at connect; who uses the socket later is no matter.
        os.chmod(running.path, 0o666)
        open_up = [p for p in _parents(running.path) if not os.stat(p).st_mode & 0o001]
        for path in open_up:
            os.chmod(path, os.stat(path).st_mode | 0o011)
        os.setegid(65534)
        os.seteuid(65534)
        try:
            stream = await trio.open_unix_socket(running.path)
        finally:
            os.seteuid(0)
            os.setegid(0)
        async with stream:
            yield Client(stream)

    return connect


def _parents(path):
    while (path := os.path.dirname(path)) != "/":
        yield path


@pytest.fixture
def core():
    """What a daemon is run on here."""
    return Core(FakeTracer, CATALOGUE, TABLE)
