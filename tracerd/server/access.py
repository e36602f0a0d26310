"""Who may trace what, and who may see which event.

The daemon with CAP_SYS_PTRACE is a confused deputy: the kernel lets *it* trace everything.  So
the kernel's own rule (ptrace(2), "Ptrace access mode checking", PTRACE_MODE_ATTACH_REALCREDS)
is applied here to the peer's credentials, as the kernel named them when the peer connected:
root may; others if their uid is the target's real, effective and saved uid, their gid likewise,
the target is dumpable, and it holds no capabilities (an unprivileged peer has none).  Where that
leaves doubt (a target in a user namespace of the peer's) the answer is no.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tracerd import errors
from tracerd.core import procfs, untraceable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import trio

    from tracerd.core.pidfd import PidFd
    from tracerd.core.tracee import Identity

_UCRED: Final = struct.Struct("iII")
_SO_PEERGROUPS: Final = 59
_MAX_GROUPS_BYTES: Final = 1024
"""getsockopt's limit in Python.  Who is in more than 256 groups is shown without any."""
_CAP_SYS_PTRACE: Final = 1 << 19
_YAMA: Final = "/proc/sys/kernel/yama/ptrace_scope"


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Only uid, gid and groups may decide anything: a pid can have been recycled since.
    """

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()

    @property
    def is_root(self) -> bool:
        """Whether everything is allowed."""
        return self.uid == 0

    def may_see(self, process: Identity) -> bool:
        """Whether the events of a traced process are for this peer's eyes.

        Judged for each event as the process is then: after a set-user-ID exec, no longer.
        """
        if self.uid == 0:
            return True
        uid, gid = self.uid, self.gid
        return (
            process.uids[:3] == (uid, uid, uid)
            and process.gids[:3] == (gid, gid, gid)
            and process.dumpable
        )


def peer_of(connection: trio.socket.SocketType) -> Peer:
    """Ask the kernel who connected.  Raises OSError if it cannot say."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(credentials)
    groups: frozenset[int] = frozenset()
    with contextlib.suppress(OSError):
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
        groups = frozenset(struct.unpack(f"{len(raw) // 4}I", raw))
    return Peer(uid, gid, pid, groups)


@dataclass(frozen=True, slots=True)
class Target:
    """A process that may be attached to; pid and start together name it for good."""

    pid: int
    start: int


def check_attach(peer: Peer, pid: int, *, trace_init: bool = False) -> Target:
    """Judge an attach by `peer` to `pid`.

    Raises NoSuchProcess, OwnDaemon, InvalidParameter (a thread that is no process), what
    untraceable.refuse raises, OwnClient or PermissionDenied, in this order.
    """
    stat = procfs.stat(pid) if pid > 0 else None
    status = _status(pid) if stat else {}
    if stat is None or not status:
        raise errors.NoSuchProcess(pid)
    tgid = int(status["Tgid"])
    if tgid == os.getpid():
        raise errors.OwnDaemon(pid)
    if tgid != pid:
        raise errors.InvalidParameter("pid", f"{pid} is a thread of process {tgid}")
    untraceable.refuse(pid, trace_init=trace_init)
    if pid != untraceable.INIT and pid in _with_ancestors(peer.pid):
        raise errors.OwnClient(pid)
    if reason := _refusal(peer, pid, status):
        raise errors.PermissionDenied(pid, reason)
    return Target(pid, stat.start)


def still_allowed(peer: Peer, target: Target, held: PidFd) -> None:
    """Judge again, once the target is traced: it may have changed between check and attach.

    Raises NoSuchProcess if it has ended (its pid may have been recycled), or PermissionDenied.
    """
    status = _status(target.pid)
    if not held.alive() or not status:
        raise errors.NoSuchProcess(target.pid)
    if reason := _refusal(peer, target.pid, status):
        raise errors.PermissionDenied(target.pid, reason)


def explain_refusal(error: errors.PermissionDenied) -> errors.PermissionDenied:
    """Add what the administrator can change to a refusal that came from the kernel."""
    scope = _yama_scope()
    if scope and not _capable():
        hint = (
            f"the daemon lacks CAP_SYS_PTRACE and Yama's ptrace_scope is {scope}; run tracerd as "
            "root, or as root: sysctl kernel.yama.ptrace_scope=0"
        )
        return errors.PermissionDenied(error.pid, f"{error.reason} ({hint})")
    return error


def _refusal(peer: Peer, pid: int, status: dict[str, str]) -> str:
    """Return why the peer may not trace a living user process, or "" if it may."""
    if peer.is_root:
        return ""
    real, effective, saved = (int(uid) for uid in status["Uid"].split()[:3])
    if {real, effective, saved} != {peer.uid}:
        owner = real if real != peer.uid else effective if effective != peer.uid else saved
        return f"belongs to user {_user(owner)} (uid {owner}), you are uid {peer.uid}"
    gids = {int(gid) for gid in status["Gid"].split()[:3]}
    if gids != {peer.gid}:
        other = min(gids - {peer.gid})
        return f"runs with group id {other}, you have group id {peer.gid}"
    if int(status.get("CapPrm", "0"), 16):
        return "holds capabilities that you lack"
    if not procfs.dumpable(pid):
        return "is not dumpable: it has, or had, privileges of its own"
    return _yama_refusal(peer, pid)


def _yama_refusal(peer: Peer, pid: int) -> str:
    # Where the daemon has no privilege the kernel asks Yama by itself, and knows more than we
    # can (PR_SET_PTRACER).
    scope = _yama_scope()
    if not scope or not _capable():
        return ""
    if scope == 1 and peer.pid in _with_ancestors(pid):
        return ""
    allowed = "a process's own ancestors" if scope == 1 else "root"
    return (
        f"Yama's ptrace_scope is {scope}, which lets only {allowed} trace; "
        "as root: sysctl kernel.yama.ptrace_scope=0"
    )


def _yama_scope() -> int:
    text = procfs.read(_YAMA)
    return int(text) if text else 0


def _capable() -> bool:
    return bool(int(_status(os.getpid()).get("CapEff", "0"), 16) & _CAP_SYS_PTRACE)


def _status(pid: int) -> dict[str, str]:
    text = procfs.read(f"/proc/{pid}/status")
    if not text:
        return {}
    pairs = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _with_ancestors(pid: int) -> Iterator[int]:
    """Yield `pid`, its parent, and so on up to init.  Parents are older, so this ends."""
    while pid > 0:
        yield pid
        stat = procfs.stat(pid)
        pid = stat.ppid if stat else 0


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "?"
