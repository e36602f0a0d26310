"""The native pump reads at a stop exactly what capture.py reads there."""

import random
import sys

import following
import pytest
from build import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracerd.core import kernel
from tracerd.core.capture import Capturer
from tracerd.core.memory import Memory
from tracerd.core.syscalls.model import Capture, How, Named


class Both:
    """Reads each capture twice, at the same stop."""

    def __init__(self, pump):
        self.native = pump.read
        self.memory = Memory()
        self.capturer = Capturer(self.memory)
        self.table = following.Table(tell_enter=True)
        self.inside = {}
        self.kinds = set()
        self.differing = []

    def same(self, plan, tid, space, args, ret):
        expected = self.capturer.read(plan, tid, space, args, ret)
        got = self.native(plan, tid, space, args, ret)
        self.kinds |= {capture.how for capture in plan}
        if got != expected or [*map(type, got)] != [*map(type, expected)]:
            self.differing.append((plan, args, ret, expected, got))

    def on_exec(self, tid, former):
        self.memory.forget(tid)
        if former in self.inside:
            self.inside[tid] = self.inside.pop(former)

    def on_call(self, tid):
        op, info = kernel.syscall_info(tid)
        space = following.tgid_of(tid)
        if op == kernel.EXIT:
            action, args = self.inside.pop(tid, (None, ()))
            if action is not None and not info[2]:
                self.same(action.exit, tid, space, args, info[1])
        elif op:
            action = self.table.find(info[0], info[1])
            self.inside[tid] = action, info[2:]
            self.same(action.enter, tid, space, info[2:], -1)


