"""Who a peer is, and which events it may see.

The daemon with CAP_SYS_PTRACE is a confused deputy: the kernel lets *it* trace everything.  So
the kernel's own rule (ptrace(2), "Ptrace access mode checking", PTRACE_MODE_ATTACH_REALCREDS)
is applied to the peer's credentials, as the kernel named them when the peer connected.  For an
attach the kernel is asked (permits.py); for events, which come by the thousand, the rule is here:
root may; others if their uid is the real, effective and saved uid of every thread, their gid
likewise, it holds no capabilities, it lives in the peer's own user namespace, and is dumpable; or
if they made the user namespace that it lives in, and it is dumpable.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tracerd.core import credentials, procfs
from tracerd.core.credentials import OURS, UNKNOWN, Credentials
from tracerd.core.pidfd import PidFd
from tracerd.protocol.redaction import NOTHING
from tracerd.server.roles import AS_OWNER, POWERS, Grant, Powers, Role

if TYPE_CHECKING:
    import trio

    from tracerd.core.tracee import Identity
    from tracerd.protocol.redaction import Redaction
    from tracerd.server.roles import Rules

Connection: TypeAlias = "trio.socket.SocketType | socket.socket"

_UCRED: Final = struct.Struct("iII")
_SO_PEERGROUPS: Final = 59
_SO_PEERPIDFD: Final = 77
_MAX_GROUPS_BYTES: Final = 1024
"""getsockopt's limit in Python: 256 groups."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection.

    Only uid, gid and groups may decide anything: a pid can have been recycled since.
    """

    uid: int
    gid: int
    pid: int
    groups: frozenset[int] = frozenset()
    user_ns: int = OURS
    """The user namespace that its process was in: see core's Credentials."""
    grant: Grant = AS_OWNER

    @property
    def is_root(self) -> bool:
        """Whether everything is allowed.  Root of another user namespace is a user like others."""
        return self.uid == 0 and self.user_ns in (OURS, UNKNOWN)

    @property
    def role(self) -> Role:
        """What it is here."""
        return Role.ROOT if self.is_root else self.grant.role

    @property
    def powers(self) -> Powers:
        """What it may do."""
        return POWERS[self.role]

    @property
    def hidden(self) -> Redaction:
        """What is hidden from it of processes that are not its own."""
        return NOTHING if self.is_root else self.grant.hidden

    def may_see(self, process: Identity) -> bool:
        """Whether the events of a traced process are for this peer's eyes."""
        return self.powers.sees_all or self.owns(process)

    def owns(self, process: Identity) -> bool:
        """Whether a process is this peer's, by the kernel's rule, so that it might trace it.

        Judged for each event as the process is then: after a set-user-ID exec, no longer.  Its
        threads share their memory, so of one that has threads of different users, nothing.
        """
        if self.is_root:
            return True
        return (
            process.dumpable
            and self._owns(process)
            and (not process.others or all(map(self._owns, process.others)))
        )

    def _owns(self, task: Identity | Credentials) -> bool:
        """Whether the kernel's rule (see the head of this file) holds for a task's credentials."""
        uid, gid = self.uid, self.gid
        if task.user_ns != self.user_ns:
            # Who made a user namespace has all capabilities over what is in it.
            return self.user_ns == OURS and task.ns_owner == uid
        return (
            task.uids[:3] == (uid, uid, uid)
            and task.gids[:3] == (gid, gid, gid)
            and not task.caps
            and self.user_ns != UNKNOWN
        )


def peer_of(connection: Connection, rules: Rules) -> Peer:
    """Ask the kernel who connected, and the rules what it may.  Raises OSError if it cannot say."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(credentials)
    peer = Peer(uid, gid, pid, _groups(connection, pid), _user_namespace(connection, pid))
    return judged(peer, rules)


def judged(peer: Peer, rules: Rules) -> Peer:
    """Return a peer with what the rules give it."""
    return replace(peer, grant=rules.grant(peer.uid, peer.groups | {peer.gid}, peer.user_ns))


def _groups(connection: Connection, pid: int) -> frozenset[int]:
    """Return the supplementary groups of who connected.  Raises OSError if there is no telling."""
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
    except OSError as error:
        if error.errno == errno.ENOPROTOOPT:  # before Linux 4.13
            return frozenset()
        if error.errno != errno.ERANGE:
            raise
    else:
        return frozenset(struct.unpack(f"{len(raw) // 4}I", raw))
    # More than fit.  They can be looked up as long as the process lives, and have not been changed
    # by it: that takes a privilege.
    held = _process_of(connection, pid)
    groups = procfs.groups(pid)
    if groups is None or held is None or not held.alive():
        raise OSError(errno.ESRCH, "who connected is gone, and its groups with it")
    return frozenset(groups)


def _user_namespace(connection: Connection, pid: int) -> int:
    """Return the user namespace of the process that connected; UNKNOWN if it is gone."""
    held = _process_of(connection, pid)
    number, _ = credentials.user_namespace(pid)
    return number if held is not None and held.alive() else UNKNOWN


def _process_of(connection: Connection, pid: int) -> PidFd | None:
    """Return a hold on the process that connected; None if it is gone.

    The kernel gives it since Linux 6.5; before, the pid might be another's by now.
    """
    try:
        return PidFd(pid, connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD))
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            return None
    try:
        return PidFd(pid, os.pidfd_open(pid))
    except OSError:
        return None
