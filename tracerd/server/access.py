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

import contextlib
import errno
import os
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tracerd.core import credentials
from tracerd.core.credentials import OURS, UNKNOWN, Credentials
from tracerd.core.pidfd import PidFd
from tracerd.protocol.redaction import NOTHING
from tracerd.server.roles import AS_OWNER, POWERS, Grant, Powers, Role

if TYPE_CHECKING:
    import trio

    from tracerd.core.tracee import Identity
    from tracerd.protocol.redaction import Redaction
    from tracerd.server.roles import Rules

_UCRED: Final = struct.Struct("iII")
_SO_PEERGROUPS: Final = 59
_SO_PEERPIDFD: Final = 77
_MAX_GROUPS_BYTES: Final = 1024
"""getsockopt's limit in Python.  Who is in more than 256 groups is shown without any."""


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


def peer_of(connection: trio.socket.SocketType, rules: Rules) -> Peer:
    """Ask the kernel who connected, and the rules what it may.  Raises OSError if it cannot say."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(credentials)
    groups: frozenset[int] = frozenset()
    with contextlib.suppress(OSError):
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS_BYTES)
        groups = frozenset(struct.unpack(f"{len(raw) // 4}I", raw))
    return judged(Peer(uid, gid, pid, groups, _user_namespace(connection, pid)), rules)


def judged(peer: Peer, rules: Rules) -> Peer:
    """Return a peer with what the rules give it."""
    return replace(peer, grant=rules.grant(peer.uid, peer.groups | {peer.gid}, peer.user_ns))


def _user_namespace(connection: trio.socket.SocketType, pid: int) -> int:
    """Return the user namespace of the process that connected; UNKNOWN if it is gone.

    Held on the pidfd that the kernel gives of it (since Linux 6.5; before, its pid might have been
    taken over in between).
    """
    try:
        fd = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            return UNKNOWN
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return UNKNOWN
    held = PidFd(pid, fd)
    number, _ = credentials.user_namespace(pid)
    return number if held.alive() else UNKNOWN
