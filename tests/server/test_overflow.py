"""Full queues: drop with an exact account, block with a gate, disconnect."""

import itertools
import os

import pytest
import trio

from tracerd import errors
from tracerd.core.tracee import Process
from tracerd.protocol import events
from tracerd.protocol.filters import Compiled
from tracerd.server.subscription import LEAST_EVENTS

BIG = {"x": "y" * 2000}
"""Arguments that fill a socket's buffer after some hundred events."""


def split(found):
    """Return seqs of real events, and the markers."""
    seqs = [event.seq for event in found if not isinstance(event, events.Lost)]
    return seqs, [event for event in found if isinstance(event, events.Lost)]


def assert_whole(found, last):
    """Every seq up to `last` is there once, or within a marker at its place."""
    expected = 1
    for event in found:
        if isinstance(event, events.Lost):
            assert event.first == expected
            assert event.count == event.last - event.first + 1
            expected = event.last + 1
        else:
            assert event.seq == expected
            expected += 1
    assert expected == last + 1


@pytest.mark.parametrize("upgrade", [False, True])
def test_drop_counts_exactly_and_tells_the_tail(serving, make_call, upgrade):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(upgrade=upgrade, queue_events=100)
            for _ in range(100):
                running.tracer.emit(*[make_call(args=BIG)] * 100)
            await running.quiet()
            [state] = (await control.call("Status"))["subscriptions"]
            assert state["matched"] == 10_000
            assert state["lost"] > 0
            assert state["matched"] == state["delivered"] + state["queued"] + state["lost"]
            # Nothing happens any more: the marker of the tail must come by itself.
            found = []
            while not found or found[-1].seq < 10_000:
                found += await client.batch()
            assert_whole(found, 10_000)
            seqs, markers = split(found)
            assert len(seqs) + sum(marker.count for marker in markers) == 10_000
            assert (await control.call("Sync", {"id": client.id}))["seq"] == 10_000
            [state] = (await control.call("Status"))["subscriptions"]
            assert state["delivered"] == len(seqs)
            assert state["lost"] == 10_000 - len(seqs)
            assert state["queued"] == 0

    serving(body)


