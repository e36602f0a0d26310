"""The hand-over, without a tracer and without sockets."""

import contextlib
import threading

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd.core.commands import Published, TargetEnded
from tracerd.core.tracee import Process
from tracerd.protocol import codec, events, messages
from tracerd.protocol.filters import Catalogue, Compiled, compile_filters
from tracerd.server.access import Peer
from tracerd.server.bridge import BATCH_ENTRIES, Batch, Bridge, Failed, Finish
from tracerd.server.settings import Limits
from tracerd.server.subscription import (
    PIECE_BYTES,
    PIECE_EVENTS,
    Gap,
    Piece,
    Subscription,
    joined,
    marker,
    piece_of,
    pieces_of,
)

CATALOGUE = Catalogue(frozenset(), {}, dict.fromkeys(("path", "fd", "io"), frozenset()))
PROCESS = Process(pid=1)
ROOT = Peer(0, 0, 1)


def event(seq):
    return Published(events.Exit(seq=seq, time_ns=0, pid=1, tid=1, code=0), PROCESS)


def subscription(**request):
    asked = messages.Subscribe(**request)
    return Subscription(asked, compile_filters([], CATALOGUE), ROOT, "json", Limits())


def seqs(batch):
    return [event.seq for event in decoded(batch)]


def decoded(batch):
    return [
        event
        for delivery in batch
        for piece in delivery.pieces
        for event in codec.decode_batch_json([piece.body])
    ]


def bridging(body):
    async def main():
        send, receive = trio.open_memory_channel[Batch](1)
        bridge = Bridge(trio.lowlevel.current_trio_token(), send)
        with trio.fail_after(60), send, receive:
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
        first = await receive.receive()
        assert seqs(first) == list(range(BATCH_ENTRIES))
        assert len(first) == 1  # to the same, and nothing between them
        assert bridge.behind
        bridge.deliver()
        assert seqs(await receive.receive()) == list(range(BATCH_ENTRIES, BATCH_ENTRIES + 5))
        assert not bridge.behind

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
        [piece] = [piece for delivery in batch for piece in delivery.pieces]
        assert (piece.items, piece.events, len(piece.body)) == (4, 4, piece.size + 3)
        one.acknowledge([Piece(1, 1, 0, b"")])
        bridge.deliver()
        bridge.publish([event(11)])  # there is room, but not enough to begin anew
        assert one.gap.count == 7
        one.acknowledge([piece._replace(items=3, events=3)])
        bridge.publish([event(12), event(13)])
        batch = await receive.receive()
        written = [piece for delivery in batch for piece in delivery.pieces]
        lost, *after = decoded(batch)
        assert (lost.count, lost.first, lost.last) == (7, 5, 11)
        assert [event.seq for event in after] == [12, 13]
        state = one.state(blocking=False)
        assert (state.matched, state.delivered, state.queued, state.lost) == (13, 4, 2, 7)
        one.acknowledge(written)
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
    one.add([piece_of([b"x" * 40], "json")] * 10)
    assert len(one.take(4, 1000)) == 4
    assert len(one.take(100, 100)) == 2
    assert len(one.take(100, 1)) == 1
    assert len(one.take(100, 1000)) == 3
    assert one.take(100, 1000) == []
    one.add([piece_of([b"x"] * 3, "msgpack")] * 5)
    assert len(one.take(8, 1000)) == 2
    assert len(one.take(1, 1000)) == 1


def test_markers_are_no_events():
    one = subscription()
    one.acknowledge([piece_of([b"123", b"89"], "json"), marker(b"4567")])
    assert (one.delivered, one.delivered_bytes, one.markers_written) == (2, 5, 1)


@pytest.mark.parametrize("wire", ["json", "msgpack"])
@given(st.lists(st.integers(0, 9).map(lambda size: b"x" * size * 5000), min_size=1, max_size=600))
def test_pieces_are_bounded_and_lose_nothing(wire, payloads):
    pieces = pieces_of(payloads, wire)
    assert sum(piece.items for piece in pieces) == len(payloads)
    assert sum(piece.events for piece in pieces) == len(payloads)
    assert sum(piece.size for piece in pieces) == sum(map(len, payloads))
    separator = b"," if wire == "json" else b""
    singly = [piece_of([payload], wire) for payload in payloads]
    pieces += joined([*singly, marker(b"m")], wire)
    assert sum(piece.items for piece in pieces) == 2 * len(payloads) + 1
    assert sum(piece.events for piece in pieces) == 2 * len(payloads)
    payloads = [*payloads, *payloads, b"m"]
    assert separator.join(piece.body for piece in pieces) == separator.join(payloads)
    for piece in pieces:
        assert piece.items <= PIECE_EVENTS
        assert piece.size <= PIECE_BYTES or piece.items == 1


# ---- Several subscriptions at once ----


