"""The authorisation matrix: who may do what to which process, with a real daemon and real users.

One row per peer, one cell per process; what a cell expects is data.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from build import tracee

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")

OWNER, OTHER, ADMIN, WATCHER, DENIED = range(48_401, 48_406)
ADMINS, WATCHERS = 48_411, 48_412

CONFIG = f"""
[access]
admin_groups = [{ADMINS}]
watch_groups = [{WATCHERS}]
denied_users = [{DENIED}]
"""


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return result


class Client:
    """A user's connection, in NDJSON.

    The kernel notes who connects: a child becomes the user, and hands the socket over.  It lives as
    long as the connection, for its user namespace is looked at.
    """

    def __init__(self, path, uid=0, gid=0, groups=(), *, namespace=False):
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            try:
                ours.close()
                os.setgroups(groups)
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
                if namespace:
                    assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER
                made = socket.socket(socket.AF_UNIX)
                made.connect(path)
                socket.send_fds(theirs, [b"x"], [made.fileno()])
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        self._ours = ours
        _, [fd], _, _ = socket.recv_fds(ours, 1, 1)
        self._socket = socket.socket(fileno=fd)
        self._socket.settimeout(60)
        self._data = b""

    def send(self, method, *, more=False, **parameters):
        message = {"method": f"io.tracerd.{method}", "parameters": parameters, "more": more}
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def reply(self):
        while b"\n" not in self._data:
            more = self._socket.recv(1 << 16)
            if not more:
                return None
            self._data += more
        line, _, self._data = self._data.partition(b"\n")
        return json.loads(line)

    def call(self, method, **parameters):
        """Return the parameters of the answer, or the name of the error."""
        self.send(method, **parameters)
        reply = self.reply()
        if "error" in reply:
            self.error = reply["parameters"]
            return reply["error"].rpartition(".")[2]
        return reply["parameters"]

    def subscribe(self, **parameters):
        """Return the id of a subscription, or the name of the error."""
        first = self.call("Subscribe", more=True, **parameters)
        return first if isinstance(first, str) else first["id"]

    def written(self):
        """Return the events that have been written."""
        found = []
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while more := self._socket.recv(1 << 20):
                self._data += more
        self._socket.settimeout(60)
        whole, _, self._data = self._data.rpartition(b"\n")
        for line in whole.splitlines():
            found += json.loads(line)["parameters"].get("events", [])
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self._ours.close()
        os.waitpid(self._pid, 0)


class Daemon:
    def __init__(self, directory, *before):
        self.path = f"{directory}/tracerd.sock"
        self.config = Path(directory, "tracerd.toml")
        self.config.write_text(CONFIG)
        self.config.chmod(0o644)
        self.log = Path(directory, "log")
        with self.log.open("w") as log:
            command = [*before, sys.executable, "-m", "tracerd", "--socket", self.path]
            self.process = subprocess.Popen(
                [*command, "--config", str(self.config)], stderr=log, process_group=0
            )
        wait_until(lambda: os.path.exists(self.path))

    def connect(self, peer="root", **options):
        uid, gid, groups = PEERS[peer]
        return Client(self.path, uid, gid, groups, **options)

    def logged(self, pattern):
        return wait_until(lambda: re.findall(pattern, self.log.read_text()))


@pytest.fixture(scope="module")
def public():
    """A directory that everybody can get at, with copies of a tracee."""
    with tempfile.TemporaryDirectory(prefix="tracerd-test-") as name:
        if os.statvfs(name).f_flag & os.ST_NOSUID:
            pytest.skip(f"{name} is mounted nosuid")
        Path(name).chmod(0o755)
        for kind, mode in (("plain", 0o755), ("set-user-id", 0o4755)):
            shutil.copyfile(tracee("priv_turns"), Path(name, kind))
            Path(name, kind).chmod(mode)
        yield Path(name)


@pytest.fixture(scope="module")
def daemon(public):
    running = Daemon(public)
    yield running
    running.process.terminate()
    assert running.process.wait(60) == 0
    assert "level=error" not in running.log.read_text()


class Target:
    """A program of a user's that does as it is told."""

    def __init__(self, public, uid):
        self._public = public
        self._process = subprocess.Popen(
            [public / "plain"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            user=uid, group=uid, extra_groups=[],
        )  # fmt: skip
        assert self._process.stdout.readline() == "READY\n"
        self.pid = self._process.pid

    def turn(self, command):
        if command.startswith("exec "):
            command = f"exec {self._public / command.split()[1]}"
        self._process.stdin.write(command + "\n")
        assert self._process.stdout.readline()

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture
def start(public):
    """Return a function that starts a target."""
    with contextlib.ExitStack() as stack:
        yield lambda uid: stack.enter_context(contextlib.closing(Target(public, uid)))


PEERS = {
    "root": (0, 0, ()),
    "admin": (ADMIN, ADMIN, (5, ADMINS)),
    "watcher": (WATCHER, WATCHER, (WATCHERS,)),
    "owner": (OWNER, OWNER, ()),
    "other uid": (OTHER, OWNER, (OWNER,)),
    "other gid": (OWNER, OTHER, (OWNER,)),
    "denied": (DENIED, DENIED, (ADMINS,)),
}
"""uid, gid, groups."""

TARGETS = {
    "own": (OWNER, ()),
    "foreign": (0, ()),
    "set-user-ID exec mid-trace": (OWNER, ("exec set-user-id",)),
    "not dumpable": (OWNER, ("dumpable 0",)),
    "drops root": (0, (f"gids {OWNER} {OWNER} {OWNER}", f"uids {OWNER} {OWNER} {OWNER}")),
}
"""Whose it is in the beginning, and what it does once it is traced and watched."""

ALL = {"attach", "see", "tree", "list", "detach", "manage", "block"}
SEES = {"see", "tree", "list"}
OWN = {"attach", "block", *SEES}

MATRIX = {
    #              own      foreign     set-user-ID  not dumpable  drops root
    "root":       (ALL,     ALL,        ALL,         ALL,          ALL),
    "admin":      (ALL,     ALL,        ALL,         ALL,          ALL),
    "watcher":    (SEES,    SEES,       SEES,        SEES,         SEES),
    "owner":      (OWN,     {"block"},  {"block"},   {"block"},    {"block"}),
    "other uid":  ({"block"}, {"block"}, {"block"},  {"block"},    {"block"}),
    "other gid":  ({"block"}, {"block"}, {"block"},  {"block"},    {"block"}),
    "denied":     (set(),   set(),      set(),       set(),        set()),
}  # fmt: skip
"""attach: to it.  see, tree: the events of its calls and of those of its children.  list: it is in
List, and counted in Status.  detach: end what root holds for good.  manage: others' subscriptions,
with Status, Sync and Unsubscribe.  block: may have processes wait, as far as it sees any."""

CELLS = [
    (peer, target, cell)
    for peer, row in MATRIX.items()
    for target, cell in zip(TARGETS, row, strict=True)
]


def calls(events):
    """Return the processes of which the call is told that a turn makes."""
    return {
        event["pid"]
        for event in events
        if event["type"] == "syscall_exit" and event.get("args", {}).get("filename") == "/turn"
    }


@pytest.mark.parametrize(
    ("peer", "target", "allowed"), CELLS, ids=[f"{peer}, {target}" for peer, target, _ in CELLS]
)
def test_who_may_do_what(daemon, start, peer, target, allowed):
    uid, turns = TARGETS[target]
    program = start(uid)
    with contextlib.ExitStack() as stack:
        root, watching, client, by_pid, by_tree, held, portrait = (
            stack.enter_context(daemon.connect(who)) for who in ("root", "root", *[peer] * 5)
        )
        assert root.call("Attach", pid=program.pid)["pid"] == program.pid
        roots = watching.subscribe(filters=[{"tree": [program.pid]}])
        found = set()
        if peer == "denied":
            assert client.call("Status") == "PermissionDenied"
            assert client.error == {"pid": 0, "reason": f"user {DENIED} is denied"}
            assert client.reply() is None
            assert by_pid.call("GetInfo") == "PermissionDenied"  # whatever the first call is
            assert by_tree.subscribe() == "PermissionDenied"
        else:
            mine = by_pid.subscribe(filters=[{"pid": [program.pid]}])
            tree = by_tree.subscribe(filters=[{"tree": [program.pid]}])
            if held.subscribe(filters=[{"tree": [program.pid]}], overflow="block") != (
                "PermissionDenied"
            ):
                found.add("block")
            for turn in (*turns, "nothing", "fork"):
                program.turn(turn)
            for name in (mine, tree):
                assert "seq" in client.call("Sync", id=name)
            if program.pid in calls(by_pid.written()):
                found.add("see")
            if calls(by_tree.written()) - {program.pid}:
                found.add("tree")
            shown = portrait.subscribe(filters=[{"tree": [program.pid]}], snapshot=True)
            client.call("Sync", id=shown)
            found |= asked(client, program.pid, roots)
            pids = {event["pid"] for event in portrait.written() if event["type"] == "attached"}
            assert (program.pid in pids) is ("list" in found)
    with daemon.connect() as root:
        root.call("Detach", pid=program.pid)
    assert found == allowed


def asked(client, pid, others):
    """Return what a peer may, of what answers once."""
    found = set()
    status, processes = client.call("Status"), client.call("List")["processes"]
    assert status["processes"] == len(processes)
    assert status["tracees"] == sum(len(each["threads"]) for each in processes)
    if pid in {each["pid"] for each in processes}:
        found.add("list")
    manages = others in {each["id"] for each in status["subscriptions"]}
    assert (client.call("Sync", id=others) == "NoSuchSubscription") is not manages
    assert (client.call("Update", id=others, filters=[]) == "NoSuchSubscription") is not manages
    if isinstance(client.call("Attach", pid=pid, scope="connection"), dict):
        found.add("attach")
        client.call("Detach", pid=pid)  # that of its own connection; root's is left
    answer = client.call("Detach", pid=pid)
    if isinstance(answer, dict):
        found.add("detach")
    else:
        assert answer == ("PermissionDenied" if "list" in found else "NotTraced")
    assert (client.call("Unsubscribe", id=others) == "NoSuchSubscription") is not manages
    return found | ({"manage"} if manages else set())


UNIT = Path(__file__).parents[2] / "systemd" / "tracerd.service"


def test_the_capabilities_of_the_unit_are_enough(start):
    """To ask the kernel as the peer, and to attach."""
    text = UNIT.read_text().replace("\\\n", " ")
    [names] = re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.MULTILINE)
    bounds = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in names.split())
    with tempfile.TemporaryDirectory(prefix="tracerd-test-") as directory:
        Path(directory).chmod(0o755)
        daemon = Daemon(directory, "setpriv", f"--bounding-set=-all,{bounds}", "--no-new-privs")
        try:
            program = start(OWNER)
            with daemon.connect("owner") as owner, daemon.connect("other uid") as other:
                assert owner.call("Attach", pid=program.pid)["pid"] == program.pid
                assert other.call("Attach", pid=program.pid) == "PermissionDenied"
                assert other.error["reason"].startswith("belongs to")
        finally:
            daemon.process.terminate()
            assert daemon.process.wait(60) == 0
        assert "the kernel cannot be asked" not in daemon.log.read_text()


