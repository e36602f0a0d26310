"""Programs in namespaces of their own: ids and paths of both sides; and what children inherit."""

import os
import signal

import pytest
from beside import same
from build import command
from real import Program

from tracerd.core.commands import Snapshot
from tracerd.protocol.events import Exec, Exit, NewChild, SignalExit, SignalStop, SyscallExit

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its root")

NESTED = """\
init: pid 1, parent 0, uid 0
child 2
thread: pid 1, tid 3
child ended with 15
/proc/self is 1
within: pid 1, parent 0
within it is our 4, ended with 0x900
0x700
"""


def calls(tracing, *names):
    return [e for e in tracing.of(SyscallExit) if e.syscall in names]


@pytest.mark.ptrace_case(52)
def test_a_pid_namespace_has_ids_of_both_sides(tracing, tmp_path):
    life = same(tracing, tmp_path, "ns_nest", "pid")
    assert (life.code, life.said) == (0, NESTED)

    made = {e.child: e for e in tracing.of(NewChild)}
    init = tracing.of(NewChild)[0].child
    child, thread, within = (made[tid] for tid in sorted(made) if made[tid].tid == init)
    assert (made[init].child_ns, made[init].ns_pid, made[init].ns_tid) == (1, None, None)
    assert (child.child_ns, child.ns_pid, child.ns_tid, child.thread) == (2, 1, 1, False)
    assert (thread.child_ns, thread.thread) == (3, True)
    # Of several names the innermost is told: it is the one that the program itself goes by.
    assert within.child_ns == 1

    ids = {(e.pid, e.tid): (e.ns_pid, e.ns_tid) for e in tracing.events}
    shell = tracing.of(Exec)[0].pid
    assert ids == {
        (shell, shell): (None, None),
        (init, init): (1, 1),
        (init, thread.child): (1, 3),
        (child.child, child.child): (2, 2),
        (within.child, within.child): (1, 1),
    }


@pytest.mark.ptrace_case(52)
def test_every_event_says_one_thing_about_ids(tracing, tmp_path):
    """From a task's first event to its last, whatever becomes of /proc."""
    same(tracing, tmp_path, "ns_nest", "pid")
    ids = {}
    for event in tracing.events:
        ids.setdefault((event.pid, event.tid), set()).add((event.ns_pid, event.ns_tid))
    assert {len(each) for each in ids.values()} == {1}
    assert len(ids) == 5


@pytest.mark.ptrace_case(52)
def test_arguments_and_results_are_the_programs_own(tracing, tmp_path):
    same(tracing, tmp_path, "ns_nest", "pid")
    made = {e.child: e for e in tracing.of(NewChild)}
    init = tracing.of(NewChild)[0].child
    child = next(tid for tid in sorted(made) if made[tid].tid == init)

    assert {e.ret for e in calls(tracing, "getpid") if e.pid == init} == {1}
    assert [e.ret for e in calls(tracing, "getppid") if e.pid == init] == [0]
    clones = [e.ret for e in calls(tracing, "clone", "clone3") if e.pid == init]
    assert clones == [2, 3, 4]
    [kill, refused] = calls(tracing, "kill")
    assert (kill.args["pid"], kill.ret) == (2, 0)
    assert (refused.args["pid"], refused.errno) == (12345, "ESRCH")
    [waited, _] = [e for e in calls(tracing, "wait4") if e.pid == init]
    assert waited.ret == 2
    [death] = tracing.of(SignalExit)
    assert (death.pid, death.signal) == (child, "SIGTERM")
    [stop] = [e for e in tracing.of(SignalStop) if e.signal == "SIGTERM"]
    assert (stop.pid, stop.sender_pid) == (child, 1)  # as the signal says


@pytest.mark.ptrace_case(52)
def test_the_end_of_an_init_is_that_of_its_namespace(tracing, tmp_path):
    life = same(tracing, tmp_path, "ns_nest", "orphan")
    assert (life.code, life.said) == (0, "0x700\n")
    init, *children = (e.child for e in tracing.of(NewChild))
    deaths = tracing.of(SignalExit)
    assert sorted(e.pid for e in deaths) == sorted(children)
    assert {(e.signal, e.process) for e in deaths} == {("SIGKILL", True)}
    assert [e.code for e in tracing.of(Exit) if e.pid == init] == [7]
    assert sorted(e.ns_pid for e in deaths) == [2, 3, 4]
    assert tracing.command(Snapshot()) == []


