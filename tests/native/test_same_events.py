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
    *(
        "getrandom",
        "getppid",
        "getrusage",
        "wait4",
        "waitpid",
        "waitid",
        "nanosleep",
        "gettimeofday",
    ),
    *("times", "time", "sysinfo", "clock_gettime", "clock_gettime64", "ipc", "semget", "semctl"),
    *("semtimedop", "shmget", "shmat", "shmdt", "shmctl", "msgget", "msgctl", "msgsnd", "msgrcv"),
}
"""Calls of which only the name is compared."""

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


def normal(event, tids):
    """Return an event as text in which all tasks, of whichever run, have the same name."""
    fields = {k: v for k, v in msgspec.to_builtins(event).items() if k not in VARYING}
    for access in fields.get("files", ()):
        access.pop("ino", None)
    if fields.get("syscall") in RANDOM:
        fields = {"syscall": fields["syscall"]}
    if isinstance(fields.get("args"), dict):
        for inode in ("statbuf", "buffer", *(("buf",) if "statfs" in fields["syscall"] else ())):
            fields["args"].pop(inode, None)  # times and inodes of files just made, space left
    text = msgspec.json.encode(fields, order="deterministic").decode()
    text = re.sub(r'(/#|:\[|"port":)\d+', r"\1any", text)  # O_TMPFILE, sockets and pipes, ports
    return re.sub(r"\d+", lambda found: "task" if found[0] in tids else found[0], text)


def lived(pump, interest, argv, work):
    """Run a program under a pump; return how it ended, and its events."""
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    tracing = Tracing(pump=pump)
    try:
        tracing.interest(interest)
        # Addresses as they always are; and not under the sanitizers that the pump may be under.
        code = tracing.run("env", "-u", "LD_PRELOAD", "setarch", "-R", *argv)
    finally:
        tracing.stop()
    assert tracing.tracer.statistics.anomalies == 0
    assert not any(pump.kept().values())
    execs = [at for at, event in enumerate(tracing.events) if isinstance(event, Exec)]
    del tracing.events[: execs[2] + 2]  # of env and setarch the addresses vary
    return code, tracing.events


def by_task(events, tids):
    """Return what is to be compared, of each task, by the order in which they were first seen."""
    tasks = defaultdict(list)
    for event in events:
        tasks[event.tid]
        if getattr(event, "signal", "") == "SIGCHLD" or getattr(event, "syscall", "") == SIGRETURN:
            continue  # comes when it comes
        tasks[event.tid].append(normal(event, tids))
    return list(tasks.values())


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
    both = one[1] + other[1]
    tids = {str(tid) for event in both for tid in (event.tid, getattr(event, "child", event.tid))}
    mine, others = (by_task(events, tids) for _, events in (one, other))
    assert len(mine) == len(others)
    for events, same in zip(mine, others, strict=True):
        assert events == same
    assert sum(map(len, mine)) > (3 if wanted == "paths" else 20)