class Book:
    """What a subscription should have: one event after the other, by the rules of `drop`."""

    def __init__(self, one):
        self.one = one
        self.matched = 0
        self.found = []

    def check(self):
        one = self.one
        state = one.state(blocking=False)
        assert state.matched == state.delivered + state.queued + state.lost == self.matched
        assert state.queued <= one.max_events
        told = 0
        for event in self.found:
            if isinstance(event, events.Lost):
                assert event.first == told + 1
                assert event.count == event.last - event.first + 1
                told = event.last
            else:
                assert event.seq == told + 1
                told = event.seq
        assert told + one.gap.count == self.matched


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=5),
    st.lists(
        st.tuples(st.integers(1, 9), st.lists(st.booleans(), min_size=5, max_size=5)), max_size=20
    ),
)
def test_each_of_a_group_has_an_account_of_its_own(bounds, rounds):
    async def body(bridge, receive):
        compiled = compile_filters([], CATALOGUE)
        books = []
        for bound in bounds:
            asked = messages.Subscribe(queue_events=bound)
            one = Subscription(asked, compiled, ROOT, "json", Limits())
            bridge.admit(one)
            books.append(Book(one))
        seq = 0
        for count, reads in rounds:
            bridge.publish([event(seq + step) for step in range(1, count + 1)])
            seq += count
            await trio.testing.wait_all_tasks_blocked()
            with contextlib.suppress(trio.WouldBlock):
                while True:
                    for delivery in receive.receive_nowait():
                        for one in delivery.to:
                            one.add(delivery.pieces)
                    bridge.deliver()
            for book, read in zip(books, reads, strict=False):
                book.matched = seq
                if read:
                    pieces = book.one.take(1000, 1 << 20)
                    book.one.acknowledge(pieces)
                    book.found += codec.decode_batch_json([piece.body for piece in pieces])
            # What is read is told without a gap; what is queued still is counted.
        for book in books:
            pieces = book.one.take(1000, 1 << 20)
            book.one.acknowledge(pieces)
            book.found += codec.decode_batch_json([piece.body for piece in pieces])
            book.check()

    bridging(body)


def test_a_slow_one_of_a_group_costs_the_others_nothing():
    async def body(bridge, receive):
        compiled = compile_filters([], CATALOGUE)
        slow, good = (
            Subscription(messages.Subscribe(queue_events=bound), compiled, ROOT, "json", Limits())
            for bound in (2, 100)
        )
        bridge.admit(slow)
        bridge.admit(good)
        bridge.publish([event(seq) for seq in range(1, 6)])
        batch = await receive.receive()
        assert seqs([each for each in batch if good in each.to]) == [1, 2, 3, 4, 5]
        assert seqs([each for each in batch if slow in each.to]) == [1, 2]
        assert (slow.given, slow.lost, good.given, good.lost) == (2, 3, 5, 0)

    bridging(body)


def test_who_asks_for_the_same_is_judged_once(monkeypatch):
    judged = []
    sound = Compiled.matches
    monkeypatch.setattr(Compiled, "matches", lambda *given: judged.append(given) or sound(*given))

    async def body(bridge, receive):
        asked = messages.Subscribe(filters=[messages.Filter(type=["exit"])])
        compiled = compile_filters(asked.filters, CATALOGUE)
        for _ in range(3):
            bridge.admit(Subscription(asked, compiled, ROOT, "json", Limits()))
        nobody = Peer(65534, 65534, 1)
        bridge.admit(Subscription(asked, compiled, nobody, "json", Limits()))
        bridge.publish([event(1), event(2)])
        [delivery] = await receive.receive()
        assert len(delivery.to) == 3
        assert len(judged) == 2

    bridging(body)


def test_a_fault_that_the_gate_finds_is_the_hubs_to_act_on(monkeypatch):
    async def body(bridge, receive):
        asked = messages.Subscribe(overflow="block", queue_events=1)
        watcher = Peer(0, 0, 99)
        one = Subscription(asked, compile_filters([], CATALOGUE), watcher, "json", Limits())
        bridge.admit(one)
        bridge.publish([event(1), event(2)])
        assert bridge.closed
        assert bridge.covers(Process(pid=2))
        assert not bridge.covers(Process(pid=99))  # its own

        def boom(self, subject):
            raise RuntimeError

        monkeypatch.setattr(Compiled, "covers", boom)
        done = threading.Thread(target=lambda: bridge.covers(Process(pid=2)))
        done.start()
        done.join()
        assert not bridge.closed
        assert one.closed
        bridge.publish([event(3)])
        entries = []
        while not any(isinstance(each, Failed) for each in entries):
            entries += await receive.receive()
            bridge.deliver()
        *given, failed = entries
        assert seqs(given) == [1, 2]
        assert failed.subscription is one
        assert (one.given, one.lost) == (2, 0)

    bridging(body)
