"""`tracerctl attach`, `detach`, `list`, `status`: what the kernel says afterwards, and who may."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

NOBODY = 65534
SOMEBODY = 65533
"""Two users without privilege; neither needs an entry in the password file."""

FORKER = """
import subprocess, sys, threading
for _ in range(4):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    if line == "child\\n":
        print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
    elif line == "thread\\n":
        made = threading.Thread(target=threading.Event().wait, daemon=True)
        made.start()
        print(made.native_id, flush=True)
    else:
        print(open("/etc/hostname").read() and "read", flush=True)
"""
"""A process of five threads that makes a child, a thread or a call when it is told to."""


SHELL = """
echo ready
while read word; do
    case $word in
        child) sleep 600 & echo $! ;;
        call) read name < /etc/hostname; echo read ;;
    esac
done
exit 0
"""
"""The like for any user: this interpreter may lie where only root can go."""

AS_USER = """
import difflib, importlib, locale, os, pkgutil, sys
import tracerd.client, tracerd.ctl, tracerd.protocol
for package in tracerd.client, tracerd.ctl, tracerd.protocol:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(("__main__", "aio")):
            importlib.import_module(module.name)
uid = int(sys.argv.pop(1))
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
sys.exit(tracerd.ctl.main.main())
"""
"""tracerctl for a user that cannot read where its modules lie: the imports come first."""


class Target:
    """A process that does as it is told.  uid: whose; None for ours, with threads."""

    def __init__(self, processes, uid=None):
        command, identity = [sys.executable, "-ISc", FORKER], {}
        if uid is not None:
            command = ["sh", "-c", SHELL]
            identity = {"user": uid, "group": uid, "extra_groups": []}
        self.process = processes.start(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/", **identity
        )
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, word):
        """Have it do `word`; return what it answers once that is done."""
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


@pytest.fixture
def target(processes):
    return Target(processes)


@pytest.fixture
def shared(processes, until):
    """The socket of a daemon that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="tracerd-test-") as directory:
        os.chmod(directory, 0o711)
        path = f"{directory}/sock"
        daemon = processes.start(
            [sys.executable, "-m", "tracerd", "--socket", path, "--log-level", "warning"]
        )
        until(lambda: os.path.exists(path))
        yield path
        daemon.terminate()
        assert daemon.wait(60) == 0


def threads(pid):
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")))


def states(pid):
    """The state of each thread, and where in the kernel it waits."""
    found = {}
    for tid in threads(pid):
        stat = Path(f"/proc/{pid}/task/{tid}/stat").read_text().rpartition(")")[2].split()
        found[tid] = stat[0], Path(f"/proc/{pid}/task/{tid}/wchan").read_text()
    return found


def settled(pid, until):
    """Wait until all threads sleep; return their states.

    A sleeper that is being woken for a moment has no place where it waits: `0`.
    """
    found = {}

    def all_asleep():
        found.clear()
        found.update(states(pid))
        return all(state in "ST" and place != "0" for state, place in found.values())

    until(all_asleep)
    return found


def listed(tracerctl, socket):
    done = tracerctl("list", "--json", socket=socket)
    assert (done.returncode, done.stderr) == (0, "")
    return {each["pid"]: each for each in json.loads(done.stdout)["processes"]}


def status(tracerctl, socket):
    done = tracerctl("status", "--json", socket=socket)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_attach_returns_when_every_thread_is_traced_by_the_daemon(
    daemon, tracerctl, tracer_of, target
):
    before = threads(target.pid)
    assert len(before) == 5

    done = tracerctl("attach", target.pid, socket=daemon.socket)

    tracers = {tracer_of(tid) for tid in threads(target.pid)}
    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"attached {target.pid} (5 threads)\n", "",
    )  # fmt: skip
    [tracer] = tracers
    assert tracer in threads(daemon.pid)
    assert threads(target.pid) == before


