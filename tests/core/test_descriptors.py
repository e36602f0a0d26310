"""Descriptors are what /proc says they are, though it is not asked at each call."""

import pytest
from msgspec.structs import replace
from real import DEADLINE, EVERYTHING, Program, command

from tracerd.core.commands import Barrier
from tracerd.protocol.events import SyscallExit

LINK = "/proc/thread-self/fd/"


def uses(events):
    """Give, of each use of a descriptor, what the program read of it and what was told."""
    seen = {}
    for event in events:
        if not isinstance(event, SyscallExit):
            continue
        if event.syscall == "readlink" and event.args["path"].startswith(LINK):
            seen[event.tid] = event
        elif event.syscall == "lseek" and (link := seen.pop(event.tid, None)) is not None:
            assert link.args["path"] == f"{LINK}{event.args['fd']}"
            yield event, None if link.errno else link.args["buf"]["text"], event.fds.get("fd")


SOME = frozenset({"readlink", "lseek"})
ALL = replace(EVERYTHING, string_limit=256)
WANTED = {"all": ALL, "some": replace(ALL, types=frozenset({"syscall_exit"}), exit=SOME)}


@pytest.mark.parametrize(("seed", "wanted"), [(1, "all"), (2, "some"), (3, "all")])
def test_they_are_what_a_random_program_sees(tracing, tmp_path, seed, wanted):
    tracing.interest(WANTED[wanted])
    assert tracing.run(*command("fds_random", tmp_path, seed, 50)) == 0
    found = list(uses(tracing.events))
    assert [one for one in found if one[1] != one[2]] == []
    assert len(found) > 800
    assert len({told for _, _, told in found}) > 50
    counted = tracing.tracer._scene.pump.looks()
    assert counted["recalled"] > 100


def asked(events):
    """Return what was told of each descriptor when its flags were asked for last."""
    found = {}
    for event in events:
        if isinstance(event, SyscallExit) and event.args.get("cmd") == "F_GETFL":
            found[event.args["fd"]] = event.fd_info.get("fd")
    return [info for _, info in sorted(found.items())]


IN_DETAIL = replace(ALL, exit=frozenset({"fcntl"}), fd_info=True)
KINDS = [
    "file",
    "dir",
    "char",
    "eventfd",
    "epoll",
    "timerfd",
    "signalfd",
    "inotify",
    "memfd",
    "pidfd",
    "pipe",
]


def are_right(found, directory, pid, *, lives):
    """See that these are the descriptors of fds_kinds.

    lives: it did for long enough that addresses could be looked up which the kernel has chosen.
    """
    assert [info.kind for info in found[: len(KINDS)]] == KINDS
    by_kind = {info.kind: info for info in found[: len(KINDS)]}
    assert by_kind["file"].path == f"{directory}/file"
    assert by_kind["file"].ino == (directory / "file").stat().st_ino
    assert by_kind["dir"].path == str(directory)
    assert by_kind["char"].rdev == "1:3"
    assert by_kind["pidfd"].pid == pid
    assert by_kind["memfd"].path == "name"
    sockets = [info for info in found if info.kind == "socket"]
    spoken = ["TCP"] * 3 + ["TCPv6"] * 3 + ["UNIX-STREAM"] * 6 + ["UDP", "NETLINK", "PACKET"]
    assert [info.protocol for info in sockets] == spoken[: len(sockets)]
    for family, (listener, caller, accepted) in (
        ("AF_INET", sockets[:3]),
        ("AF_INET6", sockets[3:6]),
    ):
        assert listener.listening
        assert not caller.listening
        assert {info.family for info in (listener, caller, accepted)} == {family}
        assert listener.local["port"] > 0
        assert caller.peer == accepted.local == listener.local
        if lives:
            assert caller.local == accepted.peer
            assert caller.local["port"] != caller.peer["port"]
    for path, (listener, _, accepted) in (
        ("s", sockets[6:9]),
        (f"@fds_kinds-{pid}", sockets[9:12]),
    ):
        assert listener.listening
        assert listener.local["path"] == accepted.local["path"] == path
        assert listener.local.get("abstract", False) is path.startswith("@")
    assert sockets[12].peer["port"] == 9
    if lives:
        assert sockets[12].local["addr"] == "127.0.0.1"
        assert sockets[13].local["pid"] == pid


def test_what_they_are_is_told(tracing, tmp_path):
    """Known from the calls that made them, though nobody wants those."""
    tracing.interest(IN_DETAIL)
    launcher, pid, owner = tracing.start(*command("fds_kinds", tmp_path), output=tmp_path / "said")
    tracing.wait_for(lambda: tracing.ended(owner))
    assert launcher.wait(DEADLINE) == 0
    assert {event.syscall for event in tracing.of(SyscallExit)} == {"fcntl"}
    found = asked(tracing.events)
    are_right(found, tmp_path, pid, lives=False)


def test_what_is_passed_in_a_message_has_a_path(tracing, tmp_path):
    tracing.interest(ALL)
    assert tracing.run(*command("fds_kinds", tmp_path)) == 0
    calls = [event for event in tracing.of(SyscallExit) if event.syscall in ("sendmsg", "recvmsg")]
    sent, received = [event.args["msg"]["control"] for event in calls]
    socket = calls[1].fds["fd"]
    assert [one["paths"] for one in sent + received] == [[f"{tmp_path}/file", socket]] * 2
    assert sent[0]["fds"] != received[0]["fds"]
    (used,) = [
        event
        for event in tracing.of(SyscallExit)
        if event.syscall == "fcntl" and event.args["cmd"] == "F_GETFD"
    ]
    assert used.args["fd"] == received[0]["fds"][0]
    assert used.fds == {"fd": f"{tmp_path}/file"}


def test_those_that_were_there_before_are_looked_at(quiet_tracing, tmp_path):
    tracing = quiet_tracing
    tracing.interest(IN_DETAIL)
    with Program("fds_kinds", tmp_path) as program:
        tracing.attach(program.pid)
        program.tell()
        assert program.stdout.readline() == "DONE\n"
        tracing.command(Barrier())
        program.tell()
        assert program.wait() == 0
    found = asked(tracing.events)
    are_right(found, tmp_path, program.pid, lives=True)
    connected = [info for info in found if info.protocol == "UNIX-STREAM" and info.peer]
    assert connected == []  # /proc does not tell
