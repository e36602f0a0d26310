"""From the past into the present, without a tracer and without sockets: no gap, no repeat."""

import contextlib

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd import errors
from tracerd.core.commands import Published
from tracerd.core.tracee import Process
from tracerd.protocol import codec, events, messages
from tracerd.protocol.cursors import Since
from tracerd.protocol.filters import Catalogue, compile_filters
from tracerd.server.access import Peer
from tracerd.server.bridge import Batch, Bridge
from tracerd.server.history import History
from tracerd.server.replay import JOIN_EVENTS, Replay, start
from tracerd.server.settings import Limits
from tracerd.server.subscription import Subscription

CATALOGUE = Catalogue(
    frozenset({"read", "write"}), {}, dict.fromkeys(("path", "fd", "io"), frozenset())
)
ROOT, USER = Peer(0, 0, 1), Peer(7, 7, 1)
RUN = "5eed"
MAKERS = [
    Process(pid=1, uids=(7,) * 4, gids=(7,) * 4),
    Process(pid=2, uids=(0,) * 4, gids=(0,) * 4),
    Process(pid=3, uids=(7,) * 4, gids=(7,) * 4, dumpable=False),
]


def published(seq, maker, name):
    head = {"seq": seq, "time_ns": 1000 * seq, "pid": maker.pid, "tid": maker.pid}
    if name == "exit":
        return Published(events.Exit(**head, code=0), maker)
    return Published(events.SyscallExit(**head, syscall=name, nr=0), maker)


class Watch:
    """A subscription, what it has received, and what it should."""

    def __init__(self, house, request, peer, wire):
        self.house = house
        compiled = compile_filters(request.filters, CATALOGUE)
        self.one = Subscription(request, compiled, peer, wire, Limits())
        self.found = []

    def should_get(self, item):
        seen = self.one.peer.may_see(item.process)
        return seen and self.one.compiled.matches(item.event, item.process, item.kind)

    def begin(self, since):
        history = self.house.bridge.history
        begin = start(since, RUN, history, 0, patient=True)
        self.after = since.seq
        self.since_ns = since.time_ns
        self.one.replay = Replay(history, self.one, begin)
        self.house.bridge.stand(self.one)

    def step(self):
        """What the writer does: a block of the past, or all that is queued."""
        one = self.one
        if one.replay is not None:
            if self.house.bridge.join(one, self.house.seq):
                one.go_live()
            else:
                self.write(one.replay.step())
        else:
            self.write(one.take(1 << 20, 1 << 30))

    def write(self, pieces):
        self.one.acknowledge(pieces)
        bodies = [piece.body for piece in pieces]
        if self.one.wire == "json":
            self.found += codec.decode_batch_json(bodies)
        else:
            for piece in pieces:
                head = b"\xdd" + piece.items.to_bytes(4, "big")
                self.found += codec.decode_batch_msgpack(head + piece.body)

    def check(self):
        """Everything that matches is there once and in order, or told as lost."""
        reached, lost, borders = self.after, 0, 0
        for event in self.found:
            assert event.seq >= reached
            is_gap = isinstance(event, events.Lost)
            is_border = isinstance(event, events.Synced)
            assert not self.due(reached, event.first - 1 if is_gap else event.seq - (not is_border))
            if is_gap:
                assert event.first > reached
                assert len(self.due(event.first - 1, event.last)) <= event.count
                lost += event.count
            elif is_border:
                borders += 1
            else:
                assert event.seq > reached
                item = self.house.items[event.seq - 1]
                assert event == item.event
                assert self.is_due(item)
            reached = event.seq
        state = self.one.state(blocking=False)
        delivered = sum(not isinstance(each, events.Lost | events.Synced) for each in self.found)
        assert (state.delivered, state.queued) == (delivered, 0)
        assert state.matched == delivered + lost
        assert borders == 1
        assert not self.due(reached, self.house.seq)

    def due(self, after, last):
        return [each for each in self.house.items[after:last] if self.is_due(each)]

    def is_due(self, item):
        return item.event.time_ns >= self.since_ns and self.should_get(item)


