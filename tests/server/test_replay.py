"""Past events, heartbeats, and coming back: on a real socket."""

import pytest
import trio

from tracerd import errors
from tracerd.core.tracee import Process
from tracerd.protocol import events

KEPT = 40
"""Events that a history of SMALL bytes holds, more or less."""
SMALL = 12_000
LONG = {"buf": "x" * 500}


def seqs(found):
    return [each.seq for each in found]


async def until_synced(client):
    found = []
    while not (found and isinstance(found[-1], events.Synced)):
        found += await client.batch()
    return found


@pytest.mark.parametrize("upgrade", [False, True])
def test_the_past_then_the_border_then_the_present(serving, make_call, upgrade):
    async def body(running):
        async with running.client() as watcher, running.client() as late:
            await watcher.subscribe()
            running.tracer.emit(*[make_call(), make_call(name="read")] * 500)
            await watcher.events(1000)
            filters = [{"syscall": ["read"]}]
            first = await late.subscribe(upgrade=upgrade, since="all", filters=filters)
            assert (first["oldest"], first["head"]) == (1, 1000)
            *past, border = await late.events(501)
            running.tracer.emit(make_call(), make_call(name="read"))
            [now] = await late.events(1)
            assert seqs(past) == list(range(2, 1001, 2))
            assert isinstance(border, events.Synced)
            assert border.seq == 1000
            assert now.seq == 1002
            [state] = [
                each for each in (await running.status())["subscriptions"] if each["id"] == late.id
            ]
            assert (state["matched"], state["delivered"], state["lost"]) == (501, 501, 0)

    serving(body)


def test_edges_of_cursors(serving, make_call):
    async def body(running):
        async with running.client() as watcher:
            first = await watcher.subscribe()
            run = first["run"]
            assert (first.get("head", 0), first["oldest"]) == (0, 1)
            for _ in range(100):
                running.tracer.emit(make_call(), make_call(name="read"))
            await watcher.events(200)
            async with running.client() as one:
                oldest = (await one.subscribe())["oldest"]
            assert 200 - oldest < KEPT
            head = 200
            for seq in (oldest - 1, oldest, head - 1, head):
                # The call at the cursor does not match: that is no matter.
                for name in ("read", "getppid"):
                    async with running.client() as one:
                        filters = [{"syscall": [name]}]
                        await one.subscribe(since=f"{run}:{seq}", filters=filters)
                        odd = name == "getppid"
                        due = [each for each in range(seq + 1, head + 1) if each % 2 == odd]
                        found = await until_synced(one)
                        if isinstance(found[0], events.Lost):
                            # Nobody recorded just that; somebody did, as it happens.
                            assert (found[0].why, found[0].count) == ("unwatched", 0)
                            del found[0]
                        assert seqs(found) == [*due, head]
            gone = {
                f"{run}:{oldest - 2}": ("expired", oldest - 1 - (oldest - 2)),
                f"{run}:0": ("expired", oldest - 1),
                f"{'0' * 16}:{head}": ("restarted", 0),
            }
            for since, (why, count) in gone.items():
                async with running.client() as one:
                    with pytest.raises(errors.CursorExpired) as caught:
                        await one.subscribe(since=since)
                    assert caught.value.parameters() == {
                        "oldest": oldest,
                        "head": head,
                        "run": run,
                    }
                    # The connection goes on, and so may the asker.
                    await one.subscribe(since=since, on_gap="continue")
                    lost, *past, border = await one.events(head - oldest + 3)
                    assert (lost.why, lost.count, lost.last) == (why, count, oldest - 1)
                    assert seqs(past) == list(range(oldest, head + 1))
                    assert border.seq == head
            async with running.client() as one:
                for bad in (f"{run}:{head + 1}", "yesterday", "-5", f"{run}:", f"{run}:x", ":7"):
                    with pytest.raises(errors.InvalidParameter) as caught:
                        await one.subscribe(since=bad)
                    assert caught.value.parameter == "since"

    serving(body, history_bytes=SMALL)


def test_of_a_time(serving):
    def at(time_ns):
        return lambda seq: events.Exit(seq=seq, time_ns=time_ns, pid=1, tid=1, code=0)

    async def body(running):
        async with running.client() as watcher, running.client() as late:
            await watcher.subscribe()
            running.tracer.emit(at(100), at(300), at(200), at(400), at(150))
            await watcher.events(5)
            await late.subscribe(since="200")
            assert seqs(await late.events(4)) == [2, 3, 4, 5]

    serving(body)


