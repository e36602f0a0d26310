"""A hundred subscribers of a real program, of which one never reads: by overflow policy."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from real_daemon import wait_until

HEALTHY = 99
CALLS = 4000
MOST_GROWTH = 32 << 20
"""Of the daemon; what it writes to all of them together is some 80 MB."""
LOOP = f"for _ in range({CALLS}): os.getppid()"
NEEDLES = 5
NARROW = f"""
for at in range({CALLS}):
    os.getppid()
    if at % {CALLS // NEEDLES} == 0: os.access("/needle", os.R_OK)
"""


@pytest.fixture
def daemon(daemons):
    """A daemon's pid."""
    process = daemons.start("--log-level", "error", stderr=None)
    daemons.connect()
    return process.pid


@pytest.fixture
def target(daemons):
    """Return a function that starts a Python program, which waits for the end of its input."""

    def start(loop):
        command = ["/usr/bin/env", "python3", "-ISc", f"import os, sys; sys.stdin.read()\n{loop}"]
        process = daemons.start(command=command, stdin=subprocess.PIPE, stderr=None)
        assert "error" not in daemons.connect().call("Attach", pid=process.pid)
        return process

    return start


def subscribed(daemons, pid, **options):
    """Subscribe to the getppid of a program; return the peer and the id."""
    peer = daemons.connect()
    options = {"filters": [{"pid": [pid], "syscall": ["getppid"]}], "detail": "names", **options}
    return peer, peer.call("Subscribe", more=True, **options)["parameters"]["id"]


def balanced(state):
    return state["matched"] == state["delivered"] + state["queued"] + state["lost"]


def most_resident(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) << 10


class Account:
    """What Status says of one subscription."""

    def __init__(self, daemons, name):
        self._daemons, self._name = daemons, name

    def __call__(self):
        states = self._daemons.status()["subscriptions"]
        [state] = [one for one in states if one["id"] == self._name]
        assert balanced(state)
        return state


def held_up(daemons, target, account):
    """Wait until the program waits for a subscriber, for good; its account then."""

    def settled():
        state = account()
        waiting = daemons.status()["waiting"]
        whole = state["blocking"] and waiting and waiting[0]["tids"] == [target.pid]
        return whole and account() == state and (waiting, state)

    [waiting], state = wait_until(settled)
    assert waiting["pid"] == target.pid
    [by] = waiting["by"]
    assert by["id"] == state["id"]
    assert (by["uid"], by["pid"]) == (os.getuid(), os.getpid())
    assert by["since_ns"] == state["blocking_since_ns"] > 0
    return state


def drop(_daemons, target, _peer, account):
    assert target.wait(60) == 0
    state = wait_until(lambda: (now := account())["matched"] == CALLS and now)
    assert state["lost"] > 0
    assert not state["blocking"]


def disconnect(_daemons, target, peer, _account):
    assert target.wait(60) == 0
    return [event["seq"] for event in peer.events()]  # what was queued, and then the end


def block(daemons, target, peer, account):
    state = held_up(daemons, target, account)
    assert state["lost"] == 0
    assert state["matched"] < CALLS
    assert target.poll() is None
    peer.close()  # its death frees the program
    assert target.wait(60) == 0
    assert daemons.status()["waiting"] == []


def budget(daemons, target, _peer, account):
    assert target.wait(60) == 0
    state = wait_until(lambda: (now := account())["matched"] == CALLS and now)
    assert (state["overflow"], state["degraded"]) == ("drop", True)
    assert state["lost"] > 0
    assert state["blocked_ns"] >= 100_000_000
    assert daemons.status()["waiting"] == []


POLICIES = {
    drop: {"overflow": "drop"},
    disconnect: {"overflow": "disconnect"},
    block: {"overflow": "block"},
    budget: {"overflow": "block", "block_budget_ms": 100},
}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_the_others_get_everything(daemons, daemon, target, policy):
    program = target(LOOP)
    readers = [subscribed(daemons, program.pid, queue_events=1 << 16) for _ in range(HEALTHY)]
    stalled, name = subscribed(daemons, program.pid, queue_events=64, **POLICIES[policy])
    control = daemons.connect()
    before = most_resident(daemon)

    with ThreadPoolExecutor(HEALTHY) as pool:
        reading = [pool.submit(lambda p=peer: list(p.events())) for peer, _ in readers]
        program.stdin.close()
        got = policy(daemons, program, stalled, Account(daemons, name))
        for _, each in readers:
            assert "error" not in control.call("Sync", id=each)
        states = {state["id"]: state for state in daemons.status()["subscriptions"]}
        for _, each in readers:
            account = states[each]
            assert (account["matched"], account["delivered"]) == (CALLS, CALLS)
            assert account["queued"] == account["lost"] == 0
            assert "error" not in control.call("Unsubscribe", id=each)
        found = [[event["seq"] for event in one.result(60)] for one in reading]

    reference = found[0]
    assert len(reference) == CALLS
    assert reference == sorted(set(reference))
    assert all(seqs == reference for seqs in found)
    if got is not None:
        assert 0 < len(got) < CALLS
        assert got == reference[: len(got)]
    assert most_resident(daemon) - before < MOST_GROWTH


def test_what_a_spent_budget_loses_is_told(daemons, daemon, target):
    program, other = target(LOOP), target(LOOP)
    stalled, name = subscribed(
        daemons, program.pid, queue_events=64, overflow="block", block_budget_ms=100
    )
    program.stdin.close()
    other.stdin.close()
    assert other.wait(60) == 0
    assert program.wait(60) == 0
    wait_until(lambda: Account(daemons, name)()["matched"] == CALLS)
    found = []
    for event in stalled.events():
        found.append(event)
        if sum(each.get("count", 1) for each in found) == CALLS:
            break
    told = [event for event in found if event["type"] == "lost"]
    assert {event["why"] for event in told} == {"budget"}
    calls = [event["seq"] for event in found if event["type"] != "lost"]
    assert calls == sorted(calls)
    state = Account(daemons, name)()
    assert state["lost"] == sum(event["count"] for event in told) == CALLS - len(calls)
    for event in told:
        assert not any(event["first"] <= seq <= event["last"] for seq in calls)


def test_a_narrow_subscriber_loses_nothing_under_a_flood(daemons, daemon, target):
    program = target(NARROW)
    _, flooded = subscribed(daemons, program.pid, queue_events=64, filters=[])
    narrow, _ = subscribed(
        daemons,
        program.pid,
        queue_events=NEEDLES,
        filters=[{"path": ["/needle"]}],
        until=program.pid,
    )
    program.stdin.close()
    assert program.wait(60) == 0
    assert [event["syscall"] for event in narrow.events()] == ["access"] * NEEDLES
    assert Account(daemons, flooded)()["lost"] > 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"block_budget_ms": 5}, "goes with overflow `block`"),
        ({"block_budget_ms": -1, "overflow": "block"}, "a time is not negative"),
    ],
)
def test_budgets_that_make_no_sense(daemons, daemon, options, reason):
    reply = daemons.connect().call("Subscribe", more=True, **options)
    assert reply["parameters"] == {"parameter": "block_budget_ms", "reason": reason}
