"""decode_args: total for every row, and right for calls whose values are known."""

import re
import struct

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracerd.core.decode import ioctl, names
from tracerd.core.decode.names import descriptors, ipc, process, system, watches  # noqa: F401
from tracerd.core.decode.names.descriptors import FCNTL
from tracerd.core.decode.names.terminals import CHARACTERS
from tracerd.core.syscalls import (
    I386_ROWS,
    ROWS,
    TABLED,
    by_name,
    decode_args,
    decode_ret,
    plan_for,
    table,
)
from tracerd.core.syscalls.model import (
    Cut,
    Fault,
    Message,
    OpenedFile,
    Pair,
    Part,
    Several,
    Strings,
    Vector,
    Words,
)
from tracerd.ctl.text.lines import Renderer
from tracerd.protocol.events import SyscallExit

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
vectors = st.builds(
    Vector, st.one_of(blobs, cuts), st.lists(st.integers(0, 2**64 - 1), max_size=3).map(tuple)
)
messages = st.builds(
    Message,
    blobs,
    vectors,
    words64,
    words64,
    st.integers(-(2**31), 2**31 - 1),
    st.one_of(
        blobs,
        st.builds(
            struct.pack, st.just("<Qii20x"), st.integers(0, 60), st.just(1), st.integers(0, 5)
        ),
    ),
)
item = st.one_of(
    st.none(),
    st.booleans(),
    blobs,
    cuts,
    st.builds(Fault, words64),
    st.builds(Strings, st.lists(blobs, max_size=3).map(tuple), st.booleans()),
    st.builds(OpenedFile, blobs, words64, words64, st.booleans()),
    vectors,
    messages,
)
one = st.one_of(item, st.builds(Several, st.lists(item, max_size=3).map(tuple)))
captured = st.one_of(one, st.builds(Pair, one, one))
COMMANDS = {
    "fcntl": ("cmd", [*FCNTL.values.values(), 12, 13, 14]),
    "fcntl64": ("cmd", [*FCNTL.values.values(), 12, 13, 14]),
    "ioctl": ("cmd", [*ioctl.ARGUMENTS, *ioctl.ARGUMENTS_I386]),
    "prctl": ("option", names.process.PRCTL.values.values()),
    "arch_prctl": ("option", names.process.ARCH_PRCTL.values.values()),
    "ptrace": ("request", names.process.PTRACE.values.values()),
    "seccomp": ("op", names.process.SECCOMP.values.values()),
    "keyctl": ("option", names.process.KEYCTL.values.values()),
    "futex": ("op", range(14)),
    "futex_time64": ("op", range(14)),
    "bpf": ("cmd", names.descriptors.BPF.values.values()),
    "io_uring_enter": ("flags", [0, 8]),
    "io_uring_register": ("opcode", names.descriptors.URING_REGISTER.values.values()),
    "quotactl": ("cmd", [cmd << 8 for cmd in names.system.QUOTA.values.values()]),
    "quotactl_fd": ("cmd", [cmd << 8 for cmd in names.system.QUOTA.values.values()]),
    "landlock_add_rule": ("rule_type", names.watches.LANDLOCK_RULE.values.values()),
    **{
        call: ("cmd", [*known.values.values()])
        for call, known in (
            ("shmctl", names.ipc.SHM_CONTROL_I386),
            ("semctl", names.ipc.SEM_CONTROL_I386),
            ("msgctl", names.ipc.MSG_CONTROL_I386),
        )
    },
}
"""Calls whose argument is what a command says, which chance would never hit."""
TOLD = {abi: list(table(abi).by_number.values()) for abi in TABLED}
KINDS_OF = {
    abi: {row.name: {arg.name: arg.kind for arg in row.args} for row in rows}
    for abi, rows in TOLD.items()
}
RENDERERS = {
    abi: (Renderer(kinds=kinds), Renderer(kinds=kinds, whole=True))
    for abi, kinds in KINDS_OF.items()
}


CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check(row, call, captured_at):
    """Decode a call, all its captures being the same; it must become JSON, MessagePack, text."""
    for which, part in {None: row, **row.parts}.items():
        plan, whole = plan_for(part), plan_for(row)
        before, after = captured_at
        enter, exit_ = (before,) * len(plan.enter), (after,) * len(plan.exit)
        words = call
        if which is not None:
            given = (*call.args, 0)[: len(part.args)]
            enter, exit_ = (Part(which, given, enter),), (Part(which, given, exit_),)
            assert (len(whole.enter), len(whole.exit)) == (1, 1)
        args = decode_args(row, words, enter, exit_)
        assert list(args) == [arg.name for arg in part.args if arg.name in args]
        ret = None if call.failed or not call.returned else decode_ret(part, call.ret)
        event = SyscallExit(
            seq=1, time_ns=0, pid=1, tid=1, start=1, comm="x", syscall=row.name, nr=row.nr % 2**31,
            abi=row.abi, args=args, ret=ret, errno="EIO" if call.failed else None,
        )  # fmt: skip
        msgspec.json.decode(msgspec.json.encode(event))
        msgspec.msgpack.encode(event)
        for renderer in RENDERERS[row.abi]:
            line = renderer.line(event)
            assert not CONTROL_CHARACTERS.search(line), row.name


calls = st.builds(
    Words,
    st.tuples(*[words64] * 6),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.booleans(),
)


@pytest.mark.parametrize("abi", TABLED)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(call=calls, before=one, after=one)
def test_any_call_of_any_row_gives_an_event_and_a_line(abi, call, before, after):
    # One draw for all rows, so that every row meets every kind of value.
    for row in TOLD[abi]:
        check(row, call, (before, after))


ANY = [
    (row, row.index[COMMANDS[row.name][0]], [*COMMANDS[row.name][1]])
    for rows in TOLD.values()
    for row in rows
    if row.name in COMMANDS
]


def test_every_argument_that_a_command_explains_is_met_with_its_commands():
    meeting = {row.name for row, _, _ in ANY}
    explained = {
        row.name for rows in TOLD.values() for row in rows for arg in row.args if arg.kind == "any"
    }
    assert meeting == explained | {"futex_time64"}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(word=words64, before=one, after=one, choice=st.integers(0, 2**16), failed=st.booleans())
