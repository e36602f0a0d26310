"""Who may attach to what: judged on real processes, by the kernel and by the rule.

Every case is judged twice, and has to come out the same: once by the kernel, asked by the judge as
the peer; once by the rule alone, as where the daemon cannot become others.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from tracerd import errors
from tracerd.core import credentials, procfs
from tracerd.core.credentials import UNKNOWN
from tracerd.core.pidfd import PidFd
from tracerd.server import permits
from tracerd.server.access import Peer
from tracerd.server.judging import Judge, Verdict
from tracerd.server.permits import Permits, Target

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")

NOBODY = 65534
OWNER, GROUP, OTHER = 48_101, 48_102, 48_103
"""Ids that nobody has."""
ROOT = Peer(uid=0, gid=0, pid=0)
USER = Peer(uid=NOBODY, gid=NOBODY, pid=0)

READY = "print(flush=True); signal.pause()"


class NoJudge(Judge):
    """The kernel cannot be asked."""

    def ask(self, peer, held, tids):
        return Verdict.UNKNOWN


@pytest.fixture(scope="module")
def judge():
    running = Judge()
    yield running
    running.close()
    assert running.pid == 0


@pytest.fixture(params=["kernel", "rule"])
def judged(request):
    judge = request.getfixturevalue("judge") if request.param == "kernel" else NoJudge()
    return Permits(judge)


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


def as_user(*before, uid=NOBODY, gid=NOBODY, groups=()):
    return running(*before, *SHELL, user=uid, group=gid, extra_groups=groups)


def check(judged, peer, pid):
    return judged.judge(peer, pid, PidFd(pid))


def refusal(judged, peer, pid):
    with pytest.raises(errors.PermissionDenied) as caught:
        check(judged, peer, pid)
    assert caught.value.pid == pid
    return caught.value.reason


def test_root_may_and_the_owner_may(judged):
    with as_user() as pid:
        start = procfs.stat(pid).start
        assert check(judged, ROOT, pid) == Target(pid, start)
        assert check(judged, USER, pid) == Target(pid, start)
        held = PidFd(pid)
        judged.judge_again(USER, Target(pid, start), held)
    for peer in (USER, ROOT):
        with pytest.raises(errors.NoSuchProcess):
            judged.judge_again(peer, Target(pid, start), held)


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
def test_credentials_must_be_equal_in_full(judged, code, reason):
    with python(code) as pid:
        assert re.search(reason, refusal(judged, USER, pid))
        assert check(judged, ROOT, pid).pid == pid


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        (Peer(OWNER, GROUP, 0), True),
        (Peer(OWNER, GROUP, 0, frozenset({OTHER})), True),
        (Peer(OWNER, OTHER, 0), False),
        (Peer(OWNER, OTHER, 0, frozenset({GROUP})), False),  # supplementary groups do not count
        (Peer(OTHER, GROUP, 0), False),
    ],
)
def test_uid_and_gid_and_nothing_else(judged, peer, allowed):
    with as_user(uid=OWNER, gid=GROUP, groups=[OTHER]) as pid:
        if allowed:
            assert check(judged, peer, pid).pid == pid
        else:
            assert re.match("belongs to user|runs with group id", refusal(judged, peer, pid))


def test_capabilities_are_more_than_a_user_has(judged):
    with running(
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        "--inh-caps=+net_raw", "--ambient-caps=+net_raw", *SHELL,
    ) as pid:  # fmt: skip
        assert refusal(judged, USER, pid) == "holds capabilities that you lack"


NONDUMPABLE = "import ctypes; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"


def test_a_process_that_is_not_dumpable(judged):
    with python(NONDUMPABLE) as pid:
        assert check(judged, ROOT, pid).pid == pid


THREADS = """
import ctypes, os, threading
libc = ctypes.CDLL(None)
changed = threading.Event()
def become(uid, gid):
    # The calls themselves, by this thread alone: the C library's functions have all threads do it.
    assert libc.syscall(119, gid, gid, gid) == libc.syscall(117, uid, uid, uid) == 0
def stay():
    become(*{other})
    changed.set()
    signal.pause()
