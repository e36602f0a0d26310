"""Decoders of structures, on structures the C library and the kernel filled themselves."""

import ctypes
import os
import select
import socket
import struct

import pytest

from tracerd.core.decode import fileargs, messages, process, sockaddr, stat, structs, times, waiting
from tracerd.core.syscalls.model import Cut, Fault, Message, Vector, Words

CALL = Words((0,) * 6)
LIBC = ctypes.CDLL(None, use_errno=True)
SYS_STATX, SYS_STATFS, SYS_WAIT4, SYS_GETRLIMIT, SYS_UNAME = 332, 137, 61, 97, 63


def filled(size, call):
    """Return what `call` wrote into a buffer of `size` bytes."""
    buffer = ctypes.create_string_buffer(size)
    assert call(buffer) >= 0, os.strerror(ctypes.get_errno())
    return buffer.raw


def device(number):
    return f"{os.major(number)}:{os.minor(number)}"


def nanoseconds(when):
    return when["sec"] * 10**9 + when["nsec"]


def test_stat_of_a_real_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("hello")
    path.chmod(0o640)
    with path.open() as file:
        raw = filled(144, lambda buffer: LIBC.syscall(5, file.fileno(), buffer))
        real = os.fstat(file.fileno())
    found = stat.stat_(1, raw, CALL)
    assert found["dev"] == device(real.st_dev)
    assert found["mode"] == "0100640"
    assert [found[key] for key in ("ino", "nlink", "uid", "gid", "size", "blksize", "blocks")] == [
        real.st_ino,
        1,
        real.st_uid,
        real.st_gid,
        5,
        real.st_blksize,
        real.st_blocks,
    ]
    assert nanoseconds(found["atime"]) == real.st_atime_ns
    assert nanoseconds(found["mtime"]) == real.st_mtime_ns
    assert nanoseconds(found["ctime"]) == real.st_ctime_ns
    assert "rdev" not in found


def test_stat_of_a_device():
    raw = filled(144, lambda buffer: LIBC.syscall(4, b"/dev/null", buffer))
    assert stat.stat_(1, raw, CALL)["rdev"] == "1:3"
    assert stat.stat_(1, raw, CALL)["mode"] == "020666"


def test_statx_of_a_real_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(5000))
    raw = filled(
        256,
        lambda buffer: LIBC.syscall(SYS_STATX, -100, bytes(path), 0, 0xFFF, buffer),
    )
    found, real = stat.statx(1, raw, CALL), path.stat()
    assert found["dev"] == device(real.st_dev)
    assert (found["ino"], found["size"], found["nlink"]) == (real.st_ino, 5000, 1)
    assert found["mode"] == f"0{real.st_mode:o}"
    assert nanoseconds(found["mtime"]) == real.st_mtime_ns
    assert {"STATX_BASIC_STATS"} <= set(found["mask"]) or "STATX_ALL" in found["mask"]


def test_statfs_of_proc():
    raw = filled(120, lambda buffer: LIBC.syscall(SYS_STATFS, b"/proc", buffer))
    found, real = stat.statfs(1, raw, CALL), os.statvfs("/proc")
    assert found["type"] == "PROC_SUPER_MAGIC"
    assert (found["bsize"], found["namelen"]) == (real.f_bsize, real.f_namemax)


def test_uname():
    raw = filled(390, lambda buffer: LIBC.syscall(SYS_UNAME, buffer))
    found, real = process.utsname(1, raw, CALL), os.uname()
    assert tuple(found.values())[:5] == tuple(real)


def test_rlimit():
    raw = filled(16, lambda buffer: LIBC.syscall(SYS_GETRLIMIT, 9, buffer))
    limits = process.rlimit(1, raw, CALL)
    assert set(limits) == {"cur", "max"}
    assert process.rlimit(1, struct.pack("<QQ", 7, 2**64 - 1), CALL) == {
        "cur": 7,
        "max": "RLIM_INFINITY",
    }


