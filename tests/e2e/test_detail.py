"""Two subscribers of different detail on one program: each gets its own, whoever comes or goes."""

import sys
import time
from itertools import islice

import pytest

from tracerd.client import connect_sync

PROGRAM = """
import os
while True:
    fd = os.open("/etc/hostname", os.O_RDONLY)
    os.read(fd, 100)
    os.close(fd)
"""
CALLS = {"type": "syscall_exit", "syscall": ["openat", "read"], "overflow": "block"}


@pytest.fixture
def busy(daemon, processes):
    """A program that reads a file over and over, under trace; and a client."""
    with connect_sync(daemon.socket) as client:
        process = processes.start([sys.executable, "-ISc", PROGRAM])
        client.attach(process.pid, scope="connection")
        yield client


def some(subscription):
    """Return the next twenty pairs of an open and a read."""
    made = list(islice((e for e in subscription if (e.ret or 0) > 0), 42))
    start = next(at for at, event in enumerate(made) if event.syscall == "openat")
    return made[start : start + 40]


def skip_to_now(subscription):
    """Read what happened up to now."""
    now_ns = time.time_ns()
    next(event for event in subscription if event.time_ns > now_ns)


def check(found, detail):
    """See that events are as they are at a level, and nothing more."""
    opened, read = found[::2], found[1::2]
    assert {event.syscall for event in opened} == {"openat"}
    assert {event.syscall for event in read} == {"read"}
    assert all(event.duration_ns > 0 and event.comm for event in found)
    paths = {tuple(file.real or file.path for file in event.files) for event in found}
    assert paths == ({()} if detail == "names" else {("/etc/hostname",)})
    names = {event.args.get("filename") for event in opened}
    assert names == ({"/etc/hostname"} if detail in {"args", "full"} else {None})
    contents = {event.args["buf"]["text"] for event in read if event.args}
    if detail == "full":
        [text] = contents
        assert text.endswith("\n")
    else:
        assert contents == ({""} if detail == "args" else set())


def test_each_gets_its_own_and_no_more_is_read_than_somebody_gets(busy):
    with busy.subscribe(**CALLS, detail="names") as names:
        check(some(names), "names")
        before = busy.status().memory_reads
        check(some(names), "names")
        assert busy.status().memory_reads == before
        for detail in ("files", "args", "full"):
            with busy.subscribe(**CALLS, detail=detail) as more:
                check(some(more), detail)
                check(some(names), "names")
        assert busy.status().memory_reads > before
        while len(busy.status().subscriptions) > 1:
            some(names)  # the program waits for it
        busy.list()  # the tracer knows that the others have left
        skip_to_now(names)
        before = busy.status().memory_reads
        check(some(names), "names")
        assert busy.status().memory_reads == before