def test_a_slow_reader_gets_few_markers_and_recovers(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(queue_events=50)
            running.tracer.produce(20_000, batch=10)
            found = []
            while not found or found[-1].seq < 20_000:
                found += await client.batch()
                await trio.sleep(0.001)
            assert_whole(found, 20_000)
            running.tracer.emit(*[make_call()] * 20)
            assert [event.seq for event in await client.events(20)] == list(range(20_001, 20_021))
            await control.call("Sync", {"id": client.id})

    serving(body)


def test_markers_are_at_most_ten_a_second(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(queue_events=10)
            found = []
            started = trio.current_time()
            seq = 0
            while trio.current_time() < started + 1:
                running.tracer.emit(*[make_call()] * 30)
                seq += 30
                with trio.move_on_after(0.005):
                    found += await client.batch()
            while not found or found[-1].seq < seq:
                found += await client.batch()
            _, markers = split(found)
            assert len(markers) >= 3
            for before, after in itertools.pairwise(markers):
                assert after.time_ns - before.time_ns > 95_000_000
            assert_whole(found, seq)

    serving(body)


def test_a_full_queue_is_told_at_the_end_of_the_stream_too(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(queue_events=10)
            running.tracer.emit(*[make_call()] * 1000)
            running.daemon.ending.set()
            found, reason = await client.rest()
            assert reason == "shutdown"
            # 1000 calls, and the farewell of the tracer's that there was no room for.
            assert_whole(found, 1001)

    serving(body)


def test_bytes_bound_a_queue_as_events_do(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(queue_bytes=100_000)
            running.tracer.emit(*[make_call(args={"x": "y" * 10_000})] * 1000)
            await running.quiet()
            [state] = (await control.call("Status"))["subscriptions"]
            assert state["queued"] + state["delivered"] <= 40
            found = []
            while not found or found[-1].seq < 1000:
                found += await client.batch()
            assert_whole(found, 1000)

    serving(body)


def test_a_subscriber_that_never_reads_costs_the_others_nothing(serving, make_call):
    async def body(running):
        async with running.client() as stalled, running.client() as good:
            await stalled.subscribe()
            await good.subscribe(upgrade=True, queue_events=60_000)
            for _ in range(300):
                running.tracer.emit(*[make_call()] * 100)
            found = await good.events(30_000)
            assert [event.seq for event in found] == list(range(1, 30_001))
            states = {one["id"]: one for one in (await running.status())["subscriptions"]}
            assert states[good.id]["lost"] == 0
            slow = states[stalled.id]
            assert slow["lost"] > 10_000
            assert slow["matched"] == slow["delivered"] + slow["queued"] + slow["lost"] == 30_000

    serving(body)


def test_block_holds_the_tracee_and_loses_nothing(serving):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="block", queue_events=100)
            running.tracer.produce(20_000)
            state = await running.stalled(client)
            assert (await running.status())["held"] == 1
            assert state["queued"] <= 110
            assert state["matched"] < 20_000
            found = await client.events(20_000)
            assert [event.seq for event in found] == list(range(1, 20_001))

            async def open_again():
                [state] = (await running.status())["subscriptions"]
                return not state["blocking"] and running.tracer.statistics.held == 0

            await running.until(open_again)
            assert not running.tracer.gate.closed

    serving(body)


@pytest.mark.parametrize("end", ["death", "half-close", "unsubscribe"])
def test_the_end_of_a_blocking_subscriber_frees_its_tracees(serving, end):
    async def body(running):
        async with running.client() as watcher:
            await watcher.subscribe(queue_events=60_000)
            async with running.client() as client, running.client() as control:
                await client.subscribe(overflow="block", queue_events=100)
                running.tracer.produce(20_000)
                await running.stalled(client)
                if end == "half-close":
                    await client.stream.send_eof()
                elif end == "unsubscribe":
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(control.call, "Unsubscribe", {"id": client.id})
                        assert (await client.rest())[1] == "unsubscribed"
            assert len(await watcher.events(20_000)) == 20_000
            assert running.tracer.statistics.held == 0
            assert not running.tracer.gate.closed

    serving(body)


def test_block_holds_only_what_its_filter_can_match(serving, make_call):
    other = Process(pid=5000, lineage=frozenset({5000}))

    async def body(running):
        async with running.client() as client, running.client() as watcher:
            await client.subscribe(overflow="block", queue_events=100, filters=[{"pid": [4000]}])
            await watcher.subscribe(filters=[{"pid": [5000]}], queue_events=60_000)
            running.tracer.produce(5000)
            await running.stalled(client)
            running.tracer.produce(3000, process=other)
            assert len(await watcher.events(3000)) == 3000
            assert running.tracer.statistics.held == 1
            assert len(await client.events(5000)) == 5000

    serving(body)


def test_block_of_a_user_holds_only_what_that_user_may_trace(serving, as_nobody):
    theirs = Process(pid=1, uids=(65534,) * 4, gids=(65534,) * 4)

    async def body(running):
        async with as_nobody(running) as client, running.client() as watcher:
            await client.subscribe(overflow="block", queue_events=50)
            await watcher.subscribe(filters=[{"pid": [4000]}], queue_events=60_000)
            running.tracer.produce(5000, process=theirs)
            await running.stalled(client)
            running.tracer.produce(3000)
            assert len(await watcher.events(3000)) == 3000
            assert running.tracer.statistics.held == 1

    serving(body)


def test_disconnect_ends_the_stream_after_what_was_queued(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="disconnect", queue_events=100)
            running.tracer.emit(*[make_call()] * 1000)
            found, reason = await client.rest()
            assert [event.seq for event in found] == list(range(1, 101))
            assert reason == "slow"
            assert (await client.call("Status"))["subscriptions"] == []

    serving(body)


def test_a_peer_that_accepts_nothing_for_long_is_cut_off(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            running.tracer.emit(*[make_call(args=BIG)] * 1000)

            async def gone():
                return (await running.status())["subscriptions"] == []

            await running.until(gone)

    serving(body, stall_s=0.2)


def test_a_blocking_peer_may_stall_for_as_long_as_it_likes(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="block")
            running.tracer.emit(*[make_call(args=BIG)] * 1000)
            await trio.sleep(0.5)
            assert len(await client.events(1000)) == 1000

    serving(body, stall_s=0.1)


def test_requested_bounds_are_cut_to_the_largest_allowed(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(queue_events=1_000_000)
            running.tracer.emit(*[make_call()] * 1000)
            found = []
            while not found or found[-1].seq < 1000:
                found += await client.batch()
            assert_whole(found, 1000)
            assert found[200] == found[-1]

    serving(body, max_queue_events=200)


def test_unsubscribing_a_stalled_peer_is_not_waited_for_forever(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(overflow="block")
            running.tracer.emit(*[make_call(args=BIG)] * 1000)
            await running.quiet()
            await control.call("Unsubscribe", {"id": client.id})
            assert (await control.call("Status"))["subscriptions"] == []

    serving(body, stall_s=0.2)


def test_a_subscriber_under_its_own_trace_does_not_wait_for_itself(serving):
    itself = Process(pid=os.getpid())

    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="block", queue_events=50)
            running.tracer.produce(5000, process=itself, args=BIG)
            await running.quiet()
            assert running.tracer.statistics.held == 0
            found = []
            while not found or found[-1].seq < 5000:
                found += await client.batch()
            assert_whole(found, 5000)
            assert split(found)[1]

    serving(body)


def test_what_no_gate_holds_cannot_fill_the_memory(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="block", queue_events=100)
            for _ in range(2):  # what the socket took of the first is made up for by the second
                for _ in range(25):
                    running.tracer.emit(*[make_call(args=BIG)] * 100)
                await running.quiet()
            [state] = (await running.status())["subscriptions"]
            assert state["queued"] == LEAST_EVENTS > 8 * 100
            assert state["blocking"]
            found = []
            while not found or found[-1].seq < 5000:
                found += await client.batch()
            assert_whole(found, 5000)

    serving(body)


def test_a_blocking_subscription_that_fails_frees_its_tracees(serving, make_call, monkeypatch):
    sound = Compiled.matches

    def matches(self, event, subject, kind):
        if event.pid == 666:
            raise RuntimeError("boom")
        return sound(self, event, subject, kind)

    monkeypatch.setattr(Compiled, "matches", matches)

    async def body(running):
        async with running.client() as client, running.client() as watcher:
            await client.subscribe(
                overflow="block", queue_events=100, filters=[{"syscall": ["getppid"]}]
            )
            await watcher.subscribe(queue_events=60_000)
            running.tracer.produce(5000)
            await running.stalled(client)
            running.tracer.emit(make_call(pid=666))
            # It does not read, so its stream has not ended; its tracees are free all the same.
            assert len(await watcher.events(5001)) == 5001
            assert running.tracer.statistics.held == 0

    serving(body, flush_s=0.1)


def test_a_narrow_subscriber_under_a_flood_comes_back_by_its_heartbeat(serving, make_call):
    """One event in ten thousand is its own; others overflow, and the past is turned over."""
    wanted = {"filters": [{"syscall": ["read"]}], "linger_ms": 60_000}

    async def flood(running, other):
        for _ in range(40):
            running.tracer.emit(*[make_call()] * 250)
            await other.events(250)

    async def body(running):
        async with running.client() as other, running.client() as never:
            await other.subscribe(upgrade=True)
            await never.subscribe(queue_events=50)
            async with running.client() as narrow:
                first = await narrow.subscribe(**wanted, heartbeat_ms=3_600_000, queue_events=1)
                running.tracer.emit(make_call(name="read"))
                await other.events(1)
                await flood(running, other)
                own, *beats = await narrow.events(11)
                assert own.seq == 1
                assert {type(beat) for beat in beats} == {events.Heartbeat}
                states = (await running.status())["subscriptions"]
                [state] = [each for each in states if each["id"] == narrow.id]
                assert (state["matched"], state["delivered"], state["lost"]) == (1, 1, 0)
            running.tracer.emit(make_call(name="read"))
            await other.events(1)
            async with running.client() as again:
                with pytest.raises(errors.CursorExpired):
                    await again.subscribe(**wanted, since=f"{first['run']}:{own.seq}")
                await again.subscribe(**wanted, since=f"{first['run']}:{beats[-1].seq}")
                missed, border = await again.events(2)
                assert (missed.syscall, missed.seq) == ("read", 10_002)
                assert isinstance(border, events.Synced)
            lost = {each["id"]: each["lost"] for each in (await running.status())["subscriptions"]}
            assert lost[never.id] > 0
            assert lost[other.id] == 0

    serving(body, history_bytes=200_000)
