"""The processes started here: each is ended when it is no longer needed, all when we end.

Whoever is orphaned below us becomes our child (PR_SET_CHILD_SUBREAPER), so nobody gets away.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
END_S = 10.0


@contextmanager
def household() -> Iterator[None]:
    """End all descendants at the end, whatever happened within; signals end it in order."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        # From here on nothing may interrupt: what is left would be left for good.
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        end_descendants()


def children(pid: int) -> list[int]:
    """Return the pids of a process's children; none if it has ended."""
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """Return the pids of all below a process."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def end_descendants() -> None:
    """Kill and reap everything below this process.  Says so if something does not die."""
    deadline = time.monotonic() + END_S
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)
    if left:
        print(f"benchmark: these do not end: {left}", file=sys.stderr)


@contextmanager
def started(words: Sequence[str], **how: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a command in a session of its own; at the end all of its process group is killed.

    how: as for Popen; nothing to read on standard input unless given.
    """
    how = {"stdin": subprocess.DEVNULL, "start_new_session": True} | how
    process: subprocess.Popen[Any] = subprocess.Popen(list(words), **how)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep so many cores busy, as far as the scheduler lets them."""
    with started(["sh", "-c", f"for i in $(seq {count}); do while :; do :; done & done; wait"]):
        yield
