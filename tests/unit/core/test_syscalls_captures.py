"""What a plan's captures read of a real process: this one."""

import array
import ctypes
import os
import select
import socket
import struct

import pytest

from tracerd.core.capture import Capturer
from tracerd.core.memory import Memory
from tracerd.core.syscalls import by_name, decode_args, plan_for
from tracerd.core.syscalls.model import Words

LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def memory():
    memory = Memory()
    yield memory
    memory.close()


def address_of(buffer):
    return ctypes.addressof(buffer)


def traced(memory, name, *args):
    """Make a call; return what is decoded of it at its two stops."""
    row = by_name(name)
    plan, capturer, pid = plan_for(row), Capturer(memory), os.getpid()
    full = tuple(word % 2**64 for word in args) + (0,) * (6 - len(args))
    enter = capturer.read(plan.enter, pid, pid, full, -1)
    before = decode_args(row, Words(full), enter, ())
    ret = LIBC.syscall(ctypes.c_long(row.nr), *map(ctypes.c_ulong, full))
    assert ret >= 0, os.strerror(ctypes.get_errno())
    exit_ = capturer.read(plan.exit, pid, pid, full, ret)
    words = Words(full, ret, failed=False, returned=True)
    return before, decode_args(row, words, enter, exit_)


def vector(*texts):
    """Return an array of struct mmsghdr, and the buffers that must outlive it."""
    buffers = [ctypes.create_string_buffer(text, len(text)) for text in texts]
    iovecs = ctypes.create_string_buffer(
        b"".join(struct.pack("<QQ", address_of(each), len(each)) for each in buffers)
    )
    heads = [
        struct.pack("<QI4xQQQQi4xI4x", 0, 0, address_of(iovecs) + 16 * n, 1, 0, 0, 0, 0)
        for n in range(len(texts))
    ]
    return ctypes.create_string_buffer(b"".join(heads)), iovecs, buffers


def test_messages_sent_and_received(memory):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        head, *_kept = vector(b"one", b"second")
        _, sent = traced(memory, "sendmmsg", ours.fileno(), address_of(head), 2, 0)
        assert [each["text"] for each in sent["mmsg"]["messages"]] == ["one", "second"]
        head, *_kept = vector(bytes(20), bytes(20), bytes(20))
        flags = socket.MSG_DONTWAIT
        before, got = traced(memory, "recvmmsg", theirs.fileno(), address_of(head), 3, flags, 0)
        assert before["mmsg"] == {"ptr": hex(address_of(head))}
        # Two of three, and of each as much as came, not as much as there is room for.
        assert got["mmsg"]["count"] == 2
        assert [(each["text"], each["size"]) for each in got["mmsg"]["messages"]] == [
            ("one", 3),
            ("second", 6),
        ]


def test_descriptors_received(memory):
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull) as file:
        rights = array.array("i", [file.fileno()])
        ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        control, data = ctypes.create_string_buffer(64), ctypes.create_string_buffer(8)
        iovec = ctypes.create_string_buffer(struct.pack("<QQ", address_of(data), 8))
        head = ctypes.create_string_buffer(
            struct.pack(
                "<QI4xQQQQi4x", 0, 0, address_of(iovec), 1, address_of(control), len(control), 0
            )
        )
        _, got = traced(memory, "recvmsg", theirs.fileno(), address_of(head), 0)
        (item,) = got["msg"]["control"]
        (received,) = item["fds"]
        assert (item["level"], item["type"]) == ("SOL_SOCKET", "SCM_RIGHTS")
        assert os.path.sameopenfile(received, file.fileno())
        os.close(received)