threading.Thread(target=stay, daemon=True).start()
changed.wait()
become(*{first})
assert libc.prctl(4, 1, 0, 0, 0) == 0  # dumpable, as the changes had it not be
"""


@pytest.mark.parametrize(
    ("other", "reason"),
    [((OTHER, GROUP), f"uid {OTHER}"), ((OWNER, OTHER), f"group id {OTHER}"), ((OWNER, GROUP), "")],
)
def test_every_thread_counts(judged, other, reason):
    """A thread of another's in a process of the peer's: they share their memory."""
    with python(THREADS.format(other=other, first=(OWNER, GROUP))) as pid:
        assert procfs.status(pid).uids == (OWNER,) * 4
        if reason:
            assert reason in refusal(judged, Peer(OWNER, GROUP, 0), pid)
        else:
            assert check(judged, Peer(OWNER, GROUP, 0), pid).pid == pid


def test_no_process(judged):
    held = PidFd(os.getpid())
    for pid in (0, -1, 2**22 + 1):
        with pytest.raises(errors.NoSuchProcess):
            judged.judge(ROOT, pid, held)


def test_a_zombie_but_not_a_leader_whose_threads_go_on(judged):
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(errors.ZombieProcess):
        check(judged, ROOT, pid)
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
        assert check(judged, ROOT, pid).pid == pid
        assert "belongs to user root" in refusal(judged, USER, pid)


def test_a_kernel_thread_whoever_asks(judged):
    for peer in (ROOT, USER):
        with pytest.raises(errors.KernelThread):
            check(judged, peer, 2)


def test_the_daemon_its_threads_and_its_judge(judge):
    judged = Permits(judge)
    with as_user() as pid:
        check(judged, USER, pid)  # it is running now
    for pid in (os.getpid(), judge.pid):
        with pytest.raises(errors.OwnDaemon):
            check(judged, ROOT, pid)
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with pytest.raises(errors.OwnDaemon):
        judged.judge(ROOT, thread.native_id, PidFd(os.getpid()))
    done.set()
    thread.join()


def test_a_thread_is_no_process(judged):
    code = "import threading; threading.Thread(target=signal.pause, daemon=True).start()"
    with python(code) as pid:
        [tid] = set(procfs.tasks(pid)) - {pid}
        with pytest.raises(errors.InvalidParameter, match=f"is a thread of process {pid}"):
            judged.judge(ROOT, tid, PidFd(pid))


def test_the_client_and_its_ancestors(judged):
    with as_user() as pid:
        client = Peer(uid=0, gid=0, pid=pid)
        with pytest.raises(errors.OwnClient):
            check(judged, client, pid)
        with pytest.raises(errors.OwnClient):
            check(judged, client, os.getppid())
        with pytest.raises(errors.InitProcess):  # an ancestor, but that is the least of it
            check(judged, client, 1)
        assert Permits(NoJudge(), trace_init=True).judge(client, 1, PidFd(1)).pid == 1


def namespace(*options):
    """Return a program in a new user namespace; as_user's words before the program's own."""
    return ("unshare", "--user", *options)


def test_who_made_a_user_namespace_has_all_capabilities_in_it(judge):
    """So says the kernel; the rule alone says no, where it cannot be asked."""
    owner, other = Peer(OWNER, GROUP, 0), Peer(OTHER, GROUP, 0)
    with as_user(*namespace("--map-root-user"), uid=OWNER, gid=GROUP) as pid:
        where, made_by = credentials.user_namespace(pid)
        assert where not in {credentials.OURS, UNKNOWN}
        assert made_by == OWNER
        assert check(Permits(judge), owner, pid).pid == pid
        assert "belongs to" in refusal(Permits(judge), other, pid)
        reason = refusal(Permits(NoJudge()), owner, pid)
        assert reason == "holds capabilities that you lack"
        # From inside, it is the peer's own namespace; what is outside is not.
        inside = Peer(OWNER, GROUP, 0, user_ns=where)
        assert check(Permits(judge), inside, pid).pid == pid
        with as_user(uid=OWNER, gid=GROUP) as outside:
            for each in (Permits(judge), Permits(NoJudge())):
                assert "another user namespace" in refusal(each, inside, outside)
            assert check(Permits(judge), owner, outside).pid == outside


def test_a_user_namespace_within_one(judge):
    nested = (*namespace("--map-root-user"), *namespace("--map-root-user"))
    with as_user(*nested, uid=OWNER, gid=GROUP) as pid:
        assert credentials.user_namespace(pid)[1] == OWNER
        assert check(Permits(judge), Peer(OWNER, GROUP, 0), pid).pid == pid
        assert refusal(Permits(judge), Peer(OTHER, GROUP, 0), pid)


def test_who_has_gone_may_nothing(judged):
    with as_user() as pid:
        gone = Peer(NOBODY, NOBODY, 0, user_ns=UNKNOWN)
        assert "the process that connected is gone" in refusal(judged, gone, pid)


def test_yama_binds_the_peers_of_a_privileged_daemon(monkeypatch):
    judged = Permits(NoJudge())
    with as_user() as pid:
        monkeypatch.setattr(permits, "_yama_scope", lambda: 1)
        assert "ptrace_scope is 1" in refusal(judged, USER, pid)
        assert check(judged, ROOT, pid).pid == pid
        parent = Peer(uid=NOBODY, gid=NOBODY, pid=os.getpid())
        assert check(judged, parent, pid).pid == pid
        monkeypatch.setattr(permits, "_yama_scope", lambda: 2)
        assert "lets only root trace" in refusal(judged, parent, pid)
        # Without privilege the kernel asks Yama itself, and knows of PR_SET_PTRACER.
        monkeypatch.setattr(permits, "_capable", lambda: False)
        assert check(judged, USER, pid).pid == pid


def test_what_yama_refuses_the_judge_may_be_allowed_to_an_ancestor(monkeypatch):
    """The judge is nobody's ancestor: the kernel lets it read at most."""

    class Reads(Judge):
        def ask(self, peer, held, tids):
            return Verdict.READS

    judged = Permits(Reads())
    parent = Peer(uid=NOBODY, gid=NOBODY, pid=os.getpid())
    with as_user() as pid:
        assert "the kernel refuses" in refusal(judged, parent, pid)  # not Yama, another module
        monkeypatch.setattr(permits, "_yama_scope", lambda: 1)
        assert check(judged, parent, pid).pid == pid
        assert "ptrace_scope is 1" in refusal(judged, USER, pid)
        monkeypatch.setattr(permits, "_yama_scope", lambda: 2)
        assert "lets only root trace" in refusal(judged, parent, pid)


