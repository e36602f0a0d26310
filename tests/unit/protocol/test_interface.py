"""The interface texts say what the structs say: every method, field, type and error."""

import dataclasses
import re
import types
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import protocol_idl
import pytest
import varlink

from tracerd import errors
from tracerd.protocol import events, messages
from tracerd.protocol.interface import INTERFACES, REPLIES, SERVICE, description

IDL = {name: protocol_idl.parse(description(name)) for name in INTERFACES}

BASIC = {int: "int", str: "string", bool: "bool", float: "float", Any: "object"}


def written(kind):
    """How the IDL writes a Python type, without a `?` in front."""
    if kind in BASIC:
        return BASIC[kind]
    if kind is msgspec.Raw:
        return "object"
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is list:
        return "[]" + written(arguments[0])
    if origin is dict:
        return "[string]" + written(arguments[1])
    if origin is Literal:
        return f"({','.join(arguments)})"
    if origin in {Union, types.UnionType}:
        one, *others = [each for each in arguments if each not in ABSENT]
        return "object" if others else written(one)
    return kind.__name__


def is_optional(field):
    return not field.required or type(None) in get_args(field.type)


ABSENT = {type(None), msgspec.UnsetType}


def struct_fields(struct):
    """{field: type} of a struct, as the IDL should have it."""
    return {
        field.encode_name: ("?" if is_optional(field) else "") + written(field.type)
        for field in msgspec.structs.fields(struct)
    }


def error_fields(error):
    return {
        field.name: ("" if field.default is dataclasses.MISSING else "?")
        + {"int": "int", "str": "string"}[field.type]
        for field in dataclasses.fields(error)
    }


def used_types(struct):
    """The structs that a struct's fields are made of."""
    found = set()

    def visit(kind):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found.add(kind)
            for field in msgspec.structs.fields(kind):
                visit(field.type)
        for argument in get_args(kind):
            visit(argument)

    for field in msgspec.structs.fields(struct):
        visit(field.type)
    return found


PARTS = (events.FileAccess, events.FdInfo, events.OpenDescriptor)
"""What events are made of."""


def test_every_method_has_a_reply():
    assert list(REPLIES) == list(messages.METHODS)


@pytest.mark.parametrize("interface", INTERFACES)
def test_methods_agree(interface):
    ours = {
        method.rpartition(".")[2]: (struct_fields(shape), struct_fields(REPLIES[method]))
        for method, shape in messages.METHODS.items()
        if method.rpartition(".")[0] == interface
    }

    assert IDL[interface].methods == ours


@pytest.mark.parametrize("interface", INTERFACES)
def test_errors_agree(interface):
    ours = {
        name.rpartition(".")[2]: error_fields(error)
        for name, error in errors.BY_NAME.items()
        if name.rpartition(".")[0] == interface
    }

    assert IDL[interface].errors == ours


def test_types_agree():
    shapes = [*messages.METHODS.values(), *REPLIES.values()]
    used = set().union(*map(used_types, shapes))
    ours = {struct.__name__: struct_fields(struct) for struct in used | set(PARTS)}
    ours |= {
        event.__name__: {"type": "string", **struct_fields(event)}
        for event in events.EVENT_TYPES.values()
    }

    assert IDL[messages.INTERFACE].types == ours
    assert IDL[SERVICE].types == {}


def test_fields_stand_in_the_same_order():
    """Positional arguments of a Varlink client depend on it."""
    for method, shape in messages.METHODS.items():
        interface, _, name = method.rpartition(".")
        parameters, reply = IDL[interface].methods[name]

        assert list(parameters) == list(struct_fields(shape))
        assert list(reply) == list(struct_fields(REPLIES[method]))


def test_the_text_names_every_event_type_and_operation():
    text = description(messages.INTERFACE)

    for name, event in events.EVENT_TYPES.items():
        comment = re.search(rf"((?:#[^\n]*\n)+)type {event.__name__} \(", text)
        assert comment[1].startswith(f"# {name}: ")
    listed = re.search(r"# File operations: (.*?)\.\n", text, re.DOTALL)
    assert re.findall(r"[a-z-]+", listed[1].replace("#", "")) == list(events.OPS)


@pytest.mark.parametrize("interface", INTERFACES)
def test_the_varlink_package_reads_the_text(interface):
    theirs = varlink.Interface(description(interface))
    ours = IDL[interface]

    assert theirs.name == ours.name == interface
    assert set(theirs.members) == {*ours.types, *ours.methods, *ours.errors}


@pytest.mark.parametrize("interface", INTERFACES)
def test_lines_are_short_and_plain(interface):
    text = description(interface)

    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 100


def test_an_unknown_interface_is_an_error():
    with pytest.raises(errors.InterfaceNotFound):
        description("io.tracerd.nope")
    with pytest.raises(errors.InterfaceNotFound):
        description("../../etc/passwd")


@pytest.mark.parametrize(
    "text",
    [
        "interface a.b type lower (x: int)",
        "interface a.b type X (x: int, x: int)",
        "interface a.b type X (x__y: int)",
        "interface a.b type X (x: Nowhere)",
        "interface a.b method M() - (x: int)",
        "interface a.b thing T ()",
        "interface a.b type X () type X ()",
    ],
)
def test_the_reader_itself_refuses_what_is_wrong(text):
    with pytest.raises(AssertionError):
        protocol_idl.parse(text)
