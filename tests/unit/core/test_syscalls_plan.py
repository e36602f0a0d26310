"""What pumps are told to capture, and rows that are not in the table."""

import pytest

from tracerd.core.syscalls import ROWS, by_name, decode_args, lookup, plan_for
from tracerd.core.syscalls.model import Capture, How, Words
from tracerd.core.syscalls.plan import NAMED


def test_openat():
    plan = plan_for(by_name("openat"))
    assert plan.enter == (
        Capture(How.CSTRING, 1, limit=4096),
        Capture(How.BASE, 0, 1),
        Capture(How.PRESENT, 0, 1, 2),
    )
    assert plan.exit == (Capture(How.RET_FD, -1),)
    assert plan.arg_enter == (-1, 0, -1, -1)
    assert plan.arg_exit == (-1, -1, -1, -1)
    assert plan.base == {1: 1}
    assert plan.links == {}
    assert (plan.present, plan.opened) == (2, 0)


def test_a_path_without_dirfd_starts_at_the_cwd():
    plan = plan_for(by_name("stat"))
    assert plan.enter[plan.base[0]] == Capture(How.BASE, -1, 0)
    assert plan.present == plan.opened == -1


def test_two_paths_have_a_base_each():
    plan = plan_for(by_name("renameat2"))
    assert plan.enter[plan.base[1]] == Capture(How.BASE, 0, 1)
    assert plan.enter[plan.base[3]] == Capture(How.BASE, 2, 3)


@pytest.mark.parametrize("name", ["creat", "openat2"])
def test_flags_that_are_no_argument(name):
    plan = plan_for(by_name(name))
    assert plan.enter[plan.present].c == -1


def test_contents():
    read, write = by_name("read"), by_name("write")
    assert read.args[1].enter is None
    assert read.args[1].exit == Capture(How.BYTES_RET, 1, limit=32)
    assert write.args[1].enter == Capture(How.BYTES_LEN, 1, 2, limit=32)
    assert write.args[1].exit is None
    assert plan_for(read).links == {0: 0}


def test_addresses_are_captured_whole():
    assert by_name("connect").args[1].enter == Capture(How.SOCKADDR, 1, 2, limit=128)
    assert by_name("accept4").args[1].exit == Capture(How.BYTES_LENPTR, 1, 2, limit=128)


def test_plans_are_consistent():
    for row in ROWS:
        check_plan(row)


def check_plan(row):
    plan = plan_for(row)
    assert plan is plan_for(row)
    assert len(plan.arg_enter) == len(plan.arg_exit) == len(row.args)
    for at, arg in enumerate(row.args):
        assert (plan.arg_enter[at] >= 0) == (arg.enter is not None)
        assert (plan.arg_exit[at] >= 0) == (arg.exit is not None)
        if arg.enter is not None:
            assert plan.enter[plan.arg_enter[at]] == arg.enter
        if arg.exit is not None:
            assert plan.exit[plan.arg_exit[at]] == arg.exit
        named = arg.op and arg.kind in NAMED and arg.exit is None
        assert (at in plan.base) == (arg.kind == "path" or bool(named))
        assert (at in plan.links) == (arg.kind == "fd")
    for at, capture in plan.links.items():
        assert plan.enter[capture] == Capture(How.FD, at)
    assert (plan.opened >= 0) == (row.ret == "fd")
    assert (plan.present >= 0) == any(arg.op == "open" for arg in row.args)
    # Every capture is found from somewhere: nothing is read for nobody.
    found = {
        *plan.arg_enter,
        *plan.base.values(),
        *plan.links.values(),
        plan.present,
        plan.part,
    } - {-1}
    found |= {at for at, _ in plan.asides}
    assert found == set(range(len(plan.enter)))
    assert {*plan.arg_exit, plan.opened, plan.part} - {-1} == set(range(len(plan.exit)))
    # What only the exit-stop can know is not asked of the enter-stop.
    only_exit = {How.BYTES_RET, How.BYTES_LENPTR, How.RET_FD}
    assert not {capture.how for capture in plan.enter} & only_exit


@pytest.mark.parametrize(
    ("nr", "abi"), [(0x1234, "x86_64"), (251, "i386"), (5, "s390"), (-1, "x86_64")]
)
def test_unknown_calls(nr, abi):
    row = lookup(nr, abi)
    assert not row.known
    assert (row.name, row.nr, row.abi) == (f"syscall_{nr:#x}", nr, abi)
    plan = plan_for(row)
    assert plan.enter == plan.exit == ()
    words = Words((0, 1, 2, 3, 4, 2**64 - 1), 0, failed=False, returned=True)
    assert list(decode_args(row, words, (), ()).values()) == [
        "0x0",
        "0x1",
        "0x2",
        "0x3",
        "0x4",
        "0xffffffff" if abi == "i386" else "0xffffffffffffffff",
    ]


def test_unknown_calls_are_not_all_remembered():
    first = lookup(10_000)
    assert lookup(10_000) is first
    for nr in range(10_001, 13_000):
        plan_for(lookup(nr))
    assert lookup(10_000) is not first
    assert lookup(257) is by_name("openat")


def test_unknown_names():
    with pytest.raises(KeyError):
        by_name("no_such_call")
