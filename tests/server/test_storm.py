"""Many clients that break off and come back: each has all, or is told; and nothing is left over."""

import gc
import os
import random

import trio
import trio.testing

from tracerd.protocol import events

ROUNDS = int(os.environ.get("TRACERD_ROUNDS", "1"))
CLIENTS = 16
BREAKS = 100 * ROUNDS
FILTERS = ([], [{"syscall": ["read"]}], [{"pid": [1, 3]}], [{"syscall": ["getppid"]}, {"pid": [2]}])


def due(filters, pid, name):
    return not filters or any(
        pid in one.get("pid", [pid]) and name in one.get("syscall", [name]) for one in filters
    )


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def tasks():
    return trio.lowlevel.current_statistics().tasks_living


def test_a_storm_of_reconnections(serving, make_call):
    chance = random.Random(3)
    calls = [(pid, name) for pid in (1, 2, 3) for name in ("read", "getppid")]
    made = []

    async def produce(running, over):
        while not over.is_set():
            batch = [chance.choice(calls) for _ in range(10)]
            made.extend(batch)
            running.tracer.emit(*[make_call(pid=pid, name=name) for pid, name in batch])
            await running.quiet()
            await trio.sleep(0.002)  # a pace that clients in this same thread can follow

    async def come_and_go(running, number, breaks, over):
        filters = FILTERS[number % len(FILTERS)]
        upgrade = number % 2 == 0
        run, reached, lost, have = "", 0, [], []
        recorded = None
        while True:
            last = over.is_set()
            async with running.client() as client:
                since = f"{run}:{reached}" if run else "all"
                first = await client.subscribe(
                    upgrade=upgrade, filters=filters, since=since, on_gap="continue",
                    linger_ms=60_000, heartbeat_ms=100,
                )  # fmt: skip
                run = first["run"]
                # What came before its first time nobody may have asked for.
                recorded = recorded or first["recorded_from"]
                if last:
                    async with running.client() as control:
                        await control.call("Unsubscribe", {"id": client.id})
                    found, _end = await client.rest()
                else:
                    found = []
                    with trio.move_on_after(chance.random() * 0.05):
                        while True:
                            batch = await client.batch()
                            assert not isinstance(batch, str)
                            found += batch
                    breaks.append(number)
            for event in found:
                reached = event.seq
                if isinstance(event, events.Lost):
                    assert event.why == "expired" or (event.why, run) == ("unwatched", run)
                    lost.append((event.first, event.last))
                elif isinstance(event, events.SyscallExit):
                    have.append(event.seq)
            if last:
                break
        assert have == sorted(set(have)), "something came twice, or out of order"
        missing = {
            seq
            for seq, (pid, name) in enumerate(made, 1)
            if due(filters, pid, name) and recorded <= seq <= reached
        } - set(have)
        assert len(have) > 10
        assert all(any(first <= seq <= last for first, last in lost) for seq in missing)
        return reached

    async def body(running):
        await running.status()
        await trio.testing.wait_all_tasks_blocked(0.05)  # the daemon has all that it always has
        gc.collect()
        before = descriptors(), tasks()
        breaks = []
        over = trio.Event()
        producing = trio.Event()
        async with trio.open_nursery() as producer:
            producer.start_soon(produce, running, producing)
            async with trio.open_nursery() as nursery:
                for number in range(CLIENTS):
                    nursery.start_soon(come_and_go, running, number, breaks, over)
                while len(breaks) < BREAKS or len(made) < 600:  # noqa: ASYNC110  others count
                    await trio.sleep(0.01)
                over.set()
            producing.set()

        async def calm():
            status = await running.status()
            return not status["subscriptions"] and status["connections"] == 1

        await running.until(calm)

        async def as_before():
            return descriptors() <= before[0] and tasks() <= before[1]

        # Those that linger are tasks still; here only until their time is over.
        await running.until(as_before)
        await running.quiet()
        assert running.tracer.interests[-1].types == frozenset()

    serving(body, linger_s=0.5, history_bytes=4 << 20)
