"""A client's and a server's connection joined in memory, and each against hostile bytes."""

import dataclasses
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_strategies import any_event, chunked, json_values

from tracerd import errors
from tracerd.protocol.codec import decode_batch_json, encode_json
from tracerd.protocol.connection import (
    ClientConnection,
    ProtocolError,
    RemoteError,
    ServerConnection,
    parameters_as,
)
from tracerd.protocol.framing import REQUEST_LIMIT, frame
from tracerd.protocol.messages import Attach, AttachReply, Call, Reply, StatusReply, SubscribeReply

modes = pytest.mark.parametrize(("mode", "end"), [("varlink", b"\0"), ("ndjson", b"\n")])


def calls_of(connection, chunks):
    """What a server's connection makes of the chunks: calls as plain values, and the error."""
    calls = []
    for chunk in chunks:
        connection.receive_data(chunk)
        try:
            while (call := connection.next_call()) is not None:
                calls.append((call.method, bytes(call.parameters), call.more, call.oneway))
        except ProtocolError as error:
            assert connection.next_call() is None, "an error is told once"
            return calls, error.reason
    return calls, None


def refusal(data):
    """The error a server's connection gives for one message."""
    connection = ServerConnection()
    connection.receive_data(data + b"\0")
    with pytest.raises(ProtocolError) as caught:
        connection.next_call()
    assert connection.next_call() is None
    return caught.value.reason


@modes
def test_a_call_and_its_replies(mode, end):
    client, server = ClientConnection(mode), ServerConnection()
    sent = client.call("io.tracerd.Attach", Attach(pid=7), more=True)
    assert sent.endswith(end)
    assert sent.count(end) == 1

    server.receive_data(sent)
    call = server.next_call()
    assert call == Call("io.tracerd.Attach", call.parameters, more=True)
    assert msgspec.json.decode(call.parameters, type=Attach) == Attach(pid=7)
    assert server.next_call() is None
    assert server.mode == mode

    client.receive_data(server.reply(AttachReply(pid=7, threads=[7, 8]), continues=True))
    client.receive_data(server.reply({"pid": 7, "threads": []}))
    client.receive_data(server.reply(b'{"pid":1,"threads":[],"news":2}'))
    first, second, third = client.next_reply(), client.next_reply(), client.next_reply()
    assert client.next_reply() is None
    assert (first.continues, second.continues) == (True, False)
    assert parameters_as(first, AttachReply) == AttachReply(pid=7, threads=[7, 8])
    assert parameters_as(second, AttachReply) == AttachReply(pid=7, threads=[])
    assert parameters_as(third, AttachReply) == AttachReply(pid=1, threads=[])


@pytest.mark.parametrize("flag", ["oneway", "more", "upgrade"])
def test_flags_of_a_call(flag):
    server = ServerConnection()
    server.receive_data(ClientConnection().call("a.b.C", **{flag: True}))
    call = server.next_call()

    assert [name for name in ("oneway", "more", "upgrade") if getattr(call, name)] == [flag]


@pytest.mark.parametrize(
    "message",
    [
        b'{"method":"a.b.C"}',
        b'{"method":"a.b.C","parameters":{}}',
        b'{"method":"a.b.C","parameters":null}',
        b'{"method":"a.b.C","parameters":null,"more":null,"oneway":null,"upgrade":null}',
        b' {"method" : "a.b.C", "tracestate": {"x": [1]}, "parameters":{} } ',
    ],
)
def test_what_is_not_given_may_be_absent_or_null_and_unknown_members_are_ignored(message):
    server = ServerConnection()
    server.receive_data(message + b"\0")
    call = server.next_call()

    assert call == Call("a.b.C", call.parameters)
    assert bytes(call.parameters) == b"{}"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}", "not Varlink: Object missing required field `method`"),
        (b"[]", "not Varlink"),
        (b"3", "not Varlink"),
        (b"null", "not Varlink"),
        (b'{"method":3}', "not Varlink"),
        (b'{"method":null}', "not Varlink"),
        (b'{"method":"a.b.C","more":1}', "not Varlink"),
        (b'{"method":"a.b.C"} {}', "not JSON"),
        (b'{"method":"a.b.C","parameters":{"x":"\xff"}}', "not UTF-8, at byte 37"),
        (b'{"method":"a.b.C","x":"\xed\xa0\x80"}', "not UTF-8"),
        (b'{"method":"a.b.C","parameters":' + b"[" * 64 + b"]" * 64 + b"}", "deeper than 64"),
        (b"[" * 1_000_000, "deeper than 64: the nesting limit"),
        (b" " * (REQUEST_LIMIT + 1), "more than 1048576 bytes: the message size limit"),
    ],
)
def test_what_is_no_call_is_refused(message, reason):
    assert reason in refusal(message)


