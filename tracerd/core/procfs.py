"""Reading /proc.

Always /proc/TID, never /proc/TGID: a leader that has exited is not the end of its
process (proc(5)).  Functions return None when the task is gone; a gone task is never an error.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

PF_EXITING = 0x00000004
PF_KTHREAD = 0x00200000
_GONE = (FileNotFoundError, ProcessLookupError)


def read(path: str) -> bytes | None:
    """Read a small /proc file whole; None if the task is gone or it may not be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        chunks = []
        while chunk := os.read(fd, 65536):
            chunks.append(chunk)
        return b"".join(chunks)
    except OSError:
        return None
    finally:
        os.close(fd)


class Status(NamedTuple):
    """The parts of /proc/TID/status that matter here; ids are real, effective, saved, fs.

    caps: permitted capabilities, in its own user namespace.
    inner: the tid in the innermost pid namespace the task is in; its own tid if that is ours.
    switches: how often the task has slept or waited for a processor.
    threads: how many its process has, dead ones that are not reaped among them.
    """

    state: str
    tgid: int
    ppid: int
    tracer: int
    uids: tuple[int, int, int, int]
    gids: tuple[int, int, int, int]
    caps: int
    pending: int
    shared_pending: int
    blocked: int
    caught: int
    inner: int
    switches: int
    threads: int


def _four(value: bytes) -> tuple[int, int, int, int]:
    a, b, c, d = (int(part) for part in value.split())
    return a, b, c, d


def status(tid: int) -> Status | None:
    """Read /proc/TID/status."""
    text = read(f"/proc/{tid}/status")
    if not text:
        return None
    rows = dict(line.split(b":\t", 1) for line in text.split(b"\n") if b":\t" in line)
    try:
        return Status(
            state=rows[b"State"][:1].decode("ascii"),
            tgid=int(rows[b"Tgid"]),
            ppid=int(rows[b"PPid"]),
            tracer=int(rows[b"TracerPid"]),
            uids=_four(rows[b"Uid"]),
            gids=_four(rows[b"Gid"]),
            caps=int(rows[b"CapPrm"], 16),
            pending=int(rows[b"SigPnd"], 16),
            shared_pending=int(rows[b"ShdPnd"], 16),
            blocked=int(rows[b"SigBlk"], 16),
            caught=int(rows[b"SigCgt"], 16),
            inner=int(rows[b"NSpid"].split()[-1]) if b"NSpid" in rows else tid,
            switches=int(rows[b"voluntary_ctxt_switches"])
            + int(rows[b"nonvoluntary_ctxt_switches"]),
            threads=int(rows[b"Threads"]),
        )
    except (KeyError, ValueError):
        return None


def groups(tid: int) -> list[int] | None:
    """Return the supplementary groups of a task."""
    text = read(f"/proc/{tid}/status") or b""
    _, found, rest = text.partition(b"\nGroups:\t")
    return [int(each) for each in rest.partition(b"\n")[0].split()] if found else None


def tracer_of(tid: int) -> int:
    """Return the process that traces a task; 0: none, or the task is gone."""
    found = status(tid)
    if found is None or not found.tracer:
        return 0
    holder = status(found.tracer)  # a thread, as the kernel names it
    return found.tracer if holder is None else holder.tgid


class Stat(NamedTuple):
    """The parts of /proc/TID/stat that matter here.  start: clock ticks since boot."""

    comm: bytes
    state: str
    ppid: int
    flags: int
    start: int


def stat(tid: int) -> Stat | None:
    """Read /proc/TID/stat; the command name may hold spaces and parentheses."""
    text = read(f"/proc/{tid}/stat")
    if not text:
        return None
    head, _, tail = text.rpartition(b")")
    fields = tail.split()
    try:
        return Stat(
            comm=head.partition(b"(")[2],
            state=fields[0].decode("ascii"),
            ppid=int(fields[1]),
            flags=int(fields[6]),
            start=int(fields[19]),
        )
    except (IndexError, ValueError):
        return None


def comm(tid: int) -> bytes | None:
    """Return the command name of a task."""
    text = read(f"/proc/{tid}/comm")
    return None if text is None else text.rstrip(b"\n")


STRINGS_LIMIT = 32_768
"""Bytes of argv or of the environment in an event: as much as of those that execve is passed."""


def _strings(text: bytes | None) -> tuple[list[bytes], bool]:
    if not text:
        return [], True
    cut = text[:STRINGS_LIMIT]
    return cut.removesuffix(b"\0").split(b"\0"), len(cut) == len(text)


def cmdline(tid: int) -> tuple[list[bytes], bool]:
    """Return argv as the process has it in memory now, and whether that is all of it."""
    return _strings(read(f"/proc/{tid}/cmdline"))


def environ(tid: int) -> tuple[list[bytes], bool]:
    """Return the environment as it was given at exec, and whether that is all of it."""
    return _strings(read(f"/proc/{tid}/environ"))


AT_EXECFN = 31
_PATH_MAX = 4096


def execfn(tid: int) -> bytes | None:
    """Return the path that was passed to execve, from the auxiliary vector (getauxval(3))."""
    vector = read(f"/proc/{tid}/auxv") or b""
    for kind, value in struct.iter_unpack("<QQ", vector[: len(vector) & ~15]):
        if kind == AT_EXECFN:
            try:
                with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
                    memory.seek(value)
                    return memory.read(_PATH_MAX).split(b"\0", 1)[0] or None
            except (OSError, OverflowError, ValueError):
                return None
    return None


def link(path: str) -> bytes | None:
    """Return the target of a /proc link."""
    try:
        return os.readlink(os.fsencode(path))
    except OSError:
        return None


def tasks(pid: int) -> list[int] | None:
    """List the tids of a process; None if there is no such process."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except _GONE:
        return None


def owner(tid: int) -> int:
    """Return whose the files in /proc/TID are; -1: the task is gone.

    They are its effective user's if it is dumpable, else root's (proc(5)).  To be asked before
    whose the task is: who drops privileges is not dumpable before it is another user.
    """
    try:
        return os.stat(f"/proc/{tid}/environ").st_uid
    except OSError:
        return -1


def dumpable(tid: int) -> bool:
    """Whether the kernel lets the process's own user look into it."""
    found = owner(tid)
    now = status(tid)
    return now is not None and found == now.uids[1]