def test_a_peer_in_a_user_namespace_has_nothing_outside(daemon, start):
    """A sandbox with its user's id is not to be left through the daemon."""
    program = start(OWNER)
    with daemon.connect() as root, daemon.connect("owner", namespace=True) as client:
        root.call("Attach", pid=program.pid)
        assert client.call("List") == {"processes": []}
        assert client.call("Attach", pid=program.pid) == "PermissionDenied"
        assert "another user namespace" in client.error["reason"]
        assert root.call("Detach", pid=program.pid)["holders"] == 0


@pytest.mark.alone  # others would take the pid that is wanted again
def test_a_pid_that_is_anothers_by_now(daemon, start, public):
    """What the owner held has ended; the pid it had gives no right to what has it now."""
    last = Path("/proc/sys/kernel/ns_last_pid")
    with daemon.connect("owner") as client, daemon.connect() as root:
        former = start(OWNER)
        pid = former.pid
        assert client.call("Attach", pid=pid)["pid"] == pid
        former.close()
        wait_until(lambda: not client.call("List")["processes"])
        for _ in range(1000):
            last.write_text(str(pid - 1))
            program = start(0)
            if program.pid == pid:
                break
        else:
            pytest.fail("could not have the pid again")
        assert client.call("Detach", pid=pid) == "NotTraced"
        assert client.call("Attach", pid=pid) == "PermissionDenied"
        assert root.call("Attach", pid=pid)["pid"] == pid
        assert asked(client, pid, "0") == set()
        assert root.call("Detach", pid=pid)["holders"] == 0


