"""Decoders of memory policies, masks of nodes, and what mincore and move_pages tell."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.kernel import POLICY
from tracerd.core.decode.structs import array, record
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Decode, Words

NODES_SIZE: Final = 128
"""Room for 1,024 nodes."""
PAGE: Final = 4096


def nodes(count: int) -> Decode:
    """Return the decoder of a mask of nodes: a list of their numbers.

    count: the argument that says one more than how many bits there are.
    """

    def decode(word: int, captured: Captured, call: Words) -> Any:
        data = captured.data if isinstance(captured, Cut) else captured
        if type(data) is not bytes:
            return address(word)
        bits = int.from_bytes(data, "little")
        most = min(max(call.args[count] - 1, 0), len(data) * 8)
        return [node for node in range(most) if bits >> node & 1]

    return decode


def _policy(number: int) -> list[str]:
    return POLICY.render(number)


policy: Final = record("<I", _policy)


def _address(value: int) -> str:
    return f"{value:#x}"


def _one_address(value: int) -> list[str]:
    return [_address(value)]


pointer: Final = record("<Q", _one_address)
pointer32: Final = record("<I", _one_address)
addresses: Final = array("<Q", _address)
addresses32: Final = array("<I", _address)


def resident(length: int) -> Decode:
    """Return the decoder of what mincore tells: 1 for each page in memory, of the first of them.

    length: the argument that says how many bytes were asked for.
    """

    def decode(word: int, captured: Captured, call: Words) -> Any:
        data = captured.data if isinstance(captured, Cut) else captured
        if type(data) is not bytes:
            return address(word)
        pages = (call.args[length] + PAGE - 1) // PAGE
        items = [each & 1 for each in data[:pages]]
        return items if len(items) == pages else {"items": items, "truncated": True}

    return decode


def _range(base: int, length: int) -> dict[str, Any]:
    return {"base": f"{base:#x}", "len": length}


RANGE_SIZE: Final = 16
RANGE32_SIZE: Final = 8
ranges: Final = array("<QQ", _range)
"""Iovecs that name another process's memory, or memory that is not looked at."""
ranges32: Final = array("<II", _range)
