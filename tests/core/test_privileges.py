"""Privileges that an exec gives, and programs that may not be looked into.

A tracer that is root leaves the kernel's rules for set-user-ID programs as they are; under one
without privilege the kernel withholds the privilege, as it does under strace.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from beside import Life, same
from build import tracee
from real import DEADLINE, Tracing

from tracerd.core.commands import Published, Snapshot
from tracerd.protocol.events import AnyEvent, Exec, Exit, SyscallExit

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges")


@pytest.fixture
def public():
    """A directory that every user can get at, on a file system that honours set-user-ID."""
    with tempfile.TemporaryDirectory(prefix="tracerd-test-") as name:
        if os.statvfs(name).f_flag & os.ST_NOSUID:
            pytest.skip(f"{name} is mounted nosuid")
        Path(name).chmod(0o755)
        yield Path(name)


def installed(public, name, mode):
    """Copy a tracee there."""
    path = public / name
    shutil.copyfile(tracee(name), path)
    path.chmod(mode)
    return path


def line(life, start):
    [found] = [each for each in life.said.splitlines() if each.startswith(start)]
    return found.split()[1:]


def as_nobody(tracing, tmp_path, program, how="plain"):
    """Have an unprivileged user run a program, with and without trace: the same life."""
    return same(tracing, tmp_path, "priv_drop", how, program)


@pytest.mark.ptrace_case(30, 29)
def test_a_set_user_id_program_has_its_privileges(tracing, tmp_path, public):
    life = as_nobody(tracing, tmp_path, installed(public, "priv_show", 0o4755))
    assert line(life, "Uid") == ["65534", "0", "0", "0"]
    assert line(life, "Gid") == ["65534"] * 4
    assert int(line(life, "CapEff")[0], 16)
    assert life.said.endswith("secure 1, dumpable 0\n")
    executed = tracing.of(Exec)[-1]
    assert (executed.path, executed.comm) == (f"{public}/priv_show", "priv_show")
    assert tracing.of(Exit)[-1].code == 0


@pytest.mark.ptrace_case(30)
def test_a_set_group_id_program_has_its_group(tracing, tmp_path, public):
    life = as_nobody(tracing, tmp_path, installed(public, "priv_show", 0o2755))
    assert line(life, "Uid") == ["65534"] * 4
    assert line(life, "Gid") == ["65534", "0", "0", "0"]
    assert int(line(life, "CapEff")[0], 16) == 0
    assert life.said.endswith("secure 1, dumpable 0\n")


@pytest.mark.ptrace_case(30)
def test_a_program_with_file_capabilities_has_them(tracing, tmp_path, public):
    program = installed(public, "priv_show", 0o755)
    subprocess.run(["setcap", "cap_net_raw=ep", program], check=True)
    life = as_nobody(tracing, tmp_path, program)
    assert line(life, "Uid") == ["65534"] * 4
    assert int(line(life, "CapEff")[0], 16) == 1 << 13
    assert life.said.endswith("secure 1, dumpable 0\n")


@pytest.mark.ptrace_case(30)
@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o755], ids=oct)
def test_no_new_privileges_means_none(tracing, tmp_path, public, mode):
    program = installed(public, "priv_show", mode)
    if mode == 0o755:
        subprocess.run(["setcap", "cap_net_raw=ep", program], check=True)
    life = as_nobody(tracing, tmp_path, program, "no-new-privs")
    assert line(life, "Uid") == line(life, "Gid") == ["65534"] * 4
    assert int(line(life, "CapPrm")[0], 16) == 0
    assert line(life, "NoNewPrivs") == ["1"]


class Ids(Tracing):
    """Also notes what a process was at the time of each of its events: access rules go by it."""

    def __init__(self):
        self.ids = []
        super().__init__()

    def _publish(self, items):
        for item in items:
            if isinstance(item, Published):
                process = item.process
                self.ids.append((item.event, process.uids, process.gids, process.dumpable))
        super()._publish(items)


@pytest.fixture
def ids():
    running = Ids()
    running.interest()
    yield running
    running.stop()
    assert running.tracer.statistics.anomalies == 0


@pytest.mark.ptrace_case(30, 29)
@pytest.mark.parametrize(
    ("mode", "uids", "gids"),
    [
        (0o4755, (NOBODY, 0, 0, 0), (NOBODY,) * 4),
        (0o2755, (NOBODY,) * 4, (NOBODY, 0, 0, 0)),
        (0o0755, (NOBODY,) * 4, (NOBODY,) * 4),
    ],
    ids=["set-user-id", "set-group-id", "plain"],
)
def test_the_new_ids_hold_from_the_exec_event_on(ids, public, mode, uids, gids):
    program = installed(public, "priv_show", mode)
    launcher, pid, owner = ids.start(tracee("priv_drop"), "plain", program, "wait")
    ids.wait_for(
        lambda: [e for e in ids.of(SyscallExit) if (e.comm, e.syscall) == ("priv_show", "write")]
    )
    [process] = ids.command(Snapshot())
    assert (process.pid, process.uids, process.gids) == (pid, uids, gids)
    os.kill(pid, signal.SIGKILL)
    ids.wait_for(lambda: ids.ended(owner))
    assert launcher.wait(DEADLINE) == 128 + signal.SIGKILL

    [at] = [n for n, (e, *_) in enumerate(ids.ids) if isinstance(e, Exec) and n]
    assert ids.ids[at][0].path == str(program)
    assert {(uid, gid) for _, uid, gid, _ in ids.ids[at:]} == {(uids, gids)}
    former, *before = ids.ids[at - 1]
    assert (former.syscall, before[:2]) == ("setresuid", [(NOBODY,) * 4] * 2)
    # Root may look into its own whether or not they are dumpable, so that is not told apart.
    assert {dumpable for *_, dumpable in ids.ids[at:]} == {mode != 0o2755}


UNPRIVILEGED = r"""
# A tracer that runs as an unprivileged user traces a program of the same user.  Arguments: the
# program's words.  Says, as JSON, how that ended, what it said, the events and the anomalies.
import ctypes, os, sys, tempfile
from real import DEADLINE, Tracing
import msgspec

