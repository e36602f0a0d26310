"""`tracerctl watch` and `trace`: exactly the events asked for, whoever else asks for what."""

import fnmatch
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEADLINE_S = 60

PROGRAM = r"""
import os, sys
sys.stdin.readline()
here = sys.argv[1]
os.chdir(here)
os.mkdir("sub")
for name in ("a.txt", "b.log", "sub/c.txt", "sub/d.log"):
    with open(name, "w") as file:
        file.write(name)
    with open(name) as file:
        file.read()
for missing in ("none", "sub/none", "/nowhere/at/all"):
    try:
        os.stat(missing)
    except OSError:
        pass
    try:
        os.open(missing, os.O_RDONLY)
    except OSError:
        pass
try:
    os.mkdir("sub")
except OSError:
    pass
os.rename("a.txt", "renamed.txt")
os.link("b.log", "linked")
os.symlink("b.log", "soft")
os.readlink("soft")
os.chmod("b.log", 0o600)
os.listdir("sub")
os.kill(os.getpid(), 0)
import signal, socket
signal.signal(signal.SIGUSR1, lambda *_: None)
os.kill(os.getpid(), signal.SIGUSR1)
with socket.socket(socket.AF_UNIX) as peer:
    try:
        peer.connect(here + "/no.sock")
    except OSError:
        pass
for code in (0, 3):
    pid = os.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", "cat sub/c.txt; test -e /etc/hostname; exit %d" % code])
    os.waitpid(pid, 0)
os.unlink("linked")
os.unlink("sub/c.txt")
os.unlink("sub/d.log")
os.rmdir("sub")
"""
"""Touches files in every way, fails in some, has children, gets a signal; always the same."""

