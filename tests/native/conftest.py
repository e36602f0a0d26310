"""The native pump on real tracees, without the rest of the tracer.

The test itself is the tracer thread, so all that it starts is its own child: the pump's wait
reaps whatever ends.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("tracerd.core._pump", reason="the native pump was not built")

import following

from tracerd.core import kernel
from tracerd.core.native_pump import NativePump


@pytest.fixture
def pumps():
    """Make pumps that are closed at the end."""
    made = []

    def make(**options):
        options.setdefault("placement", False)
        made.append(NativePump(**options))
        return made[-1]

    yield make
    for pump in made:
        pump.close()


@pytest.fixture(scope="module")
def halted():
    """The pid of a tracee that is stopped for good."""
    pid, go = following.held("sleep", "60")
    try:
        kernel.seize(pid, kernel.OPTIONS | kernel.O_EXITKILL)
        kernel.interrupt(pid)
        go()
        while following.classify(following.os.waitpid(pid, kernel.WALL)[1]).kind.value != "exec":
            kernel.resume(kernel.CONT, pid)
        yield pid
    finally:
        following.end({pid})


@pytest.fixture
def follow(pumps):
    """Make a Following; whatever it traces is dead at the end."""
    made = []

    def make(**options):
        pump = pumps(**options.pop("pump", {}))
        made.append(following.Following(pump, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()