PROGRAMS = {
    "ls": ["ls", "-l", "/"],
    "python": [sys.executable, "-c", "import json, subprocess; subprocess.run(['true'])"],
    "pointers": ["edge_pointers"],
    "strings": ["edge_strings", "16"],
    "sockets": ["sockets"],
    "openmodes": ["openmodes", "{tmp}"],
    "paths": ["open_paths", "{tmp}"],
    "i386": ["abi_calls32", "{tmp}"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_of_real_calls(pumps, tmp_path, program):
    words = [word.format(tmp=tmp_path) for word in PROGRAMS[program]]
    argv = words if "/" in words[0] or words[0] == "ls" else command(*words)
    pump = pumps()
    both = Both(pump)

    def on_exec(tid, former):
        pump.ended_process(tid)
        both.on_exec(tid, former)

    following.every_call(*argv, on_call=both.on_call, on_exec=on_exec)
    both.memory.close()
    assert both.differing == []
    assert len(both.kinds) > 5


@pytest.fixture(scope="module")
def stopped(halted):
    """A tracee that is stopped for good, and the edges of its mappings."""
    with open(f"/proc/{halted}/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps]
    return halted, sorted({int(edge, 16) for edges in ranges for edge in edges})


def addresses(edges):
    near = st.builds(
        lambda edge, by: max(edge + by, 0), st.sampled_from(edges), st.integers(-300, 300)
    )
    inside = st.builds(
        lambda edge, by: max(edge + by, 0), st.sampled_from(edges), st.integers(-40_000, 40_000)
    )
    wild = st.sampled_from([0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 0xFFFF888000000000])
    return st.one_of(near, inside, wild, st.integers(0, (1 << 64) - 1))


LENGTHS = st.one_of(
    st.integers(0, 600),
    st.integers(0, 70_000),
    st.integers(0, (1 << 64) - 1),
    st.sampled_from([1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1]),
)
SIMPLE = [how for how in How if how not in (How.PART, How.PRESENT)]


@st.composite
def captures(draw):
    how = draw(st.sampled_from(SIMPLE))
    b = draw(st.integers(0, 5))
    element = draw(st.sampled_from([1, 4, 8, 16, 128]))
    if how is How.ARRAY:
        b = draw(st.sampled_from([-1, b]))
    a = draw(st.integers(-1 if how is How.BASE else 0, 5))
    offsets = {how: [-1, 0, 4, 8] for how in (How.BYTES_LEN, How.BYTES_RET)}
    offsets |= {how: [-1, 1] for how in (How.FD, How.RET_FD)}
    offsets[How.BASE] = [-1, *Named]
    c = draw(st.sampled_from(offsets.get(how, [element])))
    if how is How.FD:
        b = draw(st.sampled_from([-1, 32]))
    limit = draw(st.one_of(st.integers(0, 300), st.sampled_from([0, 255, 256, 257, 4096, 131_072])))
    if how is How.BASE:
        limit = draw(st.sampled_from([0, 1]))
    return Capture(how, a, b, c, limit)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_of_anything(stopped, pumps, data):
    pid, edges = stopped
    both = Both(pumps())
    width = data.draw(st.sampled_from([8, 4]))
    plan = [c._replace(width=width) for c in data.draw(st.lists(captures(), max_size=4))]
    word = st.one_of(addresses(edges), LENGTHS)
    args = data.draw(st.tuples(*[word] * 6))
    ret = data.draw(st.one_of(st.integers(-1, 600), st.integers(-(1 << 63), (1 << 63) - 1)))
    both.same(plan, pid, pid, args, ret)
    both.memory.close()
    assert both.differing == []


def test_of_random_bytes_as_structures(stopped, pumps):
    """What looks like vectors and messages, wherever that is: in the stack, in libc."""
    pid, edges = stopped
    both = Both(pumps())
    random.seed(7)
    for _ in range(3000):
        edge = random.choice(edges)
        args = tuple([max(edge + random.randrange(-8192, 8192), 0) & ~7 for _ in range(6)])
        width = random.choice([4, 8])
        how = random.choice(
            [How.STRINGS, How.IOVEC, How.MSGHDR, How.BYTES_AT, How.MMSGHDR, How.POINTED]
        )
        limit = random.choice([16, 300, 5000])
        args = (args[0], random.choice([0, 1, 3, 64, 65, 1 << 40]), *args[2:])
        plan = [Capture(how, 0, 1, random.choice([-1, 8, 28]), limit, width)]
        both.same(plan, pid, pid, args, random.choice([-1, 0, 5, 1 << 40]))
    both.memory.close()
    assert both.differing == []


def test_of_calls_that_stand_for_others(stopped, pumps):
    pid, edges = stopped
    both = Both(pumps())
    inner = (Capture(How.BYTES_LEN, 1, 2, -1, 64, 4), Capture(How.CSTRING, 0, width=4))
    parts = {3: (3, inner), 1 << 40: (6, ()), 7: (0, ())}
    for which in (3, 7, 9, 1 << 40):
        for address in (0, 1, edges[0], edges[0] + 64, edges[1] - 8, edges[1]):
            for width in (4, 8):
                plan = [Capture(How.PART, 0, 1, width=width, parts=parts)]
                both.same(plan, pid, pid, (which, address, 2, 3, 4, 5), -1)
                alone = [Capture(How.PART, -1, -1, width=width, parts={0: (0, inner)})]
                both.same(alone, pid, pid, (address, address, 16, 0, 0, 0), -1)
    both.memory.close()
    assert both.differing == []


def test_a_capture_that_it_does_not_know_is_refused(stopped, pumps):
    pid, _ = stopped
    pump = pumps()
    for wrong in (
        {"a": 16},
        {"how": 19},
        {"how": 0},
        {"width": 2},
        {"limit": -1},
        {"limit": 1 << 40},
    ):
        with pytest.raises(ValueError, match="does not know"):
            pump.read([Capture(How.BYTES, 0)._replace(**wrong)], pid, pid, (0,) * 6, -1)


def test_a_dead_tracee_has_nothing_to_read(pumps):
    pid, go = following.held("true")
    kernel.seize(pid)
    go()
    following.end({pid})
    pump = pumps()
    plan = [Capture(How.CSTRING, 0), Capture(How.FD, 1), Capture(How.BASE, -1, 0)]
    got = pump.read(plan, pid, pid, (4096, 0, 0, 0, 0, 0), -1)
    assert [type(one).__name__ for one in got] == ["Fault", "NoneType", "NoneType"]
