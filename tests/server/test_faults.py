"""What goes wrong around the daemon: its death, no descriptors, no memory, the clock, sleep.

Whatever happens, tracees live on, streams are whole or say what they lack, and the daemon recovers
or ends.
"""

import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile import Honest
from real_daemon import COMMAND, Peer, ended, state_of, tracer_of, wait_until

HERE = Path(__file__).parent

ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What a service manager does between fork and exec."""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_who_connects_between_two_daemons_is_served_by_the_second(daemons, path, target, end):
    """As systemd does it: the socket is the manager's, and outlives the daemon."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(path)
        listening.listen()
        fd = listening.fileno()
        command = [sys.executable, "-c", ACTIVATED, str(fd), *COMMAND]
        first = daemons.start(command=command, pass_fds=[fd])
        before = daemons.connect()
        assert "error" not in before.call("Attach", pid=target.pid)
        assert before.call("Status")["parameters"]["pid"] == first.pid
        first.send_signal(end)
        first.wait(60)
        assert before.reply() is None
        wait_until(lambda: tracer_of(target.pid) == 0)

        meanwhile = [daemons.connect() for _ in range(3)]
        for peer in meanwhile:
            peer.send("Attach", pid=target.pid)
        second = daemons.start(command=command, pass_fds=[fd])
        assert [peer.reply()["parameters"]["pid"] for peer in meanwhile] == [target.pid] * 3
        assert meanwhile[0].call("Status")["parameters"]["pid"] == second.pid
        second.terminate()
        ended(second, 0)
    assert target.poll() is None


def limited(which, soft):
    """Return what a child does before its exec, to live with less."""
    return lambda: resource.setrlimit(which, (soft, soft))


def test_no_descriptors_left(daemons, path, target):
    """Who is there is served, who comes waits, and the daemon neither spins nor forgets them."""
    daemon = daemons.start(preexec_fn=limited(resource.RLIMIT_NOFILE, 32))
    with Honest(path) as honest:
        control = daemons.connect()
        before = control.call("Status")["parameters"]
        assert before["max_descriptors"] == 32
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(contextlib.closing(Peer(path))) for _ in range(40)]
            for peer in waiting:
                peer.send("Status")

            def failures():
                counters = control.call("Status")["parameters"]["counters"]
                return counters["accept"].get("EMFILE", 0)

            wait_until(failures)
            honest.goes_on()
            begun, count = time.monotonic(), failures()
            wait_until(lambda: failures() >= count + 3)
            # Ten times a second: were it not waiting in between, it would be thousands.
            assert failures() <= count + 4 + 20 * (time.monotonic() - begun)
            # An attach needs descriptors too.
            assert control.call("Attach", pid=target.pid) == {
                "error": "io.tracerd.LimitReached",
                "parameters": {"limit": "open files of the daemon", "maximum": 32},
            }
            assert tracer_of(target.pid) == 0
            # When some go, those who wait get theirs.
            for peer in waiting:
                assert "pump" in peer.reply()["parameters"]
                peer.close()
        honest.goes_on()
        assert "error" not in control.call("Attach", pid=target.pid)
    assert daemons.status()["anomalies"] == 0
    daemon.terminate()
    _, log = daemon.communicate(timeout=60)
    assert log.count('msg="cannot take a connection"') == 1
    assert "level=error" not in log
    assert daemon.returncode == 0


def test_no_memory_left(daemons, path, target):
    """It goes on, or ends; what it traced goes on anyway."""
    daemon = daemons.start()
    control = daemons.connect()
    assert "error" not in control.call("Attach", pid=target.pid)
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[0])
    bound = pages * os.sysconf("SC_PAGESIZE") + (6 << 20)
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (bound, resource.RLIM_INFINITY))
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            peer = stack.enter_context(contextlib.closing(Peer(path)))
            with contextlib.suppress(OSError):
                peer.socket.sendall(b'{"method": "' + b"x" * 1_000_000)
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    if daemon.poll() is None:
        with contextlib.closing(Peer(path)) as peer:
            assert "pump" in peer.call("Status")["parameters"]
            assert "error" not in peer.call("Detach", pid=target.pid)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    wait_until(lambda: (state_of(target.pid), tracer_of(target.pid)) == ("S", 0))
    assert target.poll() is None


@pytest.fixture
def clock(tmp_path):
    """An environment with a wall clock of its own, and a function that steps it."""
    library, step = tmp_path / "clock_step.so", tmp_path / "step"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, HERE / "clock_step.c", "-ldl"],
        check=True,
    )
    step.write_bytes(struct.pack("q", 0))

    def set_to(seconds):
        with step.open("r+b") as file:
            file.write(struct.pack("q", seconds * 1_000_000_000))

    environ = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_STEP": str(step)}
    return environ, set_to


