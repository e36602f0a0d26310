"""Socket addresses, vectors of buffers, and messages, as strace prints them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, Final

from tracerd.ctl.text.escape import quote
from tracerd.ctl.text.look import Look
from tracerd.ctl.text.structures import struct
from tracerd.ctl.text.values import PIECE, anything, bare, content, each, flags, link


def _sockaddr_unix(value: Mapping[str, Any], _look: Look) -> list[str]:
    name = value.get("path")
    if not isinstance(name, str):
        return []
    if value.get("abstract"):
        return [f"sun_path=@{quote(name.removeprefix('@'))}"]
    return [f"sun_path={quote(name)}"]


def _sockaddr_inet(value: Mapping[str, Any], look: Look) -> list[str]:
    address = value.get("addr")
    shown = quote(address) if isinstance(address, str) else anything(address, look)
    return [f"sin_port=htons({anything(value.get('port'), look)})", f"sin_addr=inet_addr({shown})"]


def _sockaddr_inet6(value: Mapping[str, Any], look: Look) -> list[str]:
    address = value.get("addr")
    shown = quote(address) if isinstance(address, str) else anything(address, look)
    return [
        f"sin6_port=htons({anything(value.get('port'), look)})",
        f"sin6_flowinfo=htonl({anything(value.get('flowinfo', 0), look)})",
        f"inet_pton(AF_INET6, {shown}, &sin6_addr)",
        f"sin6_scope_id={anything(value.get('scope_id', 0), look)}",
    ]


def _sockaddr_netlink(value: Mapping[str, Any], look: Look) -> list[str]:
    groups = value.get("groups")
    if isinstance(groups, str):
        groups = groups.removeprefix("0x").zfill(8)
    return [f"nl_pid={anything(value.get('pid'), look)}", f"nl_groups={bare(groups, look)}"]


_FAMILIES: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any], Look], list[str]]]]] = {
    "AF_UNIX": ("path", _sockaddr_unix),
    "AF_INET": ("port", _sockaddr_inet),
    "AF_INET6": ("port", _sockaddr_inet6),
    "AF_NETLINK": ("groups", _sockaddr_netlink),
}
"""Family -> (a field that it always has if it was read whole, its fields as text)."""

_other_sockaddr: Final = struct("sa_")


def sockaddr(value: Any, look: Look) -> str:
    """Show a socket address."""
    family = value.get("family") if isinstance(value, dict) else None
    sign, show = _FAMILIES.get(family, ("", None)) if isinstance(family, str) else ("", None)
    if show is None or not (sign in value or "unnamed" in value):
        return _other_sockaddr(value, look)
    return f"{{{', '.join([f'sa_family={family}', *show(value, look)])}}}"


def _pieces(text: str, lengths: list[int]) -> list[tuple[str, int]]:
    """Cut a text where so many bytes of it end; return each piece, and how many bytes it has.

    What is not there is an empty piece.
    """
    pieces = []
    found = PIECE.finditer(text)
    for length in lengths:
        taken: list[str] = []
        size = 0
        while size < length and (one := next(found, None)) is not None:
            taken.append(one[0])
            size += 1 if len(one[0]) > 1 else len(one[0].encode("utf-8", "surrogatepass"))
        pieces.append(("".join(taken), size))
    return pieces


def _iovecs(value: Any, look: Look) -> str:
    """Show what buffers hold, each with its length."""
    lengths, left = value["lengths"], value.get("size", 0)
    shown: list[str] = []
    for (text, size), length in zip(_pieces(value["text"], lengths), lengths, strict=True):
        filled = min(length, left)
        left -= filled
        piece = {"text": text, "truncated": bool(value.get("truncated")) and size < filled}
        shown.append(f"{{iov_base={content(piece, look)}, iov_len={length}}}")
    return f"[{', '.join(shown)}]"


def _has_iovecs(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and isinstance(value.get("lengths"), list)
        and all(type(length) is int for length in (*value["lengths"], value.get("size", 0)))
    )


def vector(value: Any, look: Look) -> str:
    """Show an iovec array; its count is the next argument."""
    if _has_iovecs(value):
        return _iovecs(value, look)
    if isinstance(value, dict) and "count" in value:
        contents = {key: item for key, item in value.items() if key != "count"}
        return f"[{anything(contents, look)}]"
    return anything(value, look)


def message(value: Any, look: Look) -> str:
    """Show a struct msghdr."""
    if not _has_iovecs(value):
        return anything(value, look)
    namelen = value.get("namelen")
    if isinstance(namelen, list):
        namelen = " => ".join(bare(one, look) for one in namelen)
    shown = [
        f"msg_name={sockaddr(value.get('name'), look)}",
        f"msg_namelen={bare(namelen, look)}",
        f"msg_iov={_iovecs(value, look)}",
        f"msg_iovlen={bare(value.get('iovlen'), look)}",
    ]
    if value.get("control"):
        shown.append(f"msg_control={each(_control)(value['control'], look)}")
    shown.append(f"msg_controllen={bare(value.get('controllen'), look)}")
    shown.append(f"msg_flags={flags(value.get('flags'), look)}")
    return f"{{{', '.join(shown)}}}"


def _passed(fds: list[Any], paths: Any, look: Look) -> str:
    """Show descriptors that are passed, and what they refer to where that is known."""
    links = paths if isinstance(paths, list) else []
    shown = [
        anything(fd, look) + (link(path, look) if isinstance(path, str) else "")
        for fd, path in zip_longest(fds, links[: len(fds)])
    ]
    return f"[{', '.join(shown)}]"


_credentials: Final = struct()
_HEAD: Final = 16
"""Bytes of a struct cmsghdr before its data."""


def _control(value: Any, look: Look) -> str:
    """Show a control message."""
    if not isinstance(value, dict) or "type" not in value:
        return anything(value, look)
    rest = {name: item for name, item in value.items() if name not in {"level", "type", "len"}}
    size = ""
    if isinstance(value.get("fds"), list):
        size = f"cmsg_len={_HEAD + 4 * len(value['fds'])}, "
        data = _passed(value["fds"], value.get("paths"), look)
    elif "pid" in rest:
        size = f"cmsg_len={_HEAD + 12}, "
        data = _credentials(rest, look)
    else:
        data = anything(value.get("data"), look)
    level, kind = bare(value.get("level"), look), bare(value["type"], look)
    return f"{{{size}cmsg_level={level}, cmsg_type={kind}, cmsg_data={data}}}"


def messages(value: Any, look: Look) -> str:
    """Show a vector of messages."""
    found = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(found, list):
        return anything(value, look)
    shown = []
    for one in found:
        size = f", msg_len={one.get('size')}" if _has_iovecs(one) else ""
        shown.append(f"{{msg_hdr={message(one, look)}{size}}}")
    if value.get("truncated"):
        shown.append("...")
    return f"[{', '.join(shown)}]"
