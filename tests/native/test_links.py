"""Links of /proc on the way of a path are seen by both pumps, and are what the program finds."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracerd.core import links
from tracerd.core.capture import Capturer
from tracerd.core.memory import Memory
from tracerd.core.syscalls.model import Capture, How


@pytest.fixture(scope="module")
def stopped(halted):
    """A tracee that is stopped, and where it has room for a path in its memory."""
    with open(f"/proc/{halted}/maps") as maps:
        stack = next(line for line in maps if "[stack]" in line)
    return halted, int(stack.split("-")[0], 16)


def written(pid, address, path):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(path + b"\0")


PIECES = ("/proc", "/dev", "/self", "/thread-self", "/task", "/fd", "/cwd", "/root", "/exe",
          "/stdin", "/stdout", "/stderr", "/0", "/1", "/999", "/12345678901", "/", "x")  # fmt: skip
PATHS = st.lists(st.sampled_from(PIECES), max_size=7).map("".join).map(str.encode)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=PATHS | st.binary(max_size=80).map(lambda data: data.replace(b"\0", b"")))
def test_both_see_the_same(stopped, pumps, path):
    pid, room = stopped
    written(pid, room, path)
    memory = Memory()
    plan = [Capture(How.BASE, -1, 0)]
    args = (room, 0, 0, 0, 0, 0)
    expected = Capturer(memory).read(plan, pid, pid, args, -1)
    assert pumps().read(plan, pid, pid, args, -1) == expected
    memory.close()


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/proc/self/fd/1", "fd/1"),
        ("/proc/thread-self/fd/1/..", "fd/1"),
        ("/proc/self/task/{pid}/cwd/x", "cwd"),
        ("/proc/{pid}/exe", "exe"),
        ("/proc/{pid}/task/{pid}/root/etc", "root"),
        ("/dev/fd/1", "fd/1"),
        ("/dev/stderr", "fd/2"),
        ("/proc/self/fd/12x", None),
        ("/proc/self/cwdx", None),
        ("/proc/self", None),
        ("/dev/fd", None),
        ("/dev/stdin.x", None),
        ("/proc/self/maps", None),
        ("/etc/proc/self/fd/1", None),
        ("/proc/self/fd/999", None),
    ],
)
def test_what_is_such_a_link(stopped, pumps, path, link):
    pid, room = stopped
    path = path.format(pid=pid).encode()
    written(pid, room, path)
    found = pumps().read([Capture(How.BASE, -1, 0)], pid, pid, (room, 0, 0, 0, 0, 0), -1)
    expected = os.readlink(f"/proc/{pid}/{link}").encode() if link else None
    assert found == (expected,)
    if link:
        rest = path[links.length(path) :]
        assert rest in (b"", b"/..", b"/x", b"/etc")
