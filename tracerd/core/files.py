"""From a recorded call to its `files` entries: which file, and what was done to it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from tracerd.core import procfs
from tracerd.core.capture import as_int
from tracerd.core.paths import Place, of_link, resolve, seen_from
from tracerd.core.pump import Call
from tracerd.core.syscalls import part_of, plan_for
from tracerd.core.syscalls.model import Arg, Captured, Cut, OpenedFile
from tracerd.core.tracee import Details, Identity
from tracerd.protocol.detail import Detail
from tracerd.protocol.events import Created, FileAccess
from tracerd.protocol.text import exact, shown

O_PATH = 0o10000000
O_TMPFILE = 0o20200000
AT_EMPTY_PATH = 0x1000
CREAT_FLAGS = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
MAP_SHARED, MAP_SHARED_VALIDATE = 1, 3
PROT_WRITE = 2

NAMELESS_OPS: dict[str, Callable[[int], tuple[str, ...]]] = {
    "open_by_handle_at": lambda flags: open_ops(flags, None),
    "memfd_create": lambda _: ("create",),
    "memfd_secret": lambda _: ("create",),
}
"""What the calls of plan.NAMELESS do to the file that they return, by their flags."""

ACCESS_MODES: dict[int, tuple[str, ...]] = {
    0: ("read",),
    1: ("write",),
    2: ("read", "write"),
    3: ("attr",),  # neither: the descriptor is good for ioctl only
}


def open_flags(entry: Call) -> int:
    """Return the open flags of any call of the open family."""
    syscall = entry.action.syscall
    if syscall.name == "creat":
        return CREAT_FLAGS
    if "flags" in syscall.index:
        return as_int(entry.args[syscall.index["flags"]]) & 0xFFFFFFFF
    how = syscall.index.get("how")
    if how is not None:
        at = entry.action.plan.arg_enter[how]
        data = entry.captured[at] if at >= 0 else None
        data = data.data if isinstance(data, Cut) else data
        if isinstance(data, bytes):
            return int.from_bytes(data[:8], "little")
    return 0


def open_ops(flags: int, created: Created | None) -> tuple[str, ...]:
    """Return what an open asks for.  O_RDONLY is zero; O_PATH is no read."""
    if flags & O_PATH:
        return ("stat",)
    ops = ACCESS_MODES[flags & os.O_ACCMODE]
    if flags & O_TMPFILE != O_TMPFILE and flags & os.O_DIRECTORY and ops == ("read",):
        ops = ("list",)
    if flags & os.O_TRUNC:
        ops = (*ops, "truncate")
    if created:
        ops = ("create", *ops)
    return ops


def created_by(entry: Call, flags: int, *, failed: bool) -> Created | None:
    """Return whether an open made its file; None if it could not have."""
    if flags & O_TMPFILE == O_TMPFILE:
        return not failed
    if not flags & os.O_CREAT:
        return None
    if failed:
        return False
    if flags & os.O_EXCL:
        return True
    present = entry.action.plan.present
    before = entry.captured[present] if present >= 0 else None
    return not before if isinstance(before, bool) else "unknown"


def part_told(entry: Call, back: Call | None) -> tuple[Call, Call | None]:
    """Return the records of the call that a call stands for (see How.PART); else the same."""
    if not entry.action.syscall.parts:
        return entry, back
    part = part_of(entry.action.syscall, entry.captured, () if back is None else back.captured)
    if part is None:
        return entry, back
    row, before, after = part
    action = entry.action._replace(syscall=row, plan=plan_for(row, entry.action.detail))
    entry = entry._replace(action=action, args=before.args, captured=before.captured)
    if back is not None:
        back = back._replace(action=action, args=before.args, captured=after)
    return entry, back


def entries(process: Identity, entry: Call, back: Call | None) -> list[FileAccess]:
    """Return what a call does to files.  back: its exit record; None if it never returned.

    It was recorded for Detail.FILES at least.  Of a call that stands for another, both records
    are to be those of part_told.
    """
    syscall, plan = entry.action.syscall, entry.action.plan
    failed = back is None or back.failed
    found: list[FileAccess] = []
    for position, arg in enumerate(syscall.args):
        if not arg.op:
            continue
        at = plan.arg_enter[position]
        raw = entry.captured[at] if at >= 0 else None
        if arg.kind == "path":
            base_at = plan.base.get(position, -1)
            base = entry.captured[base_at] if base_at >= 0 else None
            place = resolve(raw, base, process.root, empty=_empty(entry, arg))
            if back is not None and at in back.changed:
                place = replace(place, changed=True)
            if arg.op == "open":
                found += _opened(process, entry, back, place, failed=failed)
            elif place.raw or place.unresolved or place.path.startswith(b"/"):
                found.append(_access(process, place, arg.op))
        elif arg.kind == "sockaddr":
            place_or_none = _socket(raw)
            if place_or_none is not None:
                found.append(_access(process, place_or_none, arg.op))
        elif position in plan.links:
            found += _descriptor(process, entry, position, arg.op)
    if syscall.name in NAMELESS_OPS:
        found += _returned(process, entry, back)
    return found


def _empty(entry: Call, arg: Arg) -> bool:
    if not arg.empty:
        return False
    if arg.empty == "null":
        return True
    index = entry.action.syscall.index
    flags = index.get("flags", index.get("flag", index.get("at_flags", -1)))
    return flags >= 0 and bool(entry.args[flags] & AT_EMPTY_PATH)


def _opened(
    process: Identity, entry: Call, back: Call | None, place: Place, *, failed: bool
) -> list[FileAccess]:
    flags = open_flags(entry)
    created = created_by(entry, flags, failed=failed)
    extra: Details = {}
    if created is not None:
        extra["created"] = created
    extra.update(_kernel_answer(process, entry, back))
    return [_access(process, place, op, extra) for op in open_ops(flags, created)]


def _kernel_answer(process: Identity, entry: Call, back: Call | None) -> Details:
    """Return what the kernel says the returned descriptor is."""
    at = entry.action.plan.opened
    if back is None or back.failed or at < 0 or at >= len(back.captured):
        return {}
    got = back.captured[at]
    if not isinstance(got, OpenedFile):
        return {"fd": back.ret}
    real = seen_from(process.root, got.link)
    answer: Details = {"fd": back.ret, "real": shown(real)}
    if got.ino:
        answer["dev"] = f"{os.major(got.dev)}:{os.minor(got.dev)}"
        answer["ino"] = got.ino
    if (b64 := exact(real)) is not None:
        answer["real_b64"] = b64
    return answer


def _returned(process: Identity, entry: Call, back: Call | None) -> list[FileAccess]:
    """Files of calls that name none but return a descriptor (open_by_handle_at, memfd_create)."""
    answer = _kernel_answer(process, entry, back)
    if "real" not in answer:
        return []
    return [
        FileAccess(path=answer["real"], op=op, **answer)
        for op in NAMELESS_OPS[entry.action.syscall.name](open_flags(entry))
    ]


def _descriptor(process: Identity, entry: Call, position: int, op: str) -> list[FileAccess]:
    link: Captured = entry.captured[entry.action.plan.links[position]]
    place = of_link(link, process.root)
    if place.unresolved or not place.path.startswith(b"/"):
        return []  # a pipe, a socket: no file
    ops = [op]
    if op == "map":
        index = entry.action.syscall.index
        prot, flags = entry.args[index.get("prot", 2)], entry.args[index.get("flags", 3)]
        if prot & PROT_WRITE and flags & MAP_SHARED_VALIDATE in (MAP_SHARED, MAP_SHARED_VALIDATE):
            ops.append("write")
    fd = as_int(entry.args[position])
    return [_access(process, place, each, {"fd": fd}) for each in ops]


def _socket(address: Captured) -> Place | None:
    """Return the path of an AF_UNIX address; None for other families and unnamed sockets."""
    if not isinstance(address, bytes) or len(address) <= 2 or address[:2] != b"\x01\x00":
        return None
    name = address[2:]
    if name.startswith(b"\0"):
        return Place(b"@" + name[1:], name)
    name = name.split(b"\0", 1)[0]
    return Place(name, name, unresolved=not name.startswith(b"/"))


def _access(process: Identity, place: Place, op: str, extra: Details | None = None) -> FileAccess:
    details: Details = dict(extra) if extra else {}
    if process.root != "/" and not place.outside:
        details["root"] = process.root
    if (b64 := exact(place.path)) is not None:
        details["path_b64"] = b64
    if place.raw is not None:
        details["raw"] = shown(place.raw)
    if place.unresolved:
        details["unresolved"] = True
    if place.deleted:
        details["deleted"] = True
    if place.truncated:
        details["truncated"] = True
    if place.changed:
        details["changed"] = True
    return FileAccess(path=shown(place.path), op=op, **details)


def executed(process: Identity, tid: int, entry: Call | None) -> FileAccess | None:
    """Return what a successful exec executed, from the call if it was seen, else from AT_EXECFN."""
    if entry is not None and entry.action.detail >= Detail.FILES:
        found = entries(process, entry, None)
        if found and not found[0].unresolved:
            return found[0]
    name = procfs.execfn(tid)
    if name is None:
        return None
    base = None if name.startswith(b"/") else procfs.link(f"/proc/{tid}/cwd")
    place = resolve(name, base, process.root, empty=False)
    return None if place.unresolved else _access(process, place, "exec")


def implied(process: Identity, path: bytes) -> FileAccess:
    """Return the entry of a file the kernel opened by itself at an exec."""
    return _access(process, Place(path), "exec", {"implied": True})
