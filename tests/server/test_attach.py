"""Attach and Detach: who may, who shares, who gives up what."""

import os
import subprocess
from pathlib import Path

import pytest
import trio

from tracerd import errors


@pytest.fixture
def theirs():
    """A live process of user and group 65534."""
    process = subprocess.Popen(["sleep", "600"], user=65534, group=65534, extra_groups=[])
    yield process
    process.kill()
    process.wait()


def test_attach_list_detach(serving, target):
    async def body(running):
        async with running.client() as client, running.client() as other:
            assert await client.call("Attach", {"pid": target.pid}) == {
                "pid": target.pid,
                "threads": [target.pid],
                "pending": [],
            }
            [process] = (await other.call("List"))["processes"]
            assert process["pid"] == target.pid
            assert process["roots"] == [target.pid]
            assert process["threads"] == [target.pid]
            assert process["state"] == "running"
            assert await other.call("Detach", {"pid": target.pid}) == {
                "pid": target.pid,
                "holders": 0,
            }
            assert (await other.call("List"))["processes"] == []
            with pytest.raises(errors.NotTraced) as caught:
                await other.call("Detach", {"pid": target.pid})
            assert caught.value.root == 0

    serving(body)


def test_of_one_user_repeated_attaches_are_one(serving, target):
    async def body(running):
        async with running.client() as client, running.client() as other:
            first = await client.call("Attach", {"pid": target.pid})
            assert await other.call("Attach", {"pid": target.pid}) == first
            assert (await client.call("Detach", {"pid": target.pid}))["holders"] == 0
            assert running.tracer.released == [1]

    serving(body)


def test_attaches_at_the_same_moment_are_one(serving, target):
    async def body(running):
        async with running.client() as client, running.client() as other:
            replies = []

            async def attach(asker):
                replies.append(await asker.call("Attach", {"pid": target.pid}))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(attach, client)
                nursery.start_soon(attach, other)
            assert [reply["threads"] for reply in replies] == [[target.pid]] * 2
            assert (await client.call("Detach", {"pid": target.pid}))["holders"] == 0

    serving(body)


def test_what_a_connection_holds_ends_with_it(serving, target):
    async def body(running):
        async with running.client() as lasting:
            await lasting.call("Attach", {"pid": target.pid})
            async with running.client() as client:
                await client.call("Attach", {"pid": target.pid, "scope": "connection"})
            async with running.client() as client:
                await client.call("Attach", {"pid": target.pid, "scope": "connection"})
                assert await client.call("Detach", {"pid": target.pid}) == {
                    "pid": target.pid,
                    "holders": 1,
                }

            async def only_one_left():
                return sorted(running.tracer.released) == [2, 3]

            await running.until(only_one_left)
            [process] = (await lasting.call("List"))["processes"]
            assert process["pid"] == target.pid

    serving(body)


def test_what_another_connection_holds_is_not_given_up(serving, target):
    async def body(running):
        async with running.client() as holder, running.client() as other:
            await holder.call("Attach", {"pid": target.pid, "scope": "connection"})
            with pytest.raises(errors.PermissionDenied, match="another connection"):
                await other.call("Detach", {"pid": target.pid})
            assert (await holder.call("Detach", {"pid": target.pid}))["holders"] == 0

    serving(body)


def test_a_descendant_names_its_root(serving, target, fake_process):
    async def body(running):
        async with running.client() as client:
            await client.call("Attach", {"pid": target.pid})
            running.tracer.processes[1234] = fake_process(1234, owners={1})
            with pytest.raises(errors.NotTraced) as caught:
                await client.call("Detach", {"pid": 1234})
            assert caught.value.root == target.pid

    serving(body)


def test_threads_that_do_not_stop_in_time_are_pending(serving, target):
    async def body(running):
        running.tracer.slow_attach = True
        async with running.client() as client:
            started = trio.current_time()
            reply = await client.call("Attach", {"pid": target.pid, "timeout_ms": 50})
            assert reply["pending"] == [target.pid + 1]
            assert 0.05 <= trio.current_time() - started < 5

    serving(body)


def test_an_asker_that_leaves_during_attach_leaves_nothing_attached(serving, target):
    async def body(running):
        running.tracer.slow_attach = True
        async with running.client() as client:
            await client.send("Attach", {"pid": target.pid, "scope": "connection"})

            async def under_way():
                return len(running.tracer._attaching) == 1

            await running.until(under_way)

        async def released():
            return running.tracer.released == [1]

        await running.until(released)

    serving(body)


