"""Streams: who gets what, in which form, and how they end."""

import collections

import pytest
import trio

from tracerd import errors
from tracerd.core.commands import TargetEnded
from tracerd.core.tracee import Process
from tracerd.protocol import codec, events
from tracerd.protocol.filters import Compiled
from tracerd.server import bridge


@pytest.mark.parametrize("upgrade", [False, True])
def test_a_subscriber_gets_what_it_asked_for_and_nothing_from_before(serving, make_call, upgrade):
    async def body(running):
        async with running.client() as other, running.client() as client:
            await other.subscribe()
            running.tracer.emit(make_call(), make_call())
            await other.events(2)
            first = await client.subscribe(upgrade=upgrade, filters=[{"syscall": ["openat"]}])
            assert first["head"] == 2
            assert first["pushed_down"] == ["openat"]
            assert first["filters"] == [{"syscall": ["openat"]}]
            assert len(first["run"]) == 16
            running.tracer.emit(make_call(name="getppid"), make_call(name="openat"))
            [event] = await client.events(1)
            assert event == make_call(name="openat")(4)

    serving(body)


def test_two_subscribers_with_different_filters_get_exactly_their_own(serving, make_call):
    async def body(running):
        async with running.client() as one, running.client() as two, running.client() as every:
            await one.subscribe(filters=[{"pid": [1]}, {"syscall": ["openat"]}])
            await two.subscribe(upgrade=True, filters=[{"pid": [2]}])
            await every.subscribe(upgrade=True)
            assert running.tracer.interests[-1].exit is None
            wanted = [
                make_call(pid=pid, name=name)
                for _ in range(200)
                for pid in (1, 2, 3)
                for name in ("openat", "read")
            ]
            running.tracer.emit(*wanted)
            all_of_them = [make(seq) for seq, make in enumerate(wanted, 1)]
            assert await every.events(1200) == all_of_them
            mine = [event for event in all_of_them if event.pid == 1 or event.syscall == "openat"]
            assert await one.events(800) == mine
            assert await two.events(400) == [event for event in all_of_them if event.pid == 2]

    serving(body)


def test_an_event_is_encoded_once_per_format_however_many_subscribe(
    serving, make_call, monkeypatch
):
    encoded = collections.Counter()

    def counting(name, encode):
        def count(event):
            encoded[name] += 1
            return encode(event)

        return count

    monkeypatch.setitem(bridge._ENCODERS, "json", counting("json", codec.encode_json))
    monkeypatch.setitem(bridge._ENCODERS, "msgpack", counting("msgpack", codec.encode_msgpack))

    async def body(running):
        async with (
            running.client() as a,
            running.client() as b,
            running.client() as c,
            running.client() as d,
            running.client() as unconcerned,
        ):
            await a.subscribe()
            await b.subscribe(upgrade=True)
            await c.subscribe(upgrade=True, filters=[{"syscall": ["getppid"]}])
            await d.subscribe()
            await unconcerned.subscribe(filters=[{"syscall": ["read"]}])
            running.tracer.emit(*[make_call()] * 300)
            for client in (a, b, c, d):
                await client.events(300)
            assert encoded == {"json": 300, "msgpack": 300}
            running.tracer.emit(make_call(name="close"), make_call(name="read"))
            await unconcerned.events(1)
            assert encoded["json"] == 302

    serving(body)


def test_what_nobody_wants_is_not_asked_of_the_tracer(serving):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(filters=[{"syscall": ["openat"], "type": ["syscall_exit"]}])
            interest = running.tracer.interests[-1]
            assert interest.exit == {"openat"}
            assert interest.enter == frozenset()
            assert interest.types == {"syscall_exit"}

        async def nothing():
            return running.tracer.interests[-1].types == frozenset()

        await running.until(nothing)

    serving(body)


