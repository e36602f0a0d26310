"""A daemon to talk to; the helpers of tests/unit/protocol, importable as `protocol_NAME`; and how
hypothesis is to go about it."""

import importlib.util
import sys
from pathlib import Path

import pytest
from fake_daemon import FakeDaemon
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine only; tests of speed say so.
settings.register_profile(
    "unit",
    parent=settings(),  # what is in force: the profile for CI, there
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")

# The test folders are no packages.
for _name in ("strategies", "idl"):
    _spec = importlib.util.spec_from_file_location(
        f"protocol_{_name}", Path(__file__).with_name("protocol") / f"{_name}.py"
    )
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[_spec.name] = _module
    _spec.loader.exec_module(_module)


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """A fake daemon at the default address."""
    path = str(tmp_path / "tracerd.sock")
    monkeypatch.setenv("TRACERD_SOCKET", path)
    running = FakeDaemon(path)
    yield running
    running.close()