def test_children_and_threads_made_later_are_traced_and_let_go_with_it(
    daemon, tracerctl, tracer_of, target, until
):
    before = settled(target.pid, until)
    tracerctl("attach", target.pid, socket=daemon.socket)

    child = int(target.tell("child"))
    thread = int(target.tell("thread"))

    found = listed(tracerctl, daemon.socket)
    assert found.keys() == {target.pid, child}
    assert sorted(found[target.pid]["threads"]) == threads(target.pid)
    assert thread in found[target.pid]["threads"]
    assert found[child]["threads"] == [child]
    assert found[child]["roots"] == found[target.pid]["roots"] == [target.pid]
    assert found[child]["ppid"] == target.pid
    assert found[child]["comm"] == "sleep"
    assert found[child]["exe"] == os.path.realpath(f"/proc/{child}/exe")
    assert {one["state"] for one in found.values()} == {"running"}
    for pid, one in found.items():
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        assert one["start"] == int(stat[19])
        assert one["uid"] == 0
    tracers = {tracer_of(tid) for tid in (*threads(target.pid), child)}
    assert len(tracers) == 1
    assert tracers <= set(threads(daemon.pid))

    done = tracerctl("detach", target.pid, socket=daemon.socket)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"detached {target.pid}\n", "")
    assert {tracer_of(tid) for tid in (*threads(target.pid), child)} == {0}
    assert listed(tracerctl, daemon.socket) == {}
    after = settled(target.pid, until)
    assert {tid: after[tid] for tid in before} == before
    assert target.tell("call") == "read"
    assert settled(child, until)[child][0] == "S"


def test_a_stopped_process_stays_stopped(daemon, tracerctl, tracer_of, target, until):
    os.kill(target.pid, signal.SIGSTOP)
    until(lambda: {state for state, _ in states(target.pid).values()} == {"T"})

    assert tracerctl("attach", target.pid, socket=daemon.socket).returncode == 0
    assert listed(tracerctl, daemon.socket)[target.pid]["state"] == "stopped"
    assert tracerctl("detach", target.pid, socket=daemon.socket).returncode == 0

    assert tracer_of(target.pid) == 0
    until(lambda: {state for state, _ in states(target.pid).values()} == {"T"})
    os.kill(target.pid, signal.SIGCONT)
    assert target.tell("call") == "read"


def test_list_and_status_for_people(daemon, tracerctl, target):
    nothing = tracerctl("list", socket=daemon.socket)
    assert (nothing.returncode, nothing.stdout) == (0, "no process is under trace\n")
    tracerctl("attach", target.pid, socket=daemon.socket)
    child = int(target.tell("child"))

    head, *rows = tracerctl("list", socket=daemon.socket).stdout.splitlines()

    assert head.split() == [
        *("PID", "PPID", "UID", "THREADS", "STATE", "COMMAND", "PROGRAM"),
        *("ATTACHED", "BY", "WAY", "OF"),
    ]
    python, sleep = (os.path.realpath(f"/proc/{pid}/exe") for pid in (target.pid, child))
    comm = Path(f"/proc/{target.pid}/comm").read_text().strip()
    assert sorted(row.split() for row in rows) == sorted([
        [str(target.pid), str(os.getpid()), "0", "5", "running", comm, python, "itself"],
        [str(child), str(target.pid), "0", "1", "running", "sleep", sleep, str(target.pid)],
    ])  # fmt: skip

    lines = tracerctl("status", socket=daemon.socket).stdout.splitlines()
    facts = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines)
    assert facts["pid"] == str(daemon.pid)
    assert facts["traced"] == "2 processes, 6 threads"
    assert facts["anomalies"] == "0"
    assert facts["connections"] == "1"
    assert re.fullmatch(r"\d\d:\d\d:\d\d", facts["up"])