SLEEPER = """
import sys, time
for line in sys.stdin:
    time.sleep(0.02)
    print(flush=True)
"""


def test_the_wall_clock_is_stepped(daemons, clock):
    """Durations and order stay what they are; times are what the clock says since."""
    environ, step = clock
    daemon = daemons.start(env=environ)
    sleeper = daemons.start(
        command=[sys.executable, "-ISc", SLEEPER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
    )
    control, stream = daemons.connect(), daemons.connect()
    assert "error" not in control.call("Attach", pid=sleeper.pid)
    calls = [{"tree": [sleeper.pid], "syscall": ["clock_nanosleep"]}]
    name = stream.call("Subscribe", more=True, until=sleeper.pid, filters=calls)["parameters"]["id"]
    uptimes = []
    steps = (0, 86_400, -86_400, 0)
    for each in steps:
        step(each)
        sleeper.stdin.write("\n")
        sleeper.stdin.flush()
        sleeper.stdout.readline()
        assert "error" not in control.call("Sync", id=name)  # told, by the clock as it is now
        uptimes.append(control.call("Status")["parameters"]["uptime_ns"])
    now_ns = time.time_ns()
    sleeper.stdin.close()
    events = list(stream.events())
    assert [event["syscall"] for event in events] == ["clock_nanosleep"] * 4
    for event, seconds in zip(events, steps, strict=True):
        assert 0 < event["duration_ns"] < 60_000_000_000
        assert abs(event["time_ns"] - now_ns - seconds * 1_000_000_000) < 120_000_000_000
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
    assert uptimes == sorted(uptimes)
    daemon.terminate()
    ended(daemon, 0)


def drain(manager):
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            manager.recv(4096)
    manager.settimeout(60)


def test_the_daemon_is_stopped_for_a_while(daemons, path, manager):
    """Tracees wait, and go on; nothing is missing; it feeds its watchdog again."""
    environ = {**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "500000"}
    daemon = daemons.start(env=environ)
    with Honest(path) as block, Honest(path, overflow="drop") as drop:
        daemon.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: state_of(daemon.pid) == "T")
            time.sleep(2)  # the thing itself: to be away for a while
            drain(manager)
        finally:
            daemon.send_signal(signal.SIGCONT)
        while b"WATCHDOG=1" not in manager.recv(4096):
            pass
        block.goes_on()
        drop.goes_on()
        assert daemons.status()["counters"]["lost"]["slow"] == 0
    daemon.terminate()
    ended(daemon, 0)


READER = f"""
import json, sys
sys.path.insert(0, {str(HERE)!r})
from real_daemon import Peer
peer = Peer(sys.argv[1])
pid, overflow = int(sys.argv[2]), sys.argv[3]
first = peer.call(
    "Subscribe", more=True, until=pid, overflow=overflow, queue_events=64,
    filters=[{{"tree": [pid], "syscall": ["getppid"]}}],
)
print(first["parameters"]["id"], flush=True)
events = list(peer.events())
lost = sum(event["count"] for event in events if event["type"] == "lost")
print(json.dumps([len([e for e in events if e["type"] != "lost"]), lost]), flush=True)
"""

CALLER = "import os, sys\nfor _ in range(int(sys.stdin.readline())): os.getppid()"


@pytest.mark.parametrize("overflow", ["drop", "block", "disconnect"])
def test_a_subscriber_is_stopped_for_a_while(daemons, path, overflow):
    daemon = daemons.start()
    count = 6000
    caller = daemons.start(
        command=[sys.executable, "-ISc", CALLER], stdin=subprocess.PIPE, stderr=None
    )
    assert "error" not in daemons.connect().call("Attach", pid=caller.pid)
    reader = daemons.start(
        command=[sys.executable, "-c", READER, path, str(caller.pid), overflow],
        stdout=subprocess.PIPE,
        stderr=None,
    )
    name = reader.stdout.readline().strip()
    with Honest(path), ThreadPoolExecutor(1) as pool:
        reader.send_signal(signal.SIGSTOP)
        wait_until(lambda: state_of(reader.pid) == "T")
        pool.submit(caller.communicate, f"{count}\n")

        def account():
            found = [s for s in daemons.status()["subscriptions"] if s["id"] == name]
            return found[0] if found else None

        if overflow == "block":
            wait_until(lambda: account()["blocking"])
            assert caller.poll() is None
        else:
            assert caller.wait(60) == 0
        reader.send_signal(signal.SIGCONT)
        seen, lost = eval(reader.stdout.readline())
        assert caller.wait(60) == 0
    if overflow == "disconnect":
        assert (seen < count, lost) == (True, 0)
        assert daemons.status()["counters"]["ended"]["slow"] == 1
    else:
        assert seen + lost == count
        assert (lost > 0) == (overflow == "drop")
    daemon.terminate()
    ended(daemon, 0)