def test_limits_are_exact():
    call = b'{"method":"a.b.C","parameters":%s}'
    deep = call % (b'{"x":' + b"[" * 62 + b"]" * 62 + b"}")
    long = call.replace(b"C", b"C" * (REQUEST_LIMIT - len(call) + 1)) % b"{}"
    server = ServerConnection()
    server.receive_data(deep + b"\0" + long + b"\0")

    assert server.next_call().method == "a.b.C"
    assert len(long) == REQUEST_LIMIT
    assert server.next_call().method.startswith("a.b.CCC")
    assert "size limit" in refusal(long + b" ")


good_calls = st.builds(
    Call,
    method=st.sampled_from(("io.tracerd.List", "a.b.C", "")),
    parameters=st.sampled_from((msgspec.Raw(b"{}"), msgspec.Raw(b'{"pid":3}'))),
    more=st.booleans(),
    oneway=st.booleans(),
).map(msgspec.json.encode)
soup = st.sampled_from((b"{}", b"\xff", b"[", b'{"method":3}', b"\n", b"")) | st.binary(max_size=9)


@given(st.data())
def test_split_anywhere_gives_the_same_calls_or_the_same_error(data):
    end = data.draw(st.sampled_from((b"\0", b"\n")))
    parts = data.draw(st.lists(good_calls | good_calls | soup, max_size=6))
    stream = b"".join(part + end for part in parts)

    whole = calls_of(ServerConnection(), [stream])

    assert calls_of(ServerConnection(), data.draw(chunked(stream))) == whole


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_byte_soup_gives_nothing_but_protocol_errors(chunks):
    calls_of(ServerConnection(), chunks)
    client = ClientConnection()
    for chunk in chunks:
        client.receive_data(chunk)
        try:
            while client.next_reply() is not None:
                pass
        except (ProtocolError, RemoteError):
            pass


@given(st.lists(any_event, max_size=5))
def test_spliced_events_are_the_encoding_of_the_whole(events):
    server = ServerConnection()
    encoded = [encode_json(event) for event in events]
    raws = [msgspec.Raw(one) for one in encoded]
    whole = msgspec.json.encode(Reply(SubscribeReply(events=raws), continues=True))

    spliced = server.events_reply(encoded)

    assert spliced == whole + b"\0"
    client = ClientConnection()
    client.receive_data(spliced)
    reply = client.next_reply()
    assert reply.continues
    assert decode_batch_json(parameters_as(reply, SubscribeReply).events) == events


@given(st.dictionaries(st.text(), json_values, max_size=3), st.booleans())
def test_an_encoded_reply_is_the_encoding_of_the_whole(parameters, continues):
    server = ServerConnection()
    whole = msgspec.json.encode(Reply(parameters, continues=continues)) + b"\0"
    if not parameters:  # the struct leaves out an empty object
        whole = whole.replace(b"{", b'{"parameters":{},' if continues else b'{"parameters":{}', 1)

    assert server.reply(parameters, continues=continues) == whole
    assert server.reply(msgspec.json.encode(parameters), continues=continues) == whole


