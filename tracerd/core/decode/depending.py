"""Decoders of words that mean what another argument says."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.descriptors import FCNTL, FD, LEASE, NOTIFY, SEALS
from tracerd.core.decode.names.files import OPEN
from tracerd.core.decode.names.ioctls import IOCTL
from tracerd.core.decode.names.mounts import FSCONFIG
from tracerd.core.decode.names.network import PROTOCOLS
from tracerd.core.decode.signals import signal
from tracerd.core.decode.text import text
from tracerd.core.decode.words import ABSENT, int_, nothing, ptr, signed32
from tracerd.core.syscalls.model import Captured, Decode, Words

MAKES_A_FILE: Final = OPEN.parse(["O_CREAT", "O_TMPFILE"]) & ~OPEN.parse(["O_DIRECTORY"])
"""The bits that make open look at mode; O_TMPFILE holds O_DIRECTORY's too."""


def only_with(flags: int, bits: int, decode: Decode) -> Decode:
    """Return a decoder of what the call only has if argument `flags` has any of `bits`."""

    def decode_if(word: int, captured: Captured, call: Words) -> Any:
        return decode(word, captured, call) if call.args[flags] & bits else ABSENT

    return decode_if


def only_for(op: int, mask: int, ops: frozenset[int], decode: Decode) -> Decode:
    """Return a decoder of what the call only has if argument `op`, masked, is one of `ops`."""

    def decode_if(word: int, captured: Captured, call: Words) -> Any:
        return decode(word, captured, call) if call.args[op] & mask in ops else ABSENT

    return decode_if


_BY_COMMAND: Final[dict[str, Decode]] = {
    "F_DUPFD": int_,
    "F_DUPFD_CLOEXEC": int_,
    "F_DUPFD_QUERY": int_,
    "F_GETFD": nothing,
    "F_SETFD": FD.decoder(),
    "F_GETFL": nothing,
    "F_SETFL": OPEN.decoder(),
    "F_GETOWN": nothing,
    "F_SETOWN": int_,
    "F_GETSIG": nothing,
    "F_SETSIG": signal,
    "F_GETLEASE": nothing,
    "F_SETLEASE": LEASE.decoder(),
    "F_NOTIFY": NOTIFY.decoder(),
    "F_GETPIPE_SZ": nothing,
    "F_SETPIPE_SZ": int_,
    "F_GET_SEALS": nothing,
    "F_ADD_SEALS": SEALS.decoder(),
    "F_CREATED_QUERY": nothing,
}
_FCNTL: Final = {FCNTL.values[name]: decode for name, decode in _BY_COMMAND.items()}


def fcntl_arg(cmd: int) -> Decode:
    """Return the decoder of fcntl's third argument, by command; an address if not known."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        return _FCNTL.get(signed32(call.args[cmd]), ptr)(word, captured, call)

    return decode


def ioctl_cmd(word: int, _captured: Captured, _call: Words) -> str:
    """Decode an ioctl request: its name, or the number in hex, whose parts are bit fields."""
    request = word & 0xFFFF_FFFF
    return IOCTL.names.get(request) or f"{request:#x}"


def protocol(family: int) -> Decode:
    """Return the decoder of socket's protocol, which counts per address family."""

    def decode(word: int, _captured: Captured, call: Words) -> str | int:
        number = signed32(word)
        names = PROTOCOLS.get(signed32(call.args[family]))
        return number if names is None else names.render(number)

    return decode


_TEXT: Final = ("FSCONFIG_SET_STRING", "FSCONFIG_SET_PATH", "FSCONFIG_SET_PATH_EMPTY")
_FSCONFIG_TEXT: Final = frozenset(FSCONFIG.values[name] for name in _TEXT)


def fsconfig_value(cmd: int) -> Decode:
    """Return the decoder of fsconfig's value: text, or an address."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        known = signed32(call.args[cmd]) in _FSCONFIG_TEXT
        return text(word, captured if known else None, call)

    return decode
