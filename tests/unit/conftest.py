"""A daemon to talk to."""

import pytest
from fake_daemon import FakeDaemon


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """A fake daemon at the default address."""
    path = str(tmp_path / "tracerd.sock")
    monkeypatch.setenv("TRACERD_SOCKET", path)
    running = FakeDaemon(path)
    yield running
    running.close()
