"""Decoder of fcntl's third argument: a word or a pointer, as the command says."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.descriptors import (
    FCNTL,
    FD,
    LEASE,
    NOTIFY,
    OWNER,
    RW_HINT,
    SEALS,
    SEEK,
)
from tracerd.core.decode.names.files import OPEN, OPEN_AARCH64
from tracerd.core.decode.sets import ValueSet
from tracerd.core.decode.signals import signal
from tracerd.core.decode.stages import answered, filled, given
from tracerd.core.decode.structs import record
from tracerd.core.decode.words import int_, nothing
from tracerd.core.syscalls.model import Decode

FLOCK: Final = "<hh4xqqi4x"
FLOCK_SIZE: Final = 32
"""The largest of what the argument may point to."""


def _lock(kind: int, whence: int, start: int, length: int, _pid: int) -> dict[str, Any]:
    return {
        "type": LEASE.render(kind),
        "whence": SEEK.render(whence),
        "start": start,
        "len": length,
    }


def _lock_found(kind: int, whence: int, start: int, length: int, pid: int) -> dict[str, Any]:
    return {**_lock(kind, whence, start, length, pid), "pid": pid}


def _owner(kind: int, pid: int) -> dict[str, Any]:
    return {"type": OWNER.render(kind), "pid": pid}


def _uids(uid: int, euid: int) -> dict[str, int]:
    return {"uid": uid, "euid": euid}


def _hint(value: int) -> list[str | int]:
    return [RW_HINT.render(value)]


_lock_passed: Final = record(FLOCK, _lock)
_set_lock: Final = given(_lock_passed)
_get_lock: Final = answered(_lock_passed, record(FLOCK, _lock_found))
_set_hint: Final = given(record("<Q", _hint))
_get_hint: Final = filled(record("<Q", _hint))

_BY_COMMAND: Final[dict[str, Decode]] = {
    "F_DUPFD": int_,
    "F_DUPFD_CLOEXEC": int_,
    "F_DUPFD_QUERY": int_,
    "F_GETFD": nothing,
    "F_SETFD": FD.decoder(),
    "F_GETFL": nothing,
    "F_SETFL": OPEN.decoder(),
    "F_GETLK": _get_lock,
    "F_SETLK": _set_lock,
    "F_SETLKW": _set_lock,
    "F_OFD_GETLK": _get_lock,
    "F_OFD_SETLK": _set_lock,
    "F_OFD_SETLKW": _set_lock,
    "F_CANCELLK": _set_lock,
    "F_GETOWN": nothing,
    "F_SETOWN": int_,
    "F_GETOWN_EX": filled(record("<Ii", _owner)),
    "F_SETOWN_EX": given(record("<Ii", _owner)),
    "F_GETOWNER_UIDS": filled(record("<II", _uids)),
    "F_GETSIG": nothing,
    "F_SETSIG": signal,
    "F_GETLEASE": nothing,
    "F_SETLEASE": LEASE.decoder(),
    "F_NOTIFY": NOTIFY.decoder(),
    "F_GETPIPE_SZ": nothing,
    "F_SETPIPE_SZ": int_,
    "F_GET_SEALS": nothing,
    "F_ADD_SEALS": SEALS.decoder(),
    "F_GET_RW_HINT": _get_hint,
    "F_SET_RW_HINT": _set_hint,
    "F_GET_FILE_RW_HINT": _get_hint,
    "F_SET_FILE_RW_HINT": _set_hint,
    "F_CREATED_QUERY": nothing,
}
ARGUMENTS: Final = {FCNTL.values[name]: decode for name, decode in _BY_COMMAND.items()}
"""Command -> decoder.  Those that look at memory take a Pair."""

FCNTL_I386: Final = ValueSet(FCNTL.values, {"F_GETLK64": 12, "F_SETLK64": 13, "F_SETLKW64": 14})


def _locks(layout: str, get: str, *others: str) -> dict[int, Decode]:
    passed = record(layout, _lock)
    known = {get: answered(passed, record(layout, _lock_found))}
    known |= dict.fromkeys(others, given(passed))
    return {FCNTL_I386.values[name]: decode for name, decode in known.items()}


ARGUMENTS_I386: Final = {
    **ARGUMENTS,
    **_locks("<hhiii", "F_GETLK", "F_SETLK", "F_SETLKW"),
    **_locks("<hhqqi", "F_GETLK64", "F_SETLK64", "F_SETLKW64"),
    **_locks("<hhqqi", "F_OFD_GETLK", "F_OFD_SETLK", "F_OFD_SETLKW", "F_CANCELLK"),
}

ARGUMENTS_AARCH64: Final = {**ARGUMENTS, FCNTL.values["F_SETFL"]: OPEN_AARCH64.decoder()}
