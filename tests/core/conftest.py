"""Fixtures: a real tracer thread."""

import pytest
from real import Tracing


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
