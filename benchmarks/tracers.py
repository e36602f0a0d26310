"""The ways to trace that are compared.  Each takes the time of one run of a workload.

Those of ours check what was told: calls that a workload is known to make and that are missing are
a MeasurementError, unless they were counted as lost: then the run is worth as much, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from daemons import running
from errors import MeasurementError
from household import started
from setting import BUILD, READERS, TRACERCTL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemons import Daemon
    from stopwatch import Stopwatch
    from workloads import Workload

FILE_CALLS = "%file"
NULL = str(BUILD / "null_tracer")
STRACE_PY = str(Path(sys.executable).with_name("strace.py"))
QUIET = ("-o", "/dev/null")


class Took(NamedTuple):
    """One run.  lost: events that a subscriber was told it had missed."""

    seconds: float
    lost: int = 0


@dataclass(frozen=True)
class Way:
    """A way to trace.  key: names it in tables of figures."""

    key: str
    name: str
    run: Callable[[Stopwatch, Workload], Took]


def prefixed(key: str, name: str, *prefix: str) -> Way:
    """Return the way that is a command in front of the command."""

    def run(stopwatch: Stopwatch, workload: Workload) -> Took:
        return Took(stopwatch.time(prefix, workload.command, workload.meanwhile))

    return Way(key, name, run)


UNTRACED = prefixed("untraced", "untraced")
NULL_ALL = prefixed("null", "null tracer", NULL)
NULL_FILES = prefixed("null", "null tracer, seccomp, asks at each stop", NULL, "-f", "-i")
STRACE = prefixed("strace", "strace -f", "strace", "-f", *QUIET)
STRACE_FILES = prefixed(
    "strace", "strace -f --seccomp-bpf -e %file",
    "strace", "-f", *QUIET, "--seccomp-bpf", "-e", "trace=%file",
)  # fmt: skip
STRACE_PY_ALL = prefixed(
    "strace.py", "python-ptrace strace.py -f",
    sys.executable, "-W", "ignore", STRACE_PY, "-f", "--trace-exec", *QUIET, "--",
)  # fmt: skip


def run_under(daemon: Daemon, *options: str) -> Way:
    """Return `tracerctl run` with a daemon that runs already, all lines to /dev/null.

    It loses nothing (its program waits for it), so what the daemon made of events is counted.
    """
    prefix = (*TRACERCTL, "run", *QUIET, *options, "--")
    environment = {"TRACERD_SOCKET": daemon.socket}

    def run(stopwatch: Stopwatch, workload: Workload) -> Took:
        before = daemon.status()["head"]
        took = stopwatch.time(prefix, workload.command, workload.meanwhile, environment)
        events = daemon.status()["head"] - before
        if events < sum(workload.calls.values()):
            raise MeasurementError(
                f"{workload.name}: {events} events for {dict(workload.calls)} calls"
            )
        return Took(took)

    return Way(f"run {daemon.pump}", f"tracerctl run, {daemon.pump} pump", run)


def attached_to(daemon: Daemon, *syscalls: str) -> Way:
    """Return an attach to a program that exists already, with a subscriber that decodes all."""

    def run(stopwatch: Stopwatch, workload: Workload) -> Took:
        with stopwatch.waiting(workload.command) as process, daemon.client() as client:
            client.attach(process.pid, scope="connection")
            with reader("one.py", daemon, str(process.pid), *syscalls) as one:
                took = stopwatch.release(process, workload.meanwhile)
                said = json.loads(rest(one))
            check(workload, said["calls"], said["lost"], syscalls)
            return Took(took, said["lost"])

    return Way(f"attached {daemon.pump}", f"attached, 1 subscriber, {daemon.pump} pump", run)


def check(
    workload: Workload, calls: Mapping[str, int], lost: int, syscalls: tuple[str, ...] = ()
) -> None:
    """Raise MeasurementError if calls are missing that were neither told nor counted as lost."""
    if syscalls:
        return  # which of the calls that it makes are in a class is the daemon's to know
    short = sum(max(0, least - calls.get(name, 0)) for name, least in workload.calls.items())
    if short > lost:
        raise MeasurementError(f"{workload.name}: {short} calls are missing, {lost} were counted")


@contextmanager
def reader(name: str, daemon: Daemon, *words: str) -> Iterator[subprocess.Popen[Any]]:
    """Run one of readers/ and wait until it has subscribed.  Raises MeasurementError."""
    with started(
        [sys.executable, str(READERS / name), *words],
        stdout=subprocess.PIPE,
        env=os.environ | {"TRACERD_SOCKET": daemon.socket},
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != b"READY\n":
            raise MeasurementError(f"{name} did not start; the daemon said: {daemon.log()}")
        yield process


def rest(process: subprocess.Popen[Any]) -> bytes:
    """Return what a reader says at its end.  Raises MeasurementError."""
    assert process.stdout is not None
    said: bytes = process.stdout.read()
    if process.wait(30) or not said:
        raise MeasurementError(f"a subscriber ended with {process.returncode}")
    return said


@contextmanager
def daemon() -> Iterator[None]:
    """Run a daemon, named to clients by $TRACERD_SOCKET.  Raises MeasurementError."""
    with running() as one:
        os.environ["TRACERD_SOCKET"] = one.socket
        yield
