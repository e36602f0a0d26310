r"""The events: what a subscriber receives.

A tagged union of frozen structs, tag field `type`.  Rules:

* fields are never removed or retyped; new ones come with a default;
* a field at its default is left out on the wire;
* text that came from a tracee is shown with `\xNN` for bytes that are not
  UTF-8; where the exact bytes matter a `*_b64` field beside it has them;
* 64-bit words that are not counts (pointers, handles) are hexadecimal strings,
  because JSON readers lose bits above 2**53.

Names of stops follow ptrace(2).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Created: TypeAlias = bool | Literal["unknown"]


class FileAccess(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One thing a call does to one file.

    A call gives one entry per path and operation: an open for reading and
    writing gives two.  `path` is absolute as the tracee sees it, joined but not
    folded (`..` stays); `raw` is the argument as passed, when a path was passed;
    `real` is the kernel's own name for the opened file, or where a link of /proc led
    (`/proc/self/fd/3`).
    """

    path: str
    op: str
    raw: str | None = None
    path_b64: str | None = None
    real: str | None = None
    real_b64: str | None = None
    root: str | None = None
    """The tracee's root directory as we see it, when it is not ours."""
    mntns: int | None = None
    """The tracee's mount namespace (inode number of /proc/PID/ns/mnt), when it is not ours."""
    fd: int | None = None
    dev: str | None = None
    """`major:minor` of the file system, in decimal."""
    ino: int | None = None
    created: Created | None = None
    """For opens with O_CREAT, and the new name of a link or a bound socket: whether this call made
    the file."""
    prot: str | None = None
    """For mappings: what may be done with the memory, as `r-x`."""
    shared: bool = False
    """For mappings: what is written to the memory reaches the file."""
    implied: bool = False
    """The kernel opened it by itself (ELF interpreter, `#!` interpreter)."""
    deleted: bool = False
    unresolved: bool = False
    """`path` is not known to be absolute: memory or descriptor could not be read."""
    truncated: bool = False
    changed: bool = False
    """Another thread wrote over the path during the call: `path` is what stood there at entry,
    the kernel may have read something else.  Looked for in processes of several threads."""


