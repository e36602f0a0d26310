"""The text of `status --openmetrics`, read by somebody else's parser."""

import msgspec
import pytest
from fake_daemon import status
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as old_parser

from tracerd.ctl.text.openmetrics import METRICS, STREAM_METRICS, openmetrics
from tracerd.protocol import messages


def stream(**fields):
    return messages.SubscriptionState(
        **{
            "id": "s1", "uid": 0, "pid": 9, "overflow": "block", "filters": [], "matched": 9,
            "delivered": 4, "queued": 3, "lost": 2, "blocking": True,
        }
        | fields
    )  # fmt: skip


def samples(reply):
    """Return {(name, *label values): value}, and see that the older format has the same."""
    text = openmetrics(reply)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    older = {
        (sample.name, *sample.labels.values()): sample.value
        for family in old_parser(text)
        for sample in family.samples
    }
    assert older == found
    return found


def test_each_number_is_there():
    told = samples(
        status(
            subscriptions=[stream(), stream(id="s2", blocked_ns=1_500_000_000)],
            events_per_s=2.5,
            counters={"lost": {"slow": 2, "unencodable": 0}, "closed": {"left": 7}},
            placements={"moved": 3},
            stop_ns_log2=[0, 2, 1],
        )
    )
    assert told["tracerd_events_total",] == 7
    assert told["tracerd_event_rate",] == 2.5
    assert told["tracerd_up_seconds",] == 93_784
    assert told["tracerd_events_lost_total", "slow"] == 2
    assert told["tracerd_events_lost_total", "unencodable"] == 0
    assert told["tracerd_connections_closed_total", "left"] == 7
    assert told["tracerd_placements_total", "moved"] == 3
    assert told["tracerd_subscription_matched_total", "s1", "0", "9", "block"] == 9
    assert told["tracerd_subscription_blocking", "s1", "0", "9", "block"] == 1
    assert told["tracerd_subscription_blocked_seconds_total", "s2", "0", "9", "block"] == 1.5
    assert told["tracerd_stop_seconds_bucket", "4e-09"] == 2
    assert told["tracerd_stop_seconds_bucket", "+Inf"] == 3
    assert told["tracerd_build_info", "0.1", "r1", "python"] == 1
    assert len(told) >= len(METRICS) + 2 * len(STREAM_METRICS)


def test_a_family_of_a_later_daemon_has_its_own_name():
    told = samples(status(counters={"evicted": {"age": 5}, "Not a name": {"x": 1}}))
    assert told["tracerd_evicted_total", "age"] == 5
    assert not any("x" in key for key in told)


@pytest.mark.parametrize("field", ["version", "run", "pump"])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_whatever_a_daemon_says_stays_in_its_place(field, text):
    told = samples(msgspec.structs.replace(status(), **{field: text}))
    assert [key for key in told if key[0] == "tracerd_build_info" and text in key]
