"""Take a tracee's wall time, from its exec to its end and that of all its descendants.

The start and the end of the tracer around it do not count: see programs/stamp.c.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from errors import MeasurementError, OverLimitError
from household import started
from setting import BUILD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

STAMP = str(BUILD / "stamp")

Meanwhile: TypeAlias = Callable[[], float]
"""Called once the program runs: uses it, ends it, and returns the seconds that count instead of
its wall time.  For servers."""


class Stopwatch:
    """Measures in a directory of its own; limit_s: the longest a single run may take."""

    def __init__(self, scratch: Path, limit_s: float) -> None:
        self.limit_s = limit_s
        self._fifo = scratch / "clock"
        self._gate = scratch / "gate"
        self._log = scratch / "log"
        os.mkfifo(self._fifo)
        os.mkfifo(self._gate)

    def time(
        self,
        prefix: Sequence[str],
        command: Sequence[str],
        meanwhile: Meanwhile | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> float:
        """Return the seconds `command` takes when run as PREFIX COMMAND.

        Raises MeasurementError, OverLimitError.
        """
        words = [*prefix, STAMP, str(self._fifo), *command]
        with self._started(words, environment) as process:
            return self._watch(process, meanwhile)

    @contextmanager
    def waiting(self, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Start `command` up to where it waits for release(); yields its process, to attach to."""
        words = [STAMP, "-g", str(self._gate), str(self._fifo), *command]
        with self._started(words) as process:
            yield process

    def release(
        self, process: subprocess.Popen[bytes], meanwhile: Meanwhile | None = None
    ) -> float:
        """Let a waiting command go; return the seconds it takes.  Raises as time()."""
        os.close(os.open(self._gate, os.O_WRONLY))
        return self._watch(process, meanwhile)

    @contextmanager
    def _started(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[Any]]:
        with (
            self._log.open("wb") as log,
            started(
                words,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | (environment or {}),
            ) as process,
        ):
            yield process

    def _watch(self, process: subprocess.Popen[bytes], meanwhile: Meanwhile | None) -> float:
        deadline = time.monotonic() + self.limit_s
        pidfd = os.pidfd_open(process.pid)
        # Non-blocking, so that a tracer that fails before the stamp cannot hang us in the open.
        fifo = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            self._await(fifo, pidfd, select.POLLIN, deadline)
            (start_ns,) = struct.unpack("q", os.read(fifo, 8))
            seconds = meanwhile() if meanwhile else None
            self._await(fifo, None, select.POLLHUP, deadline)
            end_ns = time.monotonic_ns()
        finally:
            os.close(fifo)
            os.close(pidfd)
        try:
            code = process.wait(max(deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired as error:
            raise OverLimitError from error
        if code:
            raise MeasurementError(self._failure(process))
        return float(end_ns - start_ns) / 1e9 if seconds is None else seconds

    def _await(self, fifo: int, pidfd: int | None, what: int, deadline: float) -> None:
        """Wait for an event on the FIFO, or for the end of the process without it."""
        poll = select.poll()
        poll.register(fifo, what)
        if pidfd is not None:
            poll.register(pidfd, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            seen = dict(poll.poll(max(left, 0) * 1000))
            if seen.get(fifo, 0) & what:
                return
            if pidfd in seen:
                raise MeasurementError(f"ended early: {self._log.read_text(errors='replace')}")
            if left <= 0:
                raise OverLimitError

    def _failure(self, process: subprocess.Popen[bytes]) -> str:
        said = self._log.read_text(errors="replace").strip()
        return f"{process.args!r} ended with {process.returncode}: {said[-2000:]}"
