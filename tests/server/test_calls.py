"""Calls that are answered once, good and bad."""

import json

import pytest
import trio

from tracerd import errors
from tracerd.core.commands import Stuck
from tracerd.core.tracee import Process
from tracerd.protocol import messages
from tracerd.server.methods import HANDLERS, SUBSCRIBE


def test_every_method_of_the_interface_has_a_handler():
    assert set(messages.METHODS) == {*HANDLERS, SUBSCRIBE}


def test_the_interfaces_describe_themselves(serving):
    async def body(running):
        async with running.client() as client:
            info = await client.call("org.varlink.service.GetInfo")
            assert info["product"] == "tracerd"
            for interface in info["interfaces"]:
                text = await client.call(
                    "org.varlink.service.GetInterfaceDescription", {"interface": interface}
                )
                assert f"interface {interface}\n" in text["description"]
            assert {"io.tracerd", "org.varlink.service"} <= set(info["interfaces"])
            with pytest.raises(errors.InterfaceNotFound):
                await client.call(
                    "org.varlink.service.GetInterfaceDescription", {"interface": "no.such"}
                )

    serving(body)


def test_status_and_syscalls(serving):
    async def body(running):
        async with running.client() as client, running.client() as watcher:
            await watcher.subscribe(filters=[{"syscall": ["getppid"]}])
            status = await client.call("Status")
            assert status["pump"] == "fake"
            assert status["connections"] == 2
            assert status["processes"] == 0
            assert 1 << 20 < status["memory_bytes"] < 1 << 32
            [subscription] = status["subscriptions"]
            assert subscription["id"] == watcher.id
            assert subscription["uid"] == 0
            assert subscription["filters"] == [{"syscall": ["getppid"]}]
            table = await client.call("Syscalls")
            assert table["syscalls"] == [
                {"name": "getppid", "nr": 110, "classes": ["pure"], "args": [], "ret": "pid"}
            ]
            for abi, nr in (("x86_64", 3), ("i386", 6), ("aarch64", 57)):
                table = (await client.call("Syscalls", {"abi": abi}))["syscalls"]
                assert len(table) > 300
                assert [row["nr"] for row in table] == sorted(row["nr"] for row in table)
                (close,) = [row for row in table if row["name"] == "close"]
                assert (close["nr"], close.get("abi", "x86_64")) == (nr, abi)
            with pytest.raises(errors.InvalidParameter, match="abi") as refused:
                await client.call("Syscalls", {"abi": "vax"})
            assert refused.value.reason == "not one of x86_64, i386, aarch64"

    serving(body)


def test_status_tells_of_tracees_left_stopped(serving):
    mine = Process(pid=7, uids=(1, 1, 1, 1))
    found = (Stuck(8, mine, 11_000_000_000, "it was not resumed"), Stuck(9, None, 5, "unknown"))

    async def body(running):
        running.tracer.statistics.stuck = found
        async with running.client() as client:
            status = await client.call("Status")
            assert status["stuck"] == [
                {"pid": 7, "tid": 8, "lasted_ns": 11_000_000_000, "why": "it was not resumed"},
                {"pid": 0, "tid": 9, "lasted_ns": 5, "why": "unknown"},
            ]

    serving(body)


