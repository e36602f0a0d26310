"""The daemon under test: a process of its own, on a private socket, whose log is kept."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 30
SETTLE_S = 5
ROOT = Path(__file__).resolve().parents[2]


class Daemon:
    """socket: its path.  Everything that is not quiet in its log is a finding."""

    def __init__(self, directory: Path) -> None:
        self.socket = str(directory / "socket")
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tracerd", "--socket", self.socket, "--log-level=warning"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    def wait_ready(self) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(self.socket) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"the daemon did not start: {self.log()}")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def descriptors(self) -> Counter[str]:
        """Return what it has open, how often."""
        found: Counter[str] = Counter()
        for link in list(Path(f"/proc/{self._process.pid}/fd").iterdir()):
            with suppress(OSError):
                found[str(link.readlink()).partition("[")[0]] += 1
        return found

    def new_descriptors(self, before: Counter[str]) -> Counter[str]:
        """Return what it has open now, and still has in a while, that it had not before."""
        deadline = time.monotonic() + SETTLE_S
        while (more := self.descriptors() - before) and time.monotonic() < deadline:
            time.sleep(0.05)
        return more

    def resident(self) -> int:
        """Return the bytes of memory it holds."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> list[str]:
        """Return the lines it wrote: warnings and worse."""
        return self._log.read_text(errors="replace").splitlines()

    def stop(self) -> int:
        """End it in order; return its exit code."""
        self._process.terminate()
        try:
            return self._process.wait(START_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -1

    def kill(self) -> None:
        """End it anyhow."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running(directory: Path) -> Iterator[Daemon]:
    """Run a daemon; it is killed if it is not stopped within."""
    daemon = Daemon(directory)
    try:
        daemon.wait_ready()
        yield daemon
    finally:
        if daemon.alive:
            daemon.kill()
