"""Hostile clients beside honest ones: these lose nothing, and nothing of the daemon's is used up.

The fuzzer runs longer by hand: TRACERD_FUZZ=100000 .venv/bin/python -m pytest -k fuzz
tests/server/test_hostile.py.  TRACERD_ROUNDS=20 makes the others do so much more.
"""

import array
import contextlib
import json
import os
import signal
import socket
import struct

import pytest
from hostile import Honest, connect, flood, public_directory, read_all, replies, room_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from real_daemon import Daemons, descriptors, resident_bytes, wait_until

from tracerd.protocol.messages import METHODS

LIMIT = 1 << 20
ROUNDS = int(os.environ.get("TRACERD_ROUNDS", "1"))
FUZZ = int(os.environ.get("TRACERD_FUZZ", "250"))

CALLS = {
    "io.tracerd.Attach": {"pid": 2147483647, "scope": "connection"},
    "io.tracerd.Detach": {"pid": 2147483647, "timeout_ms": 10},
    "io.tracerd.Subscribe": {
        "filters": [{"syscall": ["openat"], "path": ["/x/**"], "not": {"comm": ["a*"]}}],
        "overflow": "drop",
    },
    "io.tracerd.Unsubscribe": {"id": "c0ffee"},
    "io.tracerd.Sync": {"id": "c0ffee"},
    "org.varlink.service.GetInterfaceDescription": {"interface": "io.tracerd"},
}
"""Parameters; of methods that are not here there are none."""


def call(method, **flags):
    message = {"method": method, "parameters": CALLS.get(method, {}), **flags}
    return json.dumps(message).encode()


@pytest.fixture(scope="module")
def house():
    """One daemon for all of these: what one leaves behind, the next one finds."""
    with public_directory() as directory:
        yield from _housed(directory)


def _housed(directory):
    daemons = Daemons(f"{directory}/sock")
    log = open(f"{directory}/log", "w+", encoding="utf-8")  # noqa: SIM115  closed below
    daemons.process = daemons.start("--log-level", "warning", stderr=log)
    daemons.connect().call("Status")
    yield daemons
    daemons.process.send_signal(signal.SIGTERM)
    assert daemons.process.wait(60) == 0
    daemons.close()
    log.seek(0)
    assert "level=error" not in log.read()
    log.close()


@pytest.fixture
def path(house):
    return house.path


@pytest.fixture(autouse=True)
def honest(house):
    """Honest clients all the while, and a daemon that afterwards is what it was before."""
    pid = house.process.pid
    with Honest(house.path), Honest(house.path, overflow="drop") as one:
        files, memory = descriptors(pid), resident_bytes(pid)
        yield one
        wait_until(lambda: descriptors(pid) <= files)
        assert resident_bytes(pid) < memory + (80 << 20)
        one.goes_on()
    assert house.status()["counters"]["faults"] == dict.fromkeys(
        ("odd_stops", "undescribed", "unpublished", "untold"), 0
    )


@pytest.mark.parametrize("end", [b"\0", b"\n"])
@pytest.mark.parametrize("half_close", [False, True])
def test_connections_dropped_at_every_byte(path, end, half_close):
    for method in METHODS:
        more = method.endswith("Subscribe")
        message = call(method, more=more) + end
        for length in range(0, len(message) + 1, 1 if half_close else 3):
            with connect(path) as sock:
                sock.sendall(message[:length])
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
                    found = replies(read_all(sock))
                    # A stream ends when the subscriber has closed its side.
                    assert more or bool(found) == (length == len(message)), (length, message)


@pytest.mark.parametrize("end", [b"\0", b"\n"])
@pytest.mark.parametrize("over", [-1, 0, 1])
def test_messages_about_as_long_as_may_be(path, end, over):
    message = call("io.tracerd.Status")
    message += b" " * (LIMIT + over - len(message)) + end
    with connect(path) as sock:
        sock.sendall(message)
        sock.shutdown(socket.SHUT_WR)
        [reply] = replies(read_all(sock))
    assert ("error" in reply) == (over > 0)
    if over > 0:
        assert reply["parameters"]["reason"].endswith("the message size limit")


def test_one_byte_at_a_time(path):
    with connect(path) as sock:
        for byte in call("io.tracerd.Status") + b"\0" + call("io.tracerd.List") + b"\0":
            sock.send(bytes([byte]))
        sock.shutdown(socket.SHUT_WR)
        assert len(replies(read_all(sock))) == 2


def test_a_gigabyte_is_refused_early(path, house):
    chunk = b"x" * LIMIT
    before = resident_bytes(house.process.pid)
    with connect(path) as sock:
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 1 << 30:
                sent += sock.send(chunk)
        assert sent < 8 * LIMIT
    assert resident_bytes(house.process.pid) < before + (16 << 20)


def test_a_gigabyte_behind_an_upgrade(path):
    """The stream of frames has one direction."""
    with connect(path) as sock:
        sock.sendall(call("io.tracerd.Subscribe", upgrade=True) + b"\0")
        assert sock.recv(1 << 16)
        announced = struct.pack(">I", 1 << 30)
        assert flood(sock, announced + b"x" * LIMIT, seconds=1) < 8 * LIMIT


@pytest.mark.parametrize(
    "nested",
    [
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b'{"method":"io.tracerd.List","parameters":{"x":' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"method":"' + b"[" * 500_000 + b'"}',
        b'"' * 500_000,
        b"\\" * 500_000,
        b"9" * 500_000,
        b'{"method":"io.tracerd.List","parameters":{"x":1e' + b"9" * 10_000 + b"}}",
    ],
    ids=lambda nested: nested[:12].decode(),
)
def test_deep_and_absurd(path, nested):
    with connect(path) as sock:
        sock.sendall(nested + b"\0")
        sock.shutdown(socket.SHUT_WR)
        [reply] = replies(read_all(sock))
    assert "error" in reply