def test_a_subscriber_that_dies_takes_nothing_with_it(serving, make_call):
    async def body(running):
        async with running.client() as survivor:
            await survivor.subscribe()
            async with running.client() as client:
                await client.subscribe(upgrade=True)
                running.tracer.emit(*[make_call()] * 5000)
                await client.batch()
            running.tracer.emit(*[make_call()] * 100)
            assert [event.seq for event in await survivor.events(5100)] == list(range(1, 5101))

            async def alone():
                return len((await running.status())["subscriptions"]) == 1

            await running.until(alone)

    serving(body)


def test_end_of_file_from_the_peer_ends_its_subscription_at_once(serving):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            await client.stream.send_eof()
            with pytest.raises(EOFError):
                await client.batch()
            assert (await running.status())["subscriptions"] == []

    serving(body)


def test_calls_sent_while_streaming_are_answered_after_it(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe()
            await client.send("Syscalls")
            running.tracer.emit(make_call())
            assert len(await client.events(1)) == 1
            await control.call("Unsubscribe", {"id": client.id})
            assert await client.batch() == "unsubscribed"
            assert "syscalls" in await client.reply()

    serving(body)


def test_more_bytes_ahead_than_the_limit_end_a_streaming_connection(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            with pytest.raises((EOFError, trio.BrokenResourceError)):
                await _send_and_wait(client, b"x" * 100_000)
            assert (await running.status())["connections"] == 1

    serving(body, message_bytes=4096)


async def _send_and_wait(client, data):
    await client.stream.send_all(data)
    await client.reply()


def test_unsubscribe_stops_matching_writes_what_is_queued_and_ends_the_stream(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe()
            running.tracer.emit(*[make_call()] * 1000)
            await running.quiet()
            assert await control.call("Unsubscribe", {"id": client.id}) == {}
            running.tracer.emit(make_call())
            found, reason = await client.rest()
            assert len(found) == 1000
            assert reason == "unsubscribed"
            with pytest.raises(errors.NoSuchSubscription):
                await control.call("Unsubscribe", {"id": client.id})
            assert (await client.call("Status"))["subscriptions"] == []

    serving(body)


def test_sync_answers_when_all_that_happened_has_been_written(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(queue_events=20_000)
            for _ in range(10):
                running.tracer.emit(*[make_call()] * 100)
            synced = []

            async def sync():
                synced.append(await control.call("Sync", {"id": client.id}))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(sync)
                assert len(await client.events(1000)) == 1000
            assert synced == [{"seq": 1000}]
            [state] = (await control.call("Status"))["subscriptions"]
            assert state["matched"] == state["delivered"] == 1000
            assert state["queued"] == state["lost"] == 0

    serving(body)


def test_sync_of_a_stream_that_ends_meanwhile_says_so(serving, make_call):
    async def body(running):
        async with running.client() as control:
            async with running.client() as client:
                await client.subscribe(overflow="block", queue_events=100_000)
                running.tracer.emit(*[make_call(args={"x": "y" * 10_000})] * 1000)
                await control.send("Sync", {"id": client.id})
                await running.quiet()
            with pytest.raises(errors.NoSuchSubscription):
                await control.reply()

    serving(body)


def test_until_ends_the_stream_after_all_that_came_before(serving, make_call, target):
    async def body(running):
        async with running.client() as client, running.client() as holder:
            await holder.call("Attach", {"pid": target.pid})
            await client.subscribe(until=target.pid)
            running.tracer.emit(*[make_call()] * 3000)
            await holder.call("Detach", {"pid": target.pid})
            found, reason = await client.rest()
            assert len(found) == 3000
            assert reason == "target"

    serving(body)


def test_until_waits_for_the_last_holder(serving, make_call, target):
    async def body(running):
        async with running.client() as client, running.client() as holder:
            await holder.call("Attach", {"pid": target.pid})
            await client.subscribe(until=target.pid)
            async with running.client() as other:
                await other.call("Attach", {"pid": target.pid, "scope": "connection"})
                running.tracer.emit(make_call())
                await client.events(1)
            running.tracer.tell(TargetEnded(owner=2, pid=target.pid))
            running.tracer.emit(make_call())
            await client.events(1)
            running.tracer.tell(TargetEnded(owner=1, pid=target.pid))
            assert await client.batch() == "target"

    serving(body)


def test_a_filter_that_fails_ends_its_own_subscription_only(serving, make_call, monkeypatch):
    sound = Compiled.matches

    def matches(self, event, subject, kind):
        if self.normalised()[0].pid == [666]:
            raise RuntimeError("boom")
        return sound(self, event, subject, kind)

    monkeypatch.setattr(Compiled, "matches", matches)

    async def body(running):
        async with (
            running.client() as json,
            running.client() as msgpack,
            running.client() as good,
        ):
            await json.subscribe(filters=[{"pid": [666]}])
            await msgpack.subscribe(upgrade=True, filters=[{"pid": [666]}])
            await good.subscribe(filters=[{"syscall": ["getppid"]}])
            running.tracer.emit(make_call(pid=666), make_call(pid=666))
            with pytest.raises(errors.InternalError, match="RuntimeError while matching"):
                await json.batch()
            assert await msgpack.batch() == "failed"
            assert len(await good.events(2)) == 2
            assert (await json.call("Status"))["pump"] == "fake"

    serving(body)


def test_an_event_that_cannot_be_encoded_is_lost_and_told(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            odd = make_call(args={"path": "\udcff"})
            running.tracer.emit(make_call(), odd, make_call())
            before, lost, after = await client.events(3)
            assert (before.seq, after.seq) == (1, 3)
            assert isinstance(lost, events.Lost)
            assert (lost.count, lost.first, lost.last) == (1, 2, 2)
            assert lost.why == "unencodable"
            running.tracer.emit(odd)
            [lost] = await client.events(1)
            assert (lost.count, lost.first, lost.last) == (1, 4, 4)

    serving(body)


@pytest.mark.parametrize("upgrade", [False, True])
def test_shutdown_tells_every_stream_after_what_was_queued(serving, make_call, upgrade):
    async def body(running):
        async with running.client() as client, running.client() as idle:
            await client.subscribe(upgrade=upgrade)
            await idle.call("Status")
            running.tracer.emit(*[make_call()] * 500)
            running.daemon.ending.set()
            found, reason = await client.rest()
            assert len(found) == 501
            assert isinstance(found[-1], events.Detached)
            assert reason == "shutdown"
            with pytest.raises(EOFError):
                await idle.reply()

    serving(body)


def test_shutdown_does_not_wait_for_a_subscriber_that_does_not_read(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="block", queue_events=60_000)
            running.tracer.emit(*[make_call(args={"x": "y" * 10_000})] * 500)
            await running.quiet()
            running.daemon.ending.set()
            await running.exited.wait()

    serving(body, seconds=60, flush_s=0.2)


def test_the_tracers_failure_ends_the_daemon_in_order(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            running.tracer.emit(make_call())
            running.tracer.fail(RuntimeError("no more"))
            found, reason = await client.rest()
            assert len(found) == 1
            assert reason == "shutdown"

    serving(body, code=1)


def test_events_of_others_are_neither_seen_nor_counted(serving, make_call, tmp_path, as_nobody):
    theirs = Process(pid=1, uids=(65534,) * 4, gids=(65534,) * 4)
    setuid = Process(pid=2, uids=(65534, 0, 0, 0), gids=(65534,) * 4)
    hidden = Process(pid=3, uids=(65534,) * 4, gids=(65534,) * 4, dumpable=False)

    async def body(running):
        async with as_nobody(running) as client:
            await client.subscribe()
            running.tracer.emit(make_call(pid=4000))
            running.tracer.emit(make_call(pid=2), process=setuid)
            running.tracer.emit(make_call(pid=3), process=hidden)
            running.tracer.emit(make_call(pid=1), process=theirs)
            [event] = await client.events(1)
            assert event.pid == 1
            [state] = (await running.status())["subscriptions"]
            assert (state["uid"], state["matched"], state["lost"]) == (65534, 1, 0)

    serving(body)