@pytest.mark.parametrize(
    ("script", "shown"), [("exit 3", {"exited": 3}), ("kill -9 $$", {"signaled": "SIGKILL"})]
)
def test_wait_status_and_rusage_of_a_child(script, shown):
    child = os.posix_spawn("/bin/sh", ["sh", "-c", script], {})
    usage = ctypes.create_string_buffer(144)
    raw = filled(4, lambda buffer: LIBC.syscall(SYS_WAIT4, child, buffer, 0, usage))
    assert process.wstatus(1, raw, CALL) == shown
    used = process.rusage(1, usage.raw, CALL)
    assert used["maxrss"] > 0
    assert used["utime"].keys() == {"sec", "usec"}


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (0, {"exited": 0}),
        (0x8B, {"signaled": "SIGSEGV", "core_dumped": True}),
        (0x137F, {"stopped": "SIGSTOP"}),
        (0x857F, {"stopped": "SIGTRAP", "syscall": True}),
        (0x3057F, {"stopped": "SIGTRAP", "event": 3}),
        (0xFFFF, {"continued": True}),
    ],
)
def test_wait_statuses(status, shown):
    assert process.wait_status_of(status) == shown


def test_clone_args():
    fields = [0x101100, 0x1000, 0, 0x2000, 17, 0x7000, 4096, 0x9000, 0, 0, 0]
    expected = {
        "flags": ["CLONE_VM", "CLONE_PIDFD", "CLONE_PARENT_SETTID"],
        "exit_signal": "SIGCHLD",
        "pidfd": "0x1000",
        "parent_tid": "0x2000",
        "stack": "0x7000",
        "stack_size": 4096,
    }
    whole = struct.pack("<11Q", *fields)
    assert process.clone_args(1, whole, CALL) == expected
    assert process.clone_args(1, whole[:64], CALL) == expected  # its first version
    assert process.clone_args(1, Cut(whole, 200), CALL) == expected  # a later one
    assert process.clone_args(1, whole[:63], CALL) == {"ptr": "0x1"}


def test_sigaction():
    raw = struct.pack("<QQQQ", 1, 0x14000000, 0x1234, 1 << 1)
    assert process.sigaction(1, raw, CALL) == {
        "handler": "SIG_IGN",
        "mask": ["SIGINT"],
        "flags": ["SA_RESTORER", "SA_RESTART"],
        "restorer": "0x1234",
    }


def test_times():
    assert times.timespec(1, struct.pack("<qq", 1, 5), CALL) == {"sec": 1, "nsec": 5}
    pair = struct.pack("<qqqq", 0, (1 << 30) - 1, 7, (1 << 30) - 2)
    assert times.file_times(1, pair, CALL) == ["UTIME_NOW", "UTIME_OMIT"]
    assert times.itimerval(1, struct.pack("<qqqq", 1, 2, 3, 4), CALL) == {
        "interval": {"sec": 1, "usec": 2},
        "value": {"sec": 3, "usec": 4},
    }
    assert times.timespec(1, b"short", CALL) == {"ptr": "0x1"}
    assert times.timespec(0, None, CALL) is None


def address_of(sock):
    """Return the bytes of a socket's own address, as getsockname gives them."""
    length = ctypes.c_int(128)
    raw = filled(128, lambda buffer: LIBC.getsockname(sock.fileno(), buffer, ctypes.byref(length)))
    return raw[: length.value]


def decoded(data):
    return sockaddr.sockaddr(1, data, CALL)