def test_contents_are_hidden_from_a_watcher(daemon, start):
    """Of what is not its own; also of what happened before it came."""
    foreign, own = start(OWNER), start(WATCHER)
    asks = {"filters": [{"syscall": ["read", "access"]}, {"type": ["exec"]}], "envp": True}
    with contextlib.ExitStack() as stack:
        root, first, client, now, later = (
            stack.enter_context(daemon.connect(who))
            for who in ("root", "root", "watcher", "watcher", "watcher")
        )
        for each in (foreign, own):
            assert root.call("Attach", pid=each.pid)["pid"] == each.pid
        begun = root.call("Status")
        roots, mine = first.subscribe(**asks), now.subscribe(**asks)
        for each in (foreign, own):
            each.turn("exec plain")
            each.turn("nothing")
        assert root.call("Sync", id=roots)["seq"] > begun["head"]
        assert client.call("Sync", id=mine)["seq"] > begun["head"]
        past = later.subscribe(**asks, since=f"{begun['run']}:{begun['head']}")
        assert client.call("Sync", id=past)["seq"] > begun["head"]
        whole = first.written()
        for events in (now.written(), [e for e in later.written() if "pid" in e]):
            by_seq = {
                event["seq"]: event
                for event in events
                if event.get("pid") in {foreign.pid, own.pid}
            }
            assert by_seq, events
            hidden = 0
            for event in whole:
                if event.get("pid") not in {foreign.pid, own.pid} or event["seq"] not in by_seq:
                    continue
                shown = by_seq[event["seq"]]
                if event["pid"] == own.pid:
                    assert shown == event
                elif shown != event:
                    hidden += 1
                    assert shown["redacted"] is True
                    if event["type"] == "exec":
                        assert "argv" not in shown
                        assert "envp" not in shown
                        assert shown["path"] == event["path"]
                    else:
                        assert shown["syscall"] == "read"
                        assert shown["args"]["buf"] == {"redacted": event["args"]["buf"]["size"]}
            assert hidden > len("nothing")  # the program reads by the byte
        for each in (foreign, own):
            root.call("Detach", pid=each.pid)