def test_only_what_the_peer_might_have_seen_then_is_replayed(serving, make_call, as_nobody):
    async def body(running):
        mine = Process(pid=1, uids=(65534,) * 4, gids=(65534,) * 4)
        roots = Process(pid=1)
        hides = Process(pid=1, uids=(65534,) * 4, gids=(65534,) * 4, dumpable=False)
        async with running.client() as watcher, as_nobody(running) as late:
            await watcher.subscribe()
            for process in (mine, roots, mine, hides, mine):
                running.tracer.emit(make_call(pid=1), process=process)
            await watcher.events(5)
            await late.subscribe(since="all")
            assert seqs(await late.events(4)) == [1, 3, 5, 5]

    serving(body)


def test_without_a_buffer_there_is_no_past(serving, make_call):
    async def body(running):
        async with running.client() as watcher, running.client() as late:
            await watcher.subscribe()
            running.tracer.emit(*[make_call()] * 5)
            await watcher.events(5)
            for since in ("all", "5", f"{'0' * 16}:3"):
                with pytest.raises(errors.Unsupported, match="buffer-size"):
                    await late.subscribe(since=since)
            first = await late.subscribe()
            assert (first["head"], first["oldest"]) == (5, 6)

    serving(body, history_bytes=0)


def test_a_slow_reader_of_the_past_slows_nobody_and_is_told_what_it_missed(serving, make_call):
    async def body(running):
        async with running.client() as watcher, running.client() as slow:
            await watcher.subscribe(upgrade=True)
            running.tracer.emit(*[make_call(args=LONG)] * 2000)
            await watcher.events(2000)
            first = await slow.subscribe(upgrade=True, since="all", on_gap="continue")
            oldest = first["oldest"]
            for _ in range(20):  # far more than the socket takes, and than is kept
                running.tracer.emit(*[make_call(args=LONG)] * 1000)
                await watcher.events(1000)
            running.tracer.emit(make_call(name="read"))
            reached = oldest - 1
            lost = 0
            while reached < 22_001:
                for event in await slow.batch():
                    if isinstance(event, events.Lost):
                        assert event.first == reached + 1
                        assert event.count == event.last - event.first + 1
                        assert event.why in {"expired", "slow"}
                        lost += event.count
                        reached = event.last
                    elif not isinstance(event, events.Synced):
                        reached += 1
                        assert event.seq == reached
            assert lost

            async def accounted():
                [state] = [
                    each
                    for each in (await running.status())["subscriptions"]
                    if each["id"] == slow.id
                ]
                assert state["matched"] == state["delivered"] + state["queued"] + state["lost"]
                return (state["matched"], state["lost"]) == (22_001 - oldest + 1, lost)

            await running.until(accounted)

    serving(body, history_bytes=500_000)


def test_tracees_wait_for_a_blocking_reader_of_the_past(serving, make_call, tracee):
    async def body(running):
        async with running.client() as watcher, running.client() as slow:
            await watcher.subscribe(upgrade=True)
            running.tracer.emit(*[make_call(args=LONG)] * 4000)
            await watcher.events(4000)
            await slow.subscribe(upgrade=True, since="all", overflow="block")
            running.tracer.produce(30_000, batch=10, args=LONG)
            await running.stalled(slow)
            assert (await running.status())["held"] == 1
            found = await slow.events(34_001)
            assert seqs(each for each in found if not isinstance(each, events.Synced)) == list(
                range(1, 34_001)
            )

    serving(body)


def test_what_only_one_that_is_still_in_the_past_wants_is_kept_for_it(serving, make_call):
    async def body(running):
        async with running.client() as watcher, running.client() as late:
            await watcher.subscribe(upgrade=True, filters=[{"syscall": ["getppid"]}])
            running.tracer.emit(*[make_call(args=LONG)] * 4000)
            await watcher.events(4000)
            await late.subscribe(upgrade=True, since="all")
            for _ in range(8):
                running.tracer.emit(*[make_call(name="read", args=LONG)] * 500)
            running.tracer.emit(make_call())
            await watcher.events(1)
            found = await late.events(8002)
            told = seqs(each for each in found if not isinstance(each, events.Synced))
            assert told == list(range(1, 8002))

    serving(body)


