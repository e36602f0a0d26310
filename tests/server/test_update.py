"""Change of a live subscription, and what is said of filters."""

import pytest
import trio

from tracerd import errors
from tracerd.protocol import events

READS = [{"syscall": ["read"]}]
CALLS = [{"syscall": ["read", "getppid"]}]


def is_updated(event):
    return isinstance(event, events.Updated)


@pytest.mark.parametrize("upgrade", [False, True])
def test_filters_change_between_two_events_and_nothing_is_missed(serving, make_call, upgrade):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(upgrade=upgrade, filters=READS)
            both = [make_call(name="read"), make_call(name="getppid")]
            made = 0
            changes = []
            for filters in (CALLS, READS, CALLS):
                for _ in range(20):
                    running.tracer.emit(*both * 10)
                    made += 20
                reply = await control.call("Update", {"id": client.id, "filters": filters})
                assert reply["filters"] == filters
                assert reply["pushed_down"] == sorted(filters[0]["syscall"])
                assert reply["wishes"][0]["exit"] == sorted(filters[0]["syscall"])
                changes.append((reply["seq"], filters))
            running.tracer.emit(*both * 10)
            made += 20
            await control.call("Sync", {"id": client.id})
            await control.call("Unsubscribe", {"id": client.id})
            found, _end = await client.rest()
            assert [each.seq for each in found if is_updated(each)] == [seq for seq, _ in changes]
            told = iter(found)
            reached = 0
            for filters, seq in zip(
                (READS, CALLS, READS, CALLS), [seq for seq, _ in changes] + [made], strict=True
            ):
                due = [
                    each
                    for each in range(reached + 1, seq + 1)
                    if filters == CALLS or each % 2  # the odd ones are reads
                ]
                assert [next(told).seq for _ in due] == due
                if seq != made:
                    assert is_updated(next(told))
                reached = seq
            assert next(told, None) is None

    serving(body)


def test_both_are_recorded_until_the_new_one_is_in_force(serving):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(filters=READS)
            before = len(running.tracer.interests)
            await control.call("Update", {"id": client.id, "filters": [{"syscall": ["openat"]}]})
            await running.quiet()
            wanted = [each.exit for each in running.tracer.interests[before:]]
            assert wanted == [{"read", "openat"}, {"openat"}]

    serving(body)


def test_what_is_not_given_stays(serving, make_call):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(filters=READS, string_limit=77, level="io")
            await control.call("Update", {"id": client.id, "detail": "names"})
            await running.quiet()
            [state] = (await running.status())["subscriptions"]
            assert (state["filters"], state["detail"]) == (READS, "names")
            [wish] = running.tracer.wishes[-1]
            assert wish.interest.exit == {"read"}
            running.tracer.emit(make_call(name="read", args={"fd": 3}))
            _, event = await client.events(2)
            assert event.args == {}
            await control.call("Update", {"id": client.id, "detail": "full", "envp": True})
            await running.quiet()
            [wish] = running.tracer.wishes[-1]
            assert (wish.interest.string_limit, wish.interest.envp) == (77, True)

    serving(body)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"filters": [{"syscall": ["nope"]}]}, errors.InvalidFilter),
        ({"envp": True, "detail": "names"}, errors.InvalidParameter),
        ({"overflow": "block"}, errors.InvalidParameter),
    ],
)
def test_a_change_that_is_refused_changes_nothing(serving, make_call, change, error):
    async def body(running):
        async with running.client() as client, running.client() as control:
            await client.subscribe(filters=READS)
            with pytest.raises(error):
                await control.call("Update", {"id": client.id, **change})
            running.tracer.emit(make_call(), make_call(name="read"))
            [event] = await client.events(1)
            assert event.seq == 2
            await running.quiet()
            assert running.tracer.interests[-1].exit == {"read"}

    serving(body)


def test_only_ones_own_can_be_changed(serving, as_nobody):
    async def body(running):
        async with running.client() as client, as_nobody(running) as other:
            await client.subscribe()
            with pytest.raises(errors.NoSuchSubscription):
                await other.call("Update", {"id": client.id, "filters": READS})

    serving(body)


def test_many_changes_at_once_are_made_one_after_the_other(serving, make_call):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(filters=READS)
            replies = []

            async def change(filters):
                async with running.client() as control:
                    call = {"id": client.id, "filters": filters}
                    replies.append((await control.call("Update", call))["filters"])

            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(change, [{"pid": [number + 1]}])
            await running.quiet()
            [state] = (await running.status())["subscriptions"]
            assert state["filters"] == replies[-1]
            assert len(running.tracer.wishes[-1]) == 1
            found = await client.events(10)
            assert all(map(is_updated, found))

    serving(body)


def test_a_change_waits_for_the_past(serving, make_call):
    async def body(running):
        async with running.client() as watcher, running.client() as late:
            await watcher.subscribe(upgrade=True)
            running.tracer.emit(*[make_call(name="read", args={"x": "y" * 500})] * 5000)
            await watcher.events(5000)
            await late.subscribe(upgrade=True, since="all", filters=READS)
            async with trio.open_nursery() as nursery:

                async def change():
                    async with running.client() as control:
                        reply = await control.call("Update", {"id": late.id, "filters": CALLS})
                        assert reply["seq"] == 5000

                nursery.start_soon(change)
                found = await late.events(5002)
            assert isinstance(found[5000], events.Synced)
            assert is_updated(found[5001])

    serving(body)


def test_explain_says_what_subscribe_would_and_makes_nothing(serving):
    async def body(running):
        async with running.client() as client, running.client() as control:
            asked = {"filters": [{"tree": [4], "path": ["/etc/**"]}], "level": "io"}
            told = await control.call("Explain", asked)
            await running.quiet()
            assert running.tracer.interests == []
            first = await client.subscribe(**asked)
            for field in ("filters", "pushed_down", "wishes"):
                assert told[field] == first[field]
            [wish] = told["wishes"]
            assert wish["covers"] == {"tree": [4]}
            assert wish["paths"] == ["/etc/"]
            assert wish["judged"] == ["path"]
            with pytest.raises(errors.InvalidFilter):
                await control.call("Explain", {"filters": [{"syscall": ["nope"]}]})

    serving(body)