def test_a_watcher_can_hold_nothing_up(daemon, start):
    with daemon.connect("watcher") as client:
        assert client.subscribe(overflow="block") == "PermissionDenied"
        assert client.error == {
            "pid": 0,
            "reason": "overflow `block` has processes wait, which a watcher may not do",
        }
        program = start(WATCHER)  # not even its own
        assert client.call("Attach", pid=program.pid) == "PermissionDenied"
        assert "may watch, not attach" in client.error["reason"]


def test_every_attach_is_in_the_log_with_who_asked(daemon, start):
    program = start(OWNER)
    with daemon.connect("owner") as owner, daemon.connect("other uid") as other:
        assert other.call("Attach", pid=program.pid) == "PermissionDenied"
        assert owner.call("Attach", pid=program.pid)["pid"] == program.pid
        assert owner.call("Detach", pid=program.pid)["holders"] == 0
    where = f"[^\n]* pid={program.pid}"
    [refused] = daemon.logged(f'level=warning msg="attach refused"{where}.*')
    assert f" uid={OTHER} " in refused
    assert f"belongs to user ? (uid {OWNER})" in refused
    [attached] = daemon.logged(f"level=info msg=attached{where}.*")
    assert f" uid={OWNER} " in attached
    [detached] = daemon.logged(f"level=info msg=detached{where}.*")
    assert f" uid={OWNER} " in detached


