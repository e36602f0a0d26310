"""Makes the helpers beside it importable as `protocol_NAME`: the test folders are no packages."""

import importlib.util
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine only; tests of speed say so.
settings.register_profile(
    "protocol",
    parent=settings(),  # what is in force: the profile for CI, there
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("protocol")

for _name in ("strategies", "idl"):
    _spec = importlib.util.spec_from_file_location(
        f"protocol_{_name}", Path(__file__).with_name(f"{_name}.py")
    )
    assert _spec is not None
    assert _spec.loader is not None
    _module = importlib.util.module_from_spec(_spec)
    sys.modules[_spec.name] = _module
    _spec.loader.exec_module(_module)
