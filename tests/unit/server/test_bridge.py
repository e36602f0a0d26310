"""The hand-over, without a tracer and without sockets."""

import threading

import trio
import trio.testing

from tracerd.core.commands import Published, TargetEnded
from tracerd.core.tracee import Process
from tracerd.protocol import codec, events, messages
from tracerd.protocol.filters import Catalogue, compile_filters
from tracerd.server.access import Peer
from tracerd.server.bridge import BATCH_ENTRIES, Batch, Bridge, Finish
from tracerd.server.settings import Limits
from tracerd.server.subscription import Gap, Marker, Subscription

CATALOGUE = Catalogue(frozenset(), {}, dict.fromkeys(("path", "fd", "io"), frozenset()))
PROCESS = Process(pid=1)
ROOT = Peer(0, 0, 1)


def event(seq):
    return Published(events.Exit(seq=seq, time_ns=0, pid=1, tid=1, code=0), PROCESS)


def subscription(**request):
    asked = messages.Subscribe(**request)
    return Subscription(asked, compile_filters([], CATALOGUE), ROOT, "json", Limits())


def seqs(batch):
    return [codec.decode_event_json(item).seq for _, items in batch for item in items]


def bridging(body):
    async def main():
        send, receive = trio.open_memory_channel[Batch](1)
        bridge = Bridge(trio.lowlevel.current_trio_token(), send)
        with trio.fail_after(20), send, receive:
            await body(bridge, receive)

    trio.run(main)


def test_a_round_is_one_batch_and_rounds_before_the_bell_is_answered_join_it():
    async def body(bridge, receive):
        one = subscription()
        bridge.admit(one)
        bridge.publish([event(1), event(2)])
        bridge.publish([event(3)])
        assert seqs(await receive.receive()) == [1, 2, 3]
        # Until the hub comes back the bell is not rung again.
        bridge.publish([event(4)])
        await trio.testing.wait_all_tasks_blocked()
        assert receive.statistics().current_buffer_used == 0
        bridge.deliver()
        assert seqs(await receive.receive()) == [4]
        bridge.deliver()
        bridge.publish([event(5)])
        assert seqs(await receive.receive()) == [5]

    bridging(body)


def test_what_does_not_fit_into_the_channel_waits_in_order():
    async def body(bridge, receive):
        one = subscription()
        bridge.admit(one)
        bridge.publish([event(1)])
        await trio.testing.wait_all_tasks_blocked()
        bridge.publish([event(2)])
        bridge.deliver()  # the channel holds a batch still
        bridge.publish([event(3)])
        assert seqs(await receive.receive()) == [1]
        bridge.deliver()
        assert seqs(await receive.receive()) == [2, 3]

    bridging(body)


def test_batches_are_bounded():
    async def body(bridge, receive):
        bridge.admit(subscription())
        for seq in range(BATCH_ENTRIES + 5):
            bridge.publish([event(seq)])
        assert len(await receive.receive()) == BATCH_ENTRIES
        bridge.deliver()
        assert len(await receive.receive()) == 5

    bridging(body)


def test_the_order_of_events_and_ends_is_kept():
    async def body(bridge, receive):
        one = subscription()
        bridge.admit(one)
        ended = TargetEnded(owner=3, pid=1)
        bridge.publish([event(1), ended, event(2)])
        bridge.finish(one, "shutdown")
        bridge.publish([event(3)])
        first, second, third, fourth = await receive.receive()
        assert seqs([first]) == [1]
        assert second is ended
        assert seqs([third]) == [2]
        assert fourth == Finish(one, "shutdown")

    bridging(body)


def test_two_threads_lose_nothing_and_mix_up_nothing():
    async def body(bridge, receive):
        one = subscription(queue_events=60_000)
        bridge.admit(one)
        total = 20_000

        def trace():
            for seq in range(0, total, 4):
                bridge.publish([event(seq + step) for step in range(4)])

        thread = threading.Thread(target=trace)
        thread.start()
        found = []
        while len(found) < total:
            found += seqs(await receive.receive())
            bridge.deliver()
        thread.join()
        assert found == list(range(total))

    bridging(body)


def test_after_the_loops_end_publishing_is_harmless():
    kept = []

    async def body(bridge, receive):
        kept.append(bridge)
        bridge.admit(subscription())

    bridging(body)
    kept[0].publish([event(1)])
    kept[0].publish([event(2)])


def test_a_gap_is_told_in_its_place_and_only_when_there_is_room():
    async def body(bridge, receive):
        one = subscription(queue_events=4)
        bridge.admit(one)
        bridge.publish([event(seq) for seq in range(1, 11)])
        batch = await receive.receive()
        assert seqs(batch) == [1, 2, 3, 4]
        assert (one.given, one.lost, one.gap.count) == (4, 6, 6)
        items = [item for _, each in batch for item in each]
        one.acknowledge(items[:1])
        bridge.deliver()
        bridge.publish([event(11)])  # there is room, but not enough to begin anew
        assert one.gap.count == 7
        one.acknowledge(items[1:])
        bridge.publish([event(12), event(13)])
        batch = await receive.receive()
        marker, *after = [item for _, each in batch for item in each]
        lost = codec.decode_event_json(marker)
        assert (lost.count, lost.first, lost.last) == (7, 5, 11)
        assert [codec.decode_event_json(item).seq for item in after] == [12, 13]
        state = one.state(blocking=False)
        assert (state.matched, state.delivered, state.queued, state.lost) == (13, 4, 2, 7)
        one.acknowledge([marker, *after])
        assert (one.delivered, one.markers_written) == (6, 1)

    bridging(body)


def test_gaps_that_follow_each_other_are_told_together():
    gap = Gap()
    gap.add(5)
    gap.add(6, "other")
    gap.add(9)
    marker = gap.close()
    assert (marker.count, marker.first, marker.last, marker.why) == (3, 5, 9, "slow")
    gap.add(20, "unencodable")
    marker = gap.close()
    assert (marker.count, marker.first, marker.last, marker.why) == (1, 20, 20, "unencodable")


def test_a_write_takes_a_bounded_piece_of_the_queue():
    one = subscription()
    one.add([b"x" * 40] * 10)
    assert len(one.take(4, 1000)) == 4
    assert len(one.take(100, 100)) == 2
    assert len(one.take(100, 1)) == 1
    assert len(one.take(100, 1000)) == 3
    assert one.take(100, 1000) == []


def test_markers_are_no_events():
    one = subscription()
    one.acknowledge([b"123", Marker(b"4567"), b"89"])
    assert (one.delivered, one.delivered_bytes, one.markers_written) == (2, 5, 1)