def test_sync_and_unsubscribe_wait_for_the_past(serving, make_call):
    async def body(running):
        async with (
            running.client() as watcher,
            running.client() as late,
            running.client() as control,
        ):
            await watcher.subscribe(upgrade=True)
            running.tracer.emit(*[make_call()] * 5000)
            await watcher.events(5000)
            await late.subscribe(upgrade=True, since="all")
            found = []

            async def read():
                found.extend(await late.rest())

            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                assert (await control.call("Sync", {"id": late.id})) == {"seq": 5000}
                running.tracer.emit(make_call())
                await watcher.events(1)
                await control.call("Unsubscribe", {"id": late.id})
            assert found[1] == "unsubscribed"
            assert seqs(found[0]) == [*range(1, 5001), 5000, 5001]

    serving(body)


def test_the_end_of_a_target_comes_after_its_past(serving, make_call, target):
    async def body(running):
        async with running.client() as watcher, running.client() as late:
            await watcher.subscribe(upgrade=True)
            running.tracer.emit(*[make_call(args=LONG)] * 4000)
            await watcher.events(4000)
            async with running.client() as control:
                await control.call("Attach", {"pid": target.pid})
                await late.subscribe(upgrade=True, since="all", until=target.pid)
                await control.call("Detach", {"pid": target.pid})
            running.tracer.emit(*[make_call()] * 10)
            await watcher.events(10)
            found, end = await late.rest()
            assert end == "target"
            told = seqs(each for each in found if not isinstance(each, events.Synced))
            assert told == list(range(1, len(told) + 1))
            assert len(told) in range(4000, 4011)

    serving(body)


# ---- Heartbeats ----


