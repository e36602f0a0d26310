"""The ways to trace that are compared.  Each returns the seconds one run of a command takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import workloads
from stopwatch import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stopwatch import Stopwatch

START_LIMIT_S = 30
FILE_CALLS = "%file"
NULL = str(workloads.BUILD / "null_tracer")
STRACE_PY = str(Path(sys.executable).with_name("strace.py"))
TRACERCTL = (sys.executable, "-m", "tracerd.ctl")
SUBSCRIBER = str(Path(__file__).with_name("subscriber.py"))


@dataclass(frozen=True)
class Tracer:
    """A way to trace.  calls: `all`, `file`, or `` for none; key: groups what is compared."""

    key: str
    name: str
    calls: str
    run: Callable[[Stopwatch, Sequence[str]], float]


def _prefixed(*prefix: str) -> Callable[[Stopwatch, Sequence[str]], float]:
    return lambda stopwatch, command: stopwatch.time(prefix, command)


def tracers() -> list[Tracer]:
    """Return all ways to trace, the untraced one first."""
    quiet = ("-o", "/dev/null")
    strace = ("strace", "-f", *quiet)
    strace_py = (sys.executable, "-W", "ignore", STRACE_PY, "-f", "--trace-exec", *quiet)
    run = (*TRACERCTL, "run", *quiet)
    return [
        Tracer("untraced", "untraced", "", _prefixed()),
        Tracer("null", "null tracer, every call stops", "all", _prefixed(NULL)),
        Tracer("strace", "strace -f", "all", _prefixed(*strace)),
        Tracer("ptrace", "python-ptrace strace.py -f", "all", _prefixed(*strace_py, "--")),
        Tracer("run", "tracerctl run", "all", _prefixed(*run, "--")),
        Tracer("attached", "tracerd, attached, 1 subscriber", "all", _attached()),
        Tracer("idle", "tracerd, attached, no subscriber", "all", _attached(subscriber=False)),
        Tracer("null", "null tracer, seccomp-bpf", "file", _prefixed(NULL, "-f")),
        Tracer("strace", "strace -f -e %file", "file", _prefixed(*strace, "-e", FILE_CALLS)),
        Tracer(
            "strace",
            "strace -f --seccomp-bpf -e %file",
            "file",
            _prefixed(*strace, "--seccomp-bpf", "-e", FILE_CALLS),
        ),
        Tracer(
            "ptrace",
            "python-ptrace strace.py -f --filename",
            "file",
            _prefixed(*strace_py, "--filename", "--"),
        ),
        Tracer(
            "run",
            "tracerctl run --syscall %file",
            "file",
            _prefixed(*run, "--syscall", FILE_CALLS, "--"),
        ),
        Tracer("attached", "tracerd, attached, 1 subscriber", "file", _attached(FILE_CALLS)),
    ]


def needs_daemon(tracer: Tracer) -> bool:
    """Whether it is one of ours."""
    return tracer.key in {"run", "attached", "idle"}


def _attached(
    *syscalls: str, subscriber: bool = True
) -> Callable[[Stopwatch, Sequence[str]], float]:
    """Trace a command that exists already, as `tracerctl attach` and a script would."""

    def run(stopwatch: Stopwatch, command: Sequence[str]) -> float:
        with stopwatch.waiting(command) as process:
            subprocess.run(
                [*TRACERCTL, "attach", str(process.pid)], check=True, stdout=subprocess.DEVNULL
            )
            if not subscriber:
                return stopwatch.release(process)
            words = [sys.executable, SUBSCRIBER, str(process.pid), *syscalls]
            with subprocess.Popen(words, stdout=subprocess.PIPE) as reader:
                assert reader.stdout is not None
                if reader.stdout.readline() != b"READY\n":
                    raise MeasurementError("the subscriber did not start")
                took = stopwatch.release(process)
                if (said := reader.stdout.read()) and reader.wait() == 0:
                    print(f"    the subscriber lost {said.decode().strip()} events", flush=True)
            return took

    return run


@contextmanager
def daemon() -> Iterator[None]:
    """Run a daemon on a socket of its own, named to clients by $TRACERD_SOCKET.

    Raises MeasurementError if it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="tracerd-bench-") as directory:
        path = f"{directory}/socket"
        log = Path(directory) / "log"
        with (
            log.open("wb") as stderr,
            subprocess.Popen(
                [sys.executable, "-m", "tracerd", "--socket", path],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            ) as process,
        ):
            try:
                _await_listener(path, process, log)
                os.environ["TRACERD_SOCKET"] = path
                yield
            finally:
                process.terminate()


def _await_listener(path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        time.sleep(0.02)
    said = log.read_text(errors="replace").strip()
    raise MeasurementError(f"the daemon did not start:\n{said[-2000:]}")