class HouseOf:
    """A bridge, and all that was published there."""

    def __init__(self, bound, receive, send):
        self.bridge = Bridge(trio.lowlevel.current_trio_token(), send, History(bound))
        everything = compile_filters([], CATALOGUE)
        asked = messages.Subscribe()
        self.bridge.stand(Subscription(asked, everything, ROOT, "msgpack", Limits()))
        self.receive = receive
        self.items = []

    @property
    def seq(self):
        return len(self.items)

    def publish(self, made):
        items = [published(self.seq + at, *each) for at, each in enumerate(made, 1)]
        self.items += items
        self.bridge.publish(items)

    async def deliver(self):
        await trio.testing.wait_all_tasks_blocked()
        with contextlib.suppress(trio.WouldBlock):
            while True:
                for delivery in self.receive.receive_nowait():
                    for one in delivery.to:
                        one.add(delivery.pieces)
                self.bridge.deliver()


def housed(bound, body):
    async def main():
        send, receive = trio.open_memory_channel[Batch](1)
        with trio.fail_after(60), send, receive:
            await body(HouseOf(bound, receive, send))

    trio.run(main)


makers = st.tuples(st.sampled_from(MAKERS), st.sampled_from(["read", "write", "exit"]))
rounds = st.tuples(st.just("publish"), st.lists(makers, min_size=1, max_size=5), st.integers(1, 90))
joins = st.tuples(
    st.just("join"),
    st.sampled_from(
        [[], [{"pid": [1, 3]}], [{"syscall": ["read"]}], [{"type": ["exit"]}, {"pid": [2]}]]
    ),
    st.sampled_from([ROOT, USER]),
    st.sampled_from(["json", "msgpack"]),
    st.sampled_from(["all", "cursor", "time"]),
    st.floats(0, 1),
)
steps = st.tuples(st.just("step"), st.integers(0, 5))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([3_000, 60_000, 1 << 20]), st.lists(rounds | joins | steps, max_size=40))
def test_whenever_one_joins_the_stream_is_whole(bound, script):
    async def body(house):
        watches = []
        for what, *told in script:
            if what == "publish":
                made, times = told
                house.publish(made * times)
            elif what == "join":
                filters, peer, wire, kind, where = told
                at = int(where * house.seq)
                since = {
                    "all": Since(),
                    "cursor": Since(run=RUN, seq=at),
                    "time": Since(time_ns=1000 * at + 500),
                }[kind]
                asked = [messages.Filter(**each) for each in filters]
                request = messages.Subscribe(filters=asked, on_gap="continue")
                watch = Watch(house, request, peer, wire)
                watch.begin(since)
                if kind != "cursor":
                    # From a time, or all: what is gone already is not asked for.
                    watch.after = watch.one.replay.position
                    watch.one.replay._lost = None
                watches.append(watch)
            elif watches:
                watches[told[0] % len(watches)].step()
            await house.deliver()
        for watch in watches:
            while watch.one.replay is not None:
                watch.step()
            await house.deliver()
            watch.step()
            watch.check()

    housed(bound, body)


def test_a_subscription_that_was_closed_meanwhile_gets_what_came_before(monkeypatch):
    async def body(house):
        house.publish([(MAKERS[0], "read")] * (JOIN_EVENTS + 10))
        watch = Watch(house, messages.Subscribe(), ROOT, "msgpack")
        watch.begin(Since())
        watch.step()
        watch.one.closed = True
        house.publish([(MAKERS[0], "read")] * 10)
        house.bridge.finish(watch.one, "unsubscribed")
        house.publish([(MAKERS[0], "read")] * 1000)
        while watch.one.replay is not None:
            watch.step()
        await house.deliver_all(watch)
        assert [each.seq for each in watch.found] == list(range(1, JOIN_EVENTS + 21))

    async def deliver_all(house, watch):
        await trio.testing.wait_all_tasks_blocked()
        while True:
            try:
                batch = house.receive.receive_nowait()
            except trio.WouldBlock:
                break
            for entry in batch:
                if hasattr(entry, "pieces"):
                    watch.write(entry.pieces)
            house.bridge.deliver()

    monkeypatch.setattr(HouseOf, "deliver_all", deliver_all, raising=False)
    housed(1 << 20, body)