def test_a_heartbeat_on_idle_carries_the_account(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as other:
            await client.subscribe(filters=[{"syscall": ["read"]}], heartbeat_ms=100)
            await other.subscribe()
            running.tracer.emit(make_call(name="read"), make_call(), make_call())
            call, beat = await client.events(2)
            assert call.seq == 1
            assert isinstance(beat, events.Heartbeat)
            assert beat.seq == 3
            # All that stands before it in the stream is delivered or queued.
            assert (beat.matched, beat.delivered + beat.queued, beat.lost) == (1, 1, 0)
            [next_one] = await client.events(1)
            assert (next_one.seq, next_one.delivered) == (3, 1)

    serving(body)


def test_a_heartbeat_after_many_events_that_did_not_match(serving, make_call):
    async def body(running):
        async with running.client() as narrow, running.client() as other:
            await narrow.subscribe(filters=[{"syscall": ["read"]}], heartbeat_ms=3_600_000)
            await other.subscribe(upgrade=True)
            for _ in range(40):
                running.tracer.emit(*[make_call()] * 250)
                await other.events(250)
            running.tracer.emit(make_call(name="read"))
            found = [await narrow.events(1)]
            while not isinstance(found[-1][0], events.SyscallExit):
                found.append(await narrow.events(1))
            *beats, [call] = found
            assert call.seq == 10_001
            assert [each.seq for [each] in beats] == list(range(1000, 10_001, 1000))

    serving(body)


def test_one_that_does_not_read_has_one_heartbeat_waiting(serving, make_call):
    async def body(running):
        async with running.client() as narrow, running.client() as other:
            await narrow.subscribe(filters=[{"syscall": ["read"]}], heartbeat_ms=3_600_000)
            await other.subscribe(upgrade=True)
            # Its socket is full before any heartbeat is due.
            running.tracer.emit(*[make_call(name="read", args=LONG)] * 4000)
            await other.events(4000)
            for _ in range(40):
                running.tracer.emit(*[make_call()] * 1000)
                await other.events(1000)
            running.tracer.emit(make_call(name="read"))
            found, reached = [], 0
            while reached < 44_001:
                [*batch] = await narrow.batch()
                found += batch
                reached = batch[-1].seq
            beats = [each for each in found if isinstance(each, events.Heartbeat)]
            assert len(beats) == 1

    serving(body)


def test_a_heartbeat_never_hides_a_loss(serving, make_call):
    """A loss is told before it: who resumes after a heartbeat has heard of all before."""

    async def body(running):
        async with running.client() as narrow, running.client() as other:
            await narrow.subscribe(
                filters=[{"syscall": ["read"]}], heartbeat_ms=100, queue_events=10
            )
            await other.subscribe(upgrade=True)
            running.tracer.emit(*[make_call(name="read")] * 1000)
            await other.events(1000)
            missed = got = 0
            while True:
                for event in await narrow.batch():
                    if isinstance(event, events.Heartbeat):
                        assert (event.matched, event.lost) == (1000, missed)
                        assert event.delivered + event.queued == got
                        return
                    if isinstance(event, events.Lost):
                        missed += event.count
                    else:
                        got += 1

    serving(body)


# ---- Coming back ----


def test_what_happens_while_one_is_away_is_recorded_for_it(serving, make_call):
    async def body(running):
        filters = [{"syscall": ["read"]}]
        async with running.client() as client:
            first = await client.subscribe(filters=filters, linger_ms=60_000)
            running.tracer.emit(make_call(name="read"))
            [event] = await client.events(1)

        async def gone():
            return not (await running.status())["subscriptions"]

        await running.until(gone)
        await running.quiet()
        assert running.tracer.interests[-1].exit == {"read"}
        running.tracer.emit(make_call(name="read"))
        async with running.client() as client:
            since = f"{first['run']}:{event.seq}"
            second = await client.subscribe(filters=filters, since=since, linger_ms=60_000)
            assert second["recorded_from"] == first["recorded_from"] == 1
            missed, border = await client.events(2)
            assert (missed.seq, border.seq) == (2, 2)
            assert isinstance(border, events.Synced)

    serving(body)


def test_who_ends_a_stream_in_order_leaves_nothing_behind(serving):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(linger_ms=60_000)
            await control.call("Unsubscribe", {"id": client.id})
        await running.quiet()
        assert running.tracer.interests[-1].types == frozenset()

    serving(body)


def test_lingering_ends(serving, make_call):
    async def body(running):
        async with running.client() as client:
            first = await client.subscribe(linger_ms=60_000)

        async def over():
            return running.tracer.interests[-1].types == frozenset()

        await running.until(over)
        async with running.client() as client:
            second = await client.subscribe(since=f"{first['run']}:0")
            assert second["recorded_from"] == 1
            [lost, border] = await client.events(2)
            assert (lost.why, lost.count) == ("unwatched", 0)
            assert isinstance(border, events.Synced)

    serving(body, linger_s=0.05)


def test_a_user_may_leave_only_so_much_behind(serving, as_nobody):
    async def body(running):
        for number in range(5):
            async with as_nobody(running) as client:
                await client.subscribe(filters=[{"pid": [number + 1]}], linger_ms=60_000)

        async def two_are_left():
            async with running.client() as control:
                await control.call("Status")
            return len(running.tracer.wishes[-1]) == 2

        await running.until(two_are_left)

    serving(body, subscriptions_per_uid=2)


# ---- What an attach has recorded ----


def test_an_attach_keeps_what_nobody_watches(serving, make_call, target, fake_process):
    async def body(running):
        async with running.client() as control, running.client() as late:
            keep = {"filters": [{"syscall": ["read"]}]}
            await control.call("Attach", {"pid": target.pid, "keep": keep})
            [wish] = running.tracer.wishes[-1]
            assert wish.interest.exit == {"read"}
            inside = fake_process(target.pid, lineage=frozenset({target.pid}))
            assert wish.covers(inside)
            assert not wish.covers(fake_process(5, lineage=frozenset({5})))
            running.tracer.emit(
                make_call(pid=target.pid, name="read"),
                make_call(pid=target.pid),  # nobody asked for it
                process=inside,
            )
            await running.quiet()
            await late.subscribe(since="all")
            assert seqs(await late.events(2)) == [1, 2]
            # Said again, it is another wish; it ends with the attach.
            again = {"pid": target.pid, "keep": {"filters": [{"syscall": ["openat"]}]}}
            await control.call("Attach", again)
        async with running.client() as control:
            await running.quiet()
            assert running.tracer.interests[-1].exit == {"openat"}
            await control.call("Detach", {"pid": target.pid})
            await running.quiet()
            assert running.tracer.interests[-1].types == frozenset()

    serving(body)


def test_what_is_kept_ends_with_the_target_or_the_connection(serving, target):
    async def body(running):
        async with running.client() as control:
            await control.call("Attach", {"pid": target.pid, "scope": "connection", "keep": {}})
            await running.quiet()
            assert running.tracer.interests[-1].exit is None

        async def over():
            return running.tracer.interests[-1].types == frozenset()

        await running.until(over)

    serving(body)


@pytest.mark.parametrize(
    ("keep", "error"),
    [
        ({"filters": [{"tree": [3]}]}, errors.InvalidParameter),
        ({"filters": [{"syscall": ["nope"]}]}, errors.InvalidFilter),
        ({"filter": []}, errors.InvalidParameter),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_attached(serving, target, keep, error):
    async def body(running):
        async with running.client() as control:
            with pytest.raises(error):
                await control.call("Attach", {"pid": target.pid, "keep": keep})
            assert running.tracer.attached == []

    serving(body)
