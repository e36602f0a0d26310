"""Where the daemon listens."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "TRACERD_SOCKET"
"""Environment variable that names the socket for every client."""


def default_socket() -> str:
    """Return the path of the daemon's socket.

    `$TRACERD_SOCKET` if set; else /run/tracerd.sock for root, tracerd.sock in
    `$XDG_RUNTIME_DIR` (usually /run/user/UID) for anybody else.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return named
    if os.geteuid() == 0:
        return "/run/tracerd.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return os.path.join(runtime, "tracerd.sock")
