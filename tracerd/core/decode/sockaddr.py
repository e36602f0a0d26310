"""Decoder of socket addresses."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any, Final

from tracerd.core.decode.names.network import CID, FAMILY
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Words
from tracerd.protocol.text import shown

AF_UNIX: Final = 1
AF_INET: Final = 2
AF_INET6: Final = 10
AF_NETLINK: Final = 16
AF_PACKET: Final = 17
AF_ALG: Final = 38
AF_VSOCK: Final = 40


def _unix(data: bytes) -> dict[str, Any]:
    name = data[2:]
    if not name:
        return {"unnamed": True}
    if name.startswith(b"\0"):
        return {"path": "@" + shown(name[1:]), "abstract": True}
    return {"path": shown(name.split(b"\0", 1)[0])}


def _inet(data: bytes) -> dict[str, Any] | None:
    if len(data) < 8:
        return None
    return {
        "addr": socket.inet_ntop(socket.AF_INET, data[4:8]),
        "port": int.from_bytes(data[2:4], "big"),
    }


def _inet6(data: bytes) -> dict[str, Any] | None:
    if len(data) < 24:
        return None
    return {
        "addr": socket.inet_ntop(socket.AF_INET6, data[8:24]),
        "port": int.from_bytes(data[2:4], "big"),
        "flowinfo": int.from_bytes(data[4:8], "big"),
        "scope_id": int.from_bytes(data[24:28], "little"),
    }


def _netlink(data: bytes) -> dict[str, Any] | None:
    if len(data) < 12:
        return None
    pid, groups = struct.unpack_from("<II", data, 4)
    return {"pid": pid, "groups": f"{groups:#x}"}


def _packet(data: bytes) -> dict[str, Any] | None:
    if len(data) < 12:
        return None
    _, protocol, index, hatype, kind, length = struct.unpack_from("<HHiHBB", data)
    return {
        "protocol": f"{socket.ntohs(protocol):#06x}",
        "ifindex": index,
        "hatype": hatype,
        "pkttype": kind,
        "addr": data[12 : 12 + length].hex(":"),
    }


def _alg(data: bytes) -> dict[str, Any] | None:
    if len(data) < 88:
        return None
    kind, features, mask, name = struct.unpack_from("<14sII64s", data, 2)
    return {
        "type": shown(kind.split(b"\0", 1)[0]),
        "feat": f"{features:#x}",
        "mask": f"{mask:#x}",
        "name": shown(name.split(b"\0", 1)[0]),
    }


def _vsock(data: bytes) -> dict[str, Any] | None:
    if len(data) < 12:
        return None
    port, cid = struct.unpack_from("<II", data, 4)
    return {"cid": CID.render(cid), "port": port}


_FAMILIES: Final[dict[int, Callable[[bytes], dict[str, Any] | None]]] = {
    AF_UNIX: _unix,
    AF_INET: _inet,
    AF_INET6: _inet6,
    AF_NETLINK: _netlink,
    AF_PACKET: _packet,
    AF_ALG: _alg,
    AF_VSOCK: _vsock,
}


def sockaddr_of(data: bytes) -> dict[str, Any]:
    """Return an address by its family; its bytes in hex where the family is not known."""
    if len(data) < 2:
        return {"family": None, "data": data.hex()}
    family = int.from_bytes(data[:2], "little")
    read = _FAMILIES.get(family)
    fields = read(data) if read is not None else None
    return {"family": FAMILY.render(family), **(fields or {"data": data[2:].hex()})}


def sockaddr(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a socket address; null for none, also for one of length zero."""
    data = captured.data if isinstance(captured, Cut) else captured
    if type(data) is not bytes:
        return address(word)
    return sockaddr_of(data) if data else None
