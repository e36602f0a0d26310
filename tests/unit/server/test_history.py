"""What is kept of the past: bounded, in order, and nothing missing in between."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.core.commands import Published
from tracerd.core.tracee import Process
from tracerd.protocol import events
from tracerd.server.history import EVENT_BYTES, IDENTITY_BYTES, LEAST_BYTES, History

PROCESSES = [Process(pid=pid) for pid in range(4)]


def made(seq, time_ns=0, process=PROCESSES[0]):
    return Published(events.Exit(seq=seq, time_ns=time_ns, pid=1, tid=1, code=0), process)


def fill(history, payloads, first=1, process=PROCESSES[0]):
    history.add([made(first + at, process=process) for at in range(len(payloads))], payloads)


def whole(history, seq=0):
    """All that is kept after `seq`, with the seqs; and how many were missing."""
    found, missing = [], 0
    while True:
        passage = history.after(seq)
        missing += passage.missed
        if not passage.payloads:
            return found, missing
        assert passage.first == seq + 1 + passage.missed
        found += zip(range(passage.first, passage.last + 1), passage.payloads, strict=True)
        seq = passage.last


def test_what_is_kept_is_read_from_any_place():
    history = History(1 << 20)
    payloads = [b"%d" % seq for seq in range(1, 1001)]
    fill(history, payloads)
    assert (history.oldest(), history.head()) == (1, 1000)
    for seq in (0, 1, 255, 256, 257, 999):
        found, missing = whole(history, seq)
        assert found == list(enumerate(payloads[seq:], seq + 1))
        assert missing == 0
    assert whole(history, 1000) == ([], 0)
    assert whole(history, 5000) == ([], 0)


@given(
    st.integers(1, 64 << 10),
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 3000).map(bytes), min_size=1, max_size=40),
            st.sampled_from(PROCESSES),
        ),
        max_size=30,
    ),
)
def test_the_bound_holds_and_what_is_kept_is_the_newest_in_a_row(bound, rounds):
    history = History(bound)
    told = []
    for payloads, process in rounds:
        fill(history, payloads, len(told) + 1, process)
        told += [(payload, process) for payload in payloads]
        assert history.size <= bound
        found, missing = whole(history)
        assert missing == history.oldest() - 1 == len(told) - len(found) == history.evicted
        assert [payload for _, payload in found] == [each for each, _ in told[missing:]]
        charged = sum(len(payload) + EVENT_BYTES for _, payload in found)
        assert charged <= history.size
        passage = history.after(missing)
        assert passage.processes == [each for _, each in told[missing : passage.last]]


def test_no_more_is_dropped_than_has_to_be():
    block = 10 * (100 + EVENT_BYTES) + IDENTITY_BYTES
    history = History(9 * LEAST_BYTES)  # so that a block holds ten events
    fits = history.max_bytes // block
    for first in range(1, 5001, 10):
        fill(history, [bytes(100)] * 10, first)
    assert history.head() - history.oldest() + 1 == 10 * fits


def test_the_newest_time_of_what_was_dropped_is_known():
    history = History(4 * (EVENT_BYTES + IDENTITY_BYTES))
    assert history.forgotten_ns == 0
    for seq in range(1, 20):
        history.add([made(seq, 100 + seq % 7, PROCESSES[seq % 4])], [b""])
    assert history.oldest() > 8
    assert history.forgotten_ns == 106


def test_a_seq_that_does_not_follow_leaves_no_gap_that_nobody_is_told_of():
    history = History(1 << 20)
    fill(history, [b"a"] * 5)
    fill(history, [b"b"] * 5, first=7)
    assert history.oldest() == 12
    fill(history, [b"c"], first=12)
    assert whole(history, 5) == ([(12, b"c")], 6)


@pytest.mark.parametrize("bound", [5_000, 500_000])
def test_one_thread_reads_while_another_adds(bound):
    history = History(bound)
    total = 20_000

    def add():
        for first in range(1, total + 1, 8):
            fill(history, [b"%d" % seq for seq in range(first, first + 8)], first)

    thread = threading.Thread(target=add)
    thread.start()
    seq = count = missing = 0
    while seq < total:
        passage = history.after(seq)
        missing += passage.missed
        assert passage.payloads == [b"%d" % each for each in range(passage.first, passage.last + 1)]
        count += len(passage.payloads)
        seq = passage.last
    thread.join()
    assert count + missing == total
