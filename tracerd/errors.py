"""What can go wrong, one class per answer a caller can act on.

Each class carries the Varlink error it travels as (`name`, with its fields as
parameters) and the exit code tracerctl ends with.  The client raises the same
class that the daemon raised.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar


@dataclass(eq=False)
class TracerdError(Exception):
    """Base of all errors that cross the protocol."""

    name: ClassVar[str] = "io.tracerd.InternalError"
    exit_code: ClassVar[int] = 1

    def parameters(self) -> dict[str, object]:
        """Return the error's fields as Varlink parameters."""
        return asdict(self)

    def __str__(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(eq=False)
class InternalError(TracerdError):
    """A fault of ours; the daemon goes on."""

    reason: str

    def __str__(self) -> str:
        return f"internal error: {self.reason}"


@dataclass(eq=False)
class NoSuchProcess(TracerdError):
    """No process has this pid, or it ended meanwhile."""

    pid: int
    name: ClassVar[str] = "io.tracerd.NoSuchProcess"
    exit_code: ClassVar[int] = 3

    def __str__(self) -> str:
        return f"no such process: {self.pid}"


@dataclass(eq=False)
class PermissionDenied(TracerdError):
    """The peer, or the daemon itself, may not trace this process; `reason` says why.

    pid 0: it is about no process in particular.
    """

    pid: int
    reason: str
    name: ClassVar[str] = "io.tracerd.PermissionDenied"
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        if not self.pid:
            return f"not permitted: {self.reason}"
        return f"not permitted to trace {self.pid}: {self.reason}"


@dataclass(eq=False)
class AlreadyTraced(TracerdError):
    """Another tracer holds the process; Linux allows one."""

    pid: int
    tracer: int
    name: ClassVar[str] = "io.tracerd.AlreadyTraced"
    exit_code: ClassVar[int] = 5

    def __str__(self) -> str:
        return f"process {self.pid} is already traced by process {self.tracer}"


@dataclass(eq=False)
class KernelThread(TracerdError):
    """A kernel thread has no user side to trace."""

    pid: int
    name: ClassVar[str] = "io.tracerd.KernelThread"
    exit_code: ClassVar[int] = 6

    def __str__(self) -> str:
        return f"process {self.pid} is a kernel thread, which cannot be traced"


@dataclass(eq=False)
class OwnDaemon(TracerdError):
    """The daemon cannot trace itself."""

    pid: int
    name: ClassVar[str] = "io.tracerd.OwnDaemon"
    exit_code: ClassVar[int] = 7

    def __str__(self) -> str:
        return f"process {self.pid} is the tracing daemon itself"


@dataclass(eq=False)
class OwnClient(TracerdError):
    """The asker, or an ancestor it runs under: stopping it would stop the one who reads."""

    pid: int
    name: ClassVar[str] = "io.tracerd.OwnClient"
    exit_code: ClassVar[int] = 8

    def __str__(self) -> str:
        return f"process {self.pid} is the client that asks, or one of its ancestors"


@dataclass(eq=False)
class NotTraced(TracerdError):
    """Detach of a process that no attach brought in.

    root: the attached process it came under trace with, or 0.
    """

    pid: int
    root: int = 0
    name: ClassVar[str] = "io.tracerd.NotTraced"
    exit_code: ClassVar[int] = 9

    def __str__(self) -> str:
        if self.root:
            return f"process {self.pid} is traced as a descendant of {self.root}: detach that one"
        return f"process {self.pid} is not traced"


@dataclass(eq=False)
class ZombieProcess(TracerdError):
    """The process has exited and waits to be reaped: there is nothing left to trace."""

    pid: int
    name: ClassVar[str] = "io.tracerd.ZombieProcess"
    exit_code: ClassVar[int] = 10

    def __str__(self) -> str:
        return f"process {self.pid} has exited (a zombie)"


@dataclass(eq=False)
class ExitingProcess(TracerdError):
    """The process is on its way out: its tasks make no stops any more."""

    pid: int
    name: ClassVar[str] = "io.tracerd.ExitingProcess"
    exit_code: ClassVar[int] = 11

    def __str__(self) -> str:
        return f"process {self.pid} is exiting"


@dataclass(eq=False)
class InitProcess(TracerdError):
    """The first process of the system: while it waits for us, the whole system waits."""

    pid: int
    name: ClassVar[str] = "io.tracerd.InitProcess"
    exit_code: ClassVar[int] = 12

    def __str__(self) -> str:
        return (
            f"process {self.pid} is init, which the whole system waits for "
            "(a daemon started with --trace-init traces it)"
        )


@dataclass(eq=False)
class SeccompFiltered(TracerdError):
    """Detach of a program that was started with a seccomp filter for its tracer.

    Without one, every call that the filter stops would fail with ENOSYS.
    """

    pid: int
    name: ClassVar[str] = "io.tracerd.SeccompFiltered"
    exit_code: ClassVar[int] = 13

    def __str__(self) -> str:
        return (
            f"process {self.pid} was started with a seccomp filter and cannot go on without its "
            "tracer (one started with `tracerctl run --no-seccomp` can)"
        )


@dataclass(eq=False)
class InvalidFilter(TracerdError):
    """A filter that does not mean anything; `field` is a path such as `filters[0].syscall[2]`."""

    field: str
    reason: str
    name: ClassVar[str] = "io.tracerd.InvalidFilter"
    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(eq=False)
class NoSuchSubscription(TracerdError):
    """No live subscription has this id, or it is not the peer's."""

    id: str
    name: ClassVar[str] = "io.tracerd.NoSuchSubscription"

    def __str__(self) -> str:
        return f"no such subscription: {self.id}"


@dataclass(eq=False)
class CursorExpired(TracerdError):
    """Events after the cursor are no longer kept, or it is of another run of the daemon's.

    oldest: seq of the oldest event that is kept.  head: of the newest one.  run: the daemon's.
    """

    oldest: int
    head: int
    run: str
    name: ClassVar[str] = "io.tracerd.CursorExpired"
    exit_code: ClassVar[int] = 14

    def __str__(self) -> str:
        return f"events after the cursor are gone: kept are {self.run}:{self.oldest} to {self.head}"


@dataclass(eq=False)
class LimitReached(TracerdError):
    """The peer used up one of its limits."""

    limit: str
    maximum: int
    name: ClassVar[str] = "io.tracerd.LimitReached"

    def __str__(self) -> str:
        return f"limit reached: {self.limit} (at most {self.maximum})"


@dataclass(eq=False)
class Unsupported(TracerdError):
    """The request is well formed but this daemon does not offer the feature."""

    feature: str
    name: ClassVar[str] = "io.tracerd.Unsupported"

    def __str__(self) -> str:
        return f"not supported by this daemon: {self.feature}"


@dataclass(eq=False)
class ShuttingDown(TracerdError):
    """The daemon is on its way out."""

    name: ClassVar[str] = "io.tracerd.ShuttingDown"

    def __str__(self) -> str:
        return "the daemon is shutting down"


@dataclass(eq=False)
class MethodNotFound(TracerdError):
    """org.varlink.service: no such method."""

    method: str
    name: ClassVar[str] = "org.varlink.service.MethodNotFound"

    def __str__(self) -> str:
        return f"no such method: {self.method}"


@dataclass(eq=False)
class InterfaceNotFound(TracerdError):
    """org.varlink.service: no such interface."""

    interface: str
    name: ClassVar[str] = "org.varlink.service.InterfaceNotFound"

    def __str__(self) -> str:
        return f"no such interface: {self.interface}"


@dataclass(eq=False)
class InvalidParameter(TracerdError):
    """org.varlink.service: a parameter is unknown or has the wrong shape."""

    parameter: str
    reason: str = ""
    name: ClassVar[str] = "org.varlink.service.InvalidParameter"
    exit_code: ClassVar[int] = 2

    def __str__(self) -> str:
        return f"{self.parameter}: {self.reason}" if self.reason else self.parameter


@dataclass(eq=False)
class ExpectedMore(TracerdError):
    """org.varlink.service: the method streams, so the call must set `more` (or `upgrade`)."""

    name: ClassVar[str] = "org.varlink.service.ExpectedMore"

    def __str__(self) -> str:
        return "the method answers with a stream: set `more` in the call"


BY_NAME: dict[str, type[TracerdError]] = {
    error.name: error
    for error in (
        InternalError,
        NoSuchProcess,
        PermissionDenied,
        AlreadyTraced,
        KernelThread,
        OwnDaemon,
        OwnClient,
        NotTraced,
        ZombieProcess,
        ExitingProcess,
        InitProcess,
        SeccompFiltered,
        InvalidFilter,
        NoSuchSubscription,
        CursorExpired,
        LimitReached,
        Unsupported,
        ShuttingDown,
        MethodNotFound,
        InterfaceNotFound,
        InvalidParameter,
        ExpectedMore,
    )
}