def test_what_yama_refused_is_explained(monkeypatch):
    refused = errors.PermissionDenied(7, "the kernel refused")
    assert permits.explain_refusal(refused) is refused
    monkeypatch.setattr(permits, "_yama_scope", lambda: 1)
    assert permits.explain_refusal(refused) is refused
    monkeypatch.setattr(permits, "_capable", lambda: False)
    reason = permits.explain_refusal(refused).reason
    assert reason.startswith("the kernel refused (the daemon lacks CAP_SYS_PTRACE")
    assert "kernel.yama.ptrace_scope=0" in reason


# The judge itself


def verdict(judge, peer, pid):
    return judge.ask(peer, PidFd(pid), procfs.tasks(pid))


def test_the_kernel_is_asked_as_the_peer(judge):
    with as_user(uid=OWNER, gid=GROUP) as pid:
        assert verdict(judge, Peer(OWNER, GROUP, 0), pid) is Verdict.MAY
        assert verdict(judge, Peer(OTHER, GROUP, 0), pid) is Verdict.REFUSED
        many = Peer(OWNER, GROUP, 0, frozenset(range(100_000, 100_256)))
        assert verdict(judge, many, pid) is Verdict.MAY
        held, tids = PidFd(pid), procfs.tasks(pid)
        # The same thread many times over: more than go into one question.
        assert judge.ask(Peer(OWNER, GROUP, 0), held, tids * 40_000) is Verdict.MAY
        assert judge.ask(Peer(OTHER, GROUP, 0), held, tids * 40_000) is Verdict.REFUSED
    assert judge.ask(Peer(OWNER, GROUP, 0), held, tids) is Verdict.GONE


def test_a_recycled_pid_is_not_taken_for_what_it_was(judge):
    """The pidfd decides: the thread id is that of another process, which the peer may trace."""
    with as_user(uid=OWNER, gid=GROUP) as former:
        held = PidFd(former)
    with as_user(uid=OWNER, gid=GROUP) as pid:
        with pytest.raises(errors.NoSuchProcess):
            Permits(judge).judge_again(Peer(OWNER, GROUP, 0), Target(pid, 0), held)
        for peer in (ROOT, Peer(OTHER, GROUP, 0)):
            with pytest.raises(errors.NoSuchProcess):
                Permits(judge).judge_again(peer, Target(pid, 0), held)


def test_a_judge_that_was_killed_is_replaced(judge):
    with as_user(uid=OWNER, gid=GROUP) as pid:
        peer = Peer(OWNER, GROUP, 0)
        assert verdict(judge, peer, pid) is Verdict.MAY
        former = judge.pid
        os.kill(former, signal.SIGKILL)
        os.waitid(os.P_PID, former, os.WEXITED | os.WNOWAIT)
        assert verdict(judge, peer, pid) is Verdict.MAY
        assert judge.pid not in {0, former}


def forks(judge):
    found = procfs.read(f"/proc/{judge.pid}/task/{judge.pid}/children")
    return [int(pid) for pid in found.split()]