output = tempfile.TemporaryFile()
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
assert ctypes.CDLL(None).prctl(4, 1, 0, 0, 0) == 0  # PR_SET_DUMPABLE: as after an exec
told, tell = os.pipe()
hold, go = os.pipe()
launcher = os.fork()
if launcher == 0:
    os.close(go)
    pid = os.fork()
    if pid == 0:
        os.read(hold, 1)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        os.execv(sys.argv[1], sys.argv[1:])
    os.close(hold)
    os.write(tell, b"%d" % pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os._exit(code if code >= 0 else 128 - code)
tracing = Tracing()
tracing.interest()
owner = tracing.attach(int(os.read(told, 20)), until_exec=True)
os.write(go, b"g")
tracing.wait_for(lambda: tracing.ended(owner))
code = os.waitstatus_to_exitcode(os.waitpid(launcher, 0)[1])
tracing.stop()
output.seek(0)
print(msgspec.json.encode({
    "code": code,
    "said": output.read().decode(),
    "events": tracing.events,
    "anomalies": tracing.tracer.statistics.anomalies,
}).decode())
"""


def traced_by_nobody(*argv):
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, *map(str, argv)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    told = msgspec.json.decode(done.stdout)
    assert told["anomalies"] == 0
    events = msgspec.convert(told["events"], list[AnyEvent])
    return Life(told["code"], told["said"]), events


@pytest.mark.ptrace_case(30)
@pytest.mark.parametrize(
    "mode", [0o4755, 0o2755, 0o755], ids=["set-user-id", "set-group-id", "caps"]
)
def test_under_an_unprivileged_tracer_there_is_no_privilege(public, mode):
    program = installed(public, "priv_show", mode)
    if mode == 0o755:
        subprocess.run(["setcap", "cap_net_raw=ep", program], check=True)
    life, events = traced_by_nobody(program)
    assert life.code == 0
    assert line(life, "Uid") == line(life, "Gid") == ["65534"] * 4
    assert int(line(life, "CapEff")[0], 16) == 0
    assert [e.path for e in events if isinstance(e, Exec)] == [str(program)]
    strace = subprocess.run(
        ["strace", "-o", "/dev/null", program],
        user=NOBODY, group=NOBODY, extra_groups=[],
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    assert life.said == strace.stdout


HIDES = (
    "before: dumpable 1\nafter: dumpable 0\nthread: dumpable 0\nchild: dumpable 0\n"
    "again: dumpable {}\nstatus 0\n"
)


OPENED = (None, "/etc/passwd", "/etc/passwd", False)
MISSED = ("ENOENT", "/no/such", None, False)


def looks(events):
    """What a tracer saw of priv_hides' opens relative to a descriptor: error, path, real."""
    return [
        (e.errno, access.path, access.real, access.unresolved)
        for e in events
        if isinstance(e, SyscallExit) and e.syscall == "openat" and e.args["dfd"] != "AT_FDCWD"
        for access in e.files
    ]


@pytest.mark.ptrace_case(54)
def test_root_sees_into_a_program_that_hides(tracing, tmp_path):
    life = same(tracing, tmp_path, "priv_hides")
    assert (life.code, life.said) == (0, HIDES.format(1))
    assert looks(tracing.events) == [OPENED, MISSED] * 5


@pytest.mark.ptrace_case(54)
def test_root_sees_into_a_program_that_may_not_be_read(tracing, tmp_path, public):
    """Mode 0711: its user may run it, not look into it."""
    life = as_nobody(tracing, tmp_path, installed(public, "priv_hides", 0o711))
    assert life.code == 0
    assert life.said.startswith("before: dumpable 0\n")
    assert looks(tracing.events) == [OPENED, MISSED] * 5


@pytest.mark.ptrace_case(54)
def test_an_unprivileged_tracer_goes_on_with_less(public):
    """What a program hides is missing from the events; calls, results and ends are all there."""
    program = installed(public, "priv_hides", 0o755)
    life, events = traced_by_nobody(program)
    assert (life.code, life.said) == (0, HIDES.format(1))
    of_descriptors = [(None, "etc/passwd", None, True), ("ENOENT", "no/such", None, True)]
    of_memory_too = [(None, "", None, True), ("ENOENT", "", None, True)]
    assert looks(events) == [
        *(OPENED, MISSED),
        *of_descriptors,
        *of_descriptors,  # the thread's
        *of_memory_too,  # the child's: it was never open to us
        *(OPENED, MISSED),  # a new image is nobody's secret
    ]
    reads = [e.ret for e in events if isinstance(e, SyscallExit) and e.syscall == "read"]
    assert reads.count(8) == 5
    ends = sorted((e.code, e.process) for e in events if isinstance(e, Exit))
    assert ends == [(0, False), (0, True), (0, True)]


@pytest.mark.ptrace_case(54)
def test_an_unprivileged_tracer_of_a_program_that_may_not_be_read(public):
    """Mode 0711: nothing of its memory, of its descriptors or of what it executes can be had."""
    program = installed(public, "priv_hides", 0o711)
    life, events = traced_by_nobody(program)
    assert life.code == 0
    assert life.said == HIDES.format(0).replace("before: dumpable 1", "before: dumpable 0")
    assert {errno for errno, *_ in looks(events)} == {None, "ENOENT"}
    assert {tuple(where) for _, *where in looks(events)} == {("", None, True)}
    executed = [e for e in events if isinstance(e, Exec)]
    # The words are there for everybody to see, the path of the second is not.
    assert [e.argv for e in executed] == [[str(program)], [str(program), str(program), "again"]]
    assert executed[0].path == str(program)


def test_an_exec_that_cannot_be_seen_is_not_told_with_another_path(public):
    program = installed(public, "priv_hides", 0o711)
    other = public / "other"
    shutil.copy(program, other)
    _, events = traced_by_nobody(program, other)
    executed = [e for e in events if isinstance(e, Exec)]
    assert executed[1].argv == [str(other), str(other), "again"]
    assert executed[1].path in {"", str(other)}
