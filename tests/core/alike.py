"""Events of two runs of a program made comparable."""

import re
from collections import defaultdict

import msgspec

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


def by_task(events, tids):
    """Return what is to be compared, of each task, by the order in which they were first seen."""
    tasks = defaultdict(list)
    for event in events:
        tasks[event.tid]
        if getattr(event, "signal", "") == "SIGCHLD" or getattr(event, "syscall", "") == SIGRETURN:
            continue  # comes when it comes
        tasks[event.tid].append(normal(event, tids))
    return list(tasks.values())
