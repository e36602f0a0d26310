"""Decoders of what System V IPC takes: shared memory, semaphores, message queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tracerd.core.decode.names.ipc import (
    IPC_64,
    MSG_CONTROL,
    SEM_CONTROL,
    SEM_FLAGS,
    SHM_CONTROL,
)
from tracerd.core.decode.sets import ValueSet
from tracerd.core.decode.stages import filled, given
from tracerd.core.decode.structs import array, record
from tracerd.core.decode.text import content
from tracerd.core.decode.words import address, int_, nothing
from tracerd.core.syscalls.model import Captured, Cut, Decode, Words

_PERM_FIELDS: Final = ("key", "uid", "gid", "cuid", "cgid", "mode")
_PERM: Final = "iIIIII24x"
_PERM_I386: Final = "iIIIIH14x"
LARGEST: Final = 120
"""struct msqid64_ds."""


def _perm(*fields: int) -> dict[str, Any]:
    found: dict[str, Any] = dict(zip(_PERM_FIELDS, fields, strict=True))
    return {**found, "key": f"{found['key'] & 0xFFFF_FFFF:#x}", "mode": f"0{found['mode']:03o}"}


def _segment(*fields: int) -> dict[str, Any]:
    names = ("segsz", "atime", "dtime", "ctime", "cpid", "lpid", "nattch")
    return {"perm": _perm(*fields[:6]), **dict(zip(names, fields[6:], strict=True))}


def _set(*fields: int) -> dict[str, Any]:
    names = ("otime", "ctime", "nsems")
    return {"perm": _perm(*fields[:6]), **dict(zip(names, fields[6:], strict=True))}


def _queue(*fields: int) -> dict[str, Any]:
    names = ("stime", "rtime", "ctime", "cbytes", "qnum", "qbytes", "lspid", "lrpid")
    return {"perm": _perm(*fields[:6]), **dict(zip(names, fields[6:], strict=True))}


def _named(layout: str, *names: str) -> Decode:
    """Return the decoder of a structure of numbers."""

    def build(*fields: int) -> dict[str, int]:
        return dict(zip(names, fields, strict=True))

    return record(layout, build)


_SHMINFO_FIELDS: Final = ("shmmax", "shmmin", "shmmni", "shmseg", "shmall")
_SHM_INFO_FIELDS: Final = (
    "used_ids",
    "shm_tot",
    "shm_rss",
    "shm_swp",
    "swap_attempts",
    "swap_successes",
)
_seminfo: Final = _named(
    "<10i",
    "semmap",
    "semmni",
    "semmns",
    "semmnu",
    "semmsl",
    "semopm",
    "semume",
    "semusz",
    "semvmx",
    "semaem",
)
_msginfo: Final = _named(
    "<7iH",
    "msgpool",
    "msgmap",
    "msgmax",
    "msgmnb",
    "msgmni",
    "msgssz",
    "msgtql",
    "msgseg",
)


def _commands(
    names: ValueSet, whole: Decode, infos: Mapping[str, Decode], stats: tuple[str, ...]
) -> dict[int, Decode]:
    """Return the decoders by command.  whole: of what IPC_STAT gives and IPC_SET takes."""
    known = {
        "IPC_RMID": nothing,
        "IPC_SET": given(whole),
        **dict.fromkeys(("IPC_STAT", *stats), filled(whole)),
        **{name: filled(info) for name, info in infos.items()},
    }
    return {names.values[name]: decode for name, decode in known.items()}


_SHM_STATS: Final = ("SHM_STAT", "SHM_STAT_ANY")
_SEM_STATS: Final = ("SEM_STAT", "SEM_STAT_ANY")
_MSG_STATS: Final = ("MSG_STAT", "MSG_STAT_ANY")
_MSG_INFOS: Final = {"IPC_INFO": _msginfo, "MSG_INFO": _msginfo}
_SEM_INFOS: Final = {"IPC_INFO": _seminfo, "SEM_INFO": _seminfo}
_SEM_WORDS: Final = {
    **dict.fromkeys(("GETPID", "GETVAL", "GETNCNT", "GETZCNT"), nothing),
    "SETVAL": int_,
}


def _sem(whole: Decode) -> dict[int, Decode]:
    words = {SEM_CONTROL.values[name]: decode for name, decode in _SEM_WORDS.items()}
    return {**_commands(SEM_CONTROL, whole, _SEM_INFOS, _SEM_STATS), **words}


SHM: Final = {
    **_commands(
        SHM_CONTROL,
        record(f"<{_PERM}QqqqiiQ16x", _segment),
        {
            "IPC_INFO": _named("<5Q32x", *_SHMINFO_FIELDS),
            "SHM_INFO": _named("<i4x5Q", *_SHM_INFO_FIELDS),
        },
        _SHM_STATS,
    ),
    **dict.fromkeys((SHM_CONTROL.values["SHM_LOCK"], SHM_CONTROL.values["SHM_UNLOCK"]), nothing),
}
"""Command of shmctl -> decoder.  Those that look at memory take a Pair."""
SEM: Final = _sem(record(f"<{_PERM}q8xq8xQ16x", _set))
SEM_GENERIC: Final = _sem(record(f"<{_PERM}qqQ16x", _set))
"""As newer architectures have it, aarch64 among them."""
MSG: Final = _commands(MSG_CONTROL, record(f"<{_PERM}qqqQQQii16x", _queue), _MSG_INFOS, _MSG_STATS)


def _large(known: dict[int, Decode]) -> dict[int, Decode]:
    """Return the decoders of commands that i386 programs give with IPC_64."""
    return {command | IPC_64: decode for command, decode in known.items()}


SHM_I386: Final = _large(
    _commands(
        SHM_CONTROL,
        record(f"<{_PERM_I386}Ii4xi4xi4xiiI8x", _segment),
        {
            "IPC_INFO": _named("<5I16x", *_SHMINFO_FIELDS),
            "SHM_INFO": _named("<i5I", *_SHM_INFO_FIELDS),
        },
        _SHM_STATS,
    )
)
SEM_I386: Final = _large(_sem(record(f"<{_PERM_I386}i4xi4xI8x", _set)))
MSG_I386: Final = _large(
    _commands(MSG_CONTROL, record(f"<{_PERM_I386}i4xi4xi4xIIIii8x", _queue), _MSG_INFOS, _MSG_STATS)
)


def key(word: int, _captured: Captured, _call: Words) -> int | str:
    """Decode a key: a number, or IPC_PRIVATE."""
    return word & 0xFFFF_FFFF or "IPC_PRIVATE"


def _operation(number: int, op: int, flags: int) -> dict[str, Any]:
    return {"num": number, "op": op, "flg": SEM_FLAGS.render(flags & 0xFFFF)}


SEMBUF_SIZE: Final = 6
sembufs: Final = array("<Hhh", _operation)


def _message(head: int) -> Decode:
    """Return the decoder of a struct msgbuf: its type, then its text.  head: bytes of a long."""

    def decode(word: int, captured: Captured, _call: Words) -> Any:
        data = captured.data if isinstance(captured, Cut) else captured
        if type(data) is not bytes or len(data) < head:
            return address(word)
        kind = int.from_bytes(data[:head], "little", signed=True)
        rest: bytes | Cut = data[head:]
        if isinstance(captured, Cut):
            rest = Cut(data[head:], max(captured.size - head, 0))
        return {"mtype": kind, **content(rest)}

    return decode


msgbuf: Final = _message(8)
msgbuf32: Final = _message(4)
