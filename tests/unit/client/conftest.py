"""A daemon to talk to."""

import importlib.util
import sys
from pathlib import Path

import pytest

if "fake_daemon" not in sys.modules:  # the test folders are no packages
    _spec = importlib.util.spec_from_file_location(
        "fake_daemon", Path(__file__).parents[1] / "client" / "fake_daemon.py"
    )
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[_spec.name] = _module
    _spec.loader.exec_module(_module)


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """A fake daemon at the default address."""
    from fake_daemon import FakeDaemon

    path = str(tmp_path / "tracerd.sock")
    monkeypatch.setenv("TRACERD_SOCKET", path)
    running = FakeDaemon(path)
    yield running
    running.close()
