"""A stream that begins with the processes as they are; of what is in it, see tests/core."""

import pytest

from tracerd.protocol import events


@pytest.mark.parametrize("upgrade", [False, True])
def test_the_processes_then_the_border_then_what_follows(
    serving, make_call, fake_process, as_nobody, upgrade
):
    async def body(running):
        ours = {"uids": (65534,) * 4, "gids": (65534,) * 4}
        for pid, more in ((10, {}), (11, ours), (12, ours)):
            running.tracer.processes[pid] = fake_process(
                pid, lineage=frozenset({pid, 10} if pid == 12 else {pid}), **more
            )
        async with running.client() as root, running.client() as some, as_nobody(running) as user:
            for client, filters, due in (
                (root, [], [10, 11, 12]),
                (some, [{"tree": [10], "syscall": ["read"]}], [10, 12]),
                (user, [], [11, 12]),
            ):
                first = await client.subscribe(upgrade=upgrade, snapshot=True, filters=filters)
                found = await client.events(len(due) + 1)
                assert [each.pid for each in found[:-1]] == due
                assert {each.why for each in found[:-1]} == {"snapshot"}
                assert isinstance(found[-1], events.Synced)
                assert {each.seq for each in found} == {first.get("head", 0)}
                running.tracer.emit(make_call(pid=12, name="read"))
            await running.quiet()
            assert [each.seq for each in await root.events(3)] == [1, 2, 3]
            states = (await running.status())["subscriptions"]
            assert max(each["matched"] for each in states) == 3  # of events alone

    serving(body)


def test_less_detail_is_less_of_a_snapshot(serving, fake_process):
    async def body(running):
        running.tracer.processes[10] = fake_process(10)
        async with running.client() as whole, running.client() as little:
            await whole.subscribe(snapshot=True)
            await little.subscribe(snapshot=True, detail="files")
            assert (await whole.events(2))[0].argv == ["a", "b"]
            assert (await little.events(2))[0].argv == []

    serving(body)


def test_nothing_comes_between_the_snapshot_and_the_border(serving, make_call, fake_process):
    async def body(running):
        for pid in range(20):
            running.tracer.processes[pid] = fake_process(pid)
        async with running.client() as client:
            for _ in range(50):
                running.tracer.emit(make_call())
            await client.subscribe(snapshot=True)
            for _ in range(50):
                running.tracer.emit(make_call())
            found = await client.events(71)
            assert all(isinstance(each, events.Attached) for each in found[:20])
            assert isinstance(found[20], events.Synced)
            assert [each.seq for each in found] == [50] * 21 + list(range(51, 101))

    serving(body)
