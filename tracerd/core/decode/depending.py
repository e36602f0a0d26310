"""Decoders of words that mean what another argument says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tracerd.core.decode.names.files import OPEN
from tracerd.core.decode.names.mounts import FSCONFIG
from tracerd.core.decode.names.network import PROTOCOLS
from tracerd.core.decode.text import text
from tracerd.core.decode.words import ABSENT, signed32
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


def by_command(at: int, known: Mapping[int, Decode], other: Decode) -> Decode:
    """Return a decoder of what argument `at`, a command of 32 bits, says.  other: if unknown."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        return known.get(call.args[at] & 0xFFFF_FFFF, other)(word, captured, call)

    return decode


def protocol(family: int) -> Decode:
    """Return the decoder of socket's protocol, which counts per address family."""

    def decode(word: int, _captured: Captured, call: Words) -> str | int:
        number = signed32(word)
        names = PROTOCOLS.get(signed32(call.args[family]))
        return number if names is None else names.render(number)

    return decode


def text_for(command: int, value: int) -> Decode:
    """Return a decoder of what is text if argument `command` has a value, and else not there."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        if call.args[command] & 0xFFFF_FFFF != value:
            return ABSENT
        return text(word, captured, call)

    return decode


_TEXT: Final = ("FSCONFIG_SET_STRING", "FSCONFIG_SET_PATH", "FSCONFIG_SET_PATH_EMPTY")
_FSCONFIG_TEXT: Final = frozenset(FSCONFIG.values[name] for name in _TEXT)


def fsconfig_value(cmd: int) -> Decode:
    """Return the decoder of fsconfig's value: text, or an address."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        known = signed32(call.args[cmd]) in _FSCONFIG_TEXT
        return text(word, captured if known else None, call)

    return decode