@pytest.mark.parametrize(
    ("method", "parameters", "flags", "error"),
    [
        ("io.tracerd.Fly", {}, {}, errors.MethodNotFound),
        ("org.example.Fly", {}, {}, errors.InterfaceNotFound),
        ("Attach", {}, {}, errors.InvalidParameter),
        ("Attach", {"pid": "1"}, {}, errors.InvalidParameter),
        ("Attach", {"pid": 2**22 + 1}, {}, errors.NoSuchProcess),
        ("Attach", {"pid": 1, "scope": "universe"}, {}, errors.InvalidParameter),
        ("Status", {"verbose": True}, {}, errors.InvalidParameter),
        ("Status", {}, {"upgrade": True}, errors.Unsupported),
        ("Subscribe", {}, {}, errors.ExpectedMore),
        ("Subscribe", {"filters": [{"syscal": []}]}, {"more": True}, errors.InvalidParameter),
        ("Subscribe", {"filters": [{"syscall": ["x"]}]}, {"more": True}, errors.InvalidFilter),
        ("Subscribe", {"since": "a:1"}, {"more": True}, errors.CursorExpired),
        ("Subscribe", {"since": "yesterday"}, {"more": True}, errors.InvalidParameter),
        ("Subscribe", {"heartbeat_ms": -1}, {"more": True}, errors.InvalidParameter),
        ("Subscribe", {"linger_ms": -1}, {"more": True}, errors.InvalidParameter),
        ("Subscribe", {"snapshot": True, "since": "all"}, {"more": True}, errors.InvalidParameter),
        ("Unsubscribe", {"id": "0"}, {}, errors.NoSuchSubscription),
        ("Sync", {"id": "0"}, {}, errors.NoSuchSubscription),
        ("Detach", {"pid": 1}, {}, errors.NotTraced),
    ],
)
def test_a_bad_call_gets_its_error_and_the_connection_goes_on(
    serving, method, parameters, flags, error
):
    async def body(running):
        async with running.client() as client:
            with pytest.raises(error):
                await client.call(method, parameters, **flags)
            assert (await client.call("Status"))["subscriptions"] == []

    serving(body)


def test_oneway_gets_no_reply_not_even_an_error(serving):
    async def body(running):
        async with running.client() as client:
            await client.send("Status", oneway=True)
            await client.send("Fly", oneway=True)
            await client.send("Subscribe", oneway=True, more=True)
            table = await client.call("Syscalls")
            assert "syscalls" in table

    serving(body)


def test_calls_sent_ahead_are_answered_in_order_even_after_the_peer_stopped_sending(serving):
    async def body(running):
        async with running.client() as client:
            for _ in range(50):
                await client.send("Status")
                await client.send("Syscalls")
            await client.stream.send_eof()
            for _ in range(50):
                assert "pump" in await client.reply()
                assert "syscalls" in await client.reply()
            with pytest.raises(EOFError):
                await client.reply()

    serving(body)


def test_bytes_one_at_a_time(serving):
    async def body(running):
        async with running.client() as client:
            for byte in client.connection.call("io.tracerd.Status"):
                await client.stream.send_all(bytes([byte]))
                await trio.lowlevel.checkpoint()
            assert (await client.reply())["pump"] == "fake"

    serving(body)


def test_newline_speaks_ndjson(serving):
    async def body(running):
        async with running.client() as client:
            await client.stream.send_all(b'{"method": "io.tracerd.Status"}\n')
            answer = b""
            while not answer.endswith(b"\n"):
                answer += await client.stream.receive_some()
            assert json.loads(answer)["parameters"]["pump"] == "fake"

    serving(body)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
        b"[1,2]\0",
        b"\xff\xfe\0",
        b'{"method": 3}\0',
        b"[" * 100_000 + b"\0",
        b'{"method": "io.tracerd.Status", "parameters": [}\0',
        bytes(range(256)) * 16,
    ],
)
def test_garbage_is_told_so_and_closed_and_harms_nobody(serving, garbage):
    async def body(running):
        async with running.client() as good, running.client() as bad:
            await good.call("Status")
            await bad.stream.send_all(garbage)
            answer = b""
            while data := await _received(bad.stream):
                answer += data
            assert json.loads(answer.rstrip(b"\0\n"))["error"] == (
                "org.varlink.service.InvalidParameter"
            )
            assert (await good.call("Status"))["connections"] == 1

    serving(body)


async def _received(stream):
    try:
        return await stream.receive_some()
    except trio.BrokenResourceError:  # it was closed before all we sent was read
        return b""


def test_an_oversize_message_is_refused_at_the_limit(serving):
    async def body(running):
        async with running.client() as client:
            await client.stream.send_all(b'{"method": "' + b"x" * 5000)
            with pytest.raises(errors.InvalidParameter, match="message size limit"):
                await client.reply()
            with pytest.raises(EOFError):
                await client.reply()
        async with running.client() as client:
            assert (await client.call("Status", {}))["connections"] == 1

    serving(body, message_bytes=4096)
