"""Parameters of calls: decoded, or refused with the name of the one that is wrong."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_strategies import json_values, some_filters

from tracerd.errors import InterfaceNotFound, InvalidParameter, MethodNotFound, TracerdError
from tracerd.protocol.calls import decode_parameters
from tracerd.protocol.messages import METHODS, Attach, Filter, Match, Subscribe

ATTACH = "io.tracerd.Attach"
SUBSCRIBE = "io.tracerd.Subscribe"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_its_shape(method):
    needed = {
        field.encode_name: 1 if field.type is int else "x"
        for field in msgspec.structs.fields(METHODS[method])
        if field.required
    }

    assert type(decode_parameters(method, msgspec.json.encode(needed))) is METHODS[method]


@given(some_filters)
def test_filters_survive(filters):
    sent = Subscribe(filters=filters, overflow="block")

    assert decode_parameters(SUBSCRIBE, msgspec.json.encode(sent)) == sent


def test_null_stands_for_what_is_not_given():
    raw = b'{"level":null,"filters":[{"pid":null,"path":["/x"],"not":{"op":null,"pid":[1]}}]}'
    meant = Subscribe(filters=[Filter(path=["/x"], not_=Match(pid=[1]))])

    assert decode_parameters(SUBSCRIBE, raw) == meant
    assert decode_parameters(SUBSCRIBE, b"null") == Subscribe()
    assert decode_parameters(ATTACH, b'{"pid":1,"scope":null}') == Attach(pid=1)


@pytest.mark.parametrize(
    ("method", "raw", "parameter", "reason"),
    [
        (ATTACH, b"{}", "pid", "missing"),
        (ATTACH, b'{"pid":null}', "pid", "missing"),
        (ATTACH, b'{"pid":"3"}', "pid", "expected `int`, got `str`"),
        (ATTACH, b'{"pid":3.5}', "pid", "expected `int`, got `float`"),
        (ATTACH, b'{"pid":true}', "pid", "expected `int`, got `bool`"),
        (ATTACH, b'{"pid":0}', "pid", "0 is not between 1 and 2147483647"),
        (ATTACH, b'{"pid":-1}', "pid", "-1 is not between"),
        (ATTACH, b'{"pid":99999999999999999999999}', "pid", "is not between"),
        (ATTACH, b'{"pid":3,"timeout_ms":-1}', "timeout_ms", "-1 is not between 0 and"),
        (ATTACH, b'{"pid":3,"pdi":4}', "pdi", "unknown parameter `pdi`; did you mean `pid`?"),
        (ATTACH, b'{"pid":3,"scope":"x"}', "scope", "one of daemon, connection"),
        (ATTACH, b"[]", "parameters", "expected `object`, got `array`"),
        (ATTACH, b"{", "parameters", "not JSON"),
        (ATTACH, b'{"pid":03}', "parameters", "not JSON"),
        ("io.tracerd.List", b'{"pid":3}', "pid", "unknown parameter `pid`"),
        (SUBSCRIBE, b'{"filters":[{"pid":[1]},{"pid":[1,"a"]}]}', "filters[1].pid[1]", "expected"),
        (SUBSCRIBE, b'{"filters":[{"paht":[]}]}', "filters[0].paht", "did you mean `path`?"),
        (SUBSCRIBE, b'{"filters":[{"not":{"ops":[]}}]}', "filters[0].not.ops", "mean `op`?"),
        (SUBSCRIBE, b'{"filters":[{"not":{"not":{}}}]}', "filters[0].not.not", "unknown"),
        (SUBSCRIBE, b'{"filters":[3]}', "filters[0]", "expected `object`, got `int`"),
        (SUBSCRIBE, b'{"filters":{}}', "filters", "expected `array`, got `object`"),
        (SUBSCRIBE, b'{"level":"deep"}', "level", "one of path, fd, io"),
        (SUBSCRIBE, b'{"queue_events":-5}', "queue_events", "-5 is not between"),
    ],
)
def test_a_bad_parameter_is_named(method, raw, parameter, reason):
    with pytest.raises(InvalidParameter) as caught:
        decode_parameters(method, raw)

    assert caught.value.parameter == parameter
    assert reason in caught.value.reason


def test_a_long_name_is_not_echoed_whole():
    with pytest.raises(InvalidParameter) as caught:
        decode_parameters(ATTACH, b'{"pid":1,"%s":1}' % (b"x" * 100_000))

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("io.tracerd.Atach", MethodNotFound("io.tracerd.Atach")),
        ("org.varlink.service.Nope", MethodNotFound("org.varlink.service.Nope")),
        ("Attach", MethodNotFound("Attach")),
        ("", MethodNotFound("")),
        ("com.example.Attach", InterfaceNotFound("com.example")),
        ("io.tracerd.more.Attach", InterfaceNotFound("io.tracerd.more")),
    ],
)
def test_an_unknown_method_is_told_from_an_unknown_interface(method, error):
    with pytest.raises(type(error)) as caught:
        decode_parameters(method, b"{}")

    assert caught.value.parameters() == error.parameters()


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(METHODS)),
    st.dictionaries(
        st.sampled_from(("pid", "filters", "level", "id", "interface")),
        json_values | some_filters.map(msgspec.to_builtins),
    ).map(msgspec.json.encode)
    | st.binary(max_size=20),
)
def test_any_parameters_give_a_struct_or_a_clear_error(method, raw):
    try:
        decoded = decode_parameters(method, raw)
    except TracerdError as error:
        assert str(error)  # noqa: PT017  either outcome is fine
    else:
        assert isinstance(decoded, METHODS[method])