def test_other_rights_by_sighup(public, start):
    """Whose rights change is disconnected; a file that is wrong changes nothing."""
    with tempfile.TemporaryDirectory(prefix="tracerd-test-") as directory:
        Path(directory).chmod(0o755)
        daemon = Daemon(directory)
        try:
            with contextlib.ExitStack() as stack:
                root, owner, watcher, watching = (
                    stack.enter_context(daemon.connect(who))
                    for who in ("root", "owner", "watcher", "watcher")
                )
                program = start(OWNER)
                assert owner.call("Attach", pid=program.pid)["pid"] == program.pid
                assert len(watcher.call("List")["processes"]) == 1
                assert isinstance(watching.subscribe(), str)
                text = daemon.config.read_text()

                daemon.config.write_text(text.replace("watch_groups", "watch_group"))
                daemon.process.send_signal(signal.SIGHUP)
                [line] = daemon.logged('msg="the configuration stays as it was".*')
                assert "access.watch_group: unknown key" in line
                assert len(watcher.call("List")["processes"]) == 1

                daemon.config.write_text(text.replace(str(WATCHERS), ""))
                daemon.process.send_signal(signal.SIGHUP)
                [line] = daemon.logged('msg="configuration read".*')
                assert line.endswith("disconnected=2")
                assert watcher.reply() is None
                while watching.reply() is not None:
                    pass
                assert len(owner.call("List")["processes"]) == 1
                with daemon.connect("watcher") as again:
                    assert again.call("List") == {"processes": []}

                daemon.config.write_text(text.replace(f"[{DENIED}]", f"[{OWNER}]"))
                daemon.process.send_signal(signal.SIGHUP)
                wait_until(lambda: len(daemon.logged('msg="configuration read".*')) == 2)
                assert owner.reply() is None
                with daemon.connect("denied") as allowed:  # in a group of admins
                    assert len(allowed.call("List")["processes"]) == 1
                # What it attached for good stays, and is root's to end.
                assert root.call("Detach", pid=program.pid)["holders"] == 0
        finally:
            daemon.process.terminate()
            assert daemon.process.wait(60) == 0


def run(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "tracerd", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_configuration_can_be_checked(tmp_path):
    path = tmp_path / "tracerd.toml"
    path.write_text(CONFIG)
    path.chmod(0o644)
    assert run("--check-config", "--config", path) == (0, f"{path}: ok\n", "")
    assert run("--check-config", TRACERD_CONFIG=str(path)) == (0, f"{path}: ok\n", "")
    path.chmod(0o666)
    code, _, said = run("--check-config", "--config", path)
    assert code == 2
    assert said == (
        f"tracerd: error: {path}: can be written by others (mode 0666); chmod go-w it\n"
    )
    path.unlink()
    code, _, said = run("--config", path)  # nor does it start without
    assert (code, said) == (2, f"tracerd: error: {path}: No such file or directory\n")
