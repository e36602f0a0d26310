"""What a descriptor refers to, as strace -y and -yy show it behind its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracerd.ctl.text.escape import angled
from tracerd.ctl.text.values import link

if TYPE_CHECKING:
    from tracerd.ctl.text.look import Look
    from tracerd.protocol.events import FdInfo


def described(info: FdInfo | None, path: str, look: Look) -> str:
    """Return what stands behind a descriptor's number.  path: that of its link."""
    if info is None:
        return link(path, look)
    return f"<{look.ink.path(_detailed(info, angled(path)))}>"


def _detailed(info: FdInfo, path: str) -> str:
    if info.kind == "socket" and info.protocol is not None:
        return f"{angled(info.protocol)}:[{_ends(info)}]"
    if info.kind in ("char", "block") and info.rdev is not None:
        return f"{path}<{info.kind} {angled(info.rdev)}>"
    if info.kind == "pidfd" and info.pid is not None:
        return f"pid:{info.pid}"
    return path


def _ends(info: FdInfo) -> str:
    local, peer = _address(info.local), _address(info.peer)
    if info.family not in ("AF_INET", "AF_INET6") or not (local or peer):
        return f"{info.ino}{f',{local}' if local else ''}{f'->{peer}' if peer else ''}"
    return f"{local or '?'}->{peer}" if peer else local


def _address(address: dict[str, Any] | None) -> str:
    """Return an address; what is in it may be anything."""
    if not address:
        return ""
    if "path" in address:
        path = angled(str(address["path"]))
        return f'@"{path[1:]}"' if address.get("abstract") else f'"{path}"'
    if "port" in address:
        host = angled(str(address.get("addr")))
        return f"[{host}]:{address['port']}" if ":" in host else f"{host}:{address['port']}"
    return ",".join(
        f"{name}={angled(str(value))}" for name, value in address.items() if name != "family"
    )