def test_a_mask_behind_two_pointers(memory):
    mask = ctypes.create_string_buffer(struct.pack("<Q", 1 << 14))
    pair = ctypes.create_string_buffer(struct.pack("<QQ", address_of(mask), 8))
    time = ctypes.create_string_buffer(struct.pack("<qq", 0, 0))
    before, _ = traced(memory, "pselect6", 0, 0, 0, 0, address_of(time), address_of(pair))
    assert before["sig"] == ["SIGTERM"]
    none = ctypes.create_string_buffer(struct.pack("<QQ", 0, 8))
    before, _ = traced(memory, "pselect6", 0, 0, 0, 0, address_of(time), address_of(none))
    assert before["sig"] is None
    nowhere = struct.pack("<QQ", 0x10, 8)
    unread = ctypes.create_string_buffer(nowhere)
    capturer, plan = Capturer(memory), plan_for(by_name("pselect6"))
    words = (0, 0, 0, 0, 0, address_of(unread))
    captured = capturer.read(plan.enter, os.getpid(), os.getpid(), words, -1)
    shown = decode_args(by_name("pselect6"), Words(words), captured, ())
    assert shown["sig"] == {"ptr": hex(address_of(unread))}


def test_descriptors_waited_for(memory):
    reading, writing = os.pipe()
    try:
        os.write(writing, b"x")
        idle, other = os.pipe()
        waited = ctypes.create_string_buffer((1 << reading | 1 << idle).to_bytes(128, "little"))
        time = ctypes.create_string_buffer(struct.pack("<qq", 0, 0))
        count = max(reading, idle) + 1
        before, after = traced(memory, "select", count, address_of(waited), 0, 0, address_of(time))
        os.close(idle)
        os.close(other)
        both = sorted((reading, idle))
        assert before["inp"] == both
        assert after["inp"] == {"asked": both, "ready": [reading]}
        polled = ctypes.create_string_buffer(struct.pack("<ihh", reading, select.POLLIN, 0))
        _, after = traced(memory, "poll", address_of(polled), 1, 0)
        assert after["ufds"] == [{"fd": reading, "events": ["POLLIN"], "revents": ["POLLIN"]}]
    finally:
        os.close(reading)
        os.close(writing)


def test_a_lock_that_is_in_the_way(memory, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    with path.open("r+b") as one, path.open("r+b") as two:
        held = struct.pack("<hh4xqqi4x", 1, 0, 10, 5, 0)
        set_, get = 37, 36  # F_OFD_SETLK, F_OFD_GETLK
        lock = ctypes.create_string_buffer(held)
        _, after = traced(memory, "fcntl", one.fileno(), set_, address_of(lock))
        shown = {"type": "F_WRLCK", "whence": "SEEK_SET", "start": 10, "len": 5}
        assert after["arg"] == shown
        lock = ctypes.create_string_buffer(struct.pack("<hh4xqqi4x", 0, 0, 0, 0, 0))
        before, after = traced(memory, "fcntl", two.fileno(), get, address_of(lock))
        assert before["arg"] == {"type": "F_RDLCK", "whence": "SEEK_SET", "start": 0, "len": 0}
        assert after["arg"] == {**shown, "pid": -1}


def test_offsets_moved(memory, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as source, (tmp_path / "to").open("wb") as to:
        offset = ctypes.create_string_buffer(struct.pack("<q", 2))
        before, after = traced(
            memory, "sendfile", to.fileno(), source.fileno(), address_of(offset), 5
        )
        assert (before["offset"], after["offset"]) == ([2], [2, 7])


@pytest.mark.parametrize("name", ["getdents", "getdents64"])
def test_directories(memory, tmp_path, name):
    for each in ("a", "b c", "日本"):
        (tmp_path / each).touch()
    buffer = ctypes.create_string_buffer(4096)
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _, after = traced(memory, name, fd, address_of(buffer), 4096)
    finally:
        os.close(fd)
    assert after["dirent"]["entries"] == 5
    assert set(after["dirent"]["names"]) == {".", "..", "a", "b c", "日本"}


def test_bytes_waiting(memory):
    reading, writing = os.pipe()
    try:
        os.write(writing, b"abc")
        count = ctypes.create_string_buffer(struct.pack("<i", 77))
        before, after = traced(memory, "ioctl", reading, 0x541B, address_of(count))
        assert before["arg"] == {"ptr": hex(address_of(count))}
        assert after["arg"] == [3]
    finally:
        os.close(reading)
        os.close(writing)


def test_processors_one_may_run_on(memory):
    mask = ctypes.create_string_buffer(128)
    _, after = traced(memory, "sched_getaffinity", 0, 128, address_of(mask))
    assert set(after["user_mask_ptr"]) == os.sched_getaffinity(0)