def sample(error):
    """An error of this class with a value in each field."""
    values = {"int": 42, "str": "because"}
    return error(**{field.name: values[field.type] for field in dataclasses.fields(error)})


@modes
@pytest.mark.parametrize("kind", errors.BY_NAME.values(), ids=errors.BY_NAME)
def test_every_error_arrives_as_itself(mode, end, kind):
    client, server = ClientConnection(mode), ServerConnection()
    server.receive_data(client.call("a.b.C"))
    server.next_call()
    sent = sample(kind)
    client.receive_data(server.error(sent) + server.reply({}))

    with pytest.raises(kind) as caught:
        client.next_reply()

    assert type(caught.value) is kind
    assert caught.value.parameters() == sent.parameters()
    assert str(caught.value) == str(sent)
    assert client.next_reply() is not None, "the connection goes on"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"error": "a.b.NewOne", "parameters": {"x": 1}}, ("a.b.NewOne", {"x": 1})),
        ({"error": "a.b.NewOne", "parameters": None}, ("a.b.NewOne", {})),
        ({"error": "a.b.NewOne"}, ("a.b.NewOne", {})),
        # Known by name, but not with these fields.
        ({"error": "io.tracerd.NoSuchProcess"}, ("io.tracerd.NoSuchProcess", {})),
        (
            {"error": "io.tracerd.NoSuchProcess", "parameters": {"pid": "x"}},
            ("io.tracerd.NoSuchProcess", {"pid": "x"}),
        ),
    ],
)
def test_an_unknown_error_is_a_remote_error(message, expected):
    client = ClientConnection()
    client.receive_data(json.dumps(message).encode() + b"\0")

    with pytest.raises(RemoteError) as caught:
        client.next_reply()

    assert (caught.value.error, caught.value.parameters()) == expected
    assert expected[0] in str(caught.value)


def test_a_newer_error_keeps_the_fields_known_here():
    client = ClientConnection()
    client.receive_data(b'{"error":"io.tracerd.NotTraced","parameters":{"pid":5,"mood":"sad"}}\0')

    with pytest.raises(errors.NotTraced, match="process 5 is not traced"):
        client.next_reply()


def test_a_remote_error_can_be_passed_on():
    server, client = ServerConnection(), ClientConnection()
    client.receive_data(server.error(RemoteError("a.b.NewOne", {"x": 1})))

    with pytest.raises(RemoteError, match=r"a\.b\.NewOne \(x: 1\)"):
        client.next_reply()


def test_an_error_about_an_odd_file_name_does_not_kill_the_daemon():
    server = ServerConnection()
    error = errors.PermissionDenied(3, "cannot read /tmp/\udcff")

    assert b"/tmp/\\\\udcff" in server.error(error)


@pytest.mark.parametrize(
    "message", [b"{", b"[]", b'{"error":3}', b'{"error":"a.b.C","parameters":[]}', b"\xff"]
)
def test_what_is_no_reply_is_refused(message):
    client = ClientConnection()
    client.receive_data(message + b"\0")

    with pytest.raises(ProtocolError):
        client.next_reply()
    assert client.next_reply() is None


def test_a_reply_of_the_wrong_shape_is_a_protocol_error():
    client = ClientConnection()
    client.receive_data(b'{"parameters":{"version":1}}\0')

    with pytest.raises(ProtocolError, match="no StatusReply"):
        parameters_as(client.next_reply(), StatusReply)


def test_frames_follow_the_reply_to_an_upgrade():
    server, client = ServerConnection(), ClientConnection()
    server.receive_data(client.call("io.tracerd.Subscribe", {}, upgrade=True))
    assert server.next_call().upgrade
    client.receive_data(server.reply(SubscribeReply(id="1")) + frame(b"\0\0") + b"\0")

    assert parameters_as(client.next_reply(), SubscribeReply).id == "1"
    assert client.take_rest() == frame(b"\0\0") + b"\0"
    assert client.next_reply() is None
