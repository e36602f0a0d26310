"""Decoders of socket options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tracerd.core.decode.errnos import errno_name
from tracerd.core.decode.names.network import FAMILY, LEVEL, SOCKET_TYPE
from tracerd.core.decode.names.sockopts import OPTIONS
from tracerd.core.decode.structs import record
from tracerd.core.decode.times import timeval, timeval32
from tracerd.core.decode.words import address, signed32
from tracerd.core.syscalls.model import Captured, Cut, Decode, Words
from tracerd.protocol.text import shown


def option(level: int) -> Decode:
    """Return the decoder of a socket option's number; argument `level` says whose it is."""

    def decode(word: int, _captured: Captured, call: Words) -> str | int:
        names = OPTIONS.get(signed32(call.args[level]))
        number = signed32(word)
        return number if names is None else names.render(number)

    return decode


def _plain(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a value by its bytes: a list of ints when it is made of them, else in hex."""
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


def _text(word: int, captured: Captured, call: Words) -> Any:
    if type(captured) is not bytes:
        return _plain(word, captured, call)
    return shown(captured.split(b"\0", 1)[0])


def _linger(on: int, seconds: int) -> dict[str, int]:
    return {"onoff": on, "linger": seconds}


def _credentials(pid: int, uid: int, gid: int) -> dict[str, int]:
    return {"pid": pid, "uid": uid, "gid": gid}


def _error(number: int) -> list[str | int]:
    return [errno_name(number) if number > 0 else number]


def _family(number: int) -> list[str | int]:
    return [FAMILY.render(number)]


def _type(number: int) -> list[str]:
    return SOCKET_TYPE.render(number)


def _fallback(decode: Callable[[int, Captured, Words], Any], size: int) -> Decode:
    """Return a decoder of values of one size; others are shown by their bytes."""

    def decode_whole(word: int, captured: Captured, call: Words) -> Any:
        whole = type(captured) is bytes and len(captured) == size
        return (decode if whole else _plain)(word, captured, call)

    return decode_whole


_timeout: Final = _fallback(timeval, 16)
_BY_NAME: Final[dict[tuple[str, str], Decode]] = {
    ("SOL_SOCKET", "SO_LINGER"): _fallback(record("<ii", _linger), 8),
    ("SOL_SOCKET", "SO_RCVTIMEO"): _timeout,
    ("SOL_SOCKET", "SO_SNDTIMEO"): _timeout,
    ("SOL_SOCKET", "SO_RCVTIMEO_NEW"): _timeout,
    ("SOL_SOCKET", "SO_SNDTIMEO_NEW"): _timeout,
    ("SOL_SOCKET", "SO_PEERCRED"): _fallback(record("<iII", _credentials), 12),
    ("SOL_SOCKET", "SO_ERROR"): _fallback(record("<i", _error), 4),
    ("SOL_SOCKET", "SO_DOMAIN"): _fallback(record("<i", _family), 4),
    ("SOL_SOCKET", "SO_TYPE"): _fallback(record("<I", _type), 4),
    ("SOL_SOCKET", "SO_BINDTODEVICE"): _text,
    ("SOL_SOCKET", "SO_PEERSEC"): _text,
    ("SOL_TCP", "TCP_CONGESTION"): _text,
    ("SOL_TCP", "TCP_ULP"): _text,
}
SOL_SOCKET: Final = LEVEL.values["SOL_SOCKET"]
VALUES: Final = {
    (LEVEL.values[level], OPTIONS[LEVEL.values[level]].values[name]): decode
    for (level, name), decode in _BY_NAME.items()
}
_TIMEOUTS: Final = ("SO_RCVTIMEO", "SO_SNDTIMEO")
VALUES_I386: Final = {
    **VALUES,
    **{
        (SOL_SOCKET, OPTIONS[SOL_SOCKET].values[name]): _fallback(timeval32, 8)
        for name in _TIMEOUTS
    },
}


def option_value(
    level: int, name: int, values: Mapping[tuple[int, int], Decode] = VALUES
) -> Decode:
    """Return the decoder of an option's value; arguments `level` and `name` say which it is."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        key = signed32(call.args[level]), signed32(call.args[name])
        return values.get(key, _plain)(word, captured, call)

    return decode
