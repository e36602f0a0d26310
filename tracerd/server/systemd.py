"""The little of systemd's protocols that a daemon needs: sd_notify(3), sd_listen_fds(3).

Both are a few lines of text over an environment variable, so no library is worth its weight.
The variables are taken out of the environment: they speak to this process, not to its children.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_FIRST_FD: Final = 3
"""SD_LISTEN_FDS_START."""


class Notifier:
    """Tells the service manager how we are; does nothing if there is none."""

    def __init__(self, address: str | None = None) -> None:
        self._socket: socket.socket | None = None
        if not address:
            return
        if address.startswith("@"):  # the abstract namespace
            address = "\0" + address[1:]
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            notify.connect(address)
        except OSError:
            notify.close()
        else:
            self._socket = notify

    @property
    def is_heard(self) -> bool:
        """Whether there is a manager."""
        return self._socket is not None

    def send(self, **state: object) -> None:
        """Send assignments, e.g. `send(READY=1, STATUS="3 processes")`.

        A manager that does not listen, or whose buffer is full, is no reason to fail or to wait.
        """
        if self._socket is None:
            return
        lines = "\n".join(f"{name}={_one_line(value)}" for name, value in state.items())
        with contextlib.suppress(OSError):
            self._socket.send(lines.encode())

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()


def _one_line(value: object) -> str:
    return " ".join(str(value).split("\n"))


def notifier(environ: MutableMapping[str, str]) -> Notifier:
    """Take NOTIFY_SOCKET out of `environ`."""
    return Notifier(environ.pop("NOTIFY_SOCKET", None))


def watchdog_seconds(environ: MutableMapping[str, str]) -> float | None:
    """Take the watchdog's period out of `environ`; None if nobody watches this process."""
    period = environ.pop("WATCHDOG_USEC", "")
    pid = environ.pop("WATCHDOG_PID", "")
    if not period.isdigit() or not int(period) or (pid and pid != str(os.getpid())):
        return None
    return int(period) / 1e6


def listen_fds(environ: MutableMapping[str, str]) -> list[tuple[int, str]]:
    """Take the passed descriptors, with their names, out of `environ`; [] if they are not for us.

    They are made close-on-exec: the descriptors are ours alone.
    """
    pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    fds = range(_FIRST_FD, _FIRST_FD + int(count))
    for fd in fds:
        os.set_inheritable(fd, False)
    named = names + ["unknown"] * len(fds)
    return list(zip(fds, named, strict=False))
