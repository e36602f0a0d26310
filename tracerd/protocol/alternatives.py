"""One `Match` of a filter, each field checked and turned into a set or a matcher."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from tracerd.errors import InvalidFilter
from tracerd.protocol.catalogue import Catalogue
from tracerd.protocol.events import EVENT_TYPES, OPS, STREAM_CONTROL
from tracerd.protocol.hints import quoted, unknown
from tracerd.protocol.messages import Match
from tracerd.protocol.patterns import (
    TextMatcher,
    comm_matcher,
    common_heads,
    parse_comm,
    parse_path,
    path_matcher,
)

RESTARTS = frozenset({"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK"})
"""Results of a call that a signal interrupted; never seen by the tracee (include/linux/errno.h)."""

ERRNO_NAMES: frozenset[str] = frozenset(errno.errorcode.values()) | RESTARTS

_SYNONYMS: dict[str, frozenset[str]] = {
    name: frozenset(other for other, value in vars(errno).items() if value == number)
    for name, number in vars(errno).items()
    if name.startswith("E") and isinstance(number, int)
}
"""EAGAIN and EWOULDBLOCK are one error: whoever names one means both."""

T = TypeVar("T")
V = TypeVar("V", int, str)


class Alternatives(NamedTuple):
    """What a Match says; None for a field it says nothing about."""

    pid: frozenset[int] | None
    tree: frozenset[int] | None
    tid: frozenset[int] | None
    uid: frozenset[int] | None
    comm: TextMatcher | None
    exe: TextMatcher | None
    type: frozenset[str] | None
    syscall: frozenset[str] | None
    """Names; may be empty, when all that was asked for is unknown here and may be."""
    path: TextMatcher | None
    path_heads: frozenset[str] | None
    """What begins every path that `path` matches; None if that may be anything."""
    op: frozenset[str] | None
    result: frozenset[str] | None
    """`ok`, `error`, names of errors."""


def read(match: Match, catalogue: Catalogue, field: str) -> Alternatives:
    """Return what `match` says.  Raises InvalidFilter with the name of the bad alternative."""

    def each(name: str, values: Sequence[V], parse: Callable[[V], T]) -> list[T] | None:
        parsed = []
        for number, value in enumerate(values):
            try:
                parsed.append(parse(value))
            except ValueError as error:
                raise InvalidFilter(f"{field}.{name}[{number}]", str(error)) from None
        return parsed or None

    def one_of(name: str, values: Sequence[V], parse: Callable[[V], V]) -> frozenset[V] | None:
        parsed = each(name, values, parse)
        return None if parsed is None else frozenset(parsed)

    def any_of(
        name: str, values: Sequence[str], parse: Callable[[str], frozenset[str]]
    ) -> frozenset[str] | None:
        parsed = each(name, values, parse)
        return None if parsed is None else frozenset[str]().union(*parsed)

    comm = each("comm", match.comm, parse_comm)
    exe = each("exe", match.exe, parse_path)
    path = each("path", match.path, parse_path)
    return Alternatives(
        pid=one_of("pid", match.pid, _process),
        tree=one_of("tree", match.tree, _process),
        tid=one_of("tid", match.tid, _process),
        uid=one_of("uid", match.uid, _user),
        comm=None if comm is None else comm_matcher(comm),
        exe=None if exe is None else path_matcher(exe),
        type=one_of("type", match.type, _event_type),
        syscall=any_of("syscall", match.syscall, catalogue.select),
        path=None if path is None else path_matcher(path),
        path_heads=None if path is None else common_heads(match.path),
        op=one_of("op", match.op, _op),
        result=any_of("result", match.result, _result),
    )


def normalised(match: Match) -> dict[str, Any]:
    """Return the fields of a valid `match` that say something, without repetitions."""
    said: dict[str, Any] = {}
    for name in Match.__struct_fields__:
        values = getattr(match, name)
        if values:
            kept = map(parse_comm, values) if name == "comm" else values
            said[name] = list(dict.fromkeys(kept))
    return said


def _process(number: int) -> int:
    if number < 1:
        raise ValueError(f"no process has the number {number}")
    return number


def _user(number: int) -> int:
    if number < 0:
        raise ValueError(f"no user has the number {number}")
    return number


def _event_type(name: str) -> str:
    if name in STREAM_CONTROL:
        raise ValueError(f"{quoted(name)} belongs to the stream itself and always passes")
    if name not in EVENT_TYPES:
        raise ValueError(unknown("event type", name, EVENT_TYPES.keys() - STREAM_CONTROL))
    return name


def _op(name: str) -> str:
    if name not in OPS:
        raise ValueError(unknown("file operation", name, OPS))
    return name


def _result(name: str) -> frozenset[str]:
    if name in {"ok", "error"} or name in RESTARTS:
        return frozenset({name})
    if name not in _SYNONYMS:
        raise ValueError(unknown("result", name, {"ok", "error", *ERRNO_NAMES}))
    return _SYNONYMS[name]
