"""The interfaces that the daemon serves, as text, and the shapes of their replies."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from tracerd.errors import InterfaceNotFound
from tracerd.protocol.messages import (
    INTERFACE,
    AttachReply,
    DetachReply,
    ExplainReply,
    GetInfoReply,
    InterfaceDescription,
    ListReply,
    Nothing,
    StatusReply,
    SubscribeReply,
    SyncReply,
    SyscallsReply,
    UpdateReply,
)

SERVICE = "org.varlink.service"

INTERFACES: tuple[str, ...] = (SERVICE, INTERFACE)
"""As GetInfo lists them."""

REPLIES: dict[str, type[msgspec.Struct]] = {
    "io.tracerd.Attach": AttachReply,
    "io.tracerd.Detach": DetachReply,
    "io.tracerd.List": ListReply,
    "io.tracerd.Status": StatusReply,
    "io.tracerd.Subscribe": SubscribeReply,
    "io.tracerd.Explain": ExplainReply,
    "io.tracerd.Update": UpdateReply,
    "io.tracerd.Unsubscribe": Nothing,
    "io.tracerd.Sync": SyncReply,
    "io.tracerd.Syscalls": SyscallsReply,
    "org.varlink.service.GetInfo": GetInfoReply,
    "org.varlink.service.GetInterfaceDescription": InterfaceDescription,
}
"""Every method, with the shape of its reply."""


@cache
def description(interface: str) -> str:
    """Return an interface's text in the Varlink IDL.  Raises InterfaceNotFound."""
    if interface not in INTERFACES:
        raise InterfaceNotFound(interface)
    return files("tracerd.protocol").joinpath(f"{interface}.varlink").read_text("utf-8")