def test_status_in_json_and_its_account_of_a_watcher(daemon, tracerctl, target, until):
    tracerctl("attach", target.pid, socket=daemon.socket)
    target.tell("child")
    found = status(tracerctl, daemon.socket)
    assert found["pid"] == daemon.pid
    assert (found["processes"], found["tracees"], found["held"]) == (2, 6, 0)
    assert (found["anomalies"], found["subscriptions"], found["connections"]) == (0, [], 1)

    watcher = tracerctl.start(
        *("watch", "--json", "-e", "openat", "-P", "/etc/hostname", "-n", "2"),
        socket=daemon.socket, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: status(tracerctl, daemon.socket)["subscriptions"])
    target.tell("call")
    first = json.loads(watcher.stdout.readline())

    [one] = status(tracerctl, daemon.socket)["subscriptions"]
    assert (one["pid"], one["uid"], one["overflow"]) == (watcher.pid, 0, "drop")
    assert one["filters"] == [{"syscall": ["openat"], "path": ["/etc/hostname"]}]
    assert (one["matched"], one["delivered"], one["queued"], one["lost"]) == (1, 1, 0, 0)
    assert first["files"][0]["path"] == "/etc/hostname"
    target.tell("call")
    assert watcher.wait(60) == 0
    assert len(watcher.stdout.readlines()) == 1


def test_a_descendant_is_let_go_by_its_root_only(daemon, tracerctl, tracer_of, target):
    tracerctl("attach", target.pid, socket=daemon.socket)
    child = int(target.tell("child"))

    done = tracerctl("detach", child, socket=daemon.socket)

    assert (done.returncode, done.stdout) == (9, "")
    assert done.stderr == (
        f"tracerctl: process {child} is traced as a descendant of {target.pid}: detach that one\n"
    )
    assert tracer_of(child)


def test_a_child_that_ended_is_forgotten(daemon, tracerctl, target, until):
    tracerctl("attach", target.pid, socket=daemon.socket)
    child = int(target.tell("child"))
    assert child in listed(tracerctl, daemon.socket)

    os.kill(child, signal.SIGKILL)

    until(lambda: listed(tracerctl, daemon.socket).keys() == {target.pid})


@pytest.fixture
def start_as(processes, shared):
    """`start_as(uid, *words, **popen)` starts tracerctl as a user."""

    def start(uid, *words, **popen):
        words = [sys.executable, "-c", AS_USER, str(uid), "--socket", shared, *map(str, words)]
        return processes.start(words, cwd="/", **popen)

    return start


@pytest.fixture
def run_as(start_as):
    """`run_as(uid, *words)` runs tracerctl as a user; its exit code, output and complaints."""

    def run(uid, *words):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = start_as(uid, *words, **pipes)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run


def test_a_user_attaches_to_own_processes(run_as, processes, tracer_of):
    """Through root's daemon, which could do more."""
    mine = Target(processes, NOBODY)

    assert run_as(NOBODY, "attach", mine.pid) == (0, f"attached {mine.pid} (1 thread)\n", "")

    assert tracer_of(mine.pid)
    assert run_as(NOBODY, "detach", mine.pid) == (0, f"detached {mine.pid}\n", "")
    assert tracer_of(mine.pid) == 0
    assert mine.tell("call") == "read"


@pytest.mark.parametrize("verb", ["attach", "trace", "files -p"])
def test_a_user_may_not_attach_to_anothers_process(run_as, processes, tracer_of, verb):
    for owner, known in ((0, "root"), (SOMEBODY, "?")):
        theirs = Target(processes, owner)

        code, out, err = run_as(NOBODY, *verb.split(), theirs.pid)

        assert (code, out) == (4, "")
        assert err == (
            f"tracerctl: not permitted to trace {theirs.pid}: "
            f"belongs to user {known} (uid {owner}), you are uid {NOBODY}\n"
        )
        assert tracer_of(theirs.pid) == 0


