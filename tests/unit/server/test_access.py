"""Who may trace what: judged on real processes, as the kernel shows them."""

import contextlib
import os
import re
import subprocess
import sys
import threading

import pytest
import trio

from tracerd import errors
from tracerd.core import procfs
from tracerd.core.pidfd import PidFd
from tracerd.core.tracee import Process
from tracerd.server import access
from tracerd.server.access import Peer, Target

NOBODY = 65534
ROOT = Peer(uid=0, gid=0, pid=0)
USER = Peer(uid=NOBODY, gid=NOBODY, pid=0)

READY = "print(flush=True); signal.pause()"


@contextlib.contextmanager
def running(*command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, **options)
    try:
        # The program runs, with the credentials it is to have.
        assert process.stdout.readline() == b"\n"
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def python(code, **options):
    return running(sys.executable, "-ISc", f"import signal\n{code}\n{READY}", **options)


SHELL = ("sh", "-c", "echo; exec sleep 600")
"""A program that everyone may execute; a virtual environment's Python need not be."""


def as_user():
    return running(*SHELL, user=NOBODY, group=NOBODY, extra_groups=[])


def refusal(peer, pid):
    with pytest.raises(errors.PermissionDenied) as caught:
        access.check_attach(peer, pid)
    assert caught.value.pid == pid
    return caught.value.reason


def test_root_may_and_the_owner_may():
    with as_user() as pid:
        start = procfs.stat(pid).start
        assert access.check_attach(ROOT, pid) == Target(pid, start)
        assert access.check_attach(USER, pid) == Target(pid, start)
        held = PidFd(pid)
        access.still_allowed(USER, Target(pid, start), held)
    with pytest.raises(errors.NoSuchProcess):
        access.still_allowed(USER, Target(pid, start), held)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", r"belongs to user root \(uid 0\), you are uid 65534"),
        ("import os; os.setresuid(0, 65534, 65534)", r"belongs to user root \(uid 0\)"),
        ("import os; os.setresuid(65534, 0, 65534)", r"belongs to user root \(uid 0\)"),
        ("import os; os.setresuid(65534, 65534, 0)", r"belongs to user root \(uid 0\)"),
        ("import os; os.setresuid(1, 1, 1)", r"belongs to user daemon \(uid 1\)"),
        ("import os; os.setresuid(99999, 99999, 99999)", r"belongs to user \? \(uid 99999\)"),
        ("import os; os.setresuid(65534, 65534, 65534)", r"group id 0, you have group id 65534"),
        (
            "import os; os.setresgid(65534, 65534, 7); os.setresuid(65534, 65534, 65534)",
            "group id 7",
        ),
        (
            # Never executed anything under this identity: it may still hold root's secrets.
            "import os; os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)",
            "not dumpable",
        ),
    ],
)
def test_credentials_must_be_equal_in_full(code, reason):
    with python(code) as pid:
        assert re.search(reason, refusal(USER, pid))
        assert access.check_attach(ROOT, pid).pid == pid


def test_capabilities_are_more_than_a_user_has():
    with running(
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        "--inh-caps=+net_raw", "--ambient-caps=+net_raw", *SHELL,
    ) as pid:  # fmt: skip
        assert refusal(USER, pid) == "holds capabilities that you lack"


def test_no_process():
    for pid in (0, -1, 2**22 + 1):
        with pytest.raises(errors.NoSuchProcess):
            access.check_attach(ROOT, pid)


def test_a_zombie_but_not_a_leader_whose_threads_go_on():
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(errors.ZombieProcess):
        access.check_attach(ROOT, pid)
    os.waitpid(pid, 0)
    code = """
import ctypes, signal, threading
def stay():
    while open("/proc/self/stat").read().split()[2] != "Z":
        pass
    print(flush=True)
    signal.pause()
threading.Thread(target=stay).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with running(sys.executable, "-ISc", code) as pid:
        assert procfs.stat(pid).state == "Z"
        assert access.check_attach(ROOT, pid).pid == pid


def test_a_kernel_thread_whoever_asks():
    for peer in (ROOT, USER):
        with pytest.raises(errors.KernelThread):
            access.check_attach(peer, 2)


def test_the_daemon_and_its_threads():
    with pytest.raises(errors.OwnDaemon):
        access.check_attach(ROOT, os.getpid())
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with pytest.raises(errors.OwnDaemon):
        access.check_attach(ROOT, thread.native_id)
    done.set()
    thread.join()


def test_a_thread_is_no_process():
    code = "import threading; threading.Thread(target=signal.pause, daemon=True).start()"
    with python(code) as pid:
        [tid] = set(procfs.tasks(pid)) - {pid}
        with pytest.raises(errors.InvalidParameter, match=f"is a thread of process {pid}"):
            access.check_attach(ROOT, tid)


def test_the_client_and_its_ancestors():
    with as_user() as pid:
        client = Peer(uid=0, gid=0, pid=pid)
        with pytest.raises(errors.OwnClient):
            access.check_attach(client, pid)
        with pytest.raises(errors.OwnClient):
            access.check_attach(client, os.getppid())
        with pytest.raises(errors.InitProcess):  # an ancestor, but that is the least of it
            access.check_attach(client, 1)
        assert access.check_attach(client, 1, trace_init=True).pid == 1


def test_yama_binds_the_peers_of_a_privileged_daemon(monkeypatch):
    with as_user() as pid:
        monkeypatch.setattr(access, "_yama_scope", lambda: 1)
        assert "ptrace_scope is 1" in refusal(USER, pid)
        assert access.check_attach(ROOT, pid).pid == pid
        parent = Peer(uid=NOBODY, gid=NOBODY, pid=os.getpid())
        assert access.check_attach(parent, pid).pid == pid
        monkeypatch.setattr(access, "_yama_scope", lambda: 2)
        assert "lets only root trace" in refusal(parent, pid)
        # Without privilege the kernel asks Yama itself, and knows of PR_SET_PTRACER.
        monkeypatch.setattr(access, "_capable", lambda: False)
        assert access.check_attach(USER, pid).pid == pid


def test_what_yama_refused_is_explained(monkeypatch):
    refused = errors.PermissionDenied(7, "the kernel refused")
    assert access.explain_refusal(refused) is refused
    monkeypatch.setattr(access, "_yama_scope", lambda: 1)
    assert access.explain_refusal(refused) is refused
    monkeypatch.setattr(access, "_capable", lambda: False)
    reason = access.explain_refusal(refused).reason
    assert reason.startswith("the kernel refused (the daemon lacks CAP_SYS_PTRACE")
    assert "kernel.yama.ptrace_scope=0" in reason


def test_the_kernel_names_the_peer():
    async def main():
        ours, theirs = trio.socket.socketpair()
        with ours, theirs:
            return access.peer_of(ours)

    peer = trio.run(main)
    assert (peer.uid, peer.gid, peer.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert peer.groups == frozenset(os.getgroups())
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
    ],
)
def test_events_are_for_those_who_might_trace_their_maker(changes, visible):
    process = Process(pid=1, **{"uids": (NOBODY,) * 4, "gids": (NOBODY,) * 4, **changes})
    assert USER.may_see(process) is visible
    assert ROOT.may_see(process)
