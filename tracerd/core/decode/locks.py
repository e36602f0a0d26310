"""Decoders of what futex calls take."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.memory import FUTEX, FUTEX2
from tracerd.core.decode.structs import array
from tracerd.core.decode.times import timespec, timespec32, timespec64
from tracerd.core.decode.words import ABSENT
from tracerd.core.syscalls.model import Captured, Decode, Words

_OP_AT: Final = 1
_COMMAND: Final = 0x7F


def _numbers(*names: str) -> frozenset[int]:
    return frozenset(FUTEX.values[f"FUTEX_{name}"] for name in names)


_WAITS: Final = _numbers("WAIT", "WAIT_BITSET", "LOCK_PI", "LOCK_PI2", "WAIT_REQUEUE_PI")
_COUNTS: Final = _numbers("REQUEUE", "CMP_REQUEUE", "WAKE_OP", "CMP_REQUEUE_PI")


def _timeout(time: Decode) -> Decode:
    """Return the decoder of futex's fourth argument: a time, or to how many more, or nothing."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        command = call.args[_OP_AT] & _COMMAND
        if command in _WAITS:
            return time(word, captured, call)
        return word & 0xFFFF_FFFF if command in _COUNTS else ABSENT

    return decode


timeout: Final = _timeout(timespec)
timeout32: Final = _timeout(timespec32)
timeout64: Final = _timeout(timespec64)


def _waiter(value: int, address: int, flags: int) -> dict[str, Any]:
    return {"val": value, "uaddr": f"{address:#x}", "flags": FUTEX2.render(flags)}


WAITER_SIZE: Final = 24
waiters: Final = array("<QQI4x", _waiter)
