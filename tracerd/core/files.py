"""From a recorded call to its `files` entries: which file, and what was done to it."""

from __future__ import annotations

import base64
import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from tracerd.core import procfs
from tracerd.core.capture import as_int, fds_of
from tracerd.core.decode.names.files import AT
from tracerd.core.file_entries import access, identity, text, unknown, view
from tracerd.core.file_ops import (
    DECIDED,
    Ops,
    created_by,
    is_shared,
    open_flags,
    open_ops,
    protection,
)
from tracerd.core.file_rules import ADDED, LOOKED_AT, at_flags
from tracerd.core.paths import NOWHERE, Place, of_address, of_link, resolve, seen_from
from tracerd.core.pump import Call
from tracerd.core.syscalls import part_of, plan_for
from tracerd.core.syscalls.asides import Aside
from tracerd.core.syscalls.model import Arg, Captured, Message, OpenedFile, Part, Several
from tracerd.core.syscalls.plan import NAMED
from tracerd.core.tracee import Details, Identity
from tracerd.protocol.detail import Detail
from tracerd.protocol.events import OPS, FileAccess

EMPTY_PATH: Final = AT.parse(["AT_EMPTY_PATH"])
FOLLOW: Final = AT.parse(["AT_SYMLINK_FOLLOW"])
NOFOLLOW: Final = AT.parse(["AT_SYMLINK_NOFOLLOW"])

NAMELESS_OPS: Final[Mapping[str, Callable[[int], Ops]]] = {
    "open_by_handle_at": lambda flags: open_ops(flags, None),
    "memfd_create": lambda _: ("create",),
    "memfd_secret": lambda _: ("create",),
    "pidfd_getfd": lambda _: ("receive",),
}
"""What the calls of plan.NAMELESS do to the file that they return, by their flags."""

MADE: Final = frozenset({
    ("link", "newname"), ("linkat", "newname"), ("symlink", "newname"), ("symlinkat", "newname"),
    ("bind", "umyaddr"), ("socketcall", "umyaddr"),
})  # fmt: skip
"""Arguments that name a file which the call makes, though their operation does not say so."""

UNNAMED: Final = frozenset({"memfd_create", "memfd_secret", "pidfd_getfd"})
"""Of these there is no file if they fail."""


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
    found: list[FileAccess] = []
    for position, arg in enumerate(syscall.args):
        if not arg.op:
            continue
        if arg.kind == "path":
            found += _named(process, entry, back, position)
        elif position in plan.links:
            found += _descriptor(process, entry, back, position)
        elif position in plan.base:
            found += _addressed(process, entry, back, position)
        elif arg.kind in NAMED:
            found += _received(process, back, plan.arg_exit[position], arg.op)
        elif arg.kind == "string":
            found += _told(process, back, plan.arg_exit[position], arg.op)
    if syscall.name in NAMELESS_OPS:
        found += _returned(process, entry, back)
    for at, aside in plan.asides:
        found += _beside(process, entry, back, aside, entry.captured[at])
    more = ADDED.get(syscall.name)
    return found if more is None else more(process, entry, back, found)


# Paths that the call names.


def _named(process: Identity, entry: Call, back: Call | None, position: int) -> list[FileAccess]:
    syscall, plan = entry.action.syscall, entry.action.plan
    arg, at = syscall.args[position], plan.arg_enter[position]
    raw, base = entry.captured[at], entry.captured[plan.base[position]]
    itself = bool(arg.empty) and _takes_empty(entry, arg)
    follow = base is not None and _follows(entry, arg)
    place = resolve(raw, base, process.root, empty=itself, follow=follow)
    if back is not None and at in back.changed:
        place = replace(place, changed=True)
    if arg.op == "open":
        return _opened(process, entry, back, place)
    if not _names_a_file(entry, back, arg, place, itself=itself):
        return []
    extra: Details = _made(entry, back, arg) if arg.op == "link" else {}
    if itself and not place.raw:
        fd = as_int(entry.args[syscall.index[arg.at]]) if arg.at else -1
        if fd >= 0:
            extra["fd"] = fd
    return [access(process, place, arg.op, extra)]