def test_events_that_could_not_be_encoded_are_told_as_lost(monkeypatch):
    async def body(house):
        house.publish([(MAKERS[0], "read")] * 3)
        flawed = [published(4, MAKERS[0], "read"), published(5, MAKERS[0], "write")]
        house.bridge.history.add(flawed, [b"", b""])
        house.items += flawed
        house.publish([(MAKERS[0], "read")])
        request = messages.Subscribe(filters=[messages.Filter(syscall=["read"])])
        watch = Watch(house, request, ROOT, "json")
        watch.begin(Since())
        watch.write(watch.one.replay.step())
        assert [type(each).__name__ for each in watch.found] == [
            *["SyscallExit"] * 3,
            "Lost",
            "SyscallExit",
        ]
        assert (watch.found[3].count, watch.found[3].first, watch.found[3].why) == (
            1,
            4,
            "unencodable",
        )

    housed(1 << 20, body)


@pytest.mark.parametrize(
    ("since", "begins", "lost"),
    [
        (Since(), 50, None),
        (Since(run=RUN, seq=100), 100, None),  # head
        (Since(run=RUN, seq=99), 99, None),
        (Since(run=RUN, seq=51), 51, None),  # oldest
        (Since(run=RUN, seq=50), 50, None),  # oldest - 1: exclusive, so nothing is missing
        (Since(run=RUN, seq=49), 50, (1, 50, 50, "expired")),
        (Since(run=RUN, seq=0), 50, (50, 1, 50, "expired")),
        (Since(run="0ld", seq=70), 50, (0, 0, 50, "restarted")),
        (Since(time_ns=51_000), 50, None),
        (Since(time_ns=50_000), 50, (0, 1, 50, "expired")),
    ],
)
def test_where_a_replay_begins(since, begins, lost):
    history = History(1 << 20)
    items = [published(seq, MAKERS[0], "read") for seq in range(1, 101)]
    for each in (items[:50], items[50:]):
        history.add(each, [b"x"] * 50)
        if each[0].event.seq == 1:
            history._drop(1)
    assert (history.oldest(), history.head()) == (51, 100)
    found = start(since, RUN, history, 0, patient=True)
    assert found.after == begins
    assert found.since_ns == since.time_ns
    told = found.lost and (found.lost.count, found.lost.first, found.lost.last, found.lost.why)
    assert told == lost
    if lost is None:
        assert start(since, RUN, history, 0, patient=False)._replace(lost=None) == found
    else:
        assert found.lost.seq == begins
        with pytest.raises(errors.CursorExpired) as caught:
            start(since, RUN, history, 0, patient=False)
        assert caught.value.parameters() == {"oldest": 51, "head": 100, "run": RUN}


def test_a_cursor_of_the_future_is_refused():
    with pytest.raises(errors.InvalidParameter, match="no event 1 yet"):
        start(Since(run=RUN, seq=1), RUN, History(1000), 0, patient=True)


@pytest.mark.parametrize(("recorded", "told"), [(None, (8, 10)), (9, (8, 9)), (8, None), (0, None)])
def test_what_nobody_recorded_is_told(recorded, told):
    history = History(1 << 20)
    for seq in range(1, 11):
        item = published(seq, MAKERS[0], "read")
        history.add([item], [b"x"])
    found = start(Since(run=RUN, seq=8), RUN, history, recorded, patient=False)
    assert found.after == 8
    if told is None:
        assert found.lost is None
    else:
        assert (found.lost.first, found.lost.last) == told
        assert (found.lost.count, found.lost.why) == (0, "unwatched")