def test_any_command_gives_an_event_and_a_line(word, before, after, choice, failed):
    for row, at, commands in ANY:
        for command in (commands[choice % len(commands)], commands[choice // 7 % len(commands)]):
            args = tuple(command if place == at else word for place in range(6))
            check(row, Words(args, 0, failed=failed, returned=True), (before, after))


def test_every_command_gives_an_event_and_a_line():
    shapes = (None, b"", b"\1" * 40, bytes(range(256)), Fault(1), Cut(b"abc", 9))
    for row, at, commands in ANY:
        for command in commands:
            args = tuple(command if place == at else ADDRESS for place in range(6))
            for shape in shapes:
                check(row, Words(args, 0, failed=False, returned=True), (shape, shape))


DEPENDING = {
    ("fsconfig", "_value"),
    ("fcntl", "arg"),
    ("ioctl", "arg"),
    ("prctl", "arg2"),
    ("prctl", "arg5"),
    ("arch_prctl", "arg2"),
    ("landlock_add_rule", "rule_attr"),
    ("clone", "parent_tidptr"),
    ("seccomp", "uargs"),
    ("ptrace", "data"),
    ("reboot", "arg"),
    ("shmctl", "buf"),
    ("semctl", "arg"),
    ("msgctl", "buf"),
    ("quotactl", "addr"),
    ("quotactl_fd", "addr"),
    ("io_uring_register", "arg"),
    ("futex", "utime"),
    ("futex_time64", "utime"),
}
"""Pointers or none, as another argument says."""


@pytest.mark.parametrize("value", [Fault(ADDRESS), None], ids=["fault", "not captured"])
def test_pointers_that_were_not_followed_say_where_they_point(value):
    for row in ROWS:
        plan = plan_for(row)
        words = Words((ADDRESS,) * 6, 0, failed=False, returned=True)
        enter, exit_ = (value,) * len(plan.enter), (value,) * len(plan.exit)
        args = decode_args(row, words, enter, exit_)
        nothing = decode_args(row, Words((0,) * 6), (), ())
        for arg in row.args:
            if (arg.enter or arg.exit) and (row.name, arg.name) not in DEPENDING:
                assert args[arg.name] == {"ptr": hex(ADDRESS)}, (row.name, arg.name)
                assert nothing[arg.name] is None, (row.name, arg.name)


NARROW_ADDRESS = 0xFFFF_1000


@pytest.mark.parametrize("value", [Fault(NARROW_ADDRESS), None], ids=["fault", "not captured"])
def test_pointers_of_i386_that_were_not_followed_say_where_they_point(value):
    for row in I386_ROWS:
        plan = plan_for(row)
        # Whatever is above 32 bits is chance.
        words = Words((NARROW_ADDRESS | 1 << 40,) * 6, 0, failed=False, returned=True)
        enter, exit_ = (value,) * len(plan.enter), (value,) * len(plan.exit)
        args = decode_args(row, words, enter, exit_)
        for arg in row.args:
            depends = (row.name.removesuffix("64"), arg.name) in DEPENDING
            if (arg.enter or arg.exit) and not depends:
                assert args[arg.name] == {"ptr": hex(NARROW_ADDRESS)}, (row.name, arg.name)
            if arg.kind == "ptr" and arg.name in args:
                assert args[arg.name] == hex(NARROW_ADDRESS), (row.name, arg.name)


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
        ("membarrier", "cpu_id"),
        ("ptrace", "addr"),  # PTRACE_TRACEME
        ("ptrace", "data"),
        ("reboot", "arg"),
        ("shmctl", "buf"),  # IPC_RMID
        ("semctl", "arg"),
        ("msgctl", "buf"),
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
    assert decoded("fcntl", 3, 6, ADDRESS)["arg"] == {"ptr": hex(ADDRESS)}
    assert decoded("fcntl", 3, 99, 5) == {"fd": 3, "cmd": 99, "arg": "0x5"}


LOCK = {"type": "F_WRLCK", "whence": "SEEK_SET", "start": 1, "len": 5}


def lock(kind, pid):
    return struct.pack("<hh4xqqi4x", kind, 0, 1, 5, pid)


@pytest.mark.parametrize("cmd", [6, 7, 37, 38])
def test_a_lock_asked_for_is_what_the_program_passed(cmd):
    """Another thread may write to it before the call is back."""
    args = decoded("fcntl", 3, cmd, ADDRESS, enter={"arg": lock(1, 9)}, exit_={"arg": lock(2, 9)})
    assert args["arg"] == LOCK


@pytest.mark.parametrize("cmd", [5, 36])
def test_a_lock_looked_for_is_told_after_the_call(cmd):
    before = decoded("fcntl", 3, cmd, ADDRESS, enter={"arg": lock(1, 0)})
    assert before["arg"] == LOCK
    after = decoded("fcntl", 3, cmd, ADDRESS, enter={"arg": lock(0, 0)}, exit_={"arg": lock(1, 77)})
    assert after["arg"] == {**LOCK, "pid": 77}


def test_fcntl_owner():
    owner = struct.pack("<Ii", 1, 55)
    after = {"enter": {"arg": bytes(8)}, "exit_": {"arg": owner}}
    assert decoded("fcntl", 3, 16, ADDRESS, **after)["arg"] == {"type": "F_OWNER_PID", "pid": 55}
    assert decoded("fcntl", 3, 16, ADDRESS, enter={"arg": owner})["arg"] == {"ptr": hex(ADDRESS)}
    assert decoded("fcntl", 3, 15, ADDRESS, enter={"arg": owner})["arg"]["pid"] == 55


def test_ioctl():
    assert decoded("ioctl", 1, 0x5401, ADDRESS) == {
        "fd": 1,
        "cmd": "TCGETS",
        "arg": {"ptr": hex(ADDRESS)},
    }
    unknown = decoded("ioctl", 1, 0xC0FFEE00, 5, enter={"arg": bytes(44)}, exit_={"arg": bytes(44)})
    assert unknown == {"fd": 1, "cmd": "0xc0ffee00", "arg": "0x5"}
    assert decoded("ioctl", 1, 0x5451, 77) == {"fd": 1, "cmd": "FIOCLEX"}
    assert decoded("ioctl", 1, 0x40049409, 7)["arg"] == 7


def ioctl_arg(cmd, before, after=None):
    pad = 44
    exit_ = None if after is None else {"arg": after.ljust(pad, b"\xee")}
    return decoded(
        "ioctl", 1, cmd, ADDRESS, enter={"arg": before.ljust(pad, b"\xee")}, exit_=exit_
    )["arg"]


def test_ioctl_arguments_that_go_in_and_out():
    size, old = struct.pack("<HHHH", 24, 80, 1, 2), struct.pack("<HHHH", 1, 1, 1, 1)
    shown = {"row": 24, "col": 80, "xpixel": 1, "ypixel": 2}
    assert ioctl_arg(0x5413, old, size) == shown
    assert ioctl_arg(0x5413, size) == {"ptr": hex(ADDRESS)}
    assert ioctl_arg(0x5414, size) == ioctl_arg(0x5414, size, old) == shown
    assert ioctl_arg(0x541B, bytes(4), struct.pack("<i", 300)) == [300]
    assert ioctl_arg(0x5421, struct.pack("<i", 1), bytes(4)) == [1]
    assert ioctl_arg(0x80086601, bytes(4), struct.pack("<I", 0x80000)) == ["FS_EXTENT_FL"]
    terminal = struct.pack("<IIIIB19s", 0x500, 5, 0xBF, 0x8A3B, 0, bytes(range(19)))
    assert (
        ioctl_arg(0x5401, b"", terminal)
        == ioctl_arg(0x5402, terminal)
        == {
            "iflag": ["ICRNL", "IXON"],
            "oflag": ["NL0", "CR0", "TAB0", "BS0", "VT0", "FF0", "OPOST", "ONLCR"],
            "cflag": ["B38400", "CS8", "CREAD"],
            "lflag": ["ISIG", "ICANON", "ECHO", "ECHOE", "ECHOK", "IEXTEN", "ECHOCTL", "ECHOKE"],
            "line": "N_TTY",
            "cc": dict(zip([*CHARACTERS, "17", "18"], range(19), strict=True)),
        }
    )


def test_ioctls_of_interfaces():
    asked = b"lo".ljust(16, b"\0")
    assert ioctl_arg(0x8933, asked) == {"name": "lo"}
    assert ioctl_arg(0x8933, asked, asked + struct.pack("<i", 3)) == {"name": "lo", "ifindex": 3}
    address = bytes([2, 0, 0, 0, 127, 0, 0, 1]) + bytes(8)
    assert ioctl_arg(0x8915, asked, asked + address)["addr"]["addr"] == "127.0.0.1"


def test_access_to_a_file_that_is_there():
    assert decoded("access", ADDRESS, 0)["mode"] == ["F_OK"]
    assert decoded("access", ADDRESS, 5)["mode"] == ["R_OK", "X_OK"]
    assert decoded("faccessat", -100, ADDRESS, 8)["mode"] == ["F_OK", "0x8"]


def entries(start, *names_):
    data = b""
    for name in names_:
        size = (start + len(name) + 1 + 7) & ~7
        data += struct.pack("<qqH", 1, 2, size).ljust(start, b"\4")
        data += name.ljust(size - start, b"\0")
    return data


@pytest.mark.parametrize(("call", "start"), [("getdents", 18), ("getdents64", 19)])
def test_directory_entries(call, start):
    def shown(captured):
        return decoded(call, 3, ADDRESS, 32768, exit_={"dirent": captured}, ret=1)["dirent"]

    assert shown(entries(start, b".", b"caf\xc3\xa9", b"\xff")) == {
        "entries": 3,
        "names": [".", "café", "\\xff"],
    }
    assert shown(b"") == {"entries": 0, "names": []}
    # A name that is cut is none.
    data = entries(start, b"whole", b"part")
    cut = {"names": ["whole"], "size": 900, "truncated": True}
    assert shown(Cut(data[:-1], 900)) == cut
    many = shown(entries(start, *[b"%d" % n for n in range(40)]))
    assert (many["entries"], many["names"][-1], many["truncated"]) == (40, "31", True)
    assert shown(bytes(40)) == {"entries": 0, "names": []}  # not what a kernel gives


CONTROL = (
    struct.pack("<Qiiii", 24, 1, 1, 5, 6)
    + struct.pack("<QiiiII4x", 28, 1, 2, 100, 1000, 1001)
    + struct.pack("<Qiii", 20, 41, 50, 7)
)


def test_control_messages():
    message = Message(b"", Vector(b"x", (1,)), 1, len(CONTROL), 0, CONTROL)
    shown = decoded("sendmsg", 3, ADDRESS, 0, enter={"msg": message})["msg"]
    assert shown["control"] == [
        {"level": "SOL_SOCKET", "type": "SCM_RIGHTS", "fds": [5, 6]},
        {"level": "SOL_SOCKET", "type": "SCM_CREDENTIALS", "pid": 100, "uid": 1000, "gid": 1001},
        {"level": "SOL_IPV6", "type": "IPV6_PKTINFO", "data": "07000000"},
    ]
    cut = Message(b"", Vector(b"x", (1,)), 1, 2000, 0, CONTROL[:20])
    assert decoded("sendmsg", 3, ADDRESS, 0, enter={"msg": cut})["msg"]["control"] == [
        {"level": "SOL_SOCKET", "type": "SCM_RIGHTS", "fds": [5], "truncated": True}
    ]


def test_many_messages_at_once():
    message = Message(b"", Vector(b"one", (3,)), 1, 0, 0)
    sent = decoded("sendmmsg", 3, ADDRESS, 2, 0, enter={"mmsg": Several((message, message))})
    assert [each["text"] for each in sent["mmsg"]["messages"]] == ["one", "one"]
    assert sent["mmsg"]["count"] == 2
    captured = Several((message, Fault(7), message))
    got = decoded("recvmmsg", 3, ADDRESS, 8, exit_={"mmsg": captured}, ret=9)["mmsg"]
    assert (got["count"], len(got["messages"]), got["truncated"]) == (9, 3, True)
    none = decoded("recvmmsg", 3, ADDRESS, 8, exit_={"mmsg": Several(())}, ret=0)
    assert none["mmsg"] == {"count": 0, "messages": []}


def test_room_for_a_name_and_its_length():
    name = bytes([2, 0, 0, 80, 127, 0, 0, 1])
    message = Message(name, Vector(b"one", (8, 8)), 2, 0, 0, namelen=8)
    head = struct.pack("<Qi", ADDRESS, 28)
    exit_ = {"msg": message}
    got = decoded("recvmsg", 3, ADDRESS, 0, enter={"msg": head}, exit_=exit_, ret=3)["msg"]
    assert (got["name"]["port"], got["namelen"], got["lengths"]) == (80, [28, 8], [8, 8])
    head = struct.pack("<Qi", ADDRESS, 8)
    got = decoded("recvmsg", 3, ADDRESS, 0, enter={"msg": head}, exit_=exit_, ret=3)["msg"]
    assert got["namelen"] == 8
    assert decoded("recvmsg", 3, ADDRESS, 0, enter={"msg": head})["msg"] == {"ptr": hex(ADDRESS)}


def test_sets_before_and_after():
    asked, ready = (0b101000).to_bytes(128, "little"), (0b1000).to_bytes(128, "little")
    assert decoded("select", 6, ADDRESS, enter={"inp": asked})["inp"] == [3, 5]
    after = decoded("select", 6, ADDRESS, 0, enter={"inp": asked}, exit_={"inp": ready}, ret=1)
    assert after["inp"] == {"asked": [3, 5], "ready": [3]}
    assert after["outp"] is None
    failed = decoded(
        "select", 6, ADDRESS, 0, enter={"inp": asked}, exit_={"inp": ready}, failed=True
    )
    assert failed["inp"] == [3, 5]


def test_pselect_and_its_mask():
    mask = (1 << 1).to_bytes(8, "little")
    assert decoded("pselect6", 0, 0, 0, 0, 0, ADDRESS, enter={"sig": mask})["sig"] == ["SIGINT"]
    assert decoded("pselect6", 0, 0, 0, 0, 0, ADDRESS, enter={"sig": b""})["sig"] is None


def test_offsets_before_and_after():
    before, after = struct.pack("<q", 1), struct.pack("<q", 5)
    assert decoded("sendfile", 4, 3, ADDRESS, 9, enter={"offset": before})["offset"] == [1]
    args = decoded(
        "sendfile", 4, 3, ADDRESS, 9, enter={"offset": before}, exit_={"offset": after}, ret=4
    )
    assert args["offset"] == [1, 5]
    args = decoded("splice", 3, ADDRESS, 4, 0, enter={"off_in": before}, exit_={"off_in": after})
    assert (args["off_in"], args["off_out"]) == ([1, 5], None)


def test_wait4_that_found_nobody():
    def shown(ret):
        args = decoded("wait4", -1, ADDRESS, 1, exit_={"stat_addr": bytes(4)}, ret=ret)
        return args["stat_addr"]

    assert shown(0) == {"ptr": hex(ADDRESS)}
    assert shown(77) == {"exited": 0}


def test_prctl():
    assert decoded("prctl", 15, ADDRESS, 1, 2, 3, enter={"arg2": b"name\0junk".ljust(16)}) == {
        "option": "PR_SET_NAME",
        "arg2": "name",
    }
    after = decoded("prctl", 16, ADDRESS, enter={"arg2": bytes(16)}, exit_={"arg2": b"n\0"})
    assert after["arg2"] == "n"
    assert decoded("prctl", 1, 15)["arg2"] == "SIGTERM"
    assert decoded("prctl", 22, 2, 3)["arg3"] == "0x3"


def test_processors():
    mask = (1 << 0 | 1 << 9).to_bytes(8, "little")
    args = decoded("sched_setaffinity", 0, 8, ADDRESS, enter={"user_mask_ptr": mask})
    assert args["user_mask_ptr"] == [0, 9]
    args = decoded("sched_setaffinity", 0, 999, ADDRESS, enter={"user_mask_ptr": Cut(mask, 999)})
    assert args["user_mask_ptr"] == {"items": [0, 9], "truncated": True}


def test_scheduling():
    raw = struct.pack("<IIQiIQQQ", 48, 6, 1, -5, 0, 10, 20, 30)
    attr = decoded("sched_setattr", 0, ADDRESS, 0, enter={"uattr": raw})["uattr"]
    assert (attr["policy"], attr["flags"]) == ("SCHED_DEADLINE", ["SCHED_FLAG_RESET_ON_FORK"])
    assert [attr[key] for key in ("nice", "runtime", "deadline", "period")] == [-5, 10, 20, 30]
    assert "util_min" not in attr


def test_clone_tells_the_id_it_stored():
    args = decoded("clone", 0x00100011, 0, ADDRESS, exit_={"parent_tidptr": b"\7\0\0\0"}, ret=7)
    assert args["parent_tidptr"] == [7]


def test_sigevent():
    raw = struct.pack("<Qiii", 5, 10, 4, 99)
    event = decoded("timer_create", 1, ADDRESS, 0, enter={"timer_event_spec": raw})
    assert event["timer_event_spec"] == {
        "notify": "SIGEV_THREAD_ID",
        "signo": "SIGUSR1",
        "value": "0x5",
        "tid": 99,
    }


def test_seccomp():
    program = struct.pack("<H6xQ", 9, ADDRESS)
    args = decoded("seccomp", 1, 0, ADDRESS, enter={"uargs": program})
    assert args["uargs"] == {"len": 9, "filter": hex(ADDRESS)}
    action = struct.pack("<I12x", 0x7FFF0000)
    args = decoded("seccomp", 2, 0, ADDRESS, enter={"uargs": action})
    assert args["uargs"] == ["SECCOMP_RET_ALLOW"]


def test_attributes_passed_by_reference():
    raw = struct.pack("<QII", ADDRESS, 5, 1)
    args = decoded("setxattrat", -100, ADDRESS, 0, ADDRESS, ADDRESS, 16, enter={"uargs": raw})
    assert args["uargs"] == {"value": hex(ADDRESS), "size": 5, "flags": ["XATTR_CREATE"]}


def test_mounts_listed():
    request = struct.pack("<IIQQ", 24, 0, 2**64 - 1, 0)
    args = decoded(
        "listmount",
        ADDRESS,
        ADDRESS,
        9,
        0,
        enter={"req": request},
        exit_={"mnt_ids": struct.pack("<QQ", 1, 2)},
        ret=2,
    )
    assert args["req"] == {"size": 24, "mnt_id": "0xffffffffffffffff", "param": "0x0"}
    assert args["mnt_ids"] == ["0x1", "0x2"]


def test_landlock_rules():
    raw = struct.pack("<Qi4x", 1, 7)
    rule = decoded("landlock_add_rule", 3, 1, ADDRESS, 0, enter={"rule_attr": raw})["rule_attr"]
    assert rule == {"allowed_access": ["LANDLOCK_ACCESS_FS_EXECUTE"], "parent_fd": 7}


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
    pair = struct.pack("<ii", 1, 5)
    args = decoded("setsockopt", 3, 1, 13, ADDRESS, 8, enter={"optval": pair})
    assert args["optval"] == {"onoff": 1, "linger": 5}
    time = struct.pack("<qq", 2, 500)
    args = decoded("setsockopt", 3, 1, 20, ADDRESS, 16, enter={"optval": time})
    assert args["optval"] == {"sec": 2, "usec": 500}
    for value, shown in ((0, 0), (111, "ECONNREFUSED")):
        raw = struct.pack("<i", value)
        args = decoded("getsockopt", 3, 1, 4, ADDRESS, ADDRESS, exit_={"optval": raw})
        assert args["optval"] == [shown]
    args = decoded("getsockopt", 3, 6, 13, ADDRESS, ADDRESS, exit_={"optval": b"bbr" + bytes(13)})
    assert args["optval"] == "bbr"
    # The same number of another level is another option; a wrong size is no structure.
    args = decoded("setsockopt", 3, 6, 20, ADDRESS, 4, enter={"optval": b"\1\0\0\0"})
    assert args["optval"] == [1]
    args = decoded("setsockopt", 3, 1, 13, ADDRESS, 4, enter={"optval": b"\1\0\0\0"})
    assert args["optval"] == [1]
    args = decoded("getsockopt", 3, 6, 99, ADDRESS, ADDRESS, exit_={"optval": b"abc"})
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
    args = decoded("writev", 1, ADDRESS, 2, enter={"vec": Vector(Cut(b"abc", 10), (4, 6))})
    assert args["vec"] == {
        "count": 2,
        "text": "abc",
        "size": 10,
        "truncated": True,
        "lengths": [4, 6],
    }


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
