"""What a peer may do: its role, and the powers that go with it.

Roles are given by the configuration; who is not mentioned there has the rights of an owner, which
are those that the kernel gives.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from tracerd.core.credentials import OURS
from tracerd.protocol.redaction import NOTHING, Redaction

if TYPE_CHECKING:
    from collections.abc import Mapping


class Role(enum.Enum):
    """What a peer is here."""

    ROOT = "root"
    ADMIN = "admin"
    WATCHER = "watcher"
    OWNER = "owner"
    ONLOOKER = "onlooker"
    """An owner where owners may not attach."""
    DENIED = "denied"


class Powers(NamedTuple):
    """What a role allows.

    sees_all: events of all processes, not only of its own.  attaches_all, attaches: to whatever, to
    its own; may have tracees wait (overflow `block`).  manages: what others hold, and their
    subscriptions.
    """

    sees_all: bool = False
    attaches_all: bool = False
    attaches: bool = False
    manages: bool = False


POWERS: Final[Mapping[Role, Powers]] = {
    Role.ROOT: Powers(sees_all=True, attaches_all=True, attaches=True, manages=True),
    Role.ADMIN: Powers(sees_all=True, attaches_all=True, attaches=True, manages=True),
    Role.WATCHER: Powers(sees_all=True),
    Role.OWNER: Powers(attaches=True),
    Role.ONLOOKER: Powers(),
    Role.DENIED: Powers(),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, why it was given, and what is hidden from who has it of processes not their own.

    hidden: NOTHING itself, if nothing is.
    """

    role: Role
    why: str = ""
    hidden: Redaction = NOTHING


AS_OWNER: Final = Grant(Role.OWNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Who has which role.  By ids."""

    admin_groups: frozenset[int] = frozenset()
    watch_groups: frozenset[int] = frozenset()
    denied_users: frozenset[int] = frozenset()
    denied_groups: frozenset[int] = frozenset()
    owners_attach: bool = True
    hidden: Redaction = field(default_factory=Redaction)
    """From watchers."""

    def grant(self, uid: int, groups: frozenset[int], user_ns: int) -> Grant:
        """Return what a user that is not root gets.  groups: all of them.

        Groups give rights only to who is in the daemon's user namespace; they take them from all.
        """
        if uid in self.denied_users:
            return Grant(Role.DENIED, f"user {uid} is denied")
        if denied := groups & self.denied_groups:
            return Grant(Role.DENIED, f"group {min(denied)} is denied")
        if user_ns == OURS:
            if admin := groups & self.admin_groups:
                return Grant(Role.ADMIN, f"group {min(admin)}")
            if watch := groups & self.watch_groups:
                hidden = NOTHING if self.hidden == NOTHING else self.hidden
                return Grant(Role.WATCHER, f"group {min(watch)}", hidden)
        return AS_OWNER if self.owners_attach else Grant(Role.ONLOOKER)
