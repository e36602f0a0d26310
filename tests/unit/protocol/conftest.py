"""How hypothesis is to go about it here."""

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine only; tests of speed say so.
settings.register_profile(
    "protocol",
    parent=settings(),  # what is in force: the profile for CI, there
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("protocol")
