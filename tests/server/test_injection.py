"""Faults made on purpose, in a real daemon: what is lost is told, and a hang is noticed."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from real_daemon import ended, tracer_of, wait_until

CALLS = 2000


@pytest.fixture
def counting(daemons):
    """A program that calls getppid so often once its input ends; run under `subscribe`d trace."""
    program = f"import os, sys; sys.stdin.read()\nfor _ in range({CALLS}): os.getppid()"
    command = ["/usr/bin/env", "python3", "-ISc", program]
    return daemons.start(command=command, stdin=subprocess.PIPE, stderr=None)


def stream_of(daemons, target, **more):
    """Attach, subscribe to its getppid, let it go on, and return the events and the account."""
    control, stream = daemons.connect(), daemons.connect()
    assert "error" not in control.call("Attach", pid=target.pid)
    first = stream.call(
        "Subscribe",
        more=True,
        filters=[{"tree": [target.pid], "syscall": ["getppid"]}],
        queue_events=65536,
        **more,
    )["parameters"]
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(lambda: list(stream.events()))
        target.stdin.close()
        assert target.wait(60) == 0
        # Not until its end, for that would take the account along.
        assert "error" not in control.call("Sync", id=first["id"])
        [account] = daemons.status()["subscriptions"]
        control.call("Unsubscribe", id=first["id"])
        return reading.result(60), account


def balance(events, account):
    """Check that every event was delivered or told as lost, and return how many were lost, why."""
    told = [event for event in events if event["type"] == "lost"]
    calls = [event for event in events if event["type"] == "syscall_exit"]
    lost = sum(event["count"] for event in told)
    assert (account["delivered"], account["lost"]) == (len(calls), lost)
    assert account["matched"] == len(calls) + lost == CALLS
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    missing = {event["seq"] for event in calls} ^ set(
        range(events[0].get("first", events[0]["seq"]), events[-1]["seq"] + 1)
    )
    for seq in missing:
        assert any(event["first"] <= seq <= event["last"] for event in told)
    return lost, {event["why"] for event in told}


@pytest.mark.parametrize(
    ("fault", "why"),
    [("drop", "injected"), ("decode_fail", "undescribed"), ("encode_fail", "unencodable")],
)
@pytest.mark.parametrize("overflow", ["drop", "block"])
def test_what_is_lost_is_told(daemons, counting, fault, why, overflow):
    daemon = daemons.start("--inject", f"{fault}=1/20,seed=3")
    lost, reasons = balance(*stream_of(daemons, counting, overflow=overflow))
    assert reasons == {why}
    assert CALLS / 40 < lost < CALLS / 10
    status = daemons.status()
    assert status["counters"]["lost"][why] == lost
    assert status["counters"]["faults"]["odd_stops"] == 0
    daemon.terminate()
    assert 'msg="faults are injected"' in ended(daemon, 0)


def test_a_slow_hand_over_loses_nothing_and_only_delays(daemons, counting):
    daemon = daemons.start("--inject", "handoff_delay=20ms")
    lost, _ = balance(*stream_of(daemons, counting, overflow="block"))
    assert lost == 0
    daemon.terminate()
    ended(daemon, 0)


@pytest.mark.parametrize("thread", ["tracer", "teller", "loop"])
def test_a_thread_that_hangs_is_not_fed_for(daemons, manager, target, thread):
    """The manager hears nothing more, kills the daemon as a watchdog does; the tracee lives on."""
    environ = {
        **os.environ,
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "400000",
    }
    daemon = daemons.start("--inject", f"{thread}_hang=2s", env=environ)
    assert "error" not in daemons.connect().call("Attach", pid=target.pid)
    signs = 0
    manager.settimeout(1.5)
    try:
        while True:
            signs += b"WATCHDOG=1" in manager.recv(4096)
    except TimeoutError:
        pass
    assert signs > 1
    assert tracer_of(target.pid)
    daemon.send_signal(signal.SIGABRT)
    assert daemon.wait(60) == -signal.SIGABRT
    wait_until(lambda: tracer_of(target.pid) == 0)
    assert target.poll() is None


def test_a_fault_that_there_is_none_of(daemons):
    done = daemons.start("--inject", "drip=1")
    _, said = done.communicate(timeout=60)
    assert done.returncode == 2
    assert "argument --inject: unknown fault `drip`; there are drop," in said