def test_unix_addresses(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        assert decoded(address_of(sock)) == {"family": "AF_UNIX", "unnamed": True}
        sock.bind(str(tmp_path / "s"))
        assert decoded(address_of(sock)) == {"family": "AF_UNIX", "path": str(tmp_path / "s")}
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0tracerd-{os.getpid()}\0tail")
        assert decoded(address_of(sock)) == {
            "family": "AF_UNIX",
            "path": f"@tracerd-{os.getpid()}\0tail",
            "abstract": True,
        }


def test_internet_addresses():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert decoded(address_of(sock)) == {
            "family": "AF_INET",
            "addr": "127.0.0.1",
            "port": sock.getsockname()[1],
        }
    six = struct.pack("<HHI16sI", 10, socket.htons(80), socket.htonl(5), bytes(15) + b"\1", 2)
    assert decoded(six) == {
        "family": "AF_INET6",
        "addr": "::1",
        "port": 80,
        "flowinfo": 5,
        "scope_id": 2,
    }


def test_netlink_address():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.bind((0, 1))
        assert decoded(address_of(sock)) == {
            "family": "AF_NETLINK",
            "pid": sock.getsockname()[0],
            "groups": "0x1",
        }


def test_packet_address():
    raw = struct.pack("<HHiHBB8s", 17, socket.htons(0x0800), 2, 1, 4, 6, b"\2\0\0\0\0\1\0\0")
    assert decoded(raw) == {
        "family": "AF_PACKET",
        "protocol": "0x0800",
        "ifindex": 2,
        "hatype": 1,
        "pkttype": 4,
        "addr": "02:00:00:00:00:01",
    }


def test_other_addresses():
    assert decoded(b"\x28\0\1\2") == {"family": "AF_VSOCK", "data": "0102"}
    assert decoded(b"\x63\x63") == {"family": 0x6363, "data": ""}
    assert decoded(b"\2\0\0") == {"family": "AF_INET", "data": "00"}  # too short to be one
    assert decoded(b"\2") == {"family": None, "data": "02"}
    assert decoded(b"") is None
    assert decoded(Fault(1)) == {"ptr": "0x1"}


def test_messages():
    payload = Vector(Cut(b"abc", 10), (4, 6))
    message = Message(b"\1\0/run/x\0", payload, 2, 24, 0x40, namelen=9)
    assert messages.msghdr(1, message, CALL) == {
        "name": {"family": "AF_UNIX", "path": "/run/x"},
        "namelen": 9,
        "text": "abc",
        "size": 10,
        "truncated": True,
        "lengths": [4, 6],
        "iovlen": 2,
        "controllen": 24,
        "flags": ["MSG_DONTWAIT"],
    }
    assert messages.msghdr(1, Message(b"", Vector(b"", ()), 0, 0, 0), CALL)["name"] is None


def test_epoll_event():
    # Packed: 12 bytes, as the C library declares it for this architecture.
    raw = struct.pack("<IQ", select.EPOLLIN | select.EPOLLET, 0xFFFF_0000_0000_0001)
    event = {"events": ["EPOLLIN", "EPOLLET"], "data": "0xffff000000000001"}
    assert waiting.epoll_event(1, raw, Words((9, 1, 3, 1))) == event
    assert waiting.epoll_event(1, raw, Words((9, 2, 3, 1))) == {"ptr": "0x1"}  # EPOLL_CTL_DEL
    assert waiting.epoll_events(1, raw + raw, CALL) == [event, event]
    assert waiting.epoll_events(1, Cut(raw, 24), CALL) == {"items": [event], "truncated": True}


def test_pollfds():
    raw = struct.pack("<ihh", 3, 1, 0) + struct.pack("<ihh", -1, 4, 0x18)
    assert waiting.pollfds(1, raw, CALL) == [
        {"fd": 3, "events": ["POLLIN"]},
        {"fd": -1, "events": ["POLLOUT"], "revents": ["POLLERR", "POLLHUP"]},
    ]


def test_fd_sets():
    decode = waiting.fd_set(0)
    raw = (1 << 3 | 1 << 5 | 1 << 100).to_bytes(128, "little")
    assert decode(1, raw, Words((6, 0, 0, 0, 0, 0))) == [3, 5]
    assert decode(1, raw, Words((2**31 - 1, 0, 0, 0, 0, 0))) == [3, 5, 100]
    assert decode(1, raw, Words((2**64 - 1, 0, 0, 0, 0, 0))) == []


def test_small_structures():
    assert fileargs.ints(1, struct.pack("<ii", 3, -4), CALL) == [3, -4]
    assert fileargs.longs(1, struct.pack("<q", -1), CALL) == [-1]
    assert fileargs.file_handle(1, struct.pack("<Ii", 8, 1), CALL) == {
        "handle_bytes": 8,
        "handle_type": 1,
    }
    assert fileargs.mount_attr(1, struct.pack("<QQQQ", 1, 0x20, 0x40000, 9), CALL) == {
        "attr_set": ["MOUNT_ATTR_RDONLY"],
        "attr_clr": ["MOUNT_ATTR_STRICTATIME"],
        "propagation": ["MS_PRIVATE"],
        "userns_fd": 9,
    }


def test_an_array_drops_what_is_less_than_an_element():
    decode = structs.array("<I", lambda value: value)
    assert decode(1, b"\1\0\0\0\2\0", CALL) == [1]
