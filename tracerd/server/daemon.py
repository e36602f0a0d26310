"""The daemon: wiring, life and ordered death.

End of life, on SIGTERM, SIGINT, SIGHUP, end of file on --exit-on-eof, or the tracer's failure: stop
accepting; let every tracee go; let subscribers read what is queued, for two seconds at most,
and tell them that it was the shutdown; close; unlink the socket.  A second signal ends it all
at once, and the kernel lets the tracees go.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from tracerd import __version__, errors
from tracerd.core.commands import Barrier, Checkup
from tracerd.core.injection import NONE
from tracerd.core.pump import choose
from tracerd.core.syscalls import CATALOGUE, LISTED
from tracerd.core.tracer import Tracer
from tracerd.server import systemd
from tracerd.server.accepting import accept
from tracerd.server.admission import Admission
from tracerd.server.attaches import Attaches
from tracerd.server.bridge import BATCHES, Batch, Bridge
from tracerd.server.config import ConfigError, load
from tracerd.server.health import SAMPLE_S, Health
from tracerd.server.history import History
from tracerd.server.hub import Hub
from tracerd.server.judging import Judge
from tracerd.server.log import Log
from tracerd.server.main import SIGNALS
from tracerd.server.methods import House
from tracerd.server.permits import Permits
from tracerd.server.roles import Rules
from tracerd.server.session import Connections
from tracerd.server.targets import Targets
from tracerd.server.tracing import Core, Tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tracerd.server.listener import Listening
    from tracerd.server.settings import Settings

log = Log("tracerd")

SWITCH_INTERVAL_S: Final = 1e-4
"""A stopped tracee waits while the trio thread holds the GIL: at Python's default of 5 ms, tracing
slows down by a factor of ten and more whenever the trio thread is busy."""

_STATUS_S: Final = 5.0
_BEAT_S: Final = 10.0
"""How often all threads are asked for a sign of life if no manager wants it more often."""


def serve(settings: Settings, listening: Sequence[Listening]) -> int:
    """Serve until the end; returns the exit code.  The signals that end it come in blocked."""
    try:
        pump = choose(placement=settings.placement != "none")
    except (ImportError, ValueError) as error:
        log.error("no pump to trace with", reason=str(error))  # noqa: TRY400  the text says it all
        return 1
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    _raise_descriptor_limit()
    notifier = systemd.notifier(os.environ)
    watchdog_s = systemd.watchdog_seconds(os.environ)
    daemon = Daemon(settings, listening, notifier)
    # What is there now stays: the collector need not walk through it again and again, for some
    # ten milliseconds each time, while tracees wait.  Nor need it now: imports leave no rubbish
    # that would be worth the walk.
    gc.freeze()
    try:
        return trio.run(
            daemon.run,
            Core(
                partial(
                    Tracer,
                    pump=pump,
                    injection=settings.inject or NONE,
                    max_tracees=settings.limits.tracees,
                ),
                CATALOGUE,
                LISTED,
            ),
            watchdog_s,
            restrict_keyboard_interrupt_to_checkpoints=True,
        )
    except Exception as error:  # noqa: BLE001  the last resort: one line, whatever it was
        log.fault("the daemon failed", error)
        return 1
    finally:
        notifier.close()


def _raise_descriptor_limit() -> None:
    """Take all the descriptors there are to have: each connection and each tracee needs some."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Daemon:
    """One run.  `ready` is set once it serves; setting `ending` starts the shutdown."""

    def __init__(
        self, settings: Settings, listening: Sequence[Listening], notifier: systemd.Notifier
    ) -> None:
        self.ready = trio.Event()
        self.ending = trio.Event()
        self.health = Health()
        self._settings = settings
        self._listening = listening
        self._notifier = notifier
        self._orderly = True
        self._connections: Connections | None = None
        self._reloads = settings.config is not None or notifier.is_heard
        """SIGHUP makes it read its configuration again.  It ends one that has none, as it should
        when the terminal that it was started from goes away."""
        self._orphaned = False
        """Who started us is gone: nobody wants us to end but for that."""

    async def run(self, core: Core, watchdog_s: float | None = None) -> int:
        """Serve until the end; returns the exit code: 0 if all went in order."""
        limits = self._settings.limits
        send, receive = trio.open_memory_channel[Batch](BATCHES)
        inject = self._settings.inject or NONE
        history = History(limits.history_bytes)
        token = trio.lowlevel.current_trio_token()
        bridge = Bridge(token, send, history, self.health.tally, inject)
        if inject != NONE:
            log.warning("faults are injected", faults=repr(inject))
        tracing = Tracing(core.make_tracer(publish=bridge.publish, gate=bridge))
        targets = Targets()
        judge = Judge()
        permits = Permits(judge, trace_init=self._settings.trace_init)
        run = os.urandom(8).hex()
        hub = Hub(tracing, bridge, receive, targets, limits, core.catalogue, run)
        house = House(
            run=run,
            table=core.table,
            limits=limits,
            tracing=tracing,
            hub=hub,
            targets=targets,
            attaches=Attaches(
                tracing,
                targets,
                limits,
                core.catalogue,
                permits,
                hub,
                trace_init=self._settings.trace_init,
            ),
            admission=Admission(limits),
            health=self.health,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tracing.run)
            try:
                await self._serve(house, watchdog_s)
            finally:
                # Whatever happened: no tracee is left to the kernel that can be let go in order.
                with trio.move_on_after(limits.stop_s, shield=True):
                    await tracing.stop()
                nursery.cancel_scope.cancel()
                judge.close()
        return 0 if self._orderly and tracing.failure is None else 1

    async def _serve(self, house: House, watchdog_s: float | None) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.hub.run)
            nursery.start_soon(self._end_with, house.tracing.ended)
            with trio.open_signal_receiver(*SIGNALS) as signals:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                nursery.start_soon(self._heed, signals, nursery)
                if self._settings.exit_on_eof is not None:
                    nursery.start_soon(self._end_on_eof, self._settings.exit_on_eof)
                with contextlib.suppress(errors.ShuttingDown):
                    await house.tracing.ask(Barrier())
                    nursery.start_soon(self._take_pulse, house, watchdog_s)
                    nursery.start_soon(self._sample, house)
                    nursery.start_soon(self._report_status, house)
                    nursery.start_soon(self._check_up, house.tracing)
                    await self._accept_until_end(house)
            nursery.cancel_scope.cancel()

    async def _accept_until_end(self, house: House) -> None:
        accepting = trio.CancelScope()
        async with trio.open_nursery() as sessions:
            self._connections = Connections(house, self._settings.rules or Rules())
            sessions.start_soon(self._accept, self._connections, sessions, accepting)
            log.info(
                "ready",
                version=__version__,
                run=house.run,
                pid=os.getpid(),
                pump=house.tracing.tracer.statistics.pump,
                socket=" ".join(each.path for each in self._listening),
            )
            self._notifier.send(READY=1)
            self.ready.set()
            await self.ending.wait()
            self._notifier.send(STOPPING=1, STATUS="letting the tracees go")
            accepting.cancel()
            await self._end_streams(house)
            sessions.cancel_scope.cancel()

    async def _accept(
        self,
        connections: Connections,
        sessions: trio.Nursery,
        accepting: trio.CancelScope,
    ) -> None:
        with accepting:
            async with trio.open_nursery() as listeners:
                for each in self._listening:
                    listeners.start_soon(accept, each, connections, sessions, self.health.tally)

    async def _end_streams(self, house: House) -> None:
        hub, tracing = house.hub, house.tracing
        log.info("ending", subscriptions=len(hub), connections=len(house.admission))
        hub.closing = True
        patience_s = math.inf if self._orphaned else house.limits.stop_s
        with trio.move_on_after(patience_s) as waiting:
            await tracing.stop(lambda _: hub.retire_all("shutdown"), patient=self._orphaned)
        if waiting.cancelled_caught:
            log.warning("the tracer did not let all its tracees go in time")
            self._orderly = False
            hub.cut_all("shutdown")
        elif tracing.failure is not None:
            hub.retire_all("shutdown")
        with trio.move_on_after(house.limits.flush_s):
            await hub.wait_empty()

    async def _end_with(self, event: trio.Event) -> None:
        await event.wait()
        self.ending.set()

    async def _heed(self, signals: AsyncIterator[int], nursery: trio.Nursery) -> None:
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP and self._reloads and not self.ending.is_set():
                nursery.start_soon(self._reload)
                continue
            if self.ending.is_set():
                for each in self._listening:
                    each.close()
                os._exit(128 + number)
            log.info("signal", name=name)
            self.ending.set()

    async def _reload(self) -> None:
        """Read the configuration again, and go by what it says of who may what."""
        self._notifier.send(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        try:
            # In a thread: users and groups can be slow to find.
            found = await trio.to_thread.run_sync(load, self._settings.config)
        except ConfigError as error:
            log.error("the configuration stays as it was", reason=str(error))  # noqa: TRY400  all said
        else:
            ended = self._connections.follow(found.rules) if self._connections else 0
            log.info("configuration read", config=found.path or "", disconnected=ended)
        self._notifier.send(READY=1)

    async def _end_on_eof(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        while True:
            await trio.lowlevel.wait_readable(fd)
            with contextlib.suppress(BlockingIOError):
                if not os.read(fd, 4096):
                    break
        log.info("end of file on the descriptor given", fd=fd)
        self._orphaned = True
        self.ending.set()

    async def _take_pulse(self, house: House, watchdog_s: float | None) -> None:
        """Feed the watchdog, as long as this loop, the tracer thread and the teller are alive.

        The question goes to the tracer thread, which hands it on to the teller, which answers.
        """
        with contextlib.suppress(errors.ShuttingDown):
            while True:
                asked_ns = time.monotonic_ns()
                await house.tracing.ask(Barrier())
                house.health.pulse.beat(asked_ns)
                if watchdog_s is not None:
                    self._notifier.send(WATCHDOG=1)
                await trio.sleep(_BEAT_S if watchdog_s is None else watchdog_s / 2)

    async def _sample(self, house: House) -> None:
        def sample() -> None:
            house.health.events.sample(time.monotonic(), house.tracing.tracer.statistics.head)

        inject = self._settings.inject or NONE
        sample = inject.hanging(inject.loop_hang, sample)
        while True:
            sample()
            await trio.sleep(SAMPLE_S)

    async def _check_up(self, tracing: Tracing) -> None:
        """Have the tracer look for tracees that it has left stopped."""
        after_s = self._settings.stuck_after
        with contextlib.suppress(errors.ShuttingDown):
            while True:
                await trio.sleep(after_s / 2)
                if tracing.tracer.statistics.tracees:
                    await tracing.ask(Checkup(int(after_s * 1e9)))

    async def _report_status(self, house: House) -> None:
        before = ""
        while True:
            processes = house.tracing.tracer.statistics.processes
            now = (
                f"{processes} processes traced, {len(house.hub)} subscriptions, "
                f"{self.health.tally.of('lost')} events lost"
            )
            if now != before:
                self._notifier.send(STATUS=now)
            before = now
            await trio.sleep(_STATUS_S)
