"""Sockets: from calls, and from the tables in /proc of the sockets of this process."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.core import descriptors, socket_table
from tracerd.core.socket_table import SPEECHES, Socket, Sockets, found_in
from tracerd.core.syscalls.model import OpenedFile

ME = os.getpid()
GONE = 1 << 30
"""No task has this tid."""
LOOPBACK = {"family": "AF_INET", "addr": "127.0.0.1"}


def looked_at(one):
    file = descriptors.opened(ME, one.fileno(), details=True)
    return Sockets().of(ME, file)


def test_tcp():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as one:
            own = one.getsockname()[1]
            assert looked_at(server) == Socket(
                "AF_INET", "SOCK_STREAM", "TCP", {**LOOPBACK, "port": port}, listening=True
            )
            assert looked_at(one) == Socket(
                "AF_INET",
                "SOCK_STREAM",
                "TCP",
                {**LOOPBACK, "port": own},
                {**LOOPBACK, "port": port},
            )


def test_udp_over_ipv6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.bind(("::1", 0))
        found = looked_at(one)
        address = {"family": "AF_INET6", "addr": "::1", "port": one.getsockname()[1]}
        assert found == Socket("AF_INET6", "SOCK_DGRAM", "UDPv6", address)


@pytest.mark.parametrize(
    ("kind", "name"), [("STREAM", "UNIX-STREAM"), ("DGRAM", "UNIX"), ("SEQPACKET", "UNIX")]
)
def test_unix(tmp_path, monkeypatch, kind, name):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, getattr(socket, f"SOCK_{kind}")) as one:
        one.bind("a name")
        found = looked_at(one)
        assert found.protocol in (name, f"UNIX-{kind}")
        assert found.type == f"SOCK_{kind}"
        assert found.local == {"family": "AF_UNIX", "path": "a name"}
        assert not found.listening
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"\0tracerd-{ME}")
        one.listen()
        assert looked_at(one).local["path"] == f"@tracerd-{ME}"
        assert looked_at(one).listening


def test_netlink():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        one.bind((0, 0))
        found = looked_at(one)
        assert (found.family, found.protocol) == ("AF_NETLINK", "NETLINK")
        assert found.local["pid"] == one.getsockname()[0]


def test_packet():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300) as one:
        found = looked_at(one)
        assert (found.family, found.type, found.protocol) == ("AF_PACKET", "SOCK_RAW", "PACKET")
        assert found.local["protocol"] == "0x0003"


def link(inode, more=b"TCP"):
    return OpenedFile(b"socket:[%d]" % inode, 9, inode, mode=0o140777, more=more)


ADDRESS = {**LOOPBACK, "port": 80}


def test_calls_say_what_a_socket_is():
    sockets = Sockets()
    args = {"family": "AF_INET", "type": ["SOCK_STREAM", "SOCK_CLOEXEC"]}
    sockets.learn("socket", args, None, link(1), None)
    assert sockets.of(GONE, link(1)) == Socket("AF_INET", "SOCK_STREAM", "TCP")
    sockets.learn("bind", {"umyaddr": ADDRESS}, link(1), None, None)
    sockets.learn("listen", {}, link(1), None, None)
    assert sockets.of(GONE, link(1))[3:] == (ADDRESS, None, True)
    peer = {**LOOPBACK, "port": 5}
    sockets.learn("accept4", {"upeer_sockaddr": peer}, link(1), link(2), None)
    assert sockets.of(GONE, link(2))[3:] == (ADDRESS, peer, False)
    sockets.learn("connect", {"uservaddr": ADDRESS}, link(3), None, "EINPROGRESS")
    sockets.learn("getsockname", {"usockaddr": peer}, link(3), None, None)
    assert sockets.of(GONE, link(3))[3:] == (peer, ADDRESS, False)


def test_a_call_that_failed_says_nothing():
    sockets = Sockets()
    sockets.learn("bind", {"umyaddr": ADDRESS}, link(1), None, "EADDRINUSE")
    sockets.learn("connect", {"uservaddr": ADDRESS}, link(1), None, "ECONNREFUSED")
    assert sockets.of(GONE, link(1))[3:] == (None, None, False)


@pytest.mark.parametrize(
    "asked",
    [
        {**LOOPBACK, "port": 0},
        {"family": "AF_INET", "addr": "0.0.0.0", "port": 9},
        {"family": "AF_UNIX", "unnamed": True},
        {"family": "AF_NETLINK", "pid": 0, "groups": "0x0"},
        {"ptr": "0x10"},
        None,
    ],
)
def test_what_the_kernel_is_left_to_choose_is_not_an_address(asked):
    sockets = Sockets()
    sockets.learn("bind", {"umyaddr": asked}, link(1), None, None)
    assert sockets.of(GONE, link(1)).local is None


def test_they_are_bounded(monkeypatch):
    monkeypatch.setattr(socket_table, "MOST", 10)
    sockets = Sockets()
    for inode in range(1, 100):
        sockets.learn("bind", {"umyaddr": ADDRESS}, link(inode), None, None)
    assert list(sockets._known) == list(range(90, 100))


def test_looks_are_bounded(monkeypatch):
    """Without time left for them there are none."""
    monkeypatch.setattr(socket_table, "SHARE", 0.0)
    sockets = Sockets()
    sockets._saved_s = 0.0
    with socket.create_server(("127.0.0.1", 0)) as server:
        file = descriptors.opened(ME, server.fileno(), details=True)
        assert sockets.of(ME, file).local is None
        sockets._saved_s = 1.0
        assert sockets.of(ME, file).local is not None
        assert sockets._saved_s < 1.0


FIELD = st.sampled_from([b"7", b"0100007F:0050", b"0:0", b"zz", b":", b"00" * 16 + b":1", b"@x"])
ROWS = st.lists(st.lists(FIELD | st.binary(max_size=9), max_size=12).map(b" ".join), max_size=6)


@given(st.sampled_from(sorted(SPEECHES)), ROWS)
def test_any_table_can_be_read(name, rows):
    found = found_in(b"\n".join([b"head", *rows]), SPEECHES[name], 7)
    assert found is None or isinstance(found, Socket)
