"""What the tracer is asked for on behalf of the subscribers."""

from tracerd.core.tracee import Process
from tracerd.protocol.filters import Compiled

ROOTS = Process(pid=4000, lineage=frozenset({4000}), exe="/bin/sh")
THEIRS = Process(
    pid=5000, lineage=frozenset({5000}), uids=(65534,) * 4, gids=(65534,) * 4, exe="/bin/sh"
)


def covered(wishes):
    """Return for each wish which of the two processes it covers."""
    return [[one.pid for one in (ROOTS, THEIRS) if wish.covers(one)] for wish in wishes]


def test_each_filter_is_a_wish_of_its_own(serving):
    async def body(running):
        async with running.client() as client:
            await client.subscribe(
                filters=[
                    {"pid": [4000], "syscall": ["read"]},
                    {"path": ["/etc/"], "type": ["syscall_exit"]},
                    {"uid": [65534], "comm": ["x"], "tid": [1], "type": ["exit"]},
                ],
                string_limit=77,
                envp=True,
                fd_info=True,
            )
            wishes = running.tracer.wishes[-1]
            wanted = [wish.interest for wish in wishes]
            assert [one.exit for one in wanted] == [{"read"}, {"openat"}, set()]
            assert [one.types for one in wanted] == [{"syscall_exit"}, {"syscall_exit"}, {"exit"}]
            assert [one.paths for one in wanted] == [None, {"/etc"}, None]
            asked = {(one.string_limit, one.envp, one.fd_info) for one in wanted}
            assert asked == {(77, True, True)}
            # A command name changes without notice, and a thread may not be known yet.
            assert covered(wishes) == [[4000], [4000, 5000], [5000]]

    serving(body)


def test_nothing_is_wished_of_what_the_peer_may_not_see(serving, as_nobody):
    async def body(running):
        async with as_nobody(running) as client, running.client() as root:
            await client.subscribe(filters=[{"exe": ["/bin/"]}])
            [wish] = running.tracer.wishes[-1]
            assert covered([wish]) == [[5000]]
            THEIRS.dumpable = False
            assert covered([wish]) == [[]]
            THEIRS.dumpable = True
            await root.subscribe(filters=[{"exe": ["/bin/"]}])
            assert covered(running.tracer.wishes[-1]) == [[5000], [4000, 5000]]

    serving(body)


def test_who_asks_for_the_same_adds_no_wish(serving):
    async def body(running):
        filters = [{"syscall": ["read"]}, {"type": ["exit"]}]
        async with running.client() as one, running.client() as two, running.client() as three:
            await one.subscribe(filters=filters)
            first = running.tracer.wishes[-1]
            await two.subscribe(filters=filters, upgrade=True)
            assert running.tracer.wishes[-1] == first  # the very same: they compare by identity
            await three.subscribe(filters=filters, level="io")
            assert len(running.tracer.wishes[-1]) == 4
            assert running.tracer.wishes[-1][:2] == first

    serving(body)


def test_the_lag_is_the_smallest_queue_that_tracees_wait_for(serving):
    async def body(running):
        async with running.client() as one, running.client() as two, running.client() as three:
            await one.subscribe(queue_events=5)
            assert running.tracer.lags[-1] is None
            await two.subscribe(overflow="block", queue_events=300)
            assert running.tracer.lags[-1].calls == 4 * 300
            async with running.client() as four:
                await four.subscribe(overflow="block", queue_events=200)
                assert running.tracer.lags[-1].calls == 4 * 200
            await three.call("Unsubscribe", {"id": two.id})

            async def no_lag():
                return running.tracer.lags[-1] is None

            await running.until(no_lag)
            assert len(running.tracer.wishes[-1]) == 1

    serving(body)


def test_a_fault_at_the_gate_ends_that_stream_after_what_it_was_given(
    serving, make_call, monkeypatch
):
    def boom(self, subject):
        raise RuntimeError

    monkeypatch.setattr(Compiled, "covers", boom)

    async def body(running):
        async with running.client() as client, running.client() as watcher:
            await watcher.subscribe(queue_events=60_000)
            await client.subscribe(overflow="block", queue_events=20, upgrade=True)
            running.tracer.produce(1000, batch=50)
            found, reason = await client.rest()
            assert [event.seq for event in found] == list(range(1, len(found) + 1))
            assert len(found) >= 20
            assert reason == "failed"
            assert len(await watcher.events(1000)) == 1000
            assert running.tracer.statistics.held == 0

    serving(body)
