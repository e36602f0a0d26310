"""Decoders of strings and buffers."""

from __future__ import annotations

from typing import Any

from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Decode, Strings, Vector, Words
from tracerd.protocol.text import shown


def text(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a NUL-terminated string: its text; an object when cut or not readable."""
    if type(captured) is bytes:
        return shown(captured)
    if isinstance(captured, Cut):
        return {"text": shown(captured.data), "truncated": True}
    return address(word)


def strings(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a string vector: a list of text, or items and truncated."""
    if not isinstance(captured, Strings):
        return address(word)
    items = [shown(item) for item in captured.items]
    return items if captured.whole else {"items": items, "truncated": True}


def content(captured: bytes | Cut) -> dict[str, Any]:
    """Return the shape of a buffer: text, size, and truncated if the text is not all."""
    if isinstance(captured, bytes):
        return {"text": shown(captured), "size": len(captured)}
    cut: dict[str, Any] = {"text": shown(captured.data)}
    if captured.size >= 0:
        cut["size"] = captured.size
    cut["truncated"] = True
    return cut


def buffer(word: int, captured: Captured, _call: Words) -> Any:
    """Decode memory of a known size."""
    if isinstance(captured, (bytes, Cut)):
        return content(captured)
    return address(word)


def within(room: int) -> Decode:
    """Return the decoder of a buffer of argument `room` bytes: a call may return more than that."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        size = len(captured) if type(captured) is bytes else getattr(captured, "size", 0)
        most = call.args[room]
        if size > most:
            data = captured.data if isinstance(captured, Cut) else captured
            if type(data) is bytes:
                captured = data[:most] if len(data) >= most else Cut(data, most)
        return buffer(word, captured, call)

    return decode


def iovec(length: int) -> Decode:
    """Return the decoder of an iovec array whose count is argument `length`."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        if isinstance(captured, Vector):
            shown = {"count": call.args[length], **content(captured.data)}
            return {**shown, "lengths": list(captured.lengths)}
        return address(word)

    return decode
