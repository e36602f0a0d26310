"""Decoders of the structures that socket calls take."""

from __future__ import annotations

from typing import Any

from tracerd.core.decode.names.network import MSG
from tracerd.core.decode.names.sockopts import OPTIONS
from tracerd.core.decode.sockaddr import sockaddr_of
from tracerd.core.decode.text import content
from tracerd.core.decode.words import address, signed32
from tracerd.core.syscalls.model import Captured, Cut, Decode, Message, Words


def msghdr(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a struct msghdr: the address, the beginning of the payload, and the lengths."""
    if not isinstance(captured, Message):
        return address(word)
    return {
        "name": sockaddr_of(captured.name) if captured.name else None,
        **content(captured.data),
        "iovlen": captured.iovlen,
        "controllen": captured.controllen,
        "flags": MSG.render(captured.flags & 0xFFFF_FFFF),
    }


def option(level: int) -> Decode:
    """Return the decoder of a socket option's number; argument `level` says whose it is."""

    def decode(word: int, _captured: Captured, call: Words) -> str | int:
        names = OPTIONS.get(signed32(call.args[level]))
        number = signed32(word)
        return number if names is None else names.render(number)

    return decode


def option_value(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a socket option's value: a list of ints when it is made of them, else in hex."""
    data = captured.data if isinstance(captured, Cut) else captured
    if type(data) is not bytes:
        return address(word)
    if isinstance(captured, Cut) or len(data) % 4:
        return {
            "data": data.hex(),
            "size": captured.size if isinstance(captured, Cut) else len(data),
        }
    return [
        int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, len(data), 4)
    ]
