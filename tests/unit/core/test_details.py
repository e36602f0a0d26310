"""What is captured of a call at each level of detail."""

import pytest

from tracerd.core.actions import ABIS, CONTENT, Actions
from tracerd.core.files import NAMELESS_OPS
from tracerd.core.syscalls import I386_ROWS, ROWS, by_name, plan_for
from tracerd.core.syscalls.model import How
from tracerd.core.syscalls.plan import NAMELESS
from tracerd.protocol.detail import Detail
from tracerd.protocol.interest import Interest

X86_64 = next(arch for arch, name in ABIS.items() if name == "x86_64")
EXIT = frozenset({"syscall_exit"})
ALL = (*ROWS, *I386_ROWS)


def found(name, *interests):
    return Actions(interests).find(X86_64, by_name(name).nr)


def wants(detail, *names, types=EXIT, **more):
    return Interest(types=types, exit=frozenset(names) or None, detail=detail, **more)


def hows(action):
    return [capture.how for capture in (*action.enter, *action.exit)]


def test_names_read_nothing():
    actions = Actions([wants(Detail.NAMES)])
    for row in ALL:
        arch = next(arch for arch, name in ABIS.items() if name == row.abi)
        action = actions.find(arch, row.nr)
        assert (action.enter, action.exit, action.detail) == ((), (), Detail.NAMES)


def test_files_are_a_part_of_all():
    needed = 0
    actions = Actions([wants(Detail.FILES, string_limit=99)])
    for row in ALL:
        plan, whole = plan_for(row, Detail.FILES), plan_for(row)
        if row.parts:
            continue
        assert all(capture in whole.enter for capture in plan.enter)
        assert all(capture in whole.exit for capture in plan.exit)
        action = actions.find(next(arch for arch, name in ABIS.items() if name == row.abi), row.nr)
        contents = [one for one in (*action.enter, *action.exit) if one.how in CONTENT]
        assert not any(one.limit for one in contents)  # messages, for their addresses
        assert {one.how for one in contents} <= {How.MSGHDR, How.MMSGHDR}
        if not (any(arg.op for arg in row.args) or row.name in NAMELESS or plan.asides):
            assert (plan.enter, plan.exit) == ((), ())
        needed += bool(plan.enter)
    assert needed > 100


def test_files_of_calls_that_stand_for_others():
    plans = {row.name: plan_for(row, Detail.FILES) for row in I386_ROWS if row.parts}
    # bind, connect, sendto, sendmsg, recvmsg, recvmmsg and sendmmsg
    assert set(plans["socketcall"].enter[0].parts) == {2, 3, 11, 16, 17, 19, 20}
    assert plans["ipc"].enter == plans["select"].enter == ()
    assert plans["mmap"].enter[0].parts[0][1][0].how is How.FD


def test_openat_at_each_level():
    assert hows(found("openat", wants(Detail.FILES))) == [
        How.CSTRING,
        How.BASE,
        How.PRESENT,
        How.RET_FD,
    ]
    assert How.ARRAY in hows(found("openat2", wants(Detail.FILES)))  # the flags are in memory
    assert hows(found("read", wants(Detail.FILES))) == [How.FD]
    assert hows(found("dup", wants(Detail.FILES))) == []


@pytest.mark.parametrize("name", ["read", "write", "writev", "sendmsg"])
def test_contents_are_not_read_for_arguments(name):
    limits = {}
    for detail in (Detail.ARGS, Detail.FULL):
        action = found(name, wants(detail, string_limit=99))
        [capture] = [each for each in (*action.enter, *action.exit) if each.how in CONTENT]
        limits[detail] = capture.limit
    assert limits == {Detail.ARGS: 0, Detail.FULL: 99}


def test_the_most_that_anyone_wants_of_a_call_counts():
    few = wants(Detail.NAMES)
    some = wants(Detail.FULL, "openat")
    assert found("openat", few, some).detail is Detail.FULL
    assert found("write", few, some).detail is Detail.NAMES
    entries = Interest(types=EXIT, enter=frozenset({"write"}), detail=Detail.ARGS)
    assert found("write", few, some, entries).detail is Detail.ARGS


def test_an_exec_is_read_for_who_wants_execs():
    nothing = Interest(types=frozenset({"exit"}), detail=Detail.FULL)
    assert found("execve", nothing).detail is Detail.NAMES
    assert Actions([nothing]).exec_detail is Detail.NAMES
    path = Interest(types=frozenset({"exec"}), detail=Detail.FILES)
    assert found("execve", path).detail is Detail.FILES
    assert Actions([path]).exec_detail is Detail.FILES
    assert Actions([path, wants(Detail.FULL)]).exec_detail is Detail.FULL
    assert Actions([path, wants(Detail.FULL, "read")]).exec_detail is Detail.FILES


def test_a_child_that_escapes_is_seen_where_that_is_wanted():
    blind = wants(Detail.NAMES, types=EXIT | {"blind"})
    [flags] = found("clone3", blind).enter
    assert (flags.how, flags.a, flags.limit) == (How.BYTES, 0, 8)
    assert found("clone3", wants(Detail.NAMES)).enter == ()
    assert found("clone3", blind, wants(Detail.FULL)).enter == plan_for(by_name("clone3")).enter


def test_calls_that_return_a_file_without_a_name():
    assert set(NAMELESS_OPS) == NAMELESS


def test_an_exec_is_read_for_who_it_may_become():
    execve = by_name("execve").nr
    assert Actions((), Detail.FILES).find(X86_64, execve).detail is Detail.FILES
    assert Actions((), Detail.FILES).exec_detail is Detail.NAMES


def test_what_a_call_returned_is_read_the_same_whichever_call_it_stands_for():
    read_otherwise = {"ptr", "word", "mode", "none"}
    for row in ALL:
        for part in row.parts.values():
            assert part.name == row.name
            assert part.ret == row.ret or not {part.ret, row.ret} & read_otherwise