@pytest.mark.ptrace_case(52)
def test_the_utility_that_makes_namespaces(tracing):
    flags = ("--user", "--map-root-user", "--pid", "--fork", "--mount", "--mount-proc")
    assert tracing.run("unshare", *flags, "sh", "-c", "kill -0 $$; ls /proc/self/fd; exit 5") == 5
    shell = next(e for e in tracing.of(Exec) if e.argv[:2] == ["sh", "-c"])
    assert (shell.ns_pid, shell.ns_tid) == (1, 1)
    [listing] = [e for e in tracing.of(Exec) if e.comm == "ls"]
    assert listing.ns_pid > 1
    assert listing.pid != listing.ns_pid


@pytest.mark.ptrace_case(54)
def test_a_user_namespace_without_ids(tracing, tmp_path):
    life = same(tracing, tmp_path, "ns_nest", "user")
    assert (life.code, life.said) == (0, "uid 65534, gid 65534\n")
    opens = [e for e in calls(tracing, "openat") if e.args["dfd"] != "AT_FDCWD"]
    assert [
        (e.errno, access.path, access.real, access.unresolved) for e in opens for access in e.files
    ] == [(None, "/etc/passwd", "/etc/passwd", False), ("ENOENT", "/no/such", None, False)]


@pytest.fixture
def world(tmp_path):
    """A directory as ns_root wants it."""
    for name in ("f", "sub/f", "a/f"):
        path = tmp_path / "world" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(f"our {name}")
    return tmp_path / "world"


def run(tracing, mode, world):
    """Run ns_root; return its opens after it has changed its world, by what they are about."""
    output = world / "said"
    assert tracing.run(*command("ns_root", mode, world), output=str(output)) == 0
    said = answers(output.read_text())
    return said, opens(tracing, said)


def answers(text):
    return dict(line.split(": ") for line in text.splitlines())


def opens(tracing, said):
    """The last opens that ns_root makes, without that of its base directory."""
    found = calls(tracing, "openat")[-8:]
    del found[2]
    assert len(said) == len(found)
    return dict(zip(said, found, strict=True))


def paths(call):
    return {(access.path, access.real, access.root) for access in call.files}


INSIDE = {
    "absolute": "/f",
    "relative to a descriptor": "/sub/f",
    "relative": "/sub/f",
    "created": "/sub/new",
    "there": "/sub/f",
}


@ROOT_ONLY
def test_paths_under_another_root(tracing, world):
    said, opened = run(tracing, "chroot", world)
    assert said["absolute"] == "our f"
    assert said["relative"] == "our sub/f"
    for what, path in INSIDE.items():
        assert paths(opened[what]) == {(path, path, str(world))}
    assert paths(opened["the outer name"]) == {(str(world), None, str(world))}
    assert {a.created for a in opened["created"].files} == {True}
    assert {a.created for a in opened["there"].files} == {False}


@ROOT_ONLY
def test_a_working_directory_outside_the_root(tracing, world):
    said, opened = run(tracing, "escape", world)
    assert said["relative to the directory left"] == "EBADF"  # opened by O_PATH, not to be read
    for what, path in INSIDE.items():
        assert paths(opened[what]) == {(path, path, str(world))}


@ROOT_ONLY
def test_a_file_outside_the_root_is_not_said_to_be_inside(tracing, world):
    _, opened = run(tracing, "escape", world)
    assert paths(opened["relative to the directory left"]) == {("/etc/passwd", "/etc/passwd", None)}


@ROOT_ONLY
@pytest.mark.parametrize("mode", ["tmpfs", "bind"])
def test_paths_where_something_else_is_mounted(tracing, world, mode):
    said, opened = run(tracing, mode, world)
    (inner, ours) = {"tmpfs": ("tmpfs sub/f", "our sub/f"), "bind": ("our a/f", "our sub/f")}[mode]
    assert (said["relative"], (world / "sub/f").read_text()) == (inner, ours)
    for what, path in INSIDE.items():
        assert paths(opened[what]) == {(f"{world}{path}", f"{world}{path}", None)}
    # The same name as ours, and another file: device and inode say so.
    our = (world / "sub/f").stat()
    [access] = opened["relative"].files
    assert (access.dev, access.ino) != (
        f"{os.major(our.st_dev)}:{os.minor(our.st_dev)}",
        our.st_ino,
    )
    assert {a.created for a in opened["created"].files} == {True}
    assert {a.created for a in opened["there"].files} == {False}
    assert not (world / "sub/new").exists()