def test_bad_targets_each_have_their_error(serving, target, zombie):
    kthread = 2
    assert Path("/proc/2/comm").read_text() == "kthreadd\n"

    async def body(running):
        async with running.client() as client:
            for pid, error in (
                (zombie, errors.ZombieProcess),
                (kthread, errors.KernelThread),
                (os.getpid(), errors.OwnDaemon),
                (os.getppid(), errors.OwnClient),
                (1, errors.InitProcess),
            ):
                with pytest.raises(error) as caught:
                    await client.call("Attach", {"pid": pid})
                assert getattr(caught.value, "pid", pid) == pid

    serving(body)


def test_a_user_attaches_to_own_processes_only(serving, target, theirs, as_nobody):
    async def body(running):
        async with as_nobody(running) as client, running.client() as root:
            with pytest.raises(errors.PermissionDenied) as caught:
                await client.call("Attach", {"pid": target.pid})
            assert caught.value.reason == "belongs to user root (uid 0), you are uid 65534"
            await client.call("Attach", {"pid": theirs.pid})
            # Another user's attach is another hold, and not one's own to give up.
            await root.call("Attach", {"pid": target.pid})
            # What is not to be seen is not traced, as far as this user can tell.
            with pytest.raises(errors.NotTraced):
                await client.call("Detach", {"pid": target.pid})
            running.tracer.processes[target.pid].uids = (65534,) * 4
            running.tracer.processes[target.pid].gids = (65534,) * 4
            with pytest.raises(errors.PermissionDenied, match="another user"):
                await client.call("Detach", {"pid": target.pid})
            # Root may end everybody's.
            assert (await root.call("Detach", {"pid": theirs.pid}))["holders"] == 0

    serving(body)


def test_a_user_sees_own_processes_and_subscriptions_only(serving, target, fake_process, as_nobody):
    async def body(running):
        async with as_nobody(running) as client, running.client() as root:
            await root.call("Attach", {"pid": target.pid})
            running.tracer.processes[1234] = fake_process(
                1234, uids=(65534,) * 4, gids=(65534,) * 4
            )
            assert [one["pid"] for one in (await client.call("List"))["processes"]] == [1234]
            async with running.client() as watcher:
                await watcher.subscribe()
                assert (await client.call("Status"))["subscriptions"] == []
                with pytest.raises(errors.NoSuchSubscription):
                    await client.call("Unsubscribe", {"id": watcher.id})
                with pytest.raises(errors.NoSuchSubscription):
                    await client.call("Sync", {"id": watcher.id})

    serving(body)


def test_detach_answers_in_time_with_what_is_still_to_leave(serving, target):
    async def body(running):
        async with running.client() as client:
            await client.call("Attach", {"pid": target.pid})
            running.tracer.slow_release = True
            reply = await client.call("Detach", {"pid": target.pid, "timeout_ms": 1})
            assert reply == {"pid": target.pid, "holders": 0, "pending": [77]}

    serving(body)


def test_a_process_that_changed_between_check_and_attach_is_let_go(serving, target, monkeypatch):
    from tracerd.server.permits import Permits

    async def changed(self, peer, target, held):
        raise errors.PermissionDenied(target.pid, "runs as root now")

    monkeypatch.setattr(Permits, "check_again", changed)

    async def body(running):
        async with running.client() as client:
            with pytest.raises(errors.PermissionDenied, match="runs as root now"):
                await client.call("Attach", {"pid": target.pid})
            await running.quiet()
            assert running.tracer.released == [1]
            assert running.tracer.processes == {}

    serving(body)


FILTERED = {"scope": "connection", "until_exec": True, "calls": {"filters": [{"path": ["/x"]}]}}


