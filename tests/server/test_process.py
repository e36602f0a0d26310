"""The daemon as a process: its socket, its signals, its manager."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_daemon import COMMAND, ended, state_of, tracer_of, wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order(start, connect, path, target, number):
    daemon = start()
    control, watcher = connect(), connect()
    assert control.call("Attach", pid=target.pid)["parameters"]["threads"] == [target.pid]
    assert "id" in watcher.call("Subscribe", more=True)["parameters"]
    assert tracer_of(target.pid)
    daemon.send_signal(number)
    replies = list(iter(watcher.reply, None))
    told = [event["type"] for reply in replies[:-1] for event in reply["parameters"]["events"]]
    assert told == ["detached"]
    assert replies[-1] == {"parameters": {"end": "shutdown"}}
    assert control.reply() is None
    log = ended(daemon, 0)
    assert "level=error" not in log
    assert f"name={number.name}" in log
    assert os.listdir(os.path.dirname(path)) == []
    assert tracer_of(target.pid) == 0
    wait_until(lambda: state_of(target.pid) == "S")  # it wakes for a moment


def test_a_signal_during_the_start_is_not_forgotten(start, path):
    daemon = start()
    wait_until(lambda: os.path.exists(path))
    daemon.terminate()
    ended(daemon, 0)
    assert os.listdir(os.path.dirname(path)) == []


def test_a_second_signal_ends_it_at_once(start, connect, path, busy):
    daemon = start()
    control, stuck = connect(), connect()
    control.call("Attach", pid=busy.pid)
    stuck.call("Subscribe", more=True, overflow="block")
    # With its buffers full, the first signal waits two seconds for it to read.
    wait_until_stalled(control)
    daemon.terminate()
    while "msg=ending" not in daemon.stderr.readline():
        assert daemon.poll() is None
    daemon.terminate()
    assert daemon.wait(timeout=60) == 128 + signal.SIGTERM
    assert not os.path.lexists(path)
    wait_until(lambda: tracer_of(busy.pid) == 0)
    assert state_of(busy.pid) in "RS"


def wait_until_stalled(control):
    """Wait until tracees wait for the one subscriber, and its socket takes no more."""
    before = None

    def stalled():
        nonlocal before
        time.sleep(0.02)
        last, before = before, control.call("Status")["parameters"]["subscriptions"][0]
        return before["blocking"] and before == last

    wait_until(stalled)


@pytest.fixture
def busy():
    """A process that makes calls as fast as it can."""
    code = "import os\nprint(flush=True)\nwhile True: os.getppid()"
    process = subprocess.Popen([sys.executable, "-ISc", code], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_subscriber_killed_while_its_tracee_waits_frees_it(start, connect, busy):
    daemon = start()
    control, stuck = connect(), connect()
    control.call("Attach", pid=busy.pid)
    stuck.call("Subscribe", more=True, overflow="block")
    wait_until_stalled(control)
    stuck.close()
    counting = connect()
    counting.call("Subscribe", more=True, overflow="block")
    for _ in range(20):
        assert counting.reply()["parameters"]["events"]
    daemon.terminate()
    counting.close()
    ended(daemon, 0)


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(start, connect, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    first = start()
    assert "pump" in connect().call("Status")["parameters"]
    second = start()
    log = ended(second, 1)
    assert f'msg="already running: a daemon answers at {path}"' in log
    assert "pump" in connect().call("Status")["parameters"]
    first.terminate()
    ended(first, 0)


def test_what_sigkill_leaves_behind_is_replaced(start, connect, path, target):
    first = start()
    connect().call("Attach", pid=target.pid)
    first.kill()
    first.wait()
    assert os.path.exists(path)
    wait_until(lambda: tracer_of(target.pid) == 0)
    wait_until(lambda: state_of(target.pid) == "S")  # it wakes for a moment
    second = start()
    assert connect().call("List")["parameters"]["processes"] == []
    second.terminate()
    ended(second, 0)


def test_the_socket_has_the_mode_asked_for(start, connect, path):
    daemon = start("--mode", "0640")
    connect().call("Status")
    assert os.stat(path).st_mode & 0o777 == 0o640
    daemon.terminate()
    ended(daemon, 0)


def test_no_socket_no_daemon(start, tmp_path):
    daemon = start(command=(*COMMAND, "--socket", str(tmp_path)))
    assert "exists and is not a socket" in ended(daemon, 1)


def test_end_of_file_ends_a_private_daemon(start, connect, path, target):
    reader, writer = os.pipe()
    daemon = start("--exit-on-eof", str(reader), pass_fds=[reader])
    os.close(reader)
    connect().call("Attach", pid=target.pid)
    os.write(writer, b"still here")
    assert "pump" in connect().call("Status")["parameters"]
    os.close(writer)
    ended(daemon, 0)
    assert tracer_of(target.pid) == 0
    assert not os.path.exists(path)


def test_json_logs(start, connect):
    daemon = start("--log-format", "json")
    connect().call("Status")
    daemon.terminate()
    _, log = daemon.communicate(timeout=60)
    assert [json.loads(line)["msg"] for line in log.splitlines()] == ["ready", "signal", "ending"]


@pytest.mark.parametrize("pump", ["bogus", "Native"])
def test_a_pump_that_there_is_none_of(tmp_path, pump):
    done = subprocess.run(
        [sys.executable, "-m", "tracerd", "--socket", str(tmp_path / "socket")],
        env={**os.environ, "TRACERD_PUMP": pump},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no pump to trace with" in line
    assert "TRACERD_PUMP" in line
    assert pump in line
    assert not os.path.exists(tmp_path / "socket")


def test_the_manager_is_told(start, connect, manager, target):
    environ = {
        **os.environ,
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "200000",
    }
    daemon = start(env=environ)

    def next_of(name):
        while True:
            told = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
            if name in told:
                return told[name]

    assert next_of("READY") == "1"
    assert connect().call("Attach", pid=target.pid)["parameters"]["pid"] == target.pid
    assert [next_of("WATCHDOG") for _ in range(3)] == ["1"] * 3
    # Its children are not to speak for it.
    for task in Path(f"/proc/{daemon.pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            assert b"NOTIFY_SOCKET" not in Path(f"/proc/{child}/environ").read_bytes()
    daemon.terminate()
    assert next_of("STOPPING") == "1"
    ended(daemon, 0)


needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"), reason="needs systemd-socket-activate"
)


@needs_systemd
def test_socket_activation(start, connect, path):
    activator = start(command=("systemd-socket-activate", "-l", path, "--", *COMMAND))
    status = connect().call("Status")["parameters"]
    assert status["pid"] == activator.pid  # it executes the daemon in its own place
    connect().call("Status")
    activator.terminate()
    _, log = activator.communicate(timeout=60)
    assert activator.returncode == 0
    assert f"socket={path}" in log
    assert os.path.exists(path)  # it is the manager's


@needs_systemd
def test_activation_with_something_else_is_refused(start, tmp_path):
    path = str(tmp_path / "dgram")
    activator = start(command=("systemd-socket-activate", "-d", "-l", path, "--", *COMMAND))
    wait_until(lambda: os.path.exists(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        wait_until(lambda: not peer.connect_ex(path))
        peer.send(b"x")
        _, log = activator.communicate(timeout=60)
    assert activator.returncode == 1
    assert "is no listening stream socket" in log
