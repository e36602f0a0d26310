"""decode_args: total for every row, and right for calls whose values are known."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracerd.core.syscalls import ROWS, by_name, decode_args, decode_ret, plan_for
from tracerd.core.syscalls.model import (
    Cut,
    Fault,
    Message,
    OpenedFile,
    Strings,
    Words,
)

ADDRESS = 0x7FFF_0000_1000

words64 = st.one_of(
    st.integers(0, 2**64 - 1), st.integers(0, 300), st.integers(2**64 - 300, 2**64 - 1)
)
blobs = st.one_of(
    st.binary(max_size=300),
    st.sampled_from([1, 2, 10, 16, 17]).flatmap(
        lambda family: st.binary(max_size=126).map(lambda rest: bytes([family, 0]) + rest)
    ),
)
cuts = st.builds(Cut, blobs, st.integers(-1, 2**64 - 1))
messages = st.builds(
    Message, blobs, st.one_of(blobs, cuts), words64, words64, st.integers(-(2**31), 2**31 - 1)
)
captured = st.one_of(
    st.none(),
    st.booleans(),
    blobs,
    cuts,
    st.builds(Fault, words64),
    st.builds(Strings, st.lists(blobs, max_size=3).map(tuple), st.booleans()),
    st.builds(OpenedFile, blobs, words64, words64, st.booleans()),
    messages,
)
calls = st.builds(
    Words,
    st.tuples(*[words64] * 6),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data())
def test_any_call_of_any_row_gives_json(data):
    call = data.draw(calls)
    value = data.draw(captured)
    # One draw for all rows, so that every row meets every kind of value.
    for row in ROWS:
        plan = plan_for(row)
        enter, exit_ = (value,) * len(plan.enter), (value,) * len(plan.exit)
        args = decode_args(row, call, enter, exit_)
        assert list(args) == [arg.name for arg in row.args if arg.name in args]
        encoded = msgspec.json.encode([args, decode_ret(row, call.ret)])
        msgspec.msgpack.encode(args)
        json.loads(encoded)


@pytest.mark.parametrize("value", [Fault(ADDRESS), None], ids=["fault", "not captured"])
def test_pointers_that_were_not_followed_say_where_they_point(value):
    for row in ROWS:
        plan = plan_for(row)
        words = Words((ADDRESS,) * 6, 0, failed=False, returned=True)
        enter, exit_ = (value,) * len(plan.enter), (value,) * len(plan.exit)
        args = decode_args(row, words, enter, exit_)
        nothing = decode_args(row, Words((0,) * 6), (), ())
        for arg in row.args:
            if (arg.enter or arg.exit) and (row.name, arg.name) != ("fsconfig", "_value"):
                assert args[arg.name] == {"ptr": hex(ADDRESS)}, (row.name, arg.name)
                assert nothing[arg.name] is None, (row.name, arg.name)


def decoded(name, *args, enter=None, exit_=None, ret=0, failed=False):
    """Decode a call of which some arguments were captured: `enter` and `exit_` by name."""
    row = by_name(name)
    plan = plan_for(row)
    at_enter, at_exit = [None] * len(plan.enter), [None] * len(plan.exit)
    for given_, places, indexes in (
        (enter or {}, at_enter, plan.arg_enter),
        (exit_ or {}, at_exit, plan.arg_exit),
    ):
        for arg, value in given_.items():
            places[indexes[row.index[arg]]] = value
    full = tuple(word % 2**64 for word in args) + (0,) * (6 - len(args))
    returned = exit_ is not None
    return decode_args(row, Words(full, ret, failed, returned), at_enter, at_exit)


def test_only_few_rows_leave_arguments_out():
    words = Words((0,) * 6, 0, failed=False, returned=True)
    left_out = {
        (row.name, arg.name)
        for row in ROWS
        for arg in row.args
        if arg.name not in decode_args(row, words, (), ())
    }
    assert left_out == {
        ("open", "mode"),
        ("openat", "mode"),
        ("mq_open", "mode"),
        ("clone", "parent_tidptr"),
        ("clone", "child_tidptr"),
        ("clone", "tls"),
        ("mremap", "new_addr"),
        ("futex", "uaddr2"),  # FUTEX_WAIT
        ("futex", "val3"),
    }


def test_openat():
    args = decoded("openat", -100, ADDRESS, 0o2000000, 0xDEAD, enter={"filename": b"/etc/passwd"})
    assert args == {
        "dfd": "AT_FDCWD",
        "filename": "/etc/passwd",
        "flags": ["O_RDONLY", "O_CLOEXEC"],
        # No mode: the call does not look at it, and the register holds chance.
    }


def test_openat_that_may_create():
    args = decoded("openat", 2**32 + 5, ADDRESS, 0o101, 0o600, enter={"filename": Cut(b"a" * 4096)})
    assert args == {
        "dfd": 5,
        "filename": {"text": "a" * 4096, "truncated": True},
        "flags": ["O_WRONLY", "O_CREAT"],
        "mode": "0600",
    }


def test_openat2():
    how = (0o101).to_bytes(8, "little") + (0o644).to_bytes(8, "little") + bytes([8] + [0] * 7)
    args = decoded("openat2", -100, ADDRESS, ADDRESS, 24, enter={"filename": b"x", "how": how})
    assert args["how"] == {
        "flags": ["O_WRONLY", "O_CREAT"],
        "mode": "0644",
        "resolve": ["RESOLVE_BENEATH"],
    }


def test_read_before_and_after():
    assert decoded("read", 3, ADDRESS, 100) == {
        "fd": 3,
        "buf": {"ptr": hex(ADDRESS)},
        "count": 100,
    }
    after = decoded("read", 3, ADDRESS, 100, exit_={"buf": Cut(b"hello", 60)}, ret=60)
    assert after["buf"] == {"text": "hello", "size": 60, "truncated": True}


def test_a_failed_call_shows_what_went_in():
    args = decoded("read", 3, ADDRESS, 100, exit_={"buf": b"junk"}, failed=True)
    assert args["buf"] == {"ptr": hex(ADDRESS)}


def test_write():
    args = decoded("write", 1, ADDRESS, 3, enter={"buf": b"a\xff\n"})
    assert args["buf"] == {"text": "a\\xff\n", "size": 3}


def test_execve():
    args = decoded(
        "execve",
        ADDRESS,
        ADDRESS,
        ADDRESS,
        enter={"filename": b"/bin/ls", "argv": Strings((b"ls", b"-l"))},
    )
    assert args == {
        "filename": "/bin/ls",
        "argv": ["ls", "-l"],
        "envp": {"ptr": hex(ADDRESS)},
    }


def test_an_argv_that_was_cut():
    args = decoded("execve", 1, 1, 0, enter={"argv": Strings((b"a", b"b\xff"), whole=False)})
    assert args["argv"] == {"items": ["a", "b\\xff"], "truncated": True}
    assert args["envp"] is None


def test_mmap():
    args = decoded("mmap", 0, 4096, 3, 0x22, -1, 0)
    assert args == {
        "addr": None,
        "len": 4096,
        "prot": ["PROT_READ", "PROT_WRITE"],
        "flags": ["MAP_PRIVATE", "MAP_ANONYMOUS"],
        "fd": -1,
        "off": 0,
    }
    assert decode_ret(by_name("mmap"), ADDRESS) == hex(ADDRESS)


def test_fcntl_and_its_argument():
    assert decoded("fcntl", 3, 4, 0o4002)["arg"] == ["O_RDWR", "O_NONBLOCK"]
    assert decoded("fcntl", 3, 2, 1)["arg"] == ["FD_CLOEXEC"]
    assert decoded("fcntl", 3, 1, 77) == {"fd": 3, "cmd": "F_GETFD"}
    assert decoded("fcntl", 3, 1030, 10) == {"fd": 3, "cmd": "F_DUPFD_CLOEXEC", "arg": 10}
    assert decoded("fcntl", 3, 6, ADDRESS)["arg"] == hex(ADDRESS)
    assert decoded("fcntl", 3, 99, 5) == {"fd": 3, "cmd": 99, "arg": "0x5"}


def test_ioctl():
    assert decoded("ioctl", 1, 0x5401, ADDRESS) == {
        "fd": 1,
        "cmd": "TCGETS",
        "arg": hex(ADDRESS),
    }
    assert decoded("ioctl", 1, 0xC0FFEE00)["cmd"] == "0xc0ffee00"


def test_socket():
    assert decoded("socket", 2, 0o2000001, 6) == {
        "family": "AF_INET",
        "type": ["SOCK_STREAM", "SOCK_CLOEXEC"],
        "protocol": "IPPROTO_TCP",
    }
    assert decoded("socket", 16, 3, 9)["protocol"] == "NETLINK_AUDIT"
    assert decoded("socket", 1, 1, 0)["protocol"] == 0


def test_sockopts():
    args = decoded("setsockopt", 3, 1, 2, ADDRESS, 4, enter={"optval": b"\1\0\0\0"})
    assert args == {
        "fd": 3,
        "level": "SOL_SOCKET",
        "optname": "SO_REUSEADDR",
        "optval": [1],
        "optlen": 4,
    }
    args = decoded("getsockopt", 3, 6, 99, ADDRESS, ADDRESS, exit_={"optval": b"abc"})
    assert args["optname"] == 99
    assert args["optval"] == {"data": "616263", "size": 3}


def test_clone_and_its_signal():
    args = decoded("clone", 0x01200011, 0, 0, ADDRESS, 0)
    assert args == {
        "clone_flags": ["SIGCHLD", "CLONE_CHILD_CLEARTID", "CLONE_CHILD_SETTID"],
        "newsp": None,
        "child_tidptr": hex(ADDRESS),
    }
    # In clone3 the low byte is flags as any other.
    assert decoded("unshare", 0x00020080)["unshare_flags"] == ["CLONE_NEWTIME", "CLONE_NEWNS"]


def test_futex_has_what_its_operation_looks_at():
    assert decoded("futex", ADDRESS, 0x81, 1, 2, 3, 4) == {
        "uaddr": hex(ADDRESS),
        "op": ["FUTEX_WAKE", "FUTEX_PRIVATE_FLAG"],
        "val": 1,
    }
    assert "val" not in decoded("futex", ADDRESS, 7, 1, 2, 3, 4)
    args = decoded("futex", ADDRESS, 0x189, 1, 0, 3, 2**32 - 1)
    assert args == {
        "uaddr": hex(ADDRESS),
        "op": ["FUTEX_WAIT_BITSET", "FUTEX_PRIVATE_FLAG", "FUTEX_CLOCK_REALTIME"],
        "val": 1,
        "utime": None,
        "val3": 2**32 - 1,
    }


def test_kill():
    assert decoded("kill", -1, 9) == {"pid": -1, "sig": "SIGKILL"}
    assert decoded("kill", 5, 0) == {"pid": 5, "sig": 0}
    assert decoded("kill", 5, 35)["sig"] == "SIGRT_3"


def test_two_values_returned():
    pair = (3).to_bytes(4, "little") + (4).to_bytes(4, "little")
    assert decoded("pipe2", ADDRESS, 0o2000000, exit_={"fildes": pair}) == {
        "fildes": [3, 4],
        "flags": ["O_CLOEXEC"],
    }
    args = decoded("socketpair", 1, 1, 0, ADDRESS, exit_={"usockvec": pair})
    assert args["usockvec"] == [3, 4]


def test_iovec():
    args = decoded("writev", 1, ADDRESS, 2, enter={"vec": Cut(b"abc", 10)})
    assert args["vec"] == {"count": 2, "text": "abc", "size": 10, "truncated": True}


def test_chown_that_changes_only_the_group():
    args = decoded("chown", ADDRESS, 2**32 - 1, 65534, enter={"filename": b"f"})
    assert (args["user"], args["group"]) == (-1, 65534)


def test_mknod():
    args = decoded("mknod", ADDRESS, 0o20666, 0x103, enter={"filename": b"null"})
    assert args == {"filename": "null", "mode": "020666", "dev": "1:3"}


def test_fsconfig():
    args = decoded("fsconfig", 3, 1, ADDRESS, ADDRESS, enter={"_key": b"source", "_value": b"/x"})
    assert (args["_key"], args["_value"]) == ("source", "/x")
    # A blob is not text, even if its first bytes read as such.
    binary = decoded("fsconfig", 3, 2, ADDRESS, ADDRESS, enter={"_value": b"/x"})
    assert binary["_value"] == {"ptr": hex(ADDRESS)}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("openat", 3, 3),
        ("brk", 0x5555_0000, "0x55550000"),
        ("umask", 0o22, "0022"),
        ("getpid", 7, 7),
        ("lseek", 2**40, 2**40),
    ],
)
def test_results(name, value, expected):
    assert decode_ret(by_name(name), value) == expected


def test_captures_that_do_not_fit_the_plan_are_not_used():
    row = by_name("openat")
    words = Words((0, ADDRESS, 0, 0, 0, 0), 3, failed=False, returned=True)
    assert decode_args(row, words, (b"/x",), ())["filename"] == {"ptr": hex(ADDRESS)}
