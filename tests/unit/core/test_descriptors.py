"""What /proc says of descriptors of every kind: those of this process."""

import ctypes
import fcntl
import os
import select
import socket
from types import SimpleNamespace

import pytest

from tracerd.core import descriptors
from tracerd.core.decode.descriptor import inode_of, kind_of
from tracerd.core.syscalls.model import OpenedFile

LIBC = ctypes.CDLL(None, use_errno=True)


def made(number, *args):
    fd = LIBC.syscall(number, *args)
    if fd < 0:
        pytest.skip(f"this kernel: {os.strerror(ctypes.get_errno())}")
    return fd


def epoll():
    with select.epoll() as one:
        return os.dup(one.fileno())


def speaking(*kind):
    return socket.socket(*kind).detach()


MAKERS = {
    "file": lambda: os.open(__file__, os.O_RDONLY),
    "dir": lambda: os.open("/etc", os.O_PATH),
    "char": lambda: os.open("/dev/null", os.O_RDONLY),
    "fifo": lambda: os.open("fifo", os.O_RDONLY | os.O_NONBLOCK),
    "symlink": lambda: os.open("/proc/self", os.O_PATH | os.O_NOFOLLOW),
    "socket": lambda: speaking(socket.AF_INET),
    "pipe": lambda: os.pipe()[0],
    "memfd": lambda: os.memfd_create("it"),
    "eventfd": lambda: os.eventfd(0),
    "epoll": epoll,
    "timerfd": lambda: made(283, 1, 0),
    "signalfd": lambda: made(289, -1, ctypes.create_string_buffer(8), 8, 0),
    "inotify": lambda: made(294, 0),
    "fanotify": lambda: made(300, 0, 0),
    "pidfd": lambda: os.pidfd_open(os.getpid()),
    "io_uring": lambda: made(425, 1, ctypes.create_string_buffer(128)),
    "userfaultfd": lambda: made(323, 1),
    "bpf": lambda: made(321, 0, (ctypes.c_uint32 * 18)(2, 4, 4, 1), 72),
    "namespace": lambda: os.open("/proc/self/ns/net", os.O_RDONLY),
}


@pytest.fixture
def open_fds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    before = set(os.listdir("/proc/self/fd"))
    yield
    for fd in set(os.listdir("/proc/self/fd")) - before:
        try:
            os.close(int(fd))
        except OSError:
            continue


@pytest.mark.usefixtures("open_fds")
@pytest.mark.parametrize("kind", MAKERS)
def test_the_kind_is_told(kind):
    fd = MAKERS[kind]()
    file = descriptors.opened(os.getpid(), fd, details=True)
    assert kind_of(file) == kind
    found = os.fstat(fd)
    assert (file.dev, file.ino, file.mode) == (found.st_dev, found.st_ino, found.st_mode)
    assert file.rdev == found.st_rdev


@pytest.mark.usefixtures("open_fds")
def test_more_is_told_of_sockets_and_pidfds_on_request():
    me = os.getpid()
    spoken = {
        (socket.AF_INET, socket.SOCK_STREAM): b"TCP",
        (socket.AF_INET6, socket.SOCK_DGRAM): b"UDPv6",
        (socket.AF_NETLINK, socket.SOCK_RAW): b"NETLINK",
    }
    for kind, name in spoken.items():
        fd = speaking(*kind)
        assert descriptors.opened(me, fd, details=True).more == name
        assert descriptors.opened(me, fd).more == b""
        assert inode_of(descriptors.opened(me, fd).link) == os.fstat(fd).st_ino
    pidfd = os.pidfd_open(os.getppid())
    assert descriptors.opened(me, pidfd, details=True).more == b"%d" % os.getppid()


def test_what_is_not_open_is_none():
    for tid, fd in ((os.getpid(), 1 << 30), (os.getpid(), -1), (1 << 30, 0)):
        assert descriptors.opened(tid, fd, details=True) is None


@pytest.mark.parametrize(
    "link", [b"", b"/", b"anon_inode:", b"pipe:[x]", b"socket:[", b"\xff:[1]", b"net:[1]x"]
)
def test_any_link_has_a_kind(link):
    assert isinstance(kind_of(OpenedFile(link, 0, 0)), str)


@pytest.mark.usefixtures("open_fds")
def test_all_descriptors_of_a_process(tmp_path):
    path = tmp_path / "it"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.write(fd, b"12345")
    fcntl.fcntl(fd, fcntl.F_SETFD, 0)
    path.unlink()
    me = SimpleNamespace(pid=os.getpid(), threads={os.getpid()})
    found, whole = descriptors.descriptors_of(me)
    assert whole
    assert [one.fd for one in found] == sorted(one.fd for one in found)
    one = next(one for one in found if one.fd == fd)
    assert one.file.link == os.fsencode(path)
    assert one.file.deleted
    assert one.position == 5
    assert one.flags & os.O_ACCMODE == os.O_RDWR
    assert one.flags & os.O_APPEND
    assert not one.flags & os.O_CLOEXEC
    cut, whole = descriptors.descriptors_of(me, most=1)
    assert cut == found[:1]
    assert not whole


def test_a_process_that_is_gone_has_none():
    gone = SimpleNamespace(pid=1 << 30, threads={1 << 30})
    assert descriptors.descriptors_of(gone) == ([], True)
