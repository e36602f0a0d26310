"""A program's life alone, and the same program's under trace."""

from dataclasses import dataclass
from pathlib import Path

from real import DEADLINE, command, go, launch


@dataclass(frozen=True)
class Life:
    """How a program ended and what it said (standard output and error, as written)."""

    code: int
    """Exit code, or 128 plus the signal that killed it."""
    said: str


def alone(tmp_path: Path, *argv: str) -> Life:
    """Run a program with nobody watching, from the launcher that traced ones are run from."""
    output = tmp_path / "alone"
    launcher, _ = launch(*argv, output=str(output))
    go(launcher)
    return Life(launcher.wait(DEADLINE), _take(output))


def traced(tracing, tmp_path: Path, *argv: str) -> Life:
    """Run it under trace, to its end and that of its descendants; events are in `tracing`."""
    output = tmp_path / "traced"
    code = tracing.run(*argv, output=str(output))
    return Life(code, _take(output))


def same(tracing, tmp_path: Path, name: str, *args: object) -> Life:
    """Run a tracee both ways, see that it lived the same life, and return that.

    What a tracee says must not depend on pids, addresses or times.
    """
    argv = command(name, *args)
    by_itself = alone(tmp_path, *argv)
    watched = traced(tracing, tmp_path, *argv)
    assert watched == by_itself
    return watched


def _take(output: Path) -> str:
    said = output.read_text(errors="backslashreplace")
    output.unlink()
    return said
