"""Counts and rates, without a daemon."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.server.health import REASONS, Meter, Pulse, Tally


def test_what_is_known_beforehand_is_shown_from_the_start():
    counts = Tally().counts()
    assert {family: tuple(sorted(each)) for family, each in REASONS.items()} == {
        family: tuple(each) for family, each in counts.items()
    }
    assert not any(count for each in counts.values() for count in each.values())


@given(st.lists(st.tuples(st.sampled_from(sorted(REASONS)), st.text(), st.integers(1, 9))))
def test_nothing_counted_is_lost(counted):
    tally = Tally()
    for family, why, times in counted:
        tally.count(family, why, times)
    for family, counts in tally.counts().items():
        assert tally.of(family) == sum(counts.values())
        for why in counts:
            expected = sum(n for f, w, n in counted if (f, w) == (family, why))
            assert counts[why] == expected


def test_a_rate_is_that_of_the_last_seconds():
    meter = Meter()
    assert meter.per_second(0.0, 0) == 0
    for second in range(100):
        meter.sample(float(second), 1000 * second)
    assert meter.per_second(99.5, 99_500) == pytest.approx(1000)
    for second in range(100, 106):
        meter.sample(float(second), 100_000)
    assert meter.per_second(105.5, 100_000) == 0


def test_a_rate_of_no_time_is_none():
    meter = Meter()
    meter.sample(5.0, 10)
    assert meter.per_second(5.0, 20) == 0
    assert meter.per_second(4.0, 20) == 0
    assert meter.per_second(6.0, 5) == 0


def test_an_answer_has_an_age():
    pulse = Pulse()
    assert pulse.took_ns == 0
    before = pulse.age_ns
    pulse.beat(0)
    assert pulse.took_ns > 0
    assert pulse.age_ns >= 0
    assert before >= 0
