"""Both pumps over the same programs: every event is the same, but for what differs between runs."""

import re
import shutil
from collections import defaultdict

import msgspec
import pytest
from real import EVERYTHING, Tracing, command

from tracerd.core.native_pump import NativePump
from tracerd.core.python_pump import PythonPump
from tracerd.protocol.events import EVENT_TYPES, Exec
from tracerd.protocol.filters import Interest

ENTERS = Interest(types=frozenset(EVENT_TYPES), enter=None, exit=None, string_limit=64, envp=True)
FILES = Interest(
    types=frozenset({"syscall_exit", "exec", "exit"}),
    exit=frozenset({"open", "openat", "openat2", "stat", "newfstatat", "unlink", "execve"}),
    paths=frozenset({"/etc", "/tmp"}),
)

SIGRETURN = "rt_sigreturn"
VARYING = {
    "child_start",
    "seq",
    "time_ns",
    "start",
    "duration_ns",
    "pid",
    "tid",
    "ns_pid",
    "ns_tid",
    "ino",
}
RANDOM = {
    *("getrandom", "getppid", "getrusage", "wait4", "waitpid", "nanosleep", "gettimeofday"),
    *("times", "time", "sysinfo", "clock_gettime", "clock_gettime64", "ipc", "semget", "semctl"),
    *("semtimedop", "shmget", "shmat", "shmdt", "shmctl", "msgget", "msgctl", "msgsnd", "msgrcv"),
}
"""Calls of which only the name is compared."""

ABOUT_TASKS = {"fork", "vfork", "clone", "clone3", "getpid", "gettid", "set_tid_address", "kill"}
ABOUT_TASKS |= {"tgkill", "tkill", "getpgid", "getpgrp", "getsid", "setpgid", "prlimit64"}

PROGRAMS = {
    "strings": lambda work: command("edge_strings", "whole", work),
    "long": lambda _: command("edge_strings", "long"),
    "sizes": lambda _: command("edge_strings", "sizes"),
    "pages": lambda _: command("edge_strings", "pages"),
    "words": lambda _: command("edge_strings", "argv", 3000),
    "pointers": lambda _: command("edge_pointers"),
    "modes": lambda work: command("openmodes", work),
    "paths": lambda work: command("open_paths", work.resolve()),
    "repeat": lambda work: command("repeat", work),
    "sockets": lambda work: command("sockets", work),
    "int80": lambda _: command("abi_int80"),
    "i386": lambda work: command("abi_calls32", work),
    "ls": lambda _: ["ls", "-lR", "/etc/apt"],
    "script": lambda _: ["sh", "-c", "cat /dev/null; ls /nonexistent; exec true"],
    "child": lambda _: ["sh", "-c", "(exit 3); kill -TERM $$"],
}


def normal(event, names):
    """Return an event as text in which tasks are named by when they first appeared."""
    fields = {k: v for k, v in msgspec.to_builtins(event).items() if k not in VARYING}
    for access in fields.get("files", ()):
        access.pop("ino", None)
    if fields.get("syscall") in RANDOM:
        fields = {"syscall": fields["syscall"]}
    if isinstance(fields.get("args"), dict):
        for inode in ("statbuf", "buffer", *(("buf",) if "statfs" in fields["syscall"] else ())):
            fields["args"].pop(inode, None)  # times and inodes of files just made, space left
    text = msgspec.json.encode(fields, order="deterministic").decode()
    # O_TMPFILE, sockets and pipes, ports
    text = re.sub(r'(/#|:\[|"port":)\d+', r"\1any", text)
    if "child" in fields or "sender_pid" in fields or fields.get("syscall") in ABOUT_TASKS:
        text = re.sub(r"\d+", lambda found: names.get(found[0], found[0]), text)
    return text


def lived(pump, interest, argv, work):
    """Run a program under a pump; return its events, by task, and how it ended."""
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    tracing = Tracing(pump=pump)
    try:
        tracing.interest(interest)
        code = tracing.run("setarch", "-R", *argv)
    finally:
        tracing.stop()
    assert tracing.tracer.statistics.anomalies == 0
    assert not any(pump.kept().values())
    names, tasks = {}, defaultdict(list)
    first, second = [at for at, event in enumerate(tracing.events) if isinstance(event, Exec)][:2]
    del tracing.events[first : second + 2]  # setarch, whose own addresses vary
    for event in tracing.events:
        for tid in (event.tid, getattr(event, "child", event.tid)):
            names.setdefault(str(tid), f"task {len(names)}")
    for event in tracing.events:
        if getattr(event, "signal", "") == "SIGCHLD" or getattr(event, "syscall", "") == SIGRETURN:
            continue  # comes when it comes
        tasks[names[str(event.tid)]].append(normal(event, names))
    return code, tasks


INTERESTS = {"all": EVERYTHING, "enters": ENTERS, "paths": FILES}
CASES = [
    *[(name, "all") for name in PROGRAMS],
    *[(name, wanted) for name in ("modes", "paths", "script") for wanted in ("enters", "paths")],
]


@pytest.mark.parametrize(("name", "wanted"), CASES)
def test_every_event_is_the_same(tmp_path, name, wanted):
    work, interest = tmp_path / "work", INTERESTS[wanted]
    argv = PROGRAMS[name](work)
    one = lived(PythonPump(), interest, argv, work)
    other = lived(NativePump(), interest, argv, work)
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    for task, events in one[1].items():
        assert events == other[1][task]
    assert sum(map(len, one[1].values())) > (3 if wanted == "paths" else 20)