CLASSES = {
    "%process": {"execve", "execveat", "fork", "vfork", "clone", "clone3", "exit", "exit_group",
                 "wait4", "waitid", "kill", "tkill", "tgkill", "rt_sigqueueinfo",
                 "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "unshare", "setns"},
    "%network": {"socket", "connect", "bind", "accept", "accept4", "sendto", "recvfrom", "listen",
                 "socketpair", "getsockname", "getpeername", "sendmsg", "recvmsg", "setsockopt",
                 "getsockopt", "shutdown", "sendmmsg", "recvmmsg"},
    "%memory": {"mmap", "munmap", "mprotect", "brk", "mremap", "madvise"},
}  # fmt: skip
"""What strace(1) says of these classes, as far as the program makes such calls."""


@pytest.fixture
def act(processes, tmp_path):
    """The program, waiting for a line; `act.here` is its directory."""
    here = tmp_path / "here"
    here.mkdir()
    process = processes.start(
        [sys.executable, "-ISc", PROGRAM, here], cwd="/",
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    process.here = str(here)
    return process


@pytest.fixture
def watched(daemon, tracerctl, act, until, tmp_path):
    """`watched(*lists_of_options)`: run the program once with a watcher for each list.

    Returns the list of events that each got, as JSON, the one of a watcher without filters first.
    """

    def watch(*options):
        assert tracerctl("attach", act.pid, socket=daemon.socket).returncode == 0
        watchers = []
        for number, words in enumerate(([], *options)):
            log = tmp_path / f"watcher{number}"
            watcher = tracerctl.start(
                "watch", "--json", "--overflow", "block", "--until", act.pid, "-o", log, *words,
                socket=daemon.socket,
            )  # fmt: skip
            watchers.append((watcher, log))
        subscribed(tracerctl, daemon, until, len(watchers), [each for each, _log in watchers])
        act.communicate("go\n", timeout=DEADLINE_S)
        assert act.returncode == 0
        for process, _log in watchers:
            assert process.wait(DEADLINE_S) == 0
        return [list(map(json.loads, log.read_text().splitlines())) for _process, log in watchers]

    return watch


def subscriptions(tracerctl, daemon):
    done = tracerctl("status", "--json", socket=daemon.socket)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["subscriptions"]


def subscribed(tracerctl, daemon, until, count, watchers=()):
    def all_are():
        assert all(watcher.poll() is None for watcher in watchers)
        return len(subscriptions(tracerctl, daemon)) == count

    until(all_are)


def is_call(event):
    return event["type"] == "syscall_exit"


def opens(event):
    """The absolute paths that a call names, and the operations with them."""
    if event["type"] == "exec":
        return [(event["path"], "exec")]
    return [(file["path"], file["op"]) for file in event.get("files", ())]


def path_calls(event):
    """Whether the call names a path, so that its files count at the level `path`."""
    return event["type"] == "exec" or (
        event.get("syscall")
        in {
            *("open", "openat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat"),
            *(
                "faccessat2",
                "mkdir",
                "mkdirat",
                "rename",
                "renameat",
                "renameat2",
                "link",
                "linkat",
            ),
            *("symlink", "symlinkat", "readlink", "readlinkat", "chmod", "fchmodat", "unlink"),
            *("unlinkat", "rmdir", "chdir", "execve", "connect", "creat"),
        }
        and not asks_a_descriptor(event)
    )


def asks_a_descriptor(event):
    """Whether the call names no path though it could, and so does what fstat does."""
    return event["syscall"] in {"newfstatat", "statx", "faccessat2"} and not any(
        file.get("raw") for file in event.get("files", ())
    )


def files_where(judge):
    """A predicate: some file of a call that names paths satisfies `judge(path, op)`."""
    return lambda event, here: (
        path_calls(event) and any(judge(path, op, here) for path, op in opens(event))
    )


def failed(event):
    return is_call(event) and "errno" in event


def succeeded(event):
    return is_call(event) and "errno" not in event and event.get("ret") is not None


def below(path, directory):
    return path == directory or path.startswith(directory + "/")


def calls(names):
    return lambda event, here: is_call(event) and event["syscall"] in names


def both(*judges):
    return lambda event, here: all(judge(event, here) for judge in judges)


FILTERS = {
    "syscall": (["-e", "openat"], calls({"openat"})),
    "two syscalls": (["-e", "openat,read"], calls({"openat", "read"})),
    "repeated": (["-e", "openat", "-e", "close"], calls({"openat", "close"})),
    "not a syscall": (
        ["-e", "!openat,read"],
        lambda event, here: not is_call(event) or event["syscall"] not in {"openat", "read"},
    ),
    "wildcard": (
        ["-e", "un*"], lambda event, here: is_call(event) and event["syscall"].startswith("un")),
    "regular expression": (
        ["-e", "/^(rm|mk)dir$"], calls({"rmdir", "mkdir"})),
    **{name: (["-e", name], calls(members)) for name, members in CLASSES.items()},
    "not %memory": (
        ["-e", "!%memory"],
        lambda event, here: not is_call(event) or event["syscall"] not in CLASSES["%memory"]),
    "path": (["-P", "HERE/b.log"], files_where(lambda path, op, here: path == f"{here}/b.log")),
    "directory": (
        ["-P", "HERE/sub/"], files_where(lambda path, op, here: below(path, f"{here}/sub"))),
    "star": (
        ["-P", "HERE/*.txt"],
        files_where(lambda path, op, here: fnmatch.fnmatchcase(path, f"{here}/*.txt")
                    and "/" not in path[len(here) + 1:])),
    "two stars": (
        ["-P", "HERE/**"], files_where(lambda path, op, here: path.startswith(f"{here}/"))),
    "anywhere": (
        ["-P", "**/c.txt"], files_where(lambda path, op, here: path.endswith("/c.txt"))),
    "two paths": (
        ["-P", "HERE/b.log", "-P", "/nowhere/**"],
        files_where(lambda path, op, here: path in {f"{here}/b.log", "/nowhere/at/all"})),
    "path but not": (
        ["-P", "HERE/", "-P", "!HERE/sub/"],
        files_where(lambda path, op, here: below(path, here) and not below(path, f"{here}/sub"))),
    "op": (["--op", "delete"], files_where(lambda path, op, here: op == "delete")),
    "two ops": (
        ["--op", "write,rename-to"],
        files_where(lambda path, op, here: op in {"write", "rename-to"})),
    "path and op": (
        ["-P", "HERE/**", "--op", "read"],
        files_where(lambda path, op, here: path.startswith(f"{here}/") and op == "read")),
    "path and not op": (
        ["-P", "HERE/**", "--op", "!read,stat"],
        files_where(lambda path, op, here: path.startswith(f"{here}/")
                    and op not in {"read", "stat"})),
    "failed": (["--failed"], lambda event, here: failed(event)),
    "ok": (["--ok"], lambda event, here: succeeded(event)),
    "failed or ok": (["-Z", "-z"], lambda event, here: failed(event) or succeeded(event)),
    "errno": (
        ["--result", "EEXIST"], lambda event, here: event.get("errno") == "EEXIST"),
    "not errno": (
        ["--failed", "--result", "!ENOENT"],
        lambda event, here: failed(event) and event["errno"] != "ENOENT"),
    "failed opens": (
        ["-e", "openat", "--failed"], both(calls({"openat"}), lambda event, here: failed(event))),
    "type": (["--type", "exec"], lambda event, here: event["type"] == "exec"),
    "types": (
        ["--type", "exit,new_child", "--type", "signal_stop"],
        lambda event, here: event["type"] in {"exit", "new_child", "signal_stop"}),
    "not a type": (
        ["--type", "!syscall_exit"], lambda event, here: not is_call(event)),
    "comm": (["--comm", "cat"], lambda event, here: event["comm"] == "cat"),
    "not comm": (
        ["--comm", "!cat", "--comm", "!sh"],
        lambda event, here: event["comm"] not in {"cat", "sh"}),
}  # fmt: skip


def test_each_filter_gives_exactly_its_events(watched, act):
    """All of them at once: none disturbs another."""
    here = act.here
    options = [[word.replace("HERE", here) for word in words] for words, _judge in FILTERS.values()]

    unfiltered, *filtered = watched(*options)

    assert len(unfiltered) > 200
    assert {event["type"] for event in unfiltered} >= {
        *("syscall_exit", "exec", "exit", "new_child", "signal_stop"),
    }
    for (name, (_words, judge)), got in zip(FILTERS.items(), filtered, strict=True):
        wanted = [event for event in unfiltered if judge(event, here)]
        assert [shape(event) for event in got] == [shape(event) for event in wanted], name
        assert got == wanted, name
        assert 0 < len(wanted) < len(unfiltered), name


def test_entries_on_request(watched, act):
    """syscall_enter comes for those who ask, before its exit; nobody else sees it."""
    alone, both_, one = watched(
        ["--type", "syscall_enter,syscall_exit", "-e", "openat,execve"],
        ["--type", "syscall_enter", "-e", "openat", "-P", f"{act.here}/**"],
    )

    assert not [event for event in alone if event["type"] == "syscall_enter"]
    assert [event for event in both_ if is_call(event)] == [
        event for event in alone if event.get("syscall") in {"openat", "execve"}
    ]
    entered = {}
    for event in both_:
        if event["type"] == "syscall_enter":
            assert event["tid"] not in entered
            entered[event["tid"]] = event
        else:
            entry = entered.pop(event["tid"])
            assert (entry["syscall"], entry["nr"]) == (event["syscall"], event["nr"])
            assert entry["args"]["filename"] == event["args"]["filename"]
            assert event["time_ns"] - entry["time_ns"] >= 0
            assert abs(event["time_ns"] - entry["time_ns"] - event["duration_ns"]) < 10**9
    assert entered == {}
    # An entry has no files: what was done is known when the call returns.
    assert one == []


def shape(event):
    """What of an event is readable in a failure."""
    return event["seq"], event["type"], event.get("syscall"), opens(event)


def test_processes_are_told_apart(daemon, tracerctl, processes, until, tmp_path):
    """By pid, by tree, and by their negations; two programs of one shape."""
    script = 'read x; sh -c "cat /etc/hostname; (cat /etc/hostname); true"; exit 0'
    one, two = (
        processes.start(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        for _ in range(2)
    )
    assert tracerctl("attach", one.pid, two.pid, socket=daemon.socket).returncode == 0
    options = {
        "all": [],
        "pid": ["--pid", one.pid],
        "pids": ["--pid", f"{one.pid},{two.pid}"],
        "tree": ["--tree", one.pid],
        "not pid": ["--pid", f"!{one.pid}"],
        "not tree": ["--tree", f"!{one.pid}"],
        "tree but its root": ["--tree", one.pid, "--pid", f"!{one.pid}"],
        "tid": ["--tid", two.pid],
    }
    watchers = {}
    for name, words in options.items():
        log = tmp_path / name.replace(" ", "-")
        watcher = tracerctl.start(
            "watch", "--json", "--until", two.pid, "-o", log, *words, socket=daemon.socket
        )
        watchers[name] = watcher, log
    subscribed(tracerctl, daemon, until, len(watchers))
    for process in (one, two):
        process.communicate("\n", timeout=DEADLINE_S)
        assert process.returncode == 0
    got = {}
    for name, (watcher, log) in watchers.items():
        assert watcher.wait(DEADLINE_S) == 0
        got[name] = list(map(json.loads, log.read_text().splitlines()))

    everything = got["all"]
    tree = {one.pid}
    for event in everything:
        if event["type"] == "new_child" and event["pid"] in tree:
            tree.add(event["child"])
    assert len(tree) == 4
    judges = {
        "all": lambda pid: True,
        "pid": lambda pid: pid == one.pid,
        "pids": lambda pid: pid in {one.pid, two.pid},
        "tree": lambda pid: pid in tree,
        "not pid": lambda pid: pid != one.pid,
        "not tree": lambda pid: pid not in tree,
        "tree but its root": lambda pid: pid in tree and pid != one.pid,
        "tid": lambda pid: pid == two.pid,
    }
    for name, judge in judges.items():
        wanted = [event for event in everything if judge(event["pid"])]
        assert got[name] == wanted, name
        assert wanted


def test_one_that_is_killed_takes_nothing_with_it(
    daemon, tracerctl, processes, until, tracer_of, tmp_path
):
    loop = "while read x; do test -e /etc/hostname; test -e /none; done; exit 0"
    target = processes.start(["sh", "-c", loop], stdin=subprocess.PIPE)
    assert tracerctl("attach", target.pid, socket=daemon.socket).returncode == 0

    def watch(name, *words):
        return tracerctl.start(
            "watch", "--json", "--until", target.pid, "-o", tmp_path / name, *words,
            socket=daemon.socket,
        )  # fmt: skip

    failing = watch("failing", "-e", "%file", "--failed")
    doomed = watch("doomed")
    everything = watch("all", "-e", "%file")
    subscribed(tracerctl, daemon, until, 3)
    target.stdin.write(b"\n" * 300)
    target.stdin.flush()
    until(lambda: (tmp_path / "doomed").read_text().count("\n") > 50)

    doomed.kill()
    doomed.wait(DEADLINE_S)

    subscribed(tracerctl, daemon, until, 2)
    assert tracer_of(target.pid)
    target.communicate(b"\n" * 300, timeout=DEADLINE_S)
    assert target.returncode == 0
    assert failing.wait(DEADLINE_S) == everything.wait(DEADLINE_S) == 0
    paths = {
        name: [
            json.loads(line)["files"][0]["path"]
            for line in (tmp_path / name).read_text().splitlines()
        ]
        for name in ("failing", "all")
    }
    assert paths == {"failing": ["/none"] * 600, "all": ["/etc/hostname", "/none"] * 600}


def shown(act, daemon, tracerctl, until, stdout, *words):
    """Run the program with a watcher that writes text to `stdout`."""
    assert tracerctl("attach", act.pid, socket=daemon.socket).returncode == 0
    environment = {**os.environ, "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    watcher = tracerctl.start(
        "watch", "--until", act.pid, "-e", "execve,unlink", *words,
        socket=daemon.socket, stdout=stdout, env=environment,
    )  # fmt: skip
    subscribed(tracerctl, daemon, until, 1)
    act.communicate("go\n", timeout=DEADLINE_S)
    return watcher


@pytest.mark.parametrize(
    ("words", "coloured"),
    [([], True), (["--color", "never"], False), (["--json"], False), (["--color", "auto"], True)],
)
def test_colour_on_a_terminal(daemon, tracerctl, act, until, words, coloured):
    ours, theirs = pty.openpty()
    try:
        watcher = shown(act, daemon, tracerctl, until, theirs, *words)
        assert watcher.wait(DEADLINE_S) == 0
        os.set_blocking(ours, False)
        text = b""
        while b"unlink" not in text:
            text += os.read(ours, 65536)
    finally:
        os.close(ours)
        os.close(theirs)

    assert (b"\x1b[" in text) == coloured


@pytest.mark.parametrize(("words", "coloured"), [([], False), (["--color", "always"], True)])
def test_colour_elsewhere(daemon, tracerctl, act, until, words, coloured):
    watcher = shown(act, daemon, tracerctl, until, subprocess.PIPE, *words)
    text, _ = watcher.communicate(timeout=DEADLINE_S)

    assert b"unlink" in text
    assert (b"\x1b" in text) == coloured


def test_text_says_what_json_says(daemon, tracerctl, act, until):
    watcher = shown(act, daemon, tracerctl, until, subprocess.PIPE, "-e", "mkdir,rename")
    lines = watcher.communicate(timeout=DEADLINE_S)[0].decode().splitlines()

    texts = [line.partition("] ")[2] for line in lines if f"[pid {act.pid:>5}]" in line]
    assert [" ".join(text.split()) for text in texts if text.startswith(("mkdir", "rename"))] == [
        'mkdir("sub", 0777) = 0',
        'mkdir("sub", 0777) = -1 EEXIST (File exists)',
        'rename("a.txt", "renamed.txt") = 0',
    ]
    deleted = [text.split(")")[0] for text in texts if text.startswith("unlink")]
    assert deleted == ['unlink("linked"', 'unlink("sub/c.txt"', 'unlink("sub/d.log"']


def test_watch_ends_on_ctrl_c_and_leaves_all_under_trace(
    daemon, tracerctl, processes, until, tracer_of
):
    sleeper = processes.start(["sleep", "600"])
    tracerctl("attach", sleeper.pid, socket=daemon.socket)
    watcher = tracerctl.start("watch", socket=daemon.socket, stderr=subprocess.PIPE)
    subscribed(tracerctl, daemon, until, 1)

    watcher.send_signal(signal.SIGINT)

    assert watcher.wait(DEADLINE_S) == 0
    assert watcher.stderr.read() == b""
    assert tracer_of(sleeper.pid)
    subscribed(tracerctl, daemon, until, 0)


TICKING = "echo ready; while :; do sleep 0.02; test -e /tick; echo; done"


@pytest.fixture
def ticking(processes):
    """A program that says something again and again."""
    process = processes.start(["sh", "-c", TICKING], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def traced(tracerctl, daemon, target):
    """Trace `target` and return once its calls are shown."""
    tracing = tracerctl.start(
        "trace", "-P", "/tick", target.pid, socket=daemon.socket,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(3):
        assert any('"/tick"' in line for line in tracing.stdout)  # signals are shown, too
    return tracing


def goes_on(target):
    """Fail unless the program is seen to go on."""
    for _ in range(10):
        assert target.stdout.readline() == b"\n"
    assert target.poll() is None


def no_longer_traced(target, tracer_of, until):
    """Wait until neither the program nor a child that it has just now is traced."""

    def free():
        children = Path(f"/proc/{target.pid}/task/{target.pid}/children").read_text().split()
        try:
            return not any(tracer_of(pid) for pid in (target.pid, *children))
        except OSError:
            return False

    until(free)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_trace_detaches_on_a_signal(daemon, tracerctl, ticking, tracer_of, number):
    tracing = traced(tracerctl, daemon, ticking)
    assert tracer_of(ticking.pid)

    tracing.send_signal(number)
    _out, err = tracing.communicate(timeout=DEADLINE_S)

    assert (tracing.returncode, err) == (0, f"tracerctl: detached from {ticking.pid}\n")
    assert tracer_of(ticking.pid) == 0
    goes_on(ticking)


def test_trace_ends_with_the_program(daemon, tracerctl, processes):
    target = processes.start(["sh", "-c", "read x; exit 3"], stdin=subprocess.PIPE)
    tracing = tracerctl.start(
        "trace", target.pid, socket=daemon.socket,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    # The line says that it came under trace.
    assert tracing.stdout.readline()
    target.communicate(b"\n", timeout=DEADLINE_S)
    out, err = tracing.communicate(timeout=DEADLINE_S)

    assert (tracing.returncode, err) == (0, "")
    assert out.endswith(f"[pid {target.pid:>5}] +++ exited with 3 +++\n")


@pytest.mark.parametrize(
    ("number", "text"),
    [(signal.SIGTERM, "the daemon was shut down"), (signal.SIGKILL, "the daemon has gone")],
)
def test_the_daemons_end_is_told_and_the_program_goes_on(
    start_daemon, tracerctl, ticking, tracer_of, until, number, text
):
    daemon = start_daemon("--log-level", "warning")
    tracing = traced(tracerctl, daemon, ticking)

    daemon.process.send_signal(number)
    _out, err = tracing.communicate(timeout=DEADLINE_S)

    assert (tracing.returncode, err) == (
        1, f"tracerctl: {text}; {ticking.pid} runs on untraced\n",
    )  # fmt: skip
    daemon.process.wait(DEADLINE_S)
    no_longer_traced(ticking, tracer_of, until)
    goes_on(ticking)


@pytest.mark.parametrize(
    ("number", "text"),
    [(signal.SIGTERM, "the daemon was shut down"), (signal.SIGKILL, "the daemon has gone")],
)
def test_watch_tells_of_the_daemons_end(start_daemon, tracerctl, until, number, text):
    daemon = start_daemon("--log-level", "warning")
    watcher = tracerctl.start("watch", socket=daemon.socket, stderr=subprocess.PIPE, text=True)
    subscribed(tracerctl, daemon, until, 1)

    daemon.process.send_signal(number)
    _out, err = watcher.communicate(timeout=DEADLINE_S)

    assert (watcher.returncode, err) == (1, f"tracerctl: {text}\n")
    daemon.process.wait(DEADLINE_S)


@pytest.mark.parametrize("words", [["watch", "--json", "--until"], ["trace", "--json"]])
def test_the_end_is_noticed_that_comes_with_the_last_events(
    daemon, tracerctl, processes, until, words
):
    """A reader that was away finds events and the stream's end in one read."""
    target = processes.start(["sh", "-c", "read x; exit 3"], stdin=subprocess.PIPE)
    assert tracerctl("attach", target.pid, socket=daemon.socket).returncode == 0
    reader = tracerctl.start(
        *words, target.pid, socket=daemon.socket, stdout=subprocess.PIPE, text=True
    )
    subscribed(tracerctl, daemon, until, 1)
    until(lambda: sleeps(reader.pid))
    reader.send_signal(signal.SIGSTOP)
    until(lambda: state(reader.pid) == "T")
    target.communicate(b"\n", timeout=DEADLINE_S)
    subscribed(tracerctl, daemon, until, 0)  # the end is in the socket

    reader.send_signal(signal.SIGCONT)
    out, _ = reader.communicate(timeout=60)

    assert reader.returncode == 0
    assert json.loads(out.splitlines()[-1])["type"] == "exit"


def test_the_ends_of_several_processes_are_noticed_that_come_with_their_events(
    daemon, tracerctl, processes, until
):
    targets = [
        processes.start(["sh", "-c", "read x; exit 3"], stdin=subprocess.PIPE) for _ in range(2)
    ]
    tracing = tracerctl.start(
        "trace", "--json", "--type", "detached,exit", *(target.pid for target in targets),
        socket=daemon.socket, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    subscribed(tracerctl, daemon, until, 3)
    listed = ["list", "--json"]
    until(
        lambda: len(json.loads(tracerctl(*listed, socket=daemon.socket).stdout)["processes"]) == 2
    )
    until(lambda: sleeps(tracing.pid))
    tracing.send_signal(signal.SIGSTOP)
    until(lambda: state(tracing.pid) == "T")
    os.kill(targets[1].pid, signal.SIGKILL)
    targets[0].communicate(b"\n", timeout=DEADLINE_S)
    subscribed(tracerctl, daemon, until, 1)

    tracing.send_signal(signal.SIGCONT)
    tracing.communicate(timeout=60)

    assert tracing.returncode == 0


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def sleeps(pid):
    """Whether it waits for events, and not for some answer."""
    return "poll" in Path(f"/proc/{pid}/wchan").read_text()


def test_ctrl_c_lets_several_processes_go(daemon, tracerctl, processes, tracer_of, until):
    targets = [processes.start(["sleep", "600"]) for _ in range(3)]
    tracing = tracerctl.start(
        "trace", *(target.pid for target in targets),
        socket=daemon.socket, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: all(tracer_of(target.pid) for target in targets))
    until(lambda: sleeps(tracing.pid))

    tracing.send_signal(signal.SIGINT)
    _out, err = tracing.communicate(timeout=60)

    pids = ", ".join(str(target.pid) for target in targets)
    assert (tracing.returncode, err) == (0, f"tracerctl: detached from {pids}\n")
    assert not any(tracer_of(target.pid) for target in targets)
    assert all(target.poll() is None for target in targets)
