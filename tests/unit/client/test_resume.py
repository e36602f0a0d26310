"""Streams that go on after a break: what is asked for, what is shown, and when it is over."""

import threading

import anyio
import pytest

from tracerd import errors
from tracerd.client import connect, connect_sync
from tracerd.client.resume import HEARTBEAT_MS, LINGER_MS, Resume
from tracerd.protocol import events, messages

DEADLINE_S = 60


def call(seq):
    return events.Exit(seq=seq, time_ns=0, pid=1, tid=1, code=0)


def of_the_stream(kind, seq, **more):
    return kind(seq=seq, time_ns=0, pid=0, tid=0, **more)


def reply(run="aa", head=7):
    return messages.SubscribeReply(id="s", run=run, head=head)


class Hand:
    """A follower of either kind, one event at a time."""

    def __init__(self, path, **options):
        client = connect_sync(path, timeout=DEADLINE_S)
        self._client = client
        self.stream = client.follow(**options)
        self._events = iter(self.stream)

    def take(self, count=1):
        return [next(self._events) for _ in range(count)]

    def rest(self):
        return list(self._events)

    def close(self):
        self.stream.close()
        self._client.close()


class AsyncHand:
    """The same, driven from outside of its loop."""

    def __init__(self, path, **options):
        self._portal_context = anyio.from_thread.start_blocking_portal()
        self._portal = self._portal_context.__enter__()
        self._client = connect(path)
        self._portal.call(self._client.__aenter__)
        self.stream = self._client.follow(**options)
        self._portal.call(self.stream.__aenter__)

    async def _take(self, count):
        with anyio.fail_after(DEADLINE_S):
            return [await anext(self.stream) for _ in range(count)]

    async def _rest(self):
        with anyio.fail_after(DEADLINE_S):
            return [event async for event in self.stream]

    def take(self, count=1):
        return self._portal.call(self._take, count)

    def rest(self):
        return self._portal.call(self._rest)

    def close(self):
        self._portal.call(self.stream.aclose)
        self._portal.call(self._client.aclose)
        self._portal_context.__exit__(None, None, None)


@pytest.fixture(params=[Hand, AsyncHand], ids=["sync", "async"])
def follow(request, daemon):
    hands = []

    def start(**options):
        hands.append(request.param(daemon.path, **options))
        return hands[-1]

    yield start
    for each in hands:
        each.close()


def test_it_asks_for_what_it_needs_to_come_back(daemon, follow):
    hand = follow(pid=3)
    asked = daemon.stream().parameters
    assert (asked.heartbeat_ms, asked.linger_ms) == (HEARTBEAT_MS, LINGER_MS)
    assert (asked.since, asked.on_gap) == ("", "error")
    assert hand.stream.cursor == "r1:7"


def test_it_goes_on_after_the_last_event(daemon, follow):
    hand = follow(pid=3)
    daemon.stream().send(call(8), call(9))
    assert [each.seq for each in hand.take(2)] == [8, 9]
    assert hand.stream.cursor == "r1:9"
    daemon.stream().drop()
    daemon_side = threading.Thread(
        target=lambda: daemon.stream(1).send(of_the_stream(events.Synced, 9), call(10))
    )
    daemon_side.start()
    assert [each.seq for each in hand.take()] == [10]  # that all is there again is no news
    daemon_side.join()
    asked = daemon.stream(1).parameters
    assert (asked.since, asked.on_gap) == ("r1:9", "continue")
    assert asked.filters == daemon.stream().parameters.filters


def test_heartbeats_move_it_on_unseen(daemon, follow):
    hand = follow()
    daemon.stream().send(of_the_stream(events.Heartbeat, 5000))
    daemon.stream().drop()
    thread = threading.Thread(target=lambda: daemon.stream(1).send(call(5001)))
    thread.start()
    assert [each.seq for each in hand.take()] == [5001]
    thread.join()
    assert daemon.stream(1).parameters.since == "r1:5000"