def _names_a_file(entry: Call, back: Call | None, arg: Arg, place: Place, *, itself: bool) -> bool:
    """Whether an argument is a path that this call looks up.  itself: or a descriptor."""
    if not place.raw:
        if entry.args[entry.action.syscall.index[arg.name]] == 0 and not itself:
            return _failed_with(back, errno.EFAULT)  # else the call wants no path (acct, quotactl)
        if place.unresolved:
            return not _failed_with(back, errno.EBADF)  # the descriptor is none
        if not place.path.startswith(b"/"):
            return False  # an empty path, or a descriptor of a pipe or a socket
        if arg.op == "mount" and place.path == b"/":
            return False  # the root of a mount that is nowhere attached
    asked = LOOKED_AT.get((entry.action.syscall.name, arg.name))
    return asked is None or asked(entry, place)


def _takes_empty(entry: Call, arg: Arg) -> bool:
    """Whether an empty path, or none, means the descriptor itself."""
    return arg.empty == "null" or (arg.empty == "flag" and bool(at_flags(entry) & EMPTY_PATH))


def _follows(entry: Call, arg: Arg) -> bool:
    """Whether a link at the end of a path is followed."""
    if arg.op == "open":
        return not open_flags(entry) & os.O_NOFOLLOW
    if arg.nofollow:
        return arg.at is not None and arg.op == "link" and bool(at_flags(entry) & FOLLOW)
    return not (arg.at and at_flags(entry) & NOFOLLOW)


def _failed_with(back: Call | None, error: int) -> bool:
    return back is not None and back.failed and back.ret == -error


def _made(entry: Call, back: Call | None, arg: Arg) -> Details:
    if (entry.action.syscall.name, arg.name) not in MADE:
        return {}
    return {"created": back is not None and not back.failed}


def _opened(process: Identity, entry: Call, back: Call | None, place: Place) -> list[FileAccess]:
    flags = open_flags(entry)
    created = created_by(entry, flags, failed=back is None or back.failed)
    extra: Details = {}
    if created is not None:
        extra["created"] = created
    extra.update(_kernel_answer(process, entry, back))
    return [access(process, place, op, extra) for op in open_ops(flags, created)]


def _kernel_answer(process: Identity, entry: Call, back: Call | None) -> Details:
    """Return what the kernel says the returned descriptor is."""
    at = entry.action.plan.opened
    if back is None or back.failed or at < 0 or at >= len(back.captured):
        return {}
    got = back.captured[at]
    if not isinstance(got, OpenedFile):
        return {"fd": back.ret}
    real = seen_from(process.root, got.link)
    answer: Details = {"fd": back.ret, **text("real", real), **identity(got.dev, got.ino)}
    if got.deleted:
        answer["deleted"] = True
    return answer


# Descriptors, addresses, and what stands elsewhere.


def _descriptor(
    process: Identity, entry: Call, back: Call | None, position: int
) -> list[FileAccess]:
    fd, op = as_int(entry.args[position]), entry.action.syscall.args[position].op
    decide = DECIDED.get(op)
    ops = (op,) if decide is None else decide(entry)
    if entry.action.syscall.args[position].kind == "fd_high":
        fd = as_int(entry.args[position] >> 32)
    place = of_link(entry.captured[entry.action.plan.links[position]], process.root)
    if fd < 0 or not ops:
        return []
    extra: Details = {"fd": fd}
    if place.unresolved:
        if op == "close" or _failed_with(back, errno.EBADF):
            return []  # it was not open
    elif not place.path.startswith(b"/"):
        return []  # a pipe, a socket: no file
    if op == "map":
        extra |= {"prot": protection(entry), "shared": is_shared(entry)}
    return [access(process, place, each, extra) for each in ops]


