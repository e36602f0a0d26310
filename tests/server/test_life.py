"""What becomes of the daemon when its tracer fails, hangs, or never starts."""

import socket
import threading
import time

import pytest
import trio

from tracerd.server import daemon as daemon_module
from tracerd.server import systemd
from tracerd.server.listener import listen
from tracerd.server.settings import Limits, Settings


def test_a_tracer_that_fails_at_once_ends_the_daemon(tmp_path, core, caplog):
    def broken(**ports):
        tracer = core.make_tracer(**ports)
        tracer.fail(RuntimeError("no ptrace here"))
        return tracer

    async def main():
        listening = listen(str(tmp_path / "s"), 0o600)
        daemon = daemon_module.Daemon(Settings(), [listening], systemd.Notifier())
        try:
            with trio.fail_after(60):
                return await daemon.run(core._replace(make_tracer=broken))
        finally:
            listening.close()

    assert trio.run(main) == 1
    assert "no ptrace here" in caplog.text


def test_a_tracer_that_does_not_stop_is_given_up(serving, make_call):
    release = threading.Event()

    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            running.tracer.emit(make_call())
            await client.events(1)
            running.tracer._inbox.put(release.wait)
            running.daemon.ending.set()
            assert await client.batch() == "shutdown"

    serving(body, code=1, stop_s=0.1)
    release.set()


def test_the_watchdog_is_fed_only_while_the_tracer_answers(tmp_path, core):
    made = []

    def make(**ports):
        made.append(core.make_tracer(**ports))
        return made[0]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)

        async def main():
            listening = listen(str(tmp_path / "s"), 0o600)
            notifier = systemd.Notifier(manager.getsockname())
            daemon = daemon_module.Daemon(Settings(limits=Limits()), [listening], notifier)
            release = threading.Event()
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(daemon.run, core._replace(make_tracer=make), 0.1)
                    await trio.to_thread.run_sync(fed, manager)
                    made[0]._inbox.put(release.wait)
                    await trio.to_thread.run_sync(hungry, manager)
                    release.set()
                    await trio.to_thread.run_sync(fed, manager)
                    daemon.ending.set()
            notifier.close()
            listening.close()

        trio.run(main)


def fed(manager):
    while b"WATCHDOG=1" not in manager.recv(4096):
        pass


def hungry(manager):
    """Wait for half a second without any sign of life."""
    quiet_since = time.monotonic()
    manager.settimeout(0.05)
    while time.monotonic() < quiet_since + 0.5:
        try:
            if b"WATCHDOG=1" in manager.recv(4096):
                quiet_since = time.monotonic()
        except TimeoutError:
            pass
    manager.settimeout(20)


@pytest.mark.parametrize("healthy", [20])
def test_many_subscribers_of_which_one_never_reads(serving, make_call, healthy):
    """The others lose nothing, and get everything in order."""

    async def body(running):
        async with trio.open_nursery() as nursery:
            subscribed = trio.Event()
            ready = 0

            async def follow():
                nonlocal ready
                async with running.client() as client:
                    await client.subscribe(upgrade=True)
                    ready += 1
                    if ready == healthy:
                        subscribed.set()
                    assert [each.seq for each in await client.events(3000)] == list(range(1, 3001))

            async with running.client() as stalled:
                await stalled.subscribe(queue_events=100)
                for _ in range(healthy):
                    nursery.start_soon(follow)
                await subscribed.wait()
                running.tracer.produce(3000, batch=10, args={"x": "y" * 1000})
                await running.quiet()
                states = (await running.status())["subscriptions"]
                assert len(states) == healthy + 1
                for state in states:
                    assert (state["lost"] > 0) is (state["id"] == stalled.id)
                    told = state["delivered"] + state["queued"] + state["lost"]
                    assert state["matched"] == told

    serving(body)
