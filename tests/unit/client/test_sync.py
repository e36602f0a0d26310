"""The synchronous client against a daemon that says what the test tells it to."""

import select
import socket
import subprocess
import sys
import threading

import msgspec
import pytest
from fake_daemon import status

import tracerd.client
from tracerd.client import ConnectionLost, DaemonNotRunning
from tracerd.client.errors import CannotConnect
from tracerd.errors import InternalError, InvalidFilter, NoSuchProcess, PermissionDenied
from tracerd.protocol import events, messages
from tracerd.protocol.connection import RemoteError

both_formats = pytest.mark.parametrize("wire_format", ["json", "msgpack"])

FIRST = events.Exit(seq=1, time_ns=2, pid=3, tid=4, code=5)
SECOND = events.SyscallExit(seq=2, time_ns=3, pid=3, tid=4, syscall="close", nr=3, args={"fd": 7})
NOVEL = {"type": "novelty", "seq": 3, "time_ns": 4, "pid": 3, "tid": 4, "what": [1]}


@pytest.fixture
def client(daemon):
    with tracerd.client.connect_sync(timeout=60) as connected:
        yield connected


def test_the_synchronous_side_needs_no_event_loop():
    code = (
        "import sys, tracerd.client as c; c.connect_sync; c.default_socket; "
        "print([m for m in ('anyio', 'trio', 'asyncio') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_every_name_can_be_had():
    for name in tracerd.client.__all__:
        assert getattr(tracerd.client, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        tracerd.client.nothing  # noqa: B018


def test_verbs(daemon, client):
    daemon.answers |= {
        "Attach": lambda call: messages.AttachReply(pid=call.pid, threads=[call.pid]),
        "Detach": messages.DetachReply(pid=9, holders=2),
        "List": messages.ListReply(processes=[]),
        "Sync": messages.SyncReply(seq=12),
    }

    assert client.attach(9, until_exec=True, scope="connection").threads == [9]
    assert client.detach(9).holders == 2
    assert client.list().processes == []
    assert client.status() == status()
    assert client.syscalls().syscalls == []
    assert client.sync("s1").seq == 12
    client.unsubscribe("s1")

    assert daemon.called("Attach") == [messages.Attach(pid=9, scope="connection", until_exec=True)]
    assert daemon.called("Sync") == [messages.Sync(id="s1")]
    assert daemon.called("Unsubscribe") == [messages.Unsubscribe(id="s1")]


def test_the_daemons_errors_are_raised_and_the_connection_goes_on(daemon, client):
    daemon.answers["Attach"] = PermissionDenied(1, "another user's")
    with pytest.raises(PermissionDenied) as raised:
        client.attach(1)
    assert (raised.value.pid, raised.value.reason) == (1, "another user's")

    daemon.answers["Attach"] = NoSuchProcess(1)
    with pytest.raises(NoSuchProcess):
        client.attach(1)


def test_an_error_of_a_newer_daemon(daemon, client):
    daemon.answers["Attach"] = RemoteError("io.tracerd.Novel", {"pid": 1})

    with pytest.raises(RemoteError, match="Novel"):
        client.attach(1)


def test_nobody_listens(tmp_path):
    path = str(tmp_path / "none.sock")

    with pytest.raises(DaemonNotRunning, match="start one with: tracerd --socket") as raised:
        tracerd.client.connect_sync(path)

    assert raised.value.socket == path


def test_a_stale_socket_is_nobody(tmp_path):
    path = str(tmp_path / "stale.sock")
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)

    with pytest.raises(DaemonNotRunning, match="refused"):
        tracerd.client.connect_sync(path)


def test_no_address(tmp_path):
    with pytest.raises(CannotConnect) as raised:
        tracerd.client.connect_sync(str(tmp_path / ("long" * 40)))

    assert not isinstance(raised.value, DaemonNotRunning)


def test_a_daemon_that_goes_away(daemon, client):
    daemon.answers["Status"] = lambda _call: daemon._sockets[0].shutdown(socket.SHUT_RDWR)

    with pytest.raises(ConnectionLost):
        client.status()
    with pytest.raises(ConnectionLost, match="closed before"):
        client.status()


def test_a_daemon_that_talks_nonsense(daemon, client):
    daemon.answers["Status"] = lambda _call: daemon._sockets[0].sendall(b"HTTP/1.1 200 OK\0")

    with pytest.raises(ConnectionLost, match="not JSON"):
        client.status()


def test_a_call_that_takes_too_long(daemon):
    answer = threading.Event()
    daemon.answers["Status"] = lambda _call: answer.wait(60) and status()
    with tracerd.client.connect_sync(timeout=0.01) as client:
        with pytest.raises(TimeoutError):
            client.status()
        answer.set()
        # The late answer must not be taken for that to another call.
        with pytest.raises(ConnectionLost, match="closed before"):
            client.list()


@both_formats
def test_events_come_in_order_and_the_end_says_why(daemon, client, wire_format):
    with client.subscribe(format=wire_format, pid=3) as subscription:
        assert (subscription.id, subscription.reply.run) == ("s1", "r1")
        stream = daemon.stream()
        stream.send(FIRST, SECOND)
        stream.send()
        stream.send(FIRST)
        stream.end("target")

        assert list(subscription) == [FIRST, SECOND, FIRST]
        assert subscription.end == "target"
        assert subscription.read() is None


@both_formats
def test_events_that_come_with_the_answer(daemon, client, wire_format):
    daemon.early = [FIRST, SECOND]

    subscription = client.subscribe(format=wire_format)

    assert subscription.waiting or select.select([subscription], [], [], 10)[0]
    daemon.stream().end("shutdown")
    assert list(subscription) == [FIRST, SECOND]


@both_formats
def test_types_of_a_newer_daemon_are_skipped(daemon, client, wire_format):
    subscription = client.subscribe(format=wire_format)
    daemon.stream().send(FIRST, NOVEL, SECOND)
    daemon.stream().end("target")

    assert list(subscription) == [FIRST, SECOND]


@both_formats
def test_a_lost_connection_is_not_an_end(daemon, client, wire_format):
    subscription = client.subscribe(format=wire_format)
    daemon.stream().send(FIRST)
    daemon.stream().drop()

    events_seen = iter(subscription)

    assert next(events_seen) == FIRST
    with pytest.raises(ConnectionLost):
        next(events_seen)
    assert subscription.end == ""


@both_formats
def test_what_is_no_event_ends_the_stream(daemon, client, wire_format):
    subscription = client.subscribe(format=wire_format)
    daemon.stream().send({"type": "exit", "seq": "one"})

    with pytest.raises(ConnectionLost, match="exit"):
        list(subscription)


def test_an_error_in_the_middle(daemon, client):
    subscription = client.subscribe(format="json")
    stream = daemon.stream()
    stream.send_raw(stream._connection.error(InternalError("a fault")))

    with pytest.raises(InternalError, match="a fault"):
        list(subscription)


def test_a_refused_subscription(daemon, client):
    daemon.answers["Subscribe"] = InvalidFilter("filters[0].syscall[0]", "no such call")

    with pytest.raises(InvalidFilter, match="no such call"):
        client.subscribe(syscall="opne")


def test_raw_events_are_the_daemons_own_text(daemon, client):
    subscription = client.subscribe(format="json", raw=True)
    daemon.stream().send(FIRST, NOVEL)
    daemon.stream().end("target")

    assert [msgspec.json.decode(event) for event in subscription] == [
        {"type": "exit", "seq": 1, "time_ns": 2, "pid": 3, "tid": 4, "code": 5},
        NOVEL,
    ]


def test_raw_frames_are_the_daemons_own_bytes(daemon, client):
    subscription = client.subscribe(raw=True)
    daemon.stream().send(FIRST, NOVEL)
    daemon.stream().end("target")

    [frame] = subscription
    assert msgspec.msgpack.decode(frame)[1] == NOVEL
    assert subscription.end == "target"


def test_formats_that_there_are_not(client):
    with pytest.raises(ValueError, match="xml"):
        client.subscribe(format="xml")


def test_a_subscription_can_be_selected_on(daemon, client):
    subscription = client.subscribe()
    assert select.select([subscription], [], [], 0) == ([], [], [])
    for nothing in (0.01, 0):
        with pytest.raises(TimeoutError):
            subscription.read(timeout=nothing)

    daemon.stream().send(FIRST)

    assert select.select([subscription], [], [], 10)[0] == [subscription]
    assert subscription.read() == [FIRST]


def test_close_ends_a_waiting_iteration(daemon, client):
    subscription = client.subscribe()
    seen = []
    reader = threading.Thread(target=lambda: seen.append(list(subscription)))
    reader.start()

    subscription.close()
    reader.join(10)

    assert seen == [[]]


def test_closing_the_client_closes_its_subscriptions(daemon):
    with tracerd.client.connect_sync() as client:
        subscription = client.subscribe()

    assert subscription.closed
    assert subscription.read() is None


def test_a_message_in_pieces(daemon, client):
    subscription = client.subscribe(format="json")
    stream = daemon.stream()
    whole = stream._batch([msgspec.json.encode(FIRST)])
    stream.send_raw(whole[:20])
    assert subscription.read() == []
    stream.send_raw(whole[20:])

    assert subscription.read() == [FIRST]
