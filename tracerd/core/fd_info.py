"""What descriptors are, in detail: from what was captured of them to the event's FdInfo."""

from __future__ import annotations

import os
from typing import Any, Final

from tracerd.core import files
from tracerd.core.decode.descriptor import inode_of, kind_of
from tracerd.core.describe import outcome, shown_args
from tracerd.core.pump import Call
from tracerd.core.socket_table import MAKERS, PARTS, Sockets
from tracerd.core.syscalls.model import Captured, OpenedFile, Part
from tracerd.protocol.events import FdInfo
from tracerd.protocol.text import shown

WITH_DEVICE: Final = frozenset({"char", "block"})
MEMFD: Final = len(b"/memfd:")


def info_of(file: OpenedFile, sockets: Sockets, tid: int) -> FdInfo:
    """Return what a descriptor of a task is; file: captured in detail.  Total."""
    kind = kind_of(file)
    fields: dict[str, Any] = {"kind": kind}
    inode = inode_of(file.link) or file.ino
    if file.link.startswith(b"/"):
        fields["path"] = shown(file.link[MEMFD:] if kind == "memfd" else file.link)
        fields["deleted"] = file.deleted and kind != "memfd"
        if file.ino:
            fields["dev"] = _device(file.dev)
            fields["ino"] = inode
    elif kind in ("pipe", "socket"):
        fields["ino"] = inode
    if kind in WITH_DEVICE:
        fields["rdev"] = _device(file.rdev)
    if kind == "pidfd" and file.more.removeprefix(b"-").isdigit():
        fields["pid"] = int(file.more)
    if kind == "socket" and file.link.startswith(b"socket:"):
        known = sockets.of(tid, file)
        fields |= {
            "family": known.family,
            "sock_type": known.type,
            "protocol": known.protocol,
            "local": known.local,
            "peer": known.peer,
            "listening": known.listening,
        }
    return FdInfo(**fields)


def _device(number: int) -> str:
    return f"{os.major(number)}:{os.minor(number)}"


def infos(entry: Call, back: Call | None, sockets: Sockets) -> dict[str, Any]:
    """Return the fields fd_info and ret_info of a call's event, by what was known as it returned.

    back: None at the enter-stop, or if it never returned.
    """
    syscall, plan, tid = entry.action.syscall, entry.action.plan, entry.tid
    found: dict[str, FdInfo] = {}
    captured = entry.captured
    for position, at in plan.links.items():
        file = captured[at]
        if isinstance(file, OpenedFile):
            found[syscall.args[position].name] = info_of(file, sockets, tid)
    for position, at in plan.base.items():
        file, name = captured[at], syscall.args[position].at
        if name and isinstance(file, OpenedFile):
            found[name] = info_of(file, sockets, tid)
    fields: dict[str, Any] = {"fd_info": found}
    if back is not None:
        returned = _returned(entry, back)
        if isinstance(returned, OpenedFile):
            fields["ret_info"] = info_of(returned, sockets, tid)
    return fields


def _returned(entry: Call, back: Call) -> Captured:
    at = entry.action.plan.opened
    return back.captured[at] if not back.failed and 0 <= at < len(back.captured) else None


def learn(entry: Call, back: Call, sockets: Sockets) -> None:
    """Take note of a call that returned, if it says something of a socket."""
    name = entry.action.syscall.name
    if name not in MAKERS:
        return
    if name == "socketcall":
        part = entry.captured[0] if entry.captured else None
        name = PARTS.get(part.which, "") if isinstance(part, Part) else ""
        if not name:
            return
    entry, back_or_none = files.part_told(entry, back)
    back = back_or_none or back
    links = entry.action.plan.links
    fd = entry.captured[next(iter(links.values()))] if links else None
    args = shown_args(entry, back)
    sockets.learn(name, args, fd, _returned(entry, back), outcome(entry, back).get("errno"))