@ROOT_ONLY
@pytest.mark.parametrize("mode", ["chroot", "pivot", "tmpfs"])
def test_a_name_by_which_everyone_finds_the_file(tracing, world, mode):
    """As long as the process lives: its root, and the path; whose mounts, is said."""
    with Program("ns_root", mode, world, "wait") as program:
        theirs = os.stat(f"/proc/{program.pid}/ns/mnt").st_ino
        prefix = str(world) if mode == "tmpfs" else ""
        seen = os.stat(f"/proc/{program.pid}/root{prefix}/sub/f")
        owner = tracing.attach(program.pid)
        program.send(signal.SIGUSR1)
        said = answers(program.stdout.read())
        assert program.wait() == 0
        tracing.wait_for(lambda: tracing.ended(owner))
        found = opens(tracing, said)["relative"].files
    ours = os.stat("/proc/self/ns/mnt").st_ino
    assert {access.mntns for access in found} == {None if theirs == ours else theirs}
    assert {(access.path, access.ino) for access in found} == {(f"{prefix}/sub/f", seen.st_ino)}
    assert (theirs == ours) == (mode == "chroot")


@ROOT_ONLY
def test_a_child_in_mounts_of_its_own_says_so(tracing, tmp_path):
    """Made by clone, without any call of its own."""
    script = "stat -c %n /etc/passwd; echo $$ > there"
    argv = ["unshare", "--fork", "--mount", "sh", "-c", f"cd {tmp_path} && {script}"]
    assert tracing.run(*argv) == 0
    ours = os.stat("/proc/self/ns/mnt").st_ino
    shells = {e.pid for e in tracing.of(Exec) if e.argv[:2] == ["sh", "-c"]}
    seen = {a.mntns for e in calls(tracing, "openat") if e.pid in shells for a in e.files}
    [theirs] = seen
    assert theirs not in (None, ours)
    before = [e for e in calls(tracing, "openat") if e.comm == "unshare"]
    assert {a.mntns for e in before[:3] for a in e.files} == {None}


@ROOT_ONLY
def test_whether_a_file_was_there_is_asked_in_the_programs_mounts(tracing, world):
    (world / "sub/new").write_text("ours, which the program cannot see")
    _, opened = run(tracing, "tmpfs", world)
    assert {a.created for a in opened["created"].files} == {True}


@ROOT_ONLY
def test_paths_after_pivot_root(tracing, world):
    said, opened = run(tracing, "pivot", world)
    assert (said["absolute"], said["relative"]) == ("our f", "our sub/f")
    for what, path in INSIDE.items():
        assert {(a.path, a.real) for a in opened[what].files} == {(path, path)}


@ROOT_ONLY
def test_a_root_after_pivot_root_is_told_as_not_ours(tracing, world):
    _, opened = run(tracing, "pivot", world)
    assert all(a.root for what in INSIDE for a in opened[what].files)


@ROOT_ONLY
@pytest.mark.ptrace_case(54)
@pytest.mark.parametrize("mode", ["chroot", "pivot", "tmpfs", "bind"])
def test_attach_to_a_program_in_another_world(tracing, world, mode):
    with Program("ns_root", mode, world, "wait") as program:
        owner = tracing.attach(program.pid)
        program.send(signal.SIGUSR1)
        said = answers(program.stdout.read())
        assert program.wait() == 0
        tracing.wait_for(lambda: tracing.ended(owner))
    opened = opens(tracing, said)
    prefix = "" if mode in {"chroot", "pivot"} else str(world)
    for what, path in INSIDE.items():
        assert {(a.path, a.real) for a in opened[what].files} == {(prefix + path, prefix + path)}
    roots = {a.root for what in INSIDE for a in opened[what].files}
    assert mode == "pivot" or roots == {str(world) if mode == "chroot" else None}


@pytest.mark.ptrace_case(50)
def test_children_of_children_are_traced(tracing, tmp_path):
    life = same(tracing, tmp_path, "ns_forks", 50)
    assert (life.code, life.said) == (50, "here\n")
    chain = [e.child for e in tracing.of(NewChild)]
    assert len(chain) == 50
    assert [e.pid for e in tracing.of(NewChild)] == [tracing.of(Exec)[0].pid, *chain[:-1]]
    ends = [e.pid for e in tracing.of(Exit)]
    assert ends == [*reversed(chain), tracing.of(Exec)[0].pid]
    assert [e.code for e in tracing.of(Exit)] == list(range(51))
    forks = calls(tracing, "clone", "fork", "vfork", "clone3")
    assert {e.pid: e.ret for e in forks} == {e.pid: e.child for e in tracing.of(NewChild)}
    [said] = [e for e in calls(tracing, "write") if e.ret == 5]
    assert said.pid == chain[-1]
