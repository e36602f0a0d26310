"""Who a peer is, and what it may see."""

import contextlib
import os
import socket

import pytest

from tracerd.core.credentials import OURS, UNKNOWN, Credentials
from tracerd.core.tracee import Process
from tracerd.server import access
from tracerd.server.access import Peer
from tracerd.server.roles import Role, Rules

NOBODY = 65534
THEIRS = 4026530000
"""A user namespace."""
ROOT = Peer(uid=0, gid=0, pid=0)
USER = Peer(uid=NOBODY, gid=NOBODY, pid=0)
OF_NOBODY = Credentials((NOBODY,) * 4, (NOBODY,) * 4)


def test_the_kernel_names_the_peer():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = access.peer_of(ours, Rules())
    assert (peer.uid, peer.gid, peer.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert peer.groups == frozenset(os.getgroups())
    assert peer.user_ns == OURS
    assert peer.is_root


@pytest.mark.parametrize(
    ("changes", "visible"),
    [
        ({}, True),
        ({"uids": (NOBODY, NOBODY, NOBODY, 0)}, True),
        ({"uids": (0, NOBODY, NOBODY, NOBODY)}, False),
        ({"uids": (NOBODY, 0, NOBODY, NOBODY)}, False),
        ({"uids": (NOBODY, NOBODY, 0, NOBODY)}, False),
        ({"gids": (0, NOBODY, NOBODY, NOBODY)}, False),
        ({"gids": (NOBODY, 0, NOBODY, NOBODY)}, False),
        ({"gids": (NOBODY, NOBODY, 0, NOBODY)}, False),
        ({"dumpable": False}, False),
        ({"caps": 1}, False),
        ({"user_ns": THEIRS}, False),
        ({"user_ns": UNKNOWN}, False),
        ({"user_ns": THEIRS, "ns_owner": 7}, False),
        # Who made a user namespace may do there what he likes.
        ({"user_ns": THEIRS, "ns_owner": NOBODY, "caps": 1, "uids": (7,) * 4}, True),
        ({"user_ns": THEIRS, "ns_owner": NOBODY, "dumpable": False}, False),
        # Of a process with threads of different users: all its threads share its memory.
        ({"others": frozenset({OF_NOBODY._replace(gids=(NOBODY, 7, NOBODY, 7))})}, False),
        ({"others": frozenset({OF_NOBODY._replace(uids=(7,) * 4)})}, False),
        ({"others": frozenset({OF_NOBODY._replace(uids=(NOBODY, NOBODY, NOBODY, 7))})}, True),
    ],
)
def test_events_are_for_those_who_might_trace_their_maker(changes, visible):
    process = Process(pid=1, **{"uids": (NOBODY,) * 4, "gids": (NOBODY,) * 4, **changes})
    assert USER.may_see(process) is visible
    assert ROOT.may_see(process)


@pytest.mark.parametrize(
    ("where", "visible"),
    [
        (OURS, [True, False, False]),
        (THEIRS, [False, True, False]),
        (UNKNOWN, [False, False, False]),
    ],
)
def test_a_peer_of_another_user_namespace_sees_what_lives_there(where, visible):
    peer = Peer(uid=NOBODY, gid=NOBODY, pid=0, user_ns=where)
    processes = [
        Process(pid=1, uids=(NOBODY,) * 4, gids=(NOBODY,) * 4, user_ns=each)
        for each in (OURS, THEIRS, UNKNOWN)
    ]
    assert [peer.may_see(process) for process in processes] == visible


def test_root_of_another_user_namespace_is_not_root():
    assert not Peer(uid=0, gid=0, pid=0, user_ns=THEIRS).is_root
    assert Peer(uid=0, gid=0, pid=0, user_ns=UNKNOWN).is_root  # its process is gone already


@contextlib.contextmanager
def accepted(directory, before=lambda: None, *, stays=True):
    """Yield a connection that a child has made, which stays as long as that lasts, or is gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/socket")
        listener.listen()
        go, end = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(end)
            before()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{directory}/socket")
                if stays:
                    os.read(go, 1)
            os._exit(0)
        os.close(go)
        if not stays:
            os.waitpid(pid, 0)
        connection, _ = listener.accept()
        with connection:
            yield connection
        os.close(end)
        if stays:
            os.waitpid(pid, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change groups")
@pytest.mark.parametrize("count", [0, 3, 256, 300])
def test_however_many_groups_a_peer_is_in(tmp_path, count):
    """More than can be had of the socket: who is denied by a group is not to get by with many."""
    groups = range(50_000, 50_000 + count)
    rules = Rules(denied_groups=frozenset(groups[-1:]))
    with accepted(tmp_path, lambda: os.setgroups(groups)) as connection:
        peer = access.peer_of(connection, rules)
    assert peer.groups == frozenset(groups)
    assert peer.grant.role is (Role.DENIED if count else Role.OWNER)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change groups")
def test_who_has_gone_with_more_groups_than_can_be_told_is_refused(tmp_path):
    with (
        accepted(tmp_path, lambda: os.setgroups(range(300)), stays=False) as connection,
        pytest.raises(OSError, match="who connected is gone"),
    ):
        access.peer_of(connection, Rules())


def test_who_is_gone_already_is_not_told_apart(tmp_path):
    """Its pid may be another's by now, and so says nothing."""
    with accepted(tmp_path, stays=False) as connection:
        peer = access.peer_of(connection, Rules())
    assert (peer.uid, peer.user_ns) == (os.geteuid(), UNKNOWN)
