"""The parameters of a call, checked against the method's shape."""

from __future__ import annotations

import re
from typing import Any, Literal, get_args, get_origin

import msgspec

from tracerd.errors import InterfaceNotFound, InvalidParameter, MethodNotFound
from tracerd.protocol.hints import unknown
from tracerd.protocol.messages import METHODS, Filter, Match

_INTERFACES: frozenset[str] = frozenset(method.rpartition(".")[0] for method in METHODS)

_LARGEST_INT = (1 << 31) - 1

_RANGES: dict[str, tuple[int, int]] = {
    "pid": (1, _LARGEST_INT),
    "timeout_ms": (0, _LARGEST_INT),
    "queue_events": (0, _LARGEST_INT),
    "queue_bytes": (0, _LARGEST_INT),
    "string_limit": (0, _LARGEST_INT),
    "until": (0, _LARGEST_INT),
    "heartbeat_ms": (0, _LARGEST_INT),
    "linger_ms": (0, _LARGEST_INT),
}
"""Numbers outside of these would not fit where the kernel or a timer takes them."""

_LONGEST_NAME = 80
"""Characters of an unknown parameter's name that are repeated in the error."""

_REFUSAL = re.compile(r"(?P<reason>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)


def decode_parameters(method: str, raw: msgspec.Raw | bytes) -> msgspec.Struct:
    """Return the parameters of a call as the struct of its method (messages.METHODS).

    A null stands for a parameter that is not given, as Varlink has it.  Raises
    InterfaceNotFound, MethodNotFound, or InvalidParameter, which names the parameter as a
    path: `filters[0].pid[1]`.
    """
    shape = METHODS.get(method)
    if shape is None:
        interface = method.rpartition(".")[0]
        if interface and interface not in _INTERFACES:
            raise InterfaceNotFound(interface)
        raise MethodNotFound(method)
    parameters = _decode(raw, shape)
    for name, (low, high) in _RANGES.items():
        value = getattr(parameters, name, low)
        if value is not None and not low <= value <= high:
            raise InvalidParameter(name, f"{value} is not between {low} and {high}")
    return parameters


def _decode(raw: msgspec.Raw | bytes, shape: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.ValidationError:
            # Perhaps for a null only: judge it again without them, which is slower.
            return msgspec.convert(_without_nulls(msgspec.json.decode(raw)), shape)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), shape) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidParameter("parameters", f"not JSON: {error}") from None


def _without_nulls(value: Any) -> Any:
    """Return `value` without the object members that are null; a null itself is `{}`."""
    if value is None:
        return {}
    return _pruned(value)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    return value


def _refusal(message: str, shape: type[msgspec.Struct]) -> InvalidParameter:
    """Return the error for what msgspec says, such as "Expected `int`, got `str` - at `$.pid`"."""
    said = _REFUSAL.fullmatch(message)
    assert said is not None
    reason, path = said["reason"], said["path"] or ""
    known = _fields_at(path, shape)
    if field := _UNKNOWN.fullmatch(reason):
        name = field["name"]
        return InvalidParameter(_below(path, name), unknown("parameter", name, known))
    if field := _MISSING.fullmatch(reason):
        return InvalidParameter(_below(path, field["name"]), "missing")
    reason = reason[:1].lower() + reason[1:]
    kind = _fields_at("", shape).get(path)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        reason = f"{reason}: one of {', '.join(map(str, choices))}"
    return InvalidParameter(path or "parameters", reason)


def _fields_at(path: str, shape: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields that the object at `path` may have, with their types."""
    if path:
        shape = Match if path.endswith("not") else Filter
    return {field.encode_name: field.type for field in msgspec.structs.fields(shape)}


def _below(path: str, name: str) -> str:
    name = name[:_LONGEST_NAME]
    return f"{path}.{name}" if path else name