def test_users_see_events_of_their_own_processes_only(
    run_as, start_as, shared, processes, tracerctl, until
):
    """Even of one that another's filter names; and root sees all."""
    owners = {uid: Target(processes, uid) for uid in (NOBODY, SOMEBODY, 0)}
    pids = {uid: target.pid for uid, target in owners.items()}
    for uid, pid in pids.items():
        assert run_as(uid, "attach", pid)[0] == 0
    with contextlib.ExitStack() as stack:
        watchers = {}
        for uid in owners:
            log = stack.enter_context(tempfile.TemporaryFile("w+"))
            named = [f"--pid={pid}" for pid in pids.values()] if uid == SOMEBODY else []
            end = ["--until", pids[uid]]
            process = start_as(uid, "watch", "--json", *named, *end, stdout=log)
            watchers[uid] = process, log
        until(
            lambda: (
                {one["pid"]: one["uid"] for one in status(tracerctl, shared)["subscriptions"]}
                == {process.pid: uid for uid, (process, _log) in watchers.items()}
            )
        )
        for target in owners.values():
            assert target.tell("call") == "read"
        for target in owners.values():  # each stream ends with its owner's program, root's last
            target.end()
        seen, opened = {}, {}
        for uid, (process, log) in watchers.items():
            assert process.wait(60) == 0
            log.seek(0)
            events = [json.loads(line) for line in log]
            assert not [event for event in events if event["type"] == "lost"]
            seen[uid] = {event["pid"] for event in events}
            opened[uid] = [
                event["pid"]
                for event in events
                if event.get("syscall") == "openat" and event["files"][0]["path"] == "/etc/hostname"
            ]

    assert seen == {NOBODY: {pids[NOBODY]}, SOMEBODY: {pids[SOMEBODY]}, 0: set(pids.values())}
    assert opened == {
        NOBODY: [pids[NOBODY]], SOMEBODY: [pids[SOMEBODY]], 0: list(pids.values()),
    }  # fmt: skip


def test_users_list_and_detach_their_own_only(run_as, processes, tracer_of):
    pids = {uid: Target(processes, uid).pid for uid in (NOBODY, SOMEBODY)}
    for uid, pid in pids.items():
        assert run_as(uid, "attach", pid)[0] == 0

    code, out, _err = run_as(NOBODY, "list", "--json")
    assert code == 0
    assert [one["pid"] for one in json.loads(out)["processes"]] == [pids[NOBODY]]
    code, out, err = run_as(NOBODY, "detach", pids[SOMEBODY])
    assert (code, out) == (9, "")  # whether others trace it is not this user's business
    assert f"process {pids[SOMEBODY]} is not traced" in err
    assert tracer_of(pids[SOMEBODY])


