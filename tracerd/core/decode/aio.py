"""Decoders of what asynchronous transfers take: io_submit and its kin."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.descriptors import POLL, RWF
from tracerd.core.decode.names.kernel import IOCB, IOCB_FLAGS
from tracerd.core.decode.structs import array, record
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Several, Words

IOCB_SIZE: Final = 64
_POLL: Final = IOCB.values["IOCB_CMD_POLL"]


def _iocb(
    data: int,
    _key: int,
    flags: int,
    opcode: int,
    priority: int,
    fd: int,
    buf: int,
    nbytes: int,
    offset: int,
    own: int,
    resfd: int,
) -> dict[str, Any]:
    found: dict[str, Any] = {"data": f"{data:#x}", "opcode": IOCB.render(opcode), "fildes": fd}
    if flags:
        found["rw_flags"] = RWF.render(flags & 0xFFFF_FFFF)
    if priority:
        found["reqprio"] = priority
    if opcode == _POLL:
        found["events"] = POLL.render(buf & 0xFFFF)
    else:
        found |= {"buf": f"{buf:#x}", "nbytes": nbytes, "offset": offset}
    if own:
        found["flags"] = IOCB_FLAGS.render(own)
        found["resfd"] = resfd
    return found


iocb: Final = record("<QIiHhIQQq8xII", _iocb)


def iocbs(word: int, captured: Captured, call: Words) -> Any:
    """Decode an array of pointers to requests."""
    if not isinstance(captured, Several):
        return address(word)
    return [iocb(0, item, call) for item in captured.items]


def _event(data: int, obj: int, res: int, res2: int) -> dict[str, Any]:
    return {"data": f"{data:#x}", "obj": f"{obj:#x}", "res": res, "res2": res2}


EVENT_SIZE: Final = 32
events: Final = array("<QQqq", _event)
