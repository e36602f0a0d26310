"""Roles, and what they may."""

import pytest

from tracerd.core.credentials import OURS, UNKNOWN
from tracerd.protocol.redaction import NOTHING, Redaction
from tracerd.server.access import Peer, judged
from tracerd.server.roles import POWERS, Powers, Role, Rules

RULES = Rules(
    admin_groups=frozenset({10, 11}),
    watch_groups=frozenset({20}),
    denied_users=frozenset({666}),
    denied_groups=frozenset({66}),
)
THEIRS = 4026530000


@pytest.mark.parametrize(
    ("peer", "role"),
    [
        (Peer(0, 0, 1), Role.ROOT),
        (Peer(0, 66, 1, frozenset({66})), Role.ROOT),  # cannot be locked out
        (Peer(0, 0, 1, user_ns=THEIRS), Role.OWNER),
        (Peer(0, 66, 1, user_ns=THEIRS), Role.DENIED),
        (Peer(1000, 1000, 1), Role.OWNER),
        (Peer(1000, 10, 1), Role.ADMIN),
        (Peer(1000, 1000, 1, frozenset({5, 11})), Role.ADMIN),
        (Peer(1000, 1000, 1, frozenset({20})), Role.WATCHER),
        (Peer(1000, 1000, 1, frozenset({20, 10})), Role.ADMIN),
        (Peer(1000, 10, 1, frozenset({66})), Role.DENIED),
        (Peer(666, 10, 1), Role.DENIED),
        # The groups of a user namespace are whoever's made it.
        (Peer(1000, 10, 1, frozenset({20}), THEIRS), Role.OWNER),
        (Peer(1000, 10, 1, frozenset({20}), UNKNOWN), Role.OWNER),
        (Peer(1000, 66, 1, user_ns=THEIRS), Role.DENIED),
    ],
)
def test_who_is_what(peer, role):
    found = judged(peer, RULES)
    assert found.role is role
    assert found.powers is POWERS[role]
    assert found.hidden == (Redaction() if role is Role.WATCHER else NOTHING)


def test_owners_may_be_kept_from_attaching():
    rules = Rules(owners_attach=False)
    assert judged(Peer(1000, 1000, 1), rules).role is Role.ONLOOKER
    assert judged(Peer(0, 0, 1), rules).role is Role.ROOT


def test_what_is_hidden_can_be_chosen():
    rules = Rules(watch_groups=frozenset({20}), hidden=Redaction(argv=False))
    peer = judged(Peer(1000, 20, 1, user_ns=OURS), rules)
    assert peer.hidden == Redaction(argv=False)


def test_every_role_has_powers_and_each_less_than_the_one_before():
    assert set(POWERS) == set(Role)
    assert POWERS[Role.ROOT] == POWERS[Role.ADMIN] == Powers(True, True, True, True)
    assert POWERS[Role.WATCHER] == Powers(sees_all=True)
    assert POWERS[Role.OWNER] == Powers(attaches=True)
    assert POWERS[Role.ONLOOKER] == POWERS[Role.DENIED] == Powers()
