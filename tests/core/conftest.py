"""Fixtures: a real tracer thread."""

import pytest

pytest.register_assert_rewrite("beside", "lives", "real")

from real import Tracing  # noqa: E402  so that what it asserts tells why it failed


@pytest.fixture
def tracing():
    """A tracer that is stopped, and was sane, at the end."""
    running = Tracing()
    running.interest()
    yield running
    running.stop()
    assert running.tracer.statistics.anomalies == 0


@pytest.fixture
def quiet_tracing():
    """A tracer that nobody listens to yet."""
    running = Tracing()
    yield running
    running.stop()
    assert running.tracer.statistics.anomalies == 0