@contextlib.contextmanager
def hostile(judge):
    """As a user, stop every fork of the judge that one may."""
    ours = os.getpid()
    pid = os.fork()
    if not pid:
        os.setresuid(OWNER, OWNER, OWNER)
        while os.getppid() == ours:
            for fork in forks(judge):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(fork, signal.SIGSTOP)
        os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_user_who_stops_his_judge_gets_no_answer_and_harms_nobody():
    """The fork is the peer's process: the peer may send it signals, and no more than that."""
    judge = Judge(patience_s=0.5)
    judged = Permits(judge)
    peer, other = Peer(OWNER, GROUP, 0), Peer(OTHER, GROUP, 0)
    with (
        as_user(uid=OWNER, gid=GROUP) as pid,
        as_user(uid=OTHER, gid=GROUP) as others,
        contextlib.closing(judge),
    ):
        deadline = time.monotonic() + 60
        while verdict(judge, other, others) is not Verdict.MAY:  # that it is there to be stopped
            assert time.monotonic() < deadline
        with hostile(judge):
            while True:
                try:
                    check(judged, peer, pid)
                except errors.PermissionDenied as error:
                    assert "in time" in error.reason  # noqa: PT017  it is not sure which comes
                    break
                assert time.monotonic() < deadline
            while (said := verdict(judge, other, others)) is Verdict.SILENT:  # a busy machine
                assert time.monotonic() < deadline
            assert said is Verdict.MAY
        # What was stopped is ended, and the judge goes on.
        while forks(judge):
            assert time.monotonic() < deadline
        while verdict(judge, peer, pid) is not Verdict.MAY:
            assert time.monotonic() < deadline


def test_a_fork_is_nothing_but_the_user_and_ends_with_the_judge():
    judge = Judge(patience_s=60)
    peer = Peer(OWNER, GROUP, 0)
    done = threading.Event()

    def ask():
        while not done.is_set():
            verdict(judge, peer, pid)

    with as_user(uid=OWNER, gid=GROUP) as pid, contextlib.closing(judge):
        assert verdict(judge, peer, pid) is Verdict.MAY
        victim = judge.pid
        with hostile(judge):
            asking = threading.Thread(target=ask)
            asking.start()
            try:
                deadline = time.monotonic() + 60
                while not (stopped := [one for one in forks(judge) if is_stopped(one)]):
                    assert time.monotonic() < deadline
                status = procfs.status(stopped[0])
                assert (status.uids, status.gids) == ((OWNER,) * 4, (GROUP,) * 4)
                assert status.caps == 0
                assert not procfs.dumpable(stopped[0])
                directory = f"/proc/{stopped[0]}/fd"
                links = [procfs.link(f"{directory}/{fd}") for fd in os.listdir(directory)]
                kinds = sorted(link.partition(b":[")[0] for link in links)
                assert kinds == [b"/dev/null"] * 3 + [b"anon_inode", b"pipe"]
            finally:
                done.set()
                os.kill(victim, signal.SIGKILL)
                asking.join()
            while procfs.status(stopped[0]) is not None:
                assert time.monotonic() < deadline


def is_stopped(pid):
    status = procfs.status(pid)
    return status is not None and status.state == "T"


def test_the_judge_has_no_more_power_than_it_needs(judge):
    with as_user(uid=OWNER, gid=GROUP) as pid:
        verdict(judge, Peer(OWNER, GROUP, 0), pid)
    status = procfs.status(judge.pid)
    assert status.caps == (1 << 5) | (1 << 6) | (1 << 7)  # KILL, SETGID, SETUID
    text = procfs.read(f"/proc/{judge.pid}/status")
    assert b"NoNewPrivs:\t1" in text
    assert procfs.read(f"/proc/{judge.pid}/environ") == b""
    deadline = time.monotonic() + 60
    while forks(judge):  # each of which it holds a pidfd of
        assert time.monotonic() < deadline
    directory = f"/proc/{judge.pid}/fd"
    links = [procfs.link(f"{directory}/{fd}") for fd in os.listdir(directory)]
    assert {link.split(b":")[0] for link in links} == {b"/dev/null", b"socket"}


def test_a_daemon_without_the_capabilities_goes_by_the_rule():
    code = """
import os, sys
from tracerd.core.pidfd import PidFd
from tracerd.server.access import Peer
from tracerd.server.judging import Judge
judge = Judge()
print(judge.ask(Peer(48101, 48101, 0), PidFd(os.getpid()), [os.getpid()]).name, judge.pid)
"""
    done = subprocess.run(
        ["setpriv", "--bounding-set=-setuid", "--inh-caps=-setuid", sys.executable, "-c", code],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert done.stdout == "UNKNOWN 0\n"
