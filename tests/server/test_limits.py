"""Limits, each with a clear error for the peer that reached it."""

import contextlib
import resource

import pytest
import trio

from tracerd import errors


def test_connections_in_all(serving):
    async def body(running):
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(running.client()) for _ in range(3)]
            for client in clients:
                await client.call("Status")
            async with running.client() as refused:
                with pytest.raises(errors.LimitReached) as caught:
                    await refused.call("Status")
                assert (caught.value.limit, caught.value.maximum) == ("connections", 3)
                with pytest.raises(EOFError):
                    await refused.reply()
            assert (await clients[0].call("Status"))["connections"] == 3

        async def free_again():
            async with running.client() as client:
                try:
                    return (await client.call("Status"))["connections"] == 1
                except errors.LimitReached:
                    return False

        await running.until(free_again)

    serving(body, connections=3)


def test_connections_of_a_user_do_not_bind_root(serving, as_nobody):
    async def body(running):
        async with as_nobody(running) as one, as_nobody(running) as two:
            await one.call("Status")
            await two.call("Status")
            async with as_nobody(running) as refused:
                with pytest.raises(errors.LimitReached, match="connections of a user"):
                    await refused.call("Status")
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(5):
                    client = await stack.enter_async_context(running.client())
                    await client.call("Status")

    serving(body, connections_per_uid=2)


def test_subscriptions_of_a_user(serving, as_nobody):
    async def body(running):
        async with as_nobody(running) as one, as_nobody(running) as two:
            await one.subscribe()
            with pytest.raises(errors.LimitReached) as caught:
                await two.subscribe()
            assert caught.value.maximum == 1
            async with running.client() as control:
                await control.call("Unsubscribe", {"id": one.id})
            await two.subscribe()

    serving(body, subscriptions_per_uid=1)


def test_bytes_in_the_queues_of_a_user(serving, as_nobody):
    async def body(running):
        async with as_nobody(running) as one, as_nobody(running) as two:
            await one.subscribe(queue_bytes=600)
            with pytest.raises(errors.LimitReached) as caught:
                await two.subscribe(queue_bytes=401)
            assert caught.value.limit == "bytes in the queues of a user"
            assert caught.value.maximum == 1000
            await two.subscribe(queue_bytes=400)
            async with running.client() as root:
                await root.subscribe()

    serving(body, queue_bytes_per_uid=1000)


def test_running_out_of_descriptors_does_not_end_the_listener(serving):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def body(running):
        async with running.client() as before:
            await before.call("Status")
            late = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
            resource.setrlimit(resource.RLIMIT_NOFILE, (late.fileno() + 1, hard))
            try:
                await late.connect(running.path)
                while not running.daemon.health.tally.counts()["accept"]:  # noqa: ASYNC110
                    await trio.sleep(0.01)
                assert (await before.call("Status"))["connections"] == 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await late.send(b'{"method": "io.tracerd.Status"}\0')
            assert b'"pump":"fake"' in await late.recv(65536)
            late.close()

    serving(body)
