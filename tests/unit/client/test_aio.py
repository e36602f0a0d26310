"""The asynchronous client, under asyncio and under trio."""

import socket
import threading
from functools import partial

import anyio
import pytest
from fake_daemon import status

import tracerd.client
from tracerd.client import ConnectionLost, DaemonNotRunning
from tracerd.errors import InvalidFilter, NoSuchProcess
from tracerd.protocol import events, messages

both_formats = pytest.mark.parametrize("wire_format", ["json", "msgpack"])

FIRST = events.Exit(seq=1, time_ns=2, pid=3, tid=4, code=5)
SECOND = events.SyscallExit(seq=2, time_ns=3, pid=3, tid=4, syscall="close", nr=3, args={"fd": 7})
NOVEL = {"type": "novelty", "seq": 3, "time_ns": 4, "pid": 3, "tid": 4}


@pytest.fixture(params=["asyncio", "trio"])
def run(request):
    """Runs a coroutine function on an event loop, for ten seconds at most."""

    async def limited(function):
        with anyio.fail_after(60):
            return await function()

    return lambda function: anyio.run(partial(limited, function), backend=request.param)


CALLS = messages.CallSelection(filters=[messages.Filter(syscall=["openat"])], level="fd")


def test_verbs(daemon, run):
    daemon.answers |= {
        "Attach": lambda call: messages.AttachReply(pid=call.pid, threads=[call.pid]),
        "Detach": messages.DetachReply(pid=9, holders=2),
        "List": messages.ListReply(processes=[]),
        "Sync": messages.SyncReply(seq=12),
    }

    async def talk():
        async with tracerd.client.connect() as client:
            assert (await client.attach(9, until_exec=True, calls=CALLS)).threads == [9]
            assert (await client.detach(9)).holders == 2
            assert (await client.list()).processes == []
            assert await client.status() == status()
            assert (await client.syscalls()).syscalls == []
            assert (await client.sync("s1")).seq == 12
            await client.unsubscribe("s1")

    run(talk)

    assert daemon.called("Attach") == [messages.Attach(pid=9, until_exec=True, calls=CALLS)]


def test_errors_of_the_daemon(daemon, run):
    daemon.answers["Attach"] = NoSuchProcess(1)

    async def talk():
        async with tracerd.client.connect() as client:
            with pytest.raises(NoSuchProcess):
                await client.attach(1)
            assert (await client.status()).head == 7

    run(talk)


def test_nobody_listens(tmp_path, run):
    async def talk():
        async with tracerd.client.connect(str(tmp_path / "none")):
            pass

    with pytest.raises(DaemonNotRunning):
        run(talk)


def test_a_daemon_that_goes_away(daemon, run):
    daemon.answers["Status"] = lambda _call: daemon._sockets[0].shutdown(socket.SHUT_RDWR)

    async def talk():
        async with tracerd.client.connect() as client:
            with pytest.raises(ConnectionLost):
                await client.status()
            with pytest.raises(ConnectionLost, match="not open"):
                await client.status()

    run(talk)


def test_a_client_that_was_not_entered(daemon, run):
    async def talk():
        await tracerd.client.connect().status()

    with pytest.raises(ConnectionLost, match="not open"):
        run(talk)


def test_tasks_share_a_client(daemon, run):
    daemon.answers["Attach"] = lambda call: messages.AttachReply(pid=call.pid, threads=[call.pid])

    async def talk():
        got = {}

        async def attach(client, pid):
            got[pid] = (await client.attach(pid)).pid

        async with tracerd.client.connect() as client, anyio.create_task_group() as tasks:
            for pid in range(1, 20):
                tasks.start_soon(attach, client, pid)
        assert got == {pid: pid for pid in range(1, 20)}

    run(talk)


def test_a_cancelled_call_leaves_no_answer_for_the_next(daemon, run):
    answer = threading.Event()
    daemon.answers["Status"] = lambda _call: answer.wait(10) and status()

    async def talk():
        async with tracerd.client.connect() as client:
            with anyio.move_on_after(0.01) as scope:
                await client.status()
            assert scope.cancelled_caught
            answer.set()
            with pytest.raises(ConnectionLost):
                await client.list()

    run(talk)


@both_formats
def test_events_come_in_order_and_the_end_says_why(daemon, run, wire_format):
    async def listen():
        async with tracerd.client.connect() as client:
            async with client.subscribe(format=wire_format, path="/etc/**") as subscription:
                assert (subscription.id, subscription.reply.head) == ("s1", 7)
                stream = daemon.stream()
                stream.send(FIRST, NOVEL, SECOND)
                stream.end("target")
                seen = [event async for event in subscription]
            assert subscription.end == "target"
        return seen

    assert run(listen) == [FIRST, SECOND]
    assert daemon.stream().parameters.filters == [messages.Filter(path=["/etc/**"])]


@both_formats
def test_iteration_alone_subscribes(daemon, run, wire_format):
    daemon.early = [FIRST, SECOND]

    async def listen():
        async with tracerd.client.connect() as client:
            async for event in client.subscribe(format=wire_format):
                if event == SECOND:
                    break
        # The stream that was left alone ends with its client.
        assert await anyio.to_thread.run_sync(daemon.stream().gone.wait, 10)

    run(listen)


def test_several_streams_at_once(daemon, run):
    async def listen():
        seen = {}

        async def take(client, pid):
            async for event in client.subscribe(pid=pid):
                seen.setdefault(pid, []).append(event)

        async with tracerd.client.connect() as client, anyio.create_task_group() as tasks:
            for pid in (1, 2, 3):
                tasks.start_soon(take, client, pid)
            await anyio.to_thread.run_sync(daemon.stream, 2)
            for stream in daemon.streams:
                stream.send(FIRST)
                stream.end("target")
        return seen

    assert run(listen) == {1: [FIRST], 2: [FIRST], 3: [FIRST]}


def test_a_lost_connection_is_not_an_end(daemon, run):
    async def listen():
        async with tracerd.client.connect() as client:
            seen = []
            async with client.subscribe() as subscription:
                daemon.stream().send(FIRST)
                daemon.stream().drop()
                seen.append(await anext(subscription))
                with pytest.raises(ConnectionLost):
                    await anext(subscription)
            return seen

    assert run(listen) == [FIRST]


def test_closing_from_another_task_ends_iteration(daemon, run):
    async def listen():
        seen = []
        arrived = anyio.Event()

        async def take(subscription):
            async for event in subscription:
                seen.append(event)
                arrived.set()

        async with tracerd.client.connect() as client:
            subscription = client.subscribe()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(take, subscription)
                stream = await anyio.to_thread.run_sync(daemon.stream)
                stream.send(FIRST)
                await arrived.wait()
                await anyio.wait_all_tasks_blocked()
                await subscription.aclose()
        return seen

    assert run(listen) == [FIRST]


def test_a_refused_subscription(daemon, run):
    daemon.answers["Subscribe"] = InvalidFilter("filters[0].op[0]", "no such operation")

    async def listen():
        async with tracerd.client.connect() as client, client.subscribe(op="raed"):
            pass

    with pytest.raises(InvalidFilter):
        run(listen)
