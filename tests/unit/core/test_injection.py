"""Faults on purpose: what is typed, and how often they come."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.core.injection import InjectedError, Injection, parse


def test_all_of_it():
    words = "drop=1/1000,decode_fail=0.01,encode_fail=1,handoff_delay=5ms,seed=7"
    hangs = "tracer_hang=2s,teller_hang=1.5s,loop_hang=2us"
    assert parse(f"{words},{hangs}") == Injection(
        drop=0.001, decode_fail=0.01, encode_fail=1.0, handoff_delay=0.005, seed=7,
        tracer_hang=2.0, teller_hang=1.5, loop_hang=2e-6,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown fault ``"),
        ("drip=1", "unknown fault `drip`; there are drop, decode_fail"),
        ("drop", "drop: a share from 0 to 1, such as 1/1000, not ``"),
        ("drop=2", "drop: a share"),
        ("drop=1/0", "drop: a share"),
        ("drop=-1/2", "drop: a share"),
        ("drop=1,drop=1", "drop: given twice"),
        ("handoff_delay=5", "handoff_delay: a duration such as 5ms or 2s, not `5`"),
        ("seed=x", "seed: a number, not `x`"),
    ],
)
def test_mistakes_are_named(text, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        parse(text)


@given(st.text(alphabet="drophang_=,/0123456789.ems"))
def test_nothing_but_value_error(text):
    with contextlib.suppress(ValueError):
        parse(text)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_shares(share):
    function = Injection(seed=1).failing(share, lambda what: what)
    outcomes = []
    for number in range(4000):
        try:
            outcomes.append(function(number) == number)
        except InjectedError:
            outcomes.append(False)
    assert outcomes.count(False) == pytest.approx(4000 * share, abs=150 * (0 < share < 1))


def test_the_same_seed_gives_the_same_faults():
    first, second, third = (Injection(seed=seed).dice(0.5) for seed in (1, 1, 2))
    rolled = [first() for _ in range(100)]
    assert rolled == [second() for _ in range(100)]
    assert rolled != [third() for _ in range(100)]