def _returned(process: Identity, entry: Call, back: Call | None) -> list[FileAccess]:
    """Files of calls that name none but return a descriptor (open_by_handle_at, memfd_create)."""
    answer = _kernel_answer(process, entry, back)
    if "real" in answer and not answer["real"].startswith("/"):
        return []
    path: Details = {"path": answer.get("real", "")}
    if "real" not in answer:
        if entry.action.syscall.name in UNNAMED:
            return []
        path["unresolved"] = True
    elif "real_b64" in answer:
        path["path_b64"] = answer["real_b64"]
    ops = NAMELESS_OPS[entry.action.syscall.name](open_flags(entry))
    return [FileAccess(op=op, **path, **answer, **view(process)) for op in ops]


def _addressed(
    process: Identity, entry: Call, back: Call | None, position: int
) -> list[FileAccess]:
    plan, arg = entry.action.plan, entry.action.syscall.args[position]
    given, base = entry.captured[plan.arg_enter[position]], entry.captured[plan.base[position]]
    addresses = given.items if isinstance(given, Several) else (given,)
    places = [of_address(address, base, process.root) for address in addresses]
    extra = _made(entry, back, arg)
    return [access(process, place, arg.op, extra) for place in places if place is not None]


def _received(process: Identity, back: Call | None, at: int, op: str) -> list[FileAccess]:
    """Return the files whose descriptors came with messages (SCM_RIGHTS)."""
    if back is None or back.failed or at >= len(back.captured):
        return []
    given = back.captured[at]
    found: list[FileAccess] = []
    for message in given.items if isinstance(given, Several) else (given,):
        if not isinstance(message, Message):
            continue
        fds = fds_of(message.control, message.width)
        for fd, link in zip(fds, message.passed, strict=False):
            place = of_link(link, process.root)
            if place.unresolved or place.path.startswith(b"/"):
                found.append(access(process, place, op, {"fd": fd}))
        if message.controllen > len(message.control):  # what is behind may be more of them
            found.append(unknown(process, op))
    return found


def _told(process: Identity, back: Call | None, at: int, op: str) -> list[FileAccess]:
    """Return the file of which the kernel tells the name (getcwd)."""
    got = None if back is None or back.failed or at >= len(back.captured) else back.captured[at]
    if not isinstance(got, bytes) or not got.startswith(b"/"):
        return []
    return [access(process, Place(got), op)]


def _beside(
    process: Identity, entry: Call, back: Call | None, aside: Aside, captured: Captured
) -> list[FileAccess]:
    """Return what a call does to files that its own arguments do not name."""
    if isinstance(captured, Part):
        row = aside.rows[captured.which]
        action = entry.action._replace(syscall=row, plan=plan_for(row))
        inner = entry._replace(action=action, args=captured.args, captured=captured.captured)
        return entries(process, inner, back and back._replace(captured=(), changed=()))
    index = entry.action.syscall.index
    which = entry.args[index[aside.which]] & 0xFFFF_FFFF if aside.which else 0
    if which in aside.rows:  # its memory could not be read
        ops = [] if _failed_with(back, errno.EFAULT) else [a.op for a in aside.rows[which].args]
    else:
        ops = [] if which == 0 or back is None or back.failed else [aside.other]
    return [unknown(process, op if op in OPS else aside.other) for op in ops if op]


# What is executed.


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
    place = resolve(name, base, process.root, empty=False, follow=True)
    return None if place.unresolved else access(process, place, "exec")


def exactly(entry: FileAccess) -> bytes:
    """Return the path of an entry, or where a link of /proc led, as the kernel has it."""
    shown, b64 = (entry.real, entry.real_b64) if entry.real else (entry.path, entry.path_b64)
    return shown.encode() if b64 is None else base64.b64decode(b64)


def implied(process: Identity, path: bytes | None) -> FileAccess:
    """Return the entry of a file the kernel opened by itself at an exec; None: not known which."""
    place = NOWHERE if path is None else Place(path)
    return access(process, place, "exec", {"implied": True})
