"""Decoders of bare words: what a register says by itself."""

from __future__ import annotations

import enum
from typing import Any, Final

from tracerd.core.syscalls.model import Captured, Decode, Words

AT_FDCWD: Final = -100
_LOW: Final = 0xFFFF_FFFF
_INT_SIGN: Final = 1 << 31
_LONG_SIGN: Final = 1 << 63


def signed32(word: int) -> int:
    """Read the low half of a register as a C int."""
    return ((word & _LOW) ^ _INT_SIGN) - _INT_SIGN


def address(word: int) -> dict[str, str] | None:
    """Return what stands for a pointer that was not followed; None for NULL."""
    return {"ptr": f"{word:#x}"} if word else None


def int_(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a C int."""
    return ((word & _LOW) ^ _INT_SIGN) - _INT_SIGN


def uint(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a C unsigned int."""
    return word & _LOW


def long_(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a C long or an offset."""
    return (word ^ _LONG_SIGN) - _LONG_SIGN


def ulong(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a count of 64 bits."""
    return word


def ptr(word: int, _captured: Captured, _call: Words) -> str | None:
    """Decode an address, or any word whose meaning is not known."""
    return f"{word:#x}" if word else None


def hex_(word: int, _captured: Captured, _call: Words) -> str:
    """Decode a word that is neither a count nor an address; zero is "0x0"."""
    return f"{word:#x}"


def dirfd(word: int, _captured: Captured, _call: Words) -> int | str:
    """Decode the descriptor a path starts from."""
    fd = signed32(word)
    return "AT_FDCWD" if fd == AT_FDCWD else fd


def user_id(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a uid_t or gid_t; -1 for the one that means "as it is"."""
    number = word & _LOW
    return -1 if number == _LOW else number


def old_id(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a user or group of 16 bits; -1 for the one that means "as it is"."""
    number = word & 0xFFFF
    return -1 if number == 0xFFFF else number


def mode(word: int, _captured: Captured, _call: Words) -> str:
    """Decode a umode_t: 16 bits, in octal with a leading 0 (`0644`)."""
    return f"0{word & 0xFFFF:03o}"


def octal(word: int, _captured: Captured, _call: Words) -> str:
    """Decode an int in octal, as umask takes it."""
    return f"0{word & _LOW:03o}"


def dev(word: int, _captured: Captured, _call: Words) -> str:
    """Decode a device number as the kernel takes it from mknod: 32 bits."""
    return device(word & _LOW)


def device(number: int) -> str:
    """Return `major:minor` of a dev_t as stat(2) and mknod(2) carry it."""
    major = (number & 0xF_FF00) >> 8 | (number & 0xFFFF_F000_0000_0000) >> 32
    minor = number & 0xFF | (number & 0xFFF_FFF0_0000) >> 12
    return f"{major}:{minor}"


class Absent(enum.Enum):
    """What an argument decodes to that this call does not have."""

    ABSENT = enum.auto()


ABSENT: Final = Absent.ABSENT
"""The kernel does not look at the argument, so the register holds chance: it is left out."""


def nothing(_word: int, _captured: Captured, _call: Words) -> Absent:
    """Decode an argument that the kernel ignores in this call."""
    return ABSENT


def joined(high: int, decode: Decode) -> Decode:
    """Return a decoder of 64 bits of which argument `high` is the upper half."""

    def decode_both(word: int, captured: Captured, call: Words) -> Any:
        whole = word & _LOW | (call.args[high] & _LOW) << 32
        return decode(whole, captured, call)

    return decode_both
