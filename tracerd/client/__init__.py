"""The client library: what a script imports to ask a tracing daemon and to read its events.

`connect` for asyncio and trio, `connect_sync` for plain programs; both have the
same verbs.  Names are loaded when first used, so that the synchronous side
does not pay for the import of an event loop.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tracerd.client.address import default_socket
    from tracerd.client.aio import AsyncClient, AsyncFollow, AsyncSubscription, connect
    from tracerd.client.errors import ClientError, ConnectionLost, DaemonNotRunning
    from tracerd.client.sync import SyncClient, SyncFollow, SyncSubscription, connect_sync
    from tracerd.protocol.messages import Filter, Match

__all__ = [
    "AsyncClient",
    "AsyncFollow",
    "AsyncSubscription",
    "ClientError",
    "ConnectionLost",
    "DaemonNotRunning",
    "Filter",
    "Match",
    "SyncClient",
    "SyncFollow",
    "SyncSubscription",
    "connect",
    "connect_sync",
    "default_socket",
]

_HOMES: Final = {
    "AsyncClient": "tracerd.client.aio",
    "AsyncFollow": "tracerd.client.aio",
    "AsyncSubscription": "tracerd.client.aio",
    "ClientError": "tracerd.client.errors",
    "ConnectionLost": "tracerd.client.errors",
    "DaemonNotRunning": "tracerd.client.errors",
    "Filter": "tracerd.protocol.messages",
    "Match": "tracerd.protocol.messages",
    "SyncClient": "tracerd.client.sync",
    "SyncFollow": "tracerd.client.sync",
    "SyncSubscription": "tracerd.client.sync",
    "connect": "tracerd.client.aio",
    "connect_sync": "tracerd.client.sync",
    "default_socket": "tracerd.client.address",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
