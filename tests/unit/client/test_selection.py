"""Keyword arguments become the filter they say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.client.selection import FIELDS, NUMERIC, subscribe_call
from tracerd.protocol.messages import Filter, Match, Subscribe


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Subscribe()),
        ({"pid": 7}, Subscribe(filters=[Filter(pid=[7])])),
        ({"pid": [7, "!8"]}, Subscribe(filters=[Filter(pid=[7], not_=Match(pid=[8]))])),
        ({"tree": "!9"}, Subscribe(filters=[Filter(not_=Match(tree=[9]))])),
        ({"path": Path("/etc")}, Subscribe(filters=[Filter(path=["/etc"])])),
        (
            {"path": ["/etc/**", "!/etc/ssl/"], "op": "read"},
            Subscribe(
                filters=[Filter(path=["/etc/**"], op=["read"], not_=Match(path=["/etc/ssl/"]))]
            ),
        ),
        ({"path": b"/\xff"}, Subscribe(filters=[Filter(path=["/\\xff"])])),
        ({"comm": ["!\udcff"]}, Subscribe(filters=[Filter(not_=Match(comm=["\\xff"]))])),
        ({"min_duration_ns": 5}, Subscribe(filters=[Filter(min_duration_ns=5)])),
        ({"filters": [Filter(uid=[1]), Filter()]}, Subscribe(filters=[Filter(uid=[1]), Filter()])),
        (
            {"level": "io", "overflow": "block", "until": 3, "string_limit": 9, "envp": True},
            Subscribe(level="io", overflow="block", until=3, string_limit=9, envp=True),
        ),
    ],
)
def test_options(options, expected):
    assert subscribe_call(options) == expected


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"paths": "/etc"}, TypeError, "'paths'"),
        ({"pid": 1, "filters": []}, TypeError, "not both"),
        ({"pid": "me"}, ValueError, "me"),
    ],
)
def test_mistakes_are_told(options, error, text):
    with pytest.raises(error, match=text):
        subscribe_call(options)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.lists(st.booleans(), min_size=1)))
def test_each_value_lands_on_its_side(stated):
    """True: wanted; False: excluded.  Nothing gets lost or changes sides."""
    options = {
        field: [f"{'' if wanted else '!'}{number}" for number, wanted in enumerate(sides)]
        for field, sides in stated.items()
    }

    made = subscribe_call(options).filters

    assert len(made) == bool(stated)
    for field, sides in stated.items():
        kind = int if field in NUMERIC else str
        wanted = [kind(number) for number, side in enumerate(sides) if side]
        excluded = [kind(number) for number, side in enumerate(sides) if not side]
        assert getattr(made[0], field) == wanted
        assert getattr(made[0].not_ or Match(), field) == excluded


def test_a_filter_is_not_changed_by_the_next():
    """The lists of a struct's defaults are not shared."""
    subscribe_call({"pid": [1], "path": "!/x"})

    assert subscribe_call({"tid": 2}).filters == [Filter(tid=[2])]
