"""The service manager's protocols."""

import os
import socket

import pytest

from tracerd.server import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A datagram socket, and the value of NOTIFY_SOCKET that names it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        if request.param == "path":
            sock.bind(path)
            yield sock, path
        else:
            sock.bind("\0" + path)
            yield sock, "@" + path


def test_notify(manager):
    sock, address = manager
    environ = {"NOTIFY_SOCKET": address, "OTHER": "1"}
    notifier = systemd.notifier(environ)
    notifier.send(READY=1, STATUS="all\nwell")
    notifier.close()
    assert sock.recv(4096) == b"READY=1\nSTATUS=all well"
    assert environ == {"OTHER": "1"}


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_without_a_manager_nothing_happens(environ):
    notifier = systemd.notifier(environ)
    notifier.send(READY=1)
    notifier.close()


def test_a_manager_that_does_not_read_is_not_waited_for(manager):
    sock, address = manager
    notifier = systemd.notifier({"NOTIFY_SOCKET": address})
    for _ in range(1000):
        notifier.send(WATCHDOG=1)
    notifier.close()
    assert sock.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog(environ, seconds):
    assert systemd.watchdog_seconds(environ) == seconds
    assert environ == {}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"},
        {"LISTEN_FDS": "1"},
    ],
)
def test_descriptors_for_somebody_else_are_not_taken(environ):
    assert systemd.listen_fds(environ) == []
    assert environ == {}


def test_descriptors_have_names_and_are_not_inherited_further():
    child = os.fork()
    if not child:
        code = 1
        try:
            for fd in (3, 4):
                os.dup2(2, fd, inheritable=True)
            environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"}
            assert systemd.listen_fds(environ) == [(3, "a"), (4, "unknown")]
            assert not os.get_inheritable(3)
            assert not os.get_inheritable(4)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
