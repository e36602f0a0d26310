"""What only some calls do to files, beside what the words of their rows say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from tracerd.core.decode.names.files import RENAME
from tracerd.core.decode.names.mounts import MOUNT
from tracerd.core.decode.names.watches import FANOTIFY_MARK
from tracerd.core.file_entries import unknown
from tracerd.core.paths import Place
from tracerd.core.pump import Call
from tracerd.core.tracee import Identity
from tracerd.protocol.events import FileAccess

EXCHANGE: Final = RENAME.parse(["RENAME_EXCHANGE"])
WHITEOUT: Final = RENAME.parse(["RENAME_WHITEOUT"])
FLUSH: Final = FANOTIFY_MARK.parse(["FAN_MARK_FLUSH"])
BINDS: Final = MOUNT.parse(["MS_BIND", "MS_MOVE"])
NO_SOURCE: Final = MOUNT.parse(
    ["MS_REMOUNT", "MS_SHARED", "MS_PRIVATE", "MS_SLAVE", "MS_UNBINDABLE"]
)
BPF_F_PATH_FD: Final = 1 << 14

Change: TypeAlias = Callable[[Identity, Call, Call | None, list[FileAccess]], list[FileAccess]]
"""(process, entry, back, entries found so far) -> entries."""

_AT_FLAGS: Final = ("flags", "flag", "at_flags")


def at_flags(entry: Call) -> int:
    """Return the flags of a call, AT_* and others; 0 if it has none."""
    index = entry.action.syscall.index
    for name in _AT_FLAGS:
        at = index.get(name)
        if at is not None:
            return entry.args[at]
    return 0


def _is_source(entry: Call, place: Place) -> bool:
    """Whether what mount is to mount is a file: a device, or what is bound or moved.

    All else is a name that the file system gives a meaning to.
    """
    flags = entry.args[entry.action.syscall.index["flags"]]
    if flags & NO_SOURCE:
        return False
    return bool(flags & BINDS) or place.path == place.raw


def _is_option_source(entry: Call, place: Place) -> bool:
    index, plan = entry.action.syscall.index, entry.action.plan
    if "_key" not in index:
        return True
    key = entry.captured[plan.arg_enter[index["_key"]]]
    return key == b"source" and place.path == place.raw


def _is_no_flush(entry: Call, _place: Place) -> bool:
    return not entry.args[entry.action.syscall.index["flags"]] & FLUSH


LOOKED_AT: Final[Mapping[tuple[str, str], Callable[[Call, Place], bool]]] = {
    ("mount", "dev_name"): _is_source,
    ("in fsconfig", "_value"): _is_option_source,
    ("fanotify_mark", "pathname"): _is_no_flush,
}
"""Arguments that are a path only in some calls."""


def _renamed(
    _process: Identity, entry: Call, _back: Call | None, found: list[FileAccess]
) -> list[FileAccess]:
    """Add what its flags make renameat2 do: both files change names, or a third appears."""
    flags = at_flags(entry)
    if len(found) != 2 or not flags & (EXCHANGE | WHITEOUT):
        return found
    old, new = found
    if flags & EXCHANGE:
        return [*found, _with(new, "rename-from"), _with(old, "rename-to")]
    return [*found, _with(old, "create")]


def _deduped(
    process: Identity, entry: Call, _back: Call | None, found: list[FileAccess]
) -> list[FileAccess]:
    """Say that there are targets beside the first one."""
    at = entry.action.syscall.index.get("count")
    more = at is not None and entry.args[at] & 0xFFFF > 1
    return [*found, unknown(process, "write")] if more else found


def _pinned(
    _process: Identity, entry: Call, _back: Call | None, found: list[FileAccess]
) -> list[FileAccess]:
    """Say that a path relative to a descriptor in the structure is not resolved."""
    index = entry.action.syscall.index
    flags = entry.args[index["fds_high"]] if "fds_high" in index else entry.args[index["fds"]] >> 32
    if not flags & BPF_F_PATH_FD:
        return found
    return [each if each.path == each.raw else _unresolved(each) for each in found]


ADDED: Final[Mapping[str, Change]] = {
    "renameat2": _renamed,
    "in ioctl": _deduped,
    "in bpf": _pinned,
}
"""What calls do beside what their arguments say by themselves."""


def _with(entry: FileAccess, op: str) -> FileAccess:
    return msgspec.structs.replace(entry, op=op)


def _unresolved(entry: FileAccess) -> FileAccess:
    return msgspec.structs.replace(entry, path=entry.raw or "", path_b64=None, unresolved=True)