def test_which_calls_a_seccomp_filter_has_to_stop(serving, target):
    async def body(running):
        async with running.client() as client:
            reply = await client.call("Attach", {"pid": target.pid, **FILTERED})
            [command] = running.tracer.attached
            assert command.until_exec
            assert "openat" in command.calls
            assert "getppid" not in command.calls
            # What the tracer itself must see is among them, the exec to come first of all.
            assert {"execve", "clone", "prctl"} <= command.calls
            assert set(reply["calls"]) == {"x86_64", "i386"}
            assert {257, 59} <= set(reply["calls"]["x86_64"])
            assert {295, 11} <= set(reply["calls"]["i386"])
            assert 110 not in reply["calls"]["x86_64"]
            assert reply["calls"]["x86_64"] == sorted(reply["calls"]["x86_64"])

    serving(body)


def test_the_level_counts(serving, target):
    async def body(running):
        async with running.client() as client:
            for level in ("path", "io"):
                await client.call(
                    "Attach", {**FILTERED, "pid": target.pid, "calls": {
                        "filters": [{"path": ["/x"]}], "level": level}},
                )  # fmt: skip
            names, io = (command.calls for command in running.tracer.attached)
            assert "read" not in names
            assert "read" in io

    serving(body)


@pytest.mark.parametrize("filters", [[], [{}], [{"path": ["/x"]}, {"uid": [0]}]])
def test_no_seccomp_filter_if_all_calls_are_wanted(serving, target, filters):
    async def body(running):
        async with running.client() as client:
            asked = {**FILTERED, "pid": target.pid, "calls": {"filters": filters}}
            assert "calls" not in await client.call("Attach", asked)
            assert [command.calls for command in running.tracer.attached] == [None]

    serving(body)


def test_no_seccomp_filter_if_the_tracer_is_not_ready_for_it(serving, target):
    """The process was traced before, without being told of seccomp stops."""

    async def body(running):
        running.tracer.filters = False
        async with running.client() as client:
            assert "calls" not in await client.call("Attach", {"pid": target.pid, **FILTERED})
            assert running.tracer.attached[0].calls

    serving(body)


def test_calls_that_make_no_sense(serving, target):
    async def body(running):
        async with running.client() as client:
            with pytest.raises(errors.InvalidParameter) as caught:
                await client.call("Attach", {"pid": target.pid, **FILTERED, "until_exec": False})
            assert caught.value.parameter == "calls"
            asked = {**FILTERED, "calls": {"filters": [{"syscall": ["opena"]}]}}
            with pytest.raises(errors.InvalidFilter) as refused:
                await client.call("Attach", {"pid": target.pid, **asked})
            assert refused.value.field == "calls.filters[0].syscall[0]"
            assert running.tracer.attached == []

    serving(body)


def test_a_program_with_a_seccomp_filter_is_not_detached_from(serving, target):
    async def body(running):
        running.tracer.needed = True
        async with running.client() as client, running.client() as other:
            await client.call("Attach", {"pid": target.pid, **FILTERED})
            await other.call("Attach", {"pid": target.pid})
            # As long as others hold it, one may leave.
            assert (await other.call("Detach", {"pid": target.pid}))["holders"] == 1
            for _ in range(2):
                with pytest.raises(errors.SeccompFiltered) as caught:
                    await client.call("Detach", {"pid": target.pid})
                assert caught.value.pid == target.pid
            [process] = (await client.call("List"))["processes"]
            assert process["roots"] == [target.pid]
            # It is still this connection's own.
            with pytest.raises(errors.PermissionDenied, match="another connection"):
                await other.call("Detach", {"pid": target.pid})
        running.tracer.needed = False

    serving(body)


def test_a_program_with_a_seccomp_filter_outlives_its_connection_under_trace(serving, target):
    async def body(running):
        running.tracer.needed = True
        async with running.client() as client:
            await client.call("Attach", {"pid": target.pid, **FILTERED})
        async with running.client() as other:

            async def is_its_users():
                try:
                    await other.call("Detach", {"pid": target.pid})
                except errors.SeccompFiltered:
                    return True
                except errors.PermissionDenied:  # the connection's end has not been seen yet
                    return False
                except errors.NotTraced:  # it is being given back
                    return False
                pytest.fail("it was detached")

            await running.until(is_its_users)
            [process] = (await other.call("List"))["processes"]
            assert process["roots"] == [target.pid]
            running.tracer.needed = False
            assert (await other.call("Detach", {"pid": target.pid}))["holders"] == 0
            assert running.tracer.released == [1]

    serving(body)


@pytest.fixture
def zombie():
    """A pid whose process has exited and is not reaped."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    yield pid
    os.waitpid(pid, 0)