class FdInfo(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What a descriptor refers to, as far as that is known.

    kind: `file`, `dir`, `symlink`, `char`, `block`, `fifo` (they have a path); `pipe`, `socket`,
    `memfd`, `eventfd`, `epoll`, `signalfd`, `timerfd`, `inotify`, `fanotify`, `pidfd`, `io_uring`,
    `bpf`, `userfaultfd`, `namespace`, and what else the kernel has, by its own name.
    """

    kind: str
    path: str | None = None
    """Without ` (deleted)`; of a memfd its name."""
    deleted: bool = False
    dev: str | None = None
    """`major:minor` of the file system, in decimal."""
    ino: int | None = None
    rdev: str | None = None
    """Of a device, which: `major:minor`, in decimal."""
    pid: int | None = None
    """Of a pidfd: whose it is, or was (-1)."""
    family: str | None = None
    """Of sockets, as the next ones: AF_INET, ..."""
    sock_type: str | None = None
    """SOCK_STREAM, ..."""
    protocol: str | None = None
    """The kernel's own name of what it speaks: TCP, UDPv6, UNIX-STREAM, ..."""
    local: dict[str, Any] | None = None
    """Its address, in the shape of sockaddr arguments."""
    peer: dict[str, Any] | None = None
    listening: bool = False


class Event(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", gc=False
):
    """What every event carries.

    seq: gapless per daemon run over all events that some subscriber wanted.
    time_ns: Unix time; for a syscall_exit, of the syscall-exit-stop.
    pid: thread-group id; tid: the task.  start: the process's start time in
    clock ticks since boot (/proc/PID/stat field 22), so (pid, start) is unique.
    ns_pid, ns_tid: the ids by which a process in a pid namespace of its own knows
    itself, where they differ; ids in `args` and `ret` are always the program's own.
    """

    seq: int
    time_ns: int
    pid: int
    tid: int
    start: int = 0
    comm: str = ""
    ns_pid: int | None = None
    ns_tid: int | None = None


class SyscallEnter(Event, frozen=True, tag="syscall_enter"):
    """A syscall-enter-stop.  `args` is in kernel order, keyed by the kernel's names."""

    syscall: str
    nr: int
    abi: str = "x86_64"
    args: dict[str, Any] = {}
    fds: dict[str, str] = {}
    """What the descriptor arguments refer to, by argument name."""
    fd_info: dict[str, FdInfo] = {}
    """The same in more detail, on request (Subscribe.fd_info)."""
    resumes: str | None = None
    """For restart_syscall: the call that it goes on with."""
    redacted: bool = False
    """Contents were hidden from who gets this: in their place in `args` is `{"redacted": size}`."""


class SyscallExit(Event, frozen=True, tag="syscall_exit"):
    """A call that completed, was left unfinished, or will be restarted.

    ret: the value returned: a number, a hexadecimal string for addresses, -1 on
    error; None when the call never returned (exit_group, killed inside it).
    rets: both values of the calls that give two (pipe, socketpair).
    ret_names: what the number stands for, of calls that return flags or one of several values.
    """

    syscall: str
    nr: int
    abi: str = "x86_64"
    args: dict[str, Any] = {}
    fds: dict[str, str] = {}
    fd_info: dict[str, FdInfo] = {}
    ret: int | str | None = None
    ret_path: str | None = None
    """What a returned descriptor refers to."""
    ret_info: FdInfo | None = None
    """The same in more detail, on request (Subscribe.fd_info)."""
    rets: list[int] | None = None
    ret_names: list[str] = []
    errno: str | None = None
    """Name of the error (ENOENT), or of the kernel's restart code (ERESTARTSYS)."""
    duration_ns: int | None = None
    """From the enter-stop to the exit-stop as the tracer saw them; None if entry was not seen."""
    files: list[FileAccess] = []
    restart: bool = False
    """Interrupted; the kernel will run the call again (errno is an ERESTART code)."""
    unfinished: bool = False
    resumes: str | None = None
    """For restart_syscall: the call that it goes on with."""
    redacted: bool = False
    """Contents were hidden from who gets this: in their place in `args` is `{"redacted": size}`."""


class SignalStop(Event, frozen=True, tag="signal_stop"):
    """A signal is about to be delivered."""

    signal: str
    signo: int
    sender_pid: int | None = None
    sender_uid: int | None = None
    code: str = ""
    addr: str | None = None
    """Faulting address for SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP; for SIGSYS the call's."""
    status: int | str | None = None
    """SIGCHLD: exit code, or the name of the signal that killed, stopped or continued."""
    utime: int | None = None
    stime: int | None = None
    """SIGCHLD: what the child used, in clock ticks."""
    value: str | None = None
    """What came with the signal (si_value), for those that were queued and those of timers."""
    timer: int | None = None
    overrun: int | None = None
    """SI_TIMER: which timer, and how often it went off meanwhile."""
    band: int | None = None
    fd: int | None = None
    """SIGIO: poll's bits, and the descriptor."""
    nr: int | None = None
    arch: str | None = None
    """SIGSYS: number and architecture (AUDIT_ARCH_*) of the call."""


class GroupStop(Event, frozen=True, tag="group_stop"):
    """Job control stopped the task; it stays stopped until SIGCONT."""

    signal: str
    signo: int


class Resumed(Event, frozen=True, tag="resumed"):
    """SIGCONT ended a group-stop."""


class NewChild(Event, frozen=True, tag="new_child"):
    """fork, vfork or clone made a task.  `pid` and `tid` are the maker's."""

    child: int
    """tid of the new task; for a process also its pid."""
    kind: str
    """`fork`, `vfork` or `clone`, as the kernel classes it."""
    thread: bool = False
    child_start: int = 0
    child_ns: int | None = None
    """The new task's own idea of its tid, where it differs (see Event.ns_tid)."""


class Exec(Event, frozen=True, tag="exec"):
    """execve succeeded; comm is already the new one."""

    path: str
    """The path passed to execve, absolute, if the call was seen; else /proc/PID/exe."""
    path_b64: str | None = None
    argv: list[str] = []
    envp: list[str] | None = None
    former_tid: int | None = None
    """Set when a thread that was not the leader made the call: it now has the leader's tid."""
    truncated: bool = False
    redacted: bool = False
    """argv or envp were hidden from who gets this."""


class Exit(Event, frozen=True, tag="exit"):
    """The task exited by itself."""

    code: int
    process: bool = False
    """The whole process has ended, not just one of its threads."""


class SignalExit(Event, frozen=True, tag="signal_exit"):
    """The task was killed by a signal."""

    signal: str
    signo: int
    core_dumped: bool = False
    process: bool = False


class OpenDescriptor(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A descriptor that a process has open.

    path: what it refers to, in the words of /proc/PID/fd.  kind: as FdInfo's.  access: `read`,
    `write`, `read-write`, `path`.  more: of a socket its protocol, of a pidfd whose it is.
    """

    fd: int
    path: str
    kind: str
    access: str = ""
    path_b64: str | None = None
    position: int = 0
    deleted: bool = False
    more: str = ""


class Attached(Event, frozen=True, tag="attached"):
    """A process came under trace by an attach, or (why: `snapshot`) was there already.

    cwd, argv, descriptors: of a snapshot only, as they are then.  truncated: there are more
    descriptors.
    """

    why: str = "attach"
    by_uid: int | None = None
    threads: list[int] = []
    exe: str | None = None
    cwd: str | None = None
    argv: list[str] = []
    descriptors: list[OpenDescriptor] = []
    truncated: bool = False
    redacted: bool = False


class Detached(Event, frozen=True, tag="detached"):
    """A process left trace alive."""

    why: str = "detach"


class Lost(Event, frozen=True, tag="lost"):
    """This subscriber missed events that its filter matched.

    pid and tid are 0.  `first` and `last` are the seqs of the first and the last
    event missed; `count` is exact, but for past events: see the interface.
    """

    count: int
    first: int
    last: int
    why: str = "slow"


class Blind(Event, frozen=True, tag="blind"):
    """From here on something can happen in this process that ptrace does not show."""

    what: str
    detail: str = ""


class Synced(Event, frozen=True, tag="synced"):
    """Stream control: all up to `seq` has been sent; here the past ends."""


class Heartbeat(Event, frozen=True, tag="heartbeat"):
    """Stream control: all up to `seq` has been sent.  matched = delivered + queued + lost."""

    matched: int = 0
    delivered: int = 0
    queued: int = 0
    lost: int = 0


class Updated(Event, frozen=True, tag="updated"):
    """Stream control: what comes after `seq` is what the subscription asks for by now (Update)."""


AnyEvent: TypeAlias = (
    SyscallEnter
    | SyscallExit
    | SignalStop
    | GroupStop
    | Resumed
    | NewChild
    | Exec
    | Exit
    | SignalExit
    | Attached
    | Detached
    | Lost
    | Blind
    | Synced
    | Heartbeat
    | Updated
)

EVENT_TYPES: dict[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        SyscallEnter,
        SyscallExit,
        SignalStop,
        GroupStop,
        Resumed,
        NewChild,
        Exec,
        Exit,
        SignalExit,
        Attached,
        Detached,
        Lost,
        Blind,
        Synced,
        Heartbeat,
        Updated,
    )
}

STREAM_CONTROL: frozenset[str] = frozenset({"lost", "synced", "heartbeat", "updated"})
"""Types that belong to one stream; no filter can ask for them or keep them out."""

SYSCALL_TYPES: frozenset[str] = frozenset({"syscall_enter", "syscall_exit"})

OPS: tuple[str, ...] = (
    "read",
    "write",
    "create",
    "truncate",
    "delete",
    "rename-from",
    "rename-to",
    "link",
    "exec",
    "stat",
    "readlink",
    "list",
    "chdir",
    "attr",
    "mount",
    "map",
    "connect",
    "bind",
    "watch",
    "receive",
    "lock",
    "sync",
    "close",
)
"""What a FileAccess can say in `op`."""

LEVELS: tuple[str, ...] = ("path", "fd", "io")
"""How much counts as file access: calls that name a path; also calls on a
descriptor that change or query a file; also every transfer and mapping."""