def test_who_asks_for_heartbeats_and_the_past_sees_them(daemon, follow):
    hand = follow(heartbeat_ms=200, since="all")
    assert hand.stream.cursor == ""
    told = [call(1), of_the_stream(events.Synced, 1), of_the_stream(events.Heartbeat, 4)]
    daemon.stream().send(*told)
    assert hand.take(3) == told
    assert hand.stream.cursor == "r1:4"


def test_another_run_is_told_by_a_lost_event(daemon, follow):
    hand = follow()
    daemon.stream().send(call(8))
    assert hand.take() == [call(8)]
    daemon.answers["Subscribe"] = messages.SubscribeReply(id="s2", run="r2", head=3)
    daemon.stream().end("shutdown")
    lost = of_the_stream(events.Lost, 0, count=0, first=0, last=0, why="restarted")
    thread = threading.Thread(target=lambda: daemon.stream(1).send(lost, call(1)))
    thread.start()
    assert hand.take() == [lost]
    assert hand.stream.cursor == "r2:0"
    assert hand.take() == [call(1)]
    thread.join()
    assert daemon.stream(1).parameters.since == "r1:8"


def test_it_tries_again_until_the_daemon_answers(daemon, follow):
    hand = follow()
    daemon.answers["Subscribe"] = errors.LimitReached("subscriptions of a user", 1)
    daemon.stream().drop()

    def better():
        daemon.wait(lambda: len(daemon.called("Subscribe")) >= 3)
        daemon.answers["Subscribe"] = messages.SubscribeReply(id="s2", run="r1", head=9)
        daemon.stream(1).send(call(8))

    thread = threading.Thread(target=better)
    thread.start()
    assert hand.take() == [call(8)]
    thread.join()


@pytest.mark.parametrize("end", ["target", "unsubscribed", "failed"])
def test_an_end_that_is_meant_is_the_end(daemon, follow, end):
    hand = follow()
    daemon.stream().send(call(8))
    daemon.stream().end(end)
    assert hand.rest() == [call(8)]
    assert hand.stream.end == end


def test_what_will_not_get_better_is_raised(daemon, follow):
    hand = follow()
    daemon.answers["Subscribe"] = errors.Unsupported("since")
    daemon.stream().drop()
    with pytest.raises(errors.Unsupported):
        hand.take()


def test_the_first_time_nothing_is_tried_again(daemon):
    daemon.answers["Subscribe"] = errors.LimitReached("subscriptions of a user", 1)
    with (
        connect_sync(daemon.path, timeout=DEADLINE_S) as client,
        pytest.raises(errors.LimitReached),
    ):
        client.follow()

    async def main():
        async with connect(daemon.path) as client:
            with pytest.raises(errors.LimitReached):
                await anext(client.follow())

    anyio.run(main)
    assert len(daemon.called("Subscribe")) == 2


def test_close_wakes_who_waits_to_try_again(daemon):
    with connect_sync(daemon.path, timeout=DEADLINE_S) as client:
        stream = client.follow()
        daemon.answers["Subscribe"] = errors.ShuttingDown()
        daemon.stream().drop()
        found = []
        thread = threading.Thread(target=lambda: found.extend(stream))
        thread.start()
        daemon.wait(lambda: len(daemon.called("Subscribe")) >= 2)
        stream.close()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()
        assert found == []


def test_half_a_snapshot_has_no_cursor():
    resume = Resume({"snapshot": True})
    resume.opened(reply())
    assert resume.take(call(7))
    assert resume.cursor == ""
    assert resume.opening().snapshot
    assert resume.take(of_the_stream(events.Synced, 7))
    assert resume.cursor == "aa:7"
    assert (resume.opening().snapshot, resume.opening().since) == (False, "aa:7")


def test_waits_grow_and_differ_and_start_anew():
    resume = Resume({})
    waits = [resume.delay_s() for _ in range(30)]
    assert waits[0] <= 0.05
    assert all(2.5 <= each <= 5 for each in waits[10:])
    assert len(set(waits)) == 30
    resume.opened(reply())
    assert resume.delay_s() <= 0.05
