"""A daemon of our own, for as long as one command needs it.

We make the socket, in a directory that only we may enter, and hand it over as
systemd would; the daemon ends when the pipe we hold is closed, however that
comes about.  It has a session of its own, so that no Ctrl-C reaches it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import tempfile
import time
from typing import Final, NoReturn, Self

LISTEN_FD: Final = 3
"""sd_listen_fds(3): the first descriptor passed."""
EOF_FD: Final = 4

LONGEST_PATH: Final = 100
"""sun_path holds 108 bytes."""

PATIENCE_S: Final = 15.0
"""The daemon gives its tracees and subscribers some seconds at its end; then we insist."""


class PrivateDaemon:
    """Runs while it is entered; `path` is where it listens until hide()."""

    def __enter__(self) -> Self:
        self._directory = _directory()
        self.path = os.path.join(self._directory, "tracerd.sock")
        try:
            self.pid, self._writer = _start(self.path)
        except BaseException:
            self.hide()
            raise
        return self

    def hide(self) -> None:
        """Remove the socket's file, once all connections that are needed exist.

        From then on nothing is left behind even if we are killed.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(self._directory)

    def __exit__(self, *_error: object) -> None:
        os.close(self._writer)
        self._wait()
        self.hide()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        pause = 0.001
        while not self._ended():
            if time.monotonic() > deadline:
                # The kernel lets its tracees go, unharmed.
                os.kill(self.pid, signal.SIGKILL)
                deadline = float("inf")
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _ended(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:  # whoever started us has SIGCHLD ignored: the kernel reaped it
            return True


def _start(path: str) -> tuple[int, int]:
    """Start a daemon that listens at `path`; return its pid and the pipe that keeps it going."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become_daemon(listener.fileno(), reader)
        os.close(reader)
    # Only the daemon listens now: if it dies, so do our connections.
    return pid, writer


def _directory() -> str:
    """Make a directory for the socket whose path a socket address can hold."""
    directory = tempfile.mkdtemp(prefix="tracerctl-")
    if len(os.fsencode(directory)) <= LONGEST_PATH - len("/tracerd.sock"):
        return directory
    os.rmdir(directory)
    return tempfile.mkdtemp(prefix="tracerctl-", dir="/tmp")


def _become_daemon(listener: int, reader: int) -> NoReturn:
    """Be the child: exec the daemon.  Never returns, never raises."""
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # Out of the way first: 3 and 4 may be these very descriptors.
        listener = fcntl.fcntl(listener, fcntl.F_DUPFD_CLOEXEC, 10)
        reader = fcntl.fcntl(reader, fcntl.F_DUPFD_CLOEXEC, 10)
        os.dup2(listener, LISTEN_FD)
        os.dup2(reader, EOF_FD)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        environment.pop("LISTEN_FDNAMES", None)
        environment.pop("NOTIFY_SOCKET", None)
        os.execve(sys.executable, _command(environment), environment)  # noqa: S606
    except BaseException as error:  # noqa: BLE001  nothing may unwind into the parent's code
        os.write(2, f"tracerctl: cannot start a daemon: {error}\n".encode())
    finally:
        os._exit(127)


def _command(environment: dict[str, str]) -> list[str]:
    """Return the daemon's command line; adds to PYTHONPATH what it takes to find this package.

    -P keeps the working directory, which is the user's, out of the search for modules.
    """
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.path.basename(package) not in {"site-packages", "dist-packages"}:
        former = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{package}{os.pathsep}{former}" if former else package
    return [
        *(sys.executable, "-P", "-m", "tracerd"),
        *("--exit-on-eof", str(EOF_FD), "--log-level", "warning"),
        *("--buffer-size", "0"),  # nobody can come later and ask for the past
    ]
