"""What `Status` says of the daemon's health: each loss and each end is counted where it happens."""

import pytest
import trio

from tracerd import errors


def counted(running, family, why, times=1):
    """Return a condition: so many were counted."""

    async def condition():
        return (await running.status())["counters"][family].get(why, 0) >= times

    return condition


def test_a_young_daemon_has_nothing_to_tell(serving):
    async def body(running):
        status = await running.status()
        assert not any(n for counts in status["counters"].values() for n in counts.values())
        assert set(status["counters"]) == {
            *("lost", "faults", "refused", "closed", "ended", "accept", "history", "let_go", "log"),
        }
        assert 0 < status["descriptors"] < status["max_descriptors"]

    serving(body)


def test_all_threads_answer(serving):
    async def body(running):
        async def answered():
            return (await running.status())["answer_ns"] > 0

        await running.until(answered)
        assert (await running.status())["answered_ns"] > 0

    serving(body)


def test_events_per_second_come_and_go(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            running.tracer.produce(500)
            await client.events(500)

            async def rate():
                return (await running.status())["events_per_s"]

            async def none():
                return not await rate()

            await running.until(rate)
            await running.until(none)

    serving(body)


def test_what_a_queue_loses_and_how_deep_it_was(serving):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(queue_events=100)
            running.tracer.produce(5000, args={"x": "y" * 1000})

            async def all_made():
                return (await running.status())["head"] == 5000

            await running.until(all_made)
            await running.quiet()
            status = await running.status()
            [state] = status["subscriptions"]
            assert state["lost"] == status["counters"]["lost"]["slow"] > 0
            assert state["queued_max"] == state["queue_events"] == 100
            assert state["queued_bytes"] <= state["queue_bytes"]
        await running.until(counted(running, "ended", "left"))
        assert (await running.status())["counters"]["lost"]["slow"] == state["lost"]

    serving(body)


def test_how_long_tracees_waited(serving):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(overflow="block", queue_events=100)
            running.tracer.produce(3000, args={"x": "y" * 1000})
            waiting = await running.stalled(client)
            assert waiting["blocking_since_ns"] > 1_600_000_000_000_000_000
            await client.events(3000)
            [state] = (await running.status())["subscriptions"]
            assert state["blocking_since_ns"] == 0
            assert state["blocked_ns"] > 20_000_000  # `stalled` looked twice, so long apart

    serving(body)


def test_an_event_that_cannot_be_encoded(serving, make_call, caplog):
    async def body(running):
        async with running.client() as client:
            await client.subscribe()
            running.tracer.emit(make_call(args={"x": "\udcff"}), make_call())
            [lost, following] = await client.events(2)
            assert (lost.count, lost.why, following.seq) == (1, "unencodable", 2)
        assert (await running.status())["counters"]["lost"]["unencodable"] == 1

    serving(body)


async def leave(running):
    async with running.client() as client:
        await client.call("Status")


async def break_the_protocol(running):
    async with running.client() as client:
        await client.stream.send_all(b"nonsense\0")
        with pytest.raises(errors.InvalidParameter, match="not JSON"):
            await client.reply()
        with pytest.raises(EOFError):
            await client.reply()


async def begin_and_not_end(running):
    async with running.client() as client:
        assert await client.call("Status")
        await client.stream.send_all(b'{"method": ')
        with pytest.raises(errors.InvalidParameter, match=r"not ended within 0\.2 seconds"):
            await client.reply()
        with pytest.raises(EOFError):
            await client.reply()


async def trickle(running):
    """Byte by byte, so that something always comes."""
    async with running.client() as client:
        with pytest.raises((trio.BrokenResourceError, errors.InvalidParameter)):  # noqa: PT012
            while True:
                await client.stream.send_all(b" ")
                with trio.move_on_after(0.01):
                    await client.reply()


async def never_read(running):
    async with running.client() as client:
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            while True:
                await client.send("Syscalls")


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        (leave, "left"),
        (break_the_protocol, "protocol"),
        (begin_and_not_end, "unfinished"),
        (trickle, "unfinished"),
        (never_read, "stalled"),
    ],
)
def test_why_a_connection_ended(serving, deed, why):
    async def body(running):
        async with running.client() as patient:
            assert await patient.call("Status")
            await deed(running)
            await running.until(counted(running, "closed", why))
            assert await patient.call("Status")  # silence between messages is nobody's fault

    serving(body, message_s=0.2, stall_s=0.2)


def test_limits_reached_are_counted(serving, as_nobody):
    async def body(running):
        async with as_nobody(running) as one, as_nobody(running) as two:
            await one.subscribe()
            with pytest.raises(errors.LimitReached):
                await two.subscribe()
            async with as_nobody(running) as three:
                with pytest.raises(errors.LimitReached):
                    await three.call("Status")
            await running.until(counted(running, "closed", "refused"))
            assert (await running.status())["counters"]["refused"] == {
                "connections of a user": 1,
                "subscriptions of a user": 1,
            }

    serving(body, connections_per_uid=2, subscriptions_per_uid=1)


@pytest.mark.parametrize("why", ["unsubscribed", "slow", "shutdown", "left"])
def test_why_a_stream_ended(serving, why):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(queue_events=1, overflow="disconnect")
            if why == "slow":
                running.tracer.produce(2, batch=2)
            elif why == "unsubscribed":
                async with running.client() as control:
                    await control.call("Unsubscribe", {"id": client.id})
            elif why == "left":
                await client.stream.aclose()
            if why != "shutdown":
                await running.until(counted(running, "ended", why))
            else:
                running.daemon.ending.set()
                assert (await client.rest())[1] == "shutdown"
                await running.exited.wait()
                assert running.daemon.health.tally.counts()["ended"]["shutdown"] == 1

    serving(body)


def test_root_has_connections_of_its_own(serving, as_nobody):
    async def body(running):
        async with as_nobody(running) as one:
            await one.call("Status")
            async with as_nobody(running) as refused:
                with pytest.raises(errors.LimitReached) as caught:
                    await refused.call("Status")
                assert (caught.value.limit, caught.value.maximum) == ("connections", 1)
            async with running.client() as root:
                assert await root.call("Status")

    serving(body, connections=3, connections_for_root=2)
