"""Decoders of memory that is read both before the call and after it.

Of a call that has not returned, or failed, a decoder sees only what was there before.
"""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Decode, Pair, Words


def given(decode: Decode) -> Decode:
    """Return a decoder of what the program passes."""

    def decode_before(word: int, captured: Captured, call: Words) -> Any:
        return decode(word, captured.before if isinstance(captured, Pair) else captured, call)

    return decode_before


def filled(decode: Decode) -> Decode:
    """Return a decoder of what the kernel fills in: an address until it has done so."""

    def decode_after(word: int, captured: Captured, call: Words) -> Any:
        return decode(word, captured.after if isinstance(captured, Pair) else None, call)

    return decode_after


def answered(question: Decode, answer: Decode) -> Decode:
    """Return a decoder of what the program passes and the kernel then overwrites."""

    def decode_either(word: int, captured: Captured, call: Words) -> Any:
        if isinstance(captured, Pair):
            return answer(word, captured.after, call)
        return question(word, captured, call)

    return decode_either


def _offset(size: int) -> Decode:
    """Return the decoder of a pointer to a file offset: `[before]`, or `[before, after]`."""

    def decode(word: int, captured: Captured, _call: Words) -> Any:
        both = (captured.before, captured.after) if isinstance(captured, Pair) else (captured,)
        read = [data for data in both if type(data) is bytes and len(data) >= size]
        if len(read) < len(both):
            return address(word)
        return [int.from_bytes(data[:size], "little", signed=True) for data in read]

    return decode


def value_result(word: int, captured: Captured, call: Words) -> Any:
    """Decode a pointer to an int that the call may change: `[value]`, or `[before, after]`."""
    shown = _int(word, captured, call)
    if isinstance(shown, list) and len(shown) == 2 and shown[0] == shown[1]:
        del shown[1]
    return shown


def left(time: Decode) -> Decode:
    """Return a decoder of a time to wait at most, and of what the call says is left of it."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        if not isinstance(captured, Pair):
            return time(word, captured, call)
        shown, after = time(word, captured.before, call), time(word, captured.after, call)
        if isinstance(shown, dict) and isinstance(after, dict) and shown != after:
            return {**shown, "left": after}
        return shown

    return decode


_int: Final = _offset(4)
offset: Final = _offset(8)
offset32: Final = _offset(4)
