"""Subscribers of different detail at once: each gets its own, encoded no more often than needed."""

import collections

import pytest

from tracerd import errors
from tracerd.core.call_event import CallEvent
from tracerd.protocol import codec, events
from tracerd.protocol.detail import Detail
from tracerd.server import bridge

READ = {
    "name": "read",
    "args": {"fd": 3, "buf": {"text": "secret", "size": 6}},
    "fds": {"fd": "/etc/motd"},
    "files": [events.FileAccess(path="/etc/motd", op="read")],
    "ret": 6,
}
BY_DETAIL = {
    "names": {"args": {}, "fds": {}, "files": []},
    "files": {"args": {}, "fds": {}},
    "args": {"args": {"fd": 3, "buf": {"text": "", "size": 6, "truncated": True}}},
    "full": {},
}


def test_each_gets_its_own(serving, make_call, monkeypatch):
    encoded = collections.Counter()

    def count(event):
        encoded[type(event)] += 1
        return codec.encode_json(event)

    monkeypatch.setitem(bridge._ENCODERS, "json", count)

    async def body(running):
        async with (
            running.client() as a,
            running.client() as b,
            running.client() as c,
            running.client() as d,
            running.client() as again,
        ):
            clients = dict(zip(BY_DETAIL, (a, b, c, d), strict=True))
            for detail, client in [*clients.items(), ("names", again)]:
                await client.subscribe(detail=detail)
            running.tracer.emit(make_call(**READ), make_call())
            for detail, client in [*clients.items(), ("names", again)]:
                [event, plain] = await client.events(2)
                for name in ("args", "fds", "files"):
                    assert getattr(event, name) == BY_DETAIL[detail].get(name, READ[name])
                assert (event.syscall, event.ret) == ("read", 6)
                assert plain.syscall == "getppid"
            # One for each level, but of `getppid` full and args are the same.
            assert encoded == {events.SyscallExit: 7}

    serving(body)


def test_detail_is_shown_in_status_and_asked_of_the_tracer(serving):
    async def body(running):
        async with running.client() as one, running.client() as other:
            await one.subscribe(detail="names")
            await other.subscribe(detail="names", filters=[{"path": ["/etc/**"]}, {"comm": ["x"]}])
            assert [wish.interest.detail for wish in running.tracer.wishes[-1]] == [
                Detail.NAMES,
                Detail.FILES,  # for its filter
                Detail.NAMES,
            ]
            states = (await running.status())["subscriptions"]
            assert [state["detail"] for state in states] == ["names", "names"]

    serving(body)


def test_the_environment_needs_arguments(serving):
    async def body(running):
        async with running.client() as client:
            with pytest.raises(errors.InvalidParameter) as refused:
                await client.subscribe(detail="files", envp=True)
            assert refused.value.parameter == "envp"
            with pytest.raises(errors.InvalidParameter) as refused:
                await client.subscribe(detail="files", fd_info=True)
            assert refused.value.parameter == "fd_info"
            with pytest.raises(errors.InvalidParameter) as refused:
                await client.subscribe(detail="most")
            assert refused.value.parameter == "detail"

    serving(body)


class Recorded(CallEvent):
    """A call of which less may have been captured; counts what is described of it."""

    def __init__(self, event, process, captured):
        self._event = event
        self.kind, self.seq, self.pid, self.process = type(event), event.seq, event.pid, process
        self.syscall, self.captured = event.syscall, captured
        self.described = []

    facts = property(lambda self: self._event)

    def at(self, detail):
        self.described.append(detail)
        return self._event


def test_what_no_subscription_gets_is_not_described(serving, make_call, tracee):
    made = [
        Recorded(make_call(name=name)(seq), tracee, Detail.FULL)
        for seq, name in enumerate(("openat", "read", "close"), 1)
    ]

    async def body(running):
        async with running.client() as one, running.client() as other:
            await one.subscribe(detail="names", filters=[{"syscall": ["openat", "read"]}])
            await other.subscribe(filters=[{"syscall": ["read"], "result": ["error"]}])
            running.tracer.tell(*made)
            assert [event.syscall for event in await one.events(2)] == ["openat", "read"]
            await running.quiet()
            assert [item.described for item in made] == [[Detail.NAMES], [Detail.NAMES], []]

    serving(body)


def test_a_call_entered_before_more_was_wanted_is_told_to_those_who_want_less(
    serving, make_call, tracee
):
    async def body(running):
        async with running.client() as less, running.client() as more:
            await less.subscribe(detail="names")
            await more.subscribe()
            running.tracer.tell(
                *[
                    Recorded(make_call(name=name)(seq), tracee, captured)
                    for seq, name, captured in ((1, "read", Detail.NAMES), (2, "close", 3))
                ]
            )
            assert [event.syscall for event in await less.events(2)] == ["read", "close"]
            assert [event.syscall for event in await more.events(1)] == ["close"]

    serving(body)
