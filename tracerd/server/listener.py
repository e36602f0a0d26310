"""The listening socket: made here, or passed in by the service manager.

A path is taken under an exclusive flock on PATH.lock, so that of two daemons that start at the
same moment one binds and the other sees it live.  The lock file is removed while its lock is
still held; whoever was waiting for it meanwhile holds the lock of a file that is no longer at
the path, notices, and starts over.  So no lock file stays behind, and none is ever shared by
mistake.

A socket file that refuses connections is stale (its daemon was killed) and replaced.  One that
answers, or whose backlog is merely full, is live.  Anything that is not a stream socket is left
alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BACKLOG: Final = 128
_LOCK_PATIENCE_S: Final = 5.0
"""The lock is held for microseconds; one that is held longer is somebody's mistake."""


class ListenError(Exception):
    """No socket to listen on; the text says why."""


class AlreadyRunningError(ListenError):
    """Another daemon answers at the path."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A listening socket; `made` is its file (device, inode) if this process made it."""

    socket: socket.socket
    path: str
    made: tuple[int, int] | None = None

    def close(self) -> None:
        """Stop listening and unlink the socket file, if it is ours and still the one we made.

        An inode number may have been used again for the file of another daemon: that answers.
        """
        self.socket.close()
        if self.made is None:
            return
        with contextlib.suppress(OSError, ListenError), _locked(self.path):
            if _identity(self.path) == self.made and _probe(self.path) == errno.ECONNREFUSED:
                os.unlink(self.path)


def listen(path: str, mode: int) -> Listening:
    """Bind `path` with permissions `mode` and listen.

    Raises AlreadyRunningError, or ListenError if the path cannot be had.
    """
    path = os.path.abspath(path)
    try:
        with _locked(path):
            _clear(path)
            return _bind(path, mode)
    except OSError as error:
        raise ListenError(f"cannot listen on {path}: {error.strerror or error}") from error


def adopt(passed: Iterable[tuple[int, str]]) -> list[Listening]:
    """Take over descriptors from the service manager; the files stay the manager's.

    Raises ListenError if one is not a listening Unix stream socket.
    """
    adopted = []
    for fd, name in passed:
        try:
            sock = socket.socket(fileno=fd)
        except OSError as error:
            raise ListenError(f"passed descriptor {fd} ({name}): {error.strerror}") from error
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if (sock.family, sock.type, listens) != (socket.AF_UNIX, socket.SOCK_STREAM, 1):
            sock.close()
            raise ListenError(f"passed descriptor {fd} ({name}) is no listening stream socket")
        sock.setblocking(False)
        adopted.append(Listening(sock, _shown_address(sock.getsockname())))
    return adopted


def _shown_address(address: str | bytes) -> str:
    # An abstract address comes as bytes.
    return address if isinstance(address, str) else "@" + os.fsdecode(address[1:])


def _bind(path: str, mode: int) -> Listening:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # bind makes the file with 0777 less the umask: it never is more open than `mode`, not even
    # for the moment that a chmod would leave.  No other thread runs yet.
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    return Listening(sock, path, _identity(path))


def _clear(path: str) -> None:
    """Make way at `path`, or raise why that must not be done."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"{path} exists and is not a socket")
    outcome = _probe(path)
    if outcome in {0, errno.EAGAIN}:  # EAGAIN: its backlog is full
        raise AlreadyRunningError(f"already running: a daemon answers at {path}")
    if outcome not in {errno.ECONNREFUSED, errno.ENOENT}:
        raise ListenError(f"cannot tell whether {path} is in use: {os.strerror(outcome)}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _probe(path: str) -> int:
    """Try to connect; returns the error number, 0 if something answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        return probe.connect_ex(path)


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    lock = path + ".lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        fd = os.open(lock, flags, 0o600)
        try:
            _flock(fd, lock, deadline)
            held = os.fstat(fd)
            try:
                current = _identity(lock) == (held.st_dev, held.st_ino)
            except FileNotFoundError:
                current = False
            if not current:
                continue
            try:
                yield
            finally:
                os.unlink(lock)
            return
        finally:
            os.close(fd)


def _flock(fd: int, lock: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # No way to wait for a flock with a deadline; this runs at start and end only.
            if time.monotonic() > deadline:
                raise ListenError(f"{lock} is locked by another process") from None
            time.sleep(0.01)
        else:
            return