def test_descriptors_nobody_asked_for(path, house):
    """Those sent along are closed by the kernel: the daemon reads without room for them."""
    before = descriptors(house.process.pid)
    with connect(path) as sock, connect(path) as other, open("/dev/null", "rb") as null:
        many = array.array("i", [null.fileno()] * 250)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, many)]
        for _ in range(20 * ROUNDS):
            sock.sendmsg([call("io.tracerd.Status") + b"\0"], rights)
            sock.recv(1 << 16)
            assert descriptors(house.process.pid) <= before + 3
            other.sendmsg([b" "], rights)
        other.sendmsg([b"nonsense\0"], rights)
        assert len(replies(read_all(other))) == 1


def test_thousands_of_connections(path, house):
    """Of one user: beyond the limit each is told so, or closed; others come in all the same."""
    with room_for(2500 * ROUNDS + 500), contextlib.ExitStack() as stack:
        told = 0
        for number in range(2500 * ROUNDS):
            sock = stack.enter_context(connect(path))
            if number > 200 and number % 500 == 0:
                assert house.status()["connections"] <= 64 + 8
                # The oldest are in, the newest are not.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    sock.sendall(call("io.tracerd.Status") + b"\0")
                    told += len(replies(read_all(sock)))
        wait_until(lambda: house.status()["counters"]["refused"]["connections of a user"] > 2000)


def test_many_subscriptions(path, house):
    """One after the other, and as many as there may be at once."""
    message = call("io.tracerd.Subscribe", more=True) + b"\0"
    for _ in range(200 * ROUNDS):
        with connect(path) as sock:
            sock.sendall(message)
            assert b'"id"' in sock.recv(1 << 16)
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            sock = stack.enter_context(connect(path))
            sock.sendall(message)
            assert b'"id"' in sock.recv(1 << 16)
        assert len(house.status()["subscriptions"]) >= 62
    wait_until(lambda: len(house.status()["subscriptions"]) == 2)


def test_calls_without_end_whose_answers_nobody_reads(path, house):
    """The daemon reads no more than it answers."""
    before = resident_bytes(house.process.pid)
    with contextlib.ExitStack() as stack:
        for method in ("io.tracerd.Status", "io.tracerd.Syscalls", "io.tracerd.Nonsense"):
            sock = stack.enter_context(connect(path))
            assert flood(sock, (call(method) + b"\0") * 1000, seconds=0.5) < 8 * LIMIT
        assert resident_bytes(house.process.pid) < before + (32 << 20)
        assert house.status()


def test_half_messages(path, house):
    """As many as a user may have, each as long as may be and never ended; and once more."""
    peaks = []
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                sock = stack.enter_context(connect(path))
                sock.sendall(b'{"method": "' + b"x" * (LIMIT - 100))
            assert house.status()
            peaks.append(resident_bytes(house.process.pid))
        wait_until(lambda: house.status()["connections"] < 10)
    assert max(peaks) < peaks[0] + 30 * LIMIT


def mutated(draw, message):
    message = bytearray(message)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(message)))
        match draw(st.sampled_from(["change", "insert", "delete", "repeat"])):
            case "change" if at < len(message):
                message[at] = draw(st.integers(0, 255))
            case "insert":
                message[at:at] = draw(st.binary(max_size=8))
            case "delete":
                del message[at : at + draw(st.integers(0, 20))]
            case "repeat":
                message[at:at] = message[at : at + draw(st.integers(0, 40))] * 3
    return bytes(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def conversations(draw):
    """What one client sends: calls that are right, nearly right, or nothing of the kind."""
    sent = []
    for _ in range(draw(st.integers(1, 6))):
        method = draw(st.sampled_from([*METHODS, "io.tracerd.Nonsense", ""]))
        match draw(st.sampled_from(["call", "mutated", "parameters", "json", "bytes"])):
            case "call":
                flag = draw(st.sampled_from(["more", "upgrade", "oneway"]))
                message = call(method, **{flag: draw(st.booleans())})
            case "mutated":
                message = mutated(draw, call(method, more=draw(st.booleans())))
            case "parameters":
                known = [*CALLS.get(method, {}), "filters", "pid", "id"]
                given_ = draw(st.dictionaries(st.sampled_from(known), JSON, max_size=4))
                given_ = {k: v for k, v in given_.items() if k != "pid" or not _is_pid(v)}
                message = json.dumps(
                    {"method": method, "parameters": given_, "more": draw(st.booleans())}
                ).encode()
            case "json":
                message = json.dumps(draw(JSON)).encode()
            case "bytes":
                message = draw(st.binary(max_size=200))
        sent.append(message + draw(st.sampled_from([b"\0", b"\0", b"\n", b""])))
    return b"".join(sent), draw(st.integers(1, 4000))


def _is_pid(value):
    return isinstance(value, int) and 0 < value < 1 << 23


@settings(
    max_examples=FUZZ,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(conversation=conversations())
def test_fuzz(path, conversation):
    """Whatever is sent: replies that are replies, and an end."""
    data, step = conversation
    with connect(path) as sock:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for at in range(0, len(data), step):
                sock.sendall(data[at : at + step])
            sock.shutdown(socket.SHUT_WR)
        answered = read_all(sock)
    head, upgraded, _ = answered.partition(b'"pushed_down"')
    if not upgraded:
        assert len(replies(head)) <= len(data) + 1