def test_a_set_user_id_program_is_not_shown_to_its_former_owner(
    run_as, start_as, shared, processes, tracerctl, until
):
    """From the exec on it is another user's, although it is the same process."""
    program = f"{os.path.dirname(shared)}/privileged"
    shutil.copy("/bin/cat", program)
    os.chmod(program, 0o4755)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("the directory for temporary files is mounted nosuid")
    script = 'read x; cat /etc/hostname; exec "$0" /etc/shadow'
    target = processes.start(
        ["sh", "-c", script, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
    )  # fmt: skip
    assert run_as(NOBODY, "attach", target.pid)[0] == 0
    with tempfile.TemporaryFile("w+") as theirs, tempfile.TemporaryFile("w+") as ours:
        watchers = [
            start_as(uid, "watch", "--json", "-P", "/etc/**", "--overflow", "block", stdout=log)
            for uid, log in ((NOBODY, theirs), (0, ours))
        ]
        until(lambda: len(status(tracerctl, shared)["subscriptions"]) == 2)
        out, _ = target.communicate(b"\n", timeout=60)
        assert target.returncode == 0
        # It could read what only root may: the kernel did change its user.
        assert out == Path("/etc/hostname").read_bytes() + Path("/etc/shadow").read_bytes()
        until(lambda: '"/etc/shadow"' in read(ours))
        until(lambda: all(not one["queued"] for one in status(tracerctl, shared)["subscriptions"]))
        for watcher in watchers:
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(60) == 0
        assert '"/etc/hostname"' in read(theirs)
        assert "/etc/shadow" not in read(theirs)


def read(file):
    file.seek(0)
    return file.read()


def test_sigterm_lets_every_process_go(start_daemon, tracerctl, processes, tracer_of, until):
    """Threads, children, a busy loop, a stopped process: all run on as they were."""
    daemon = start_daemon("--log-level", "warning")
    forker = Target(processes)
    busy = processes.start([sys.executable, "-ISc", "import os\nwhile True: os.getppid()"])
    stopped = processes.start(["sleep", "600"])
    os.kill(stopped.pid, signal.SIGSTOP)
    until(lambda: states(stopped.pid)[stopped.pid][0] == "T")
    pids = [forker.pid, busy.pid, stopped.pid]
    assert tracerctl("attach", *pids, socket=daemon.socket).returncode == 0
    child = int(forker.tell("child"))
    watcher = tracerctl.start(
        "watch", "--json", "--type", "detached", socket=daemon.socket,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: status(tracerctl, daemon.socket)["subscriptions"])

    assert daemon.stop() == 0

    assert not os.path.exists(daemon.socket)
    out, err = watcher.communicate(timeout=60)
    assert (watcher.returncode, err) == (1, "tracerctl: the daemon was shut down\n")
    assert sorted(json.loads(line)["pid"] for line in out.splitlines()) == sorted([*pids, child])
    for pid in (*pids, child):
        assert {tracer_of(tid) for tid in threads(pid)} == {0}
    until(lambda: states(stopped.pid)[stopped.pid][0] == "T")
    until(lambda: states(busy.pid)[busy.pid][0] == "R")
    assert settled(child, until)[child][0] == "S"
    assert forker.tell("call") == "read"


def test_sigkill_lets_every_process_go(start_daemon, tracerctl, processes, tracer_of, until):
    daemon = start_daemon("--log-level", "warning")
    forker = Target(processes)
    assert tracerctl("attach", forker.pid, socket=daemon.socket).returncode == 0
    child = int(forker.tell("child"))

    daemon.process.kill()
    daemon.process.wait(60)

    for pid in (forker.pid, child):
        until(lambda pid=pid: {tracer_of(tid) for tid in threads(pid)} == {0})
    assert forker.tell("call") == "read"
    done = tracerctl("list", socket=daemon.socket)
    assert (done.returncode, done.stdout) == (1, "")


def test_two_tracers_share_one_process(daemon, tracerctl, target, tracer_of, until):
    """Each is told when its own trace ends; the process is let go with the last."""
    assert tracerctl("attach", target.pid, socket=daemon.socket).returncode == 0
    tracing = tracerctl.start(
        "trace", "--json", "-P", "/etc/hostname", target.pid, socket=daemon.socket,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: status(tracerctl, daemon.socket)["subscriptions"])
    until(lambda: target.tell("call") and select.select([tracing.stdout], [], [], 0.05)[0])

    done = tracerctl("detach", target.pid, socket=daemon.socket)
    assert done.stdout == f"detached {target.pid}; it stays under trace for 1 other\n"
    assert tracer_of(target.pid)
    tracing.send_signal(signal.SIGINT)
    _out, err = tracing.communicate(timeout=60)
    assert (tracing.returncode, err) == (0, f"tracerctl: detached from {target.pid}\n")
    assert {tracer_of(tid) for tid in threads(target.pid)} == {0}

    assert tracerctl("attach", target.pid, socket=daemon.socket).returncode == 0
    tracing = tracerctl.start("trace", target.pid, socket=daemon.socket, stdout=subprocess.DEVNULL)
    until(lambda: status(tracerctl, daemon.socket)["subscriptions"])
    tracing.kill()
    tracing.wait(60)
    until(lambda: not status(tracerctl, daemon.socket)["subscriptions"])
    assert tracer_of(target.pid)
    assert target.tell("call") == "read"
