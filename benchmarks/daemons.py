"""Daemons under measurement, and what the outside can tell of one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import MeasurementError, UnavailableError
from household import started
from setting import ROOT

import tracerd.client

if TYPE_CHECKING:
    from collections.abc import Iterator

START_S = 30.0
CALL_S = 60.0
PUMPS = ("python", "native")
OPTIONAL = "native"
"""It is compiled: where it was not, there is none."""


class Daemon:
    """A running one.  pump: what its Status says."""

    def __init__(self, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.socket = path
        self.pid = process.pid
        self._log = log
        self.pump = str(self.status()["pump"])

    def client(self) -> tracerd.client.SyncClient:
        """Connect.  Close it after use."""
        return tracerd.client.connect_sync(self.socket, timeout=CALL_S)

    def status(self) -> dict[str, Any]:
        """Return what Status says, with fields that the client library may not know yet."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(CALL_S)
            peer.connect(self.socket)
            peer.sendall(b'{"method":"io.tracerd.Status"}\0')
            said = b""
            while not said.endswith(b"\0"):
                more = peer.recv(1 << 20)
                if not more:
                    raise MeasurementError(f"the daemon hung up: {self.log()}")
                said += more
        parameters: dict[str, Any] = json.loads(said[:-1])["parameters"]
        return parameters

    def cpu_ns(self) -> int:
        """Return the time that all its threads, ended ones too, have been on a CPU."""
        # The clock id of a process: MAKE_PROCESS_CPUCLOCK in include/linux/posix-timers.h.
        return time.clock_gettime_ns((~self.pid << 3) | 2)

    def resident(self) -> int:
        """Return the bytes of memory it holds."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> str:
        """Return the end of what it logged."""
        return self._log.read_text(errors="replace").strip()[-2000:]


@cache
def _options() -> str:
    words = [sys.executable, "-m", "tracerd", "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _chosen(**variables: str) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}


SWITCHING = """
import sys
from tracerd.server import daemon, main
daemon.SWITCH_INTERVAL_S = float(sys.argv.pop(1))
sys.exit(main.main())
"""
"""The daemon with another sys.setswitchinterval, which is its first argument."""


@contextmanager
def running(
    pump: str = "", placement: str = "", looks: str = "", switch_s: float = 0
) -> Iterator[Daemon]:
    """Run a daemon on a socket of its own.

    pump, placement, looks: what it is to use; empty: its own choice.  switch_s: how long a thread
    keeps the GIL; 0: its own choice.  Raises UnavailableError if it has no such thing,
    MeasurementError if it does not start.
    """
    command = ["-c", SWITCHING, str(switch_s)] if switch_s else ["-m", "tracerd"]
    options = []
    if placement:
        if "--placement" not in _options():
            raise UnavailableError("tracerd has no option --placement")
        options = ["--placement", placement]
    with tempfile.TemporaryDirectory(prefix="tracerd-bench-") as directory:
        path, log = f"{directory}/socket", Path(directory) / "log"
        with (
            log.open("wb") as stderr,
            started(
                [sys.executable, *command, "--socket", path, *options],
                stdout=stderr,
                stderr=stderr,
                cwd=ROOT,
                env=os.environ | _chosen(TRACERD_PUMP=pump, TRACERD_LOOKS=looks),
            ) as process,
        ):
            try:
                await_listener(path, process, log)
                daemon = Daemon(path, process, log)
            except (MeasurementError, OSError) as error:
                _stop(process)  # what it has to say is in its log then
                if pump != OPTIONAL:
                    raise MeasurementError(f"the daemon failed: {_last_line(log)}") from error
                raise UnavailableError(f"no {pump} pump: {_last_line(log)[:200]}") from error
            if pump and daemon.pump != pump:
                raise UnavailableError(
                    f"asked for the {pump} pump, the daemon runs the {daemon.pump} one"
                )
            yield daemon
            _stop(process)


def _last_line(log: Path) -> str:
    """Return what a daemon that failed said at last; of a log line, its error."""
    said = log.read_text(errors="replace").strip().rpartition("\n")[2]
    return said.partition(" error=")[2].partition(" traceback=")[0] or said


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let it end in order; it is killed if it does not."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)


def await_listener(path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody can connect.  Raises MeasurementError if it does not start."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.002)
    said = log.read_text(errors="replace").strip()
    raise MeasurementError(f"the daemon did not start:\n{said[-2000:]}")
