"""Keyword arguments of `subscribe` as parameters of the Subscribe call.

Each field of a filter takes one value or several; `"!x"` excludes x.  All of
them make one filter: every field must match, nothing excluded may.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, TypedDict, cast

from tracerd.protocol.detail import DetailName
from tracerd.protocol.messages import Filter, Match, Subscribe, Update
from tracerd.protocol.text import shown

Text: TypeAlias = str | bytes | os.PathLike[str]
Texts: TypeAlias = Text | Iterable[Text]
Numbers: TypeAlias = int | str | Iterable[int | str]
"""Process or user ids; as text only to be excluded (`"!4321"`)."""


class Changes(TypedDict, total=False):
    """What `update` takes: fields of a filter, as in messages.Match, or `filters`, and the rest."""

    pid: Numbers
    tree: Numbers
    tid: Numbers
    uid: Numbers
    comm: Texts
    exe: Texts
    type: Texts
    syscall: Texts
    path: Texts
    op: Texts
    result: Texts
    min_duration_ns: int
    filters: Sequence[Filter]
    """Instead of the fields above: any of these may match."""
    level: Literal["path", "fd", "io"]
    detail: DetailName
    string_limit: int
    envp: bool
    fd_info: bool


class Options(Changes, total=False):
    """What `subscribe` takes."""

    overflow: Literal["drop", "block", "disconnect"]
    block_budget_ms: int
    queue_events: int
    queue_bytes: int
    until: int
    since: str
    """`RUN:SEQ`, a Unix time in nanoseconds, or `all`."""
    on_gap: Literal["error", "continue"]
    snapshot: bool
    heartbeat_ms: int
    linger_ms: int


FIELDS: Final = Match.__struct_fields__
NUMERIC: Final = frozenset({"pid", "tree", "tid", "uid"})


def subscribe_call(options: Mapping[str, Any]) -> Subscribe:
    """Return the call that `options` (see Options) describe.

    Raises TypeError for an unknown option or for `filters` beside fields, ValueError for a
    process id that is not a number.
    """
    filters, rest = _filters_and_rest(options, Subscribe, "subscribe")
    return Subscribe(filters=filters or [], **rest)


def update_call(id: str, options: Mapping[str, Any]) -> Update:  # noqa: A002
    """Return the call that `options` (see Changes) describe.  Raises as subscribe_call does."""
    filters, rest = _filters_and_rest(options, Update, "update")
    return Update(id=id, filters=filters, **rest)


def _filters_and_rest(
    options: Mapping[str, Any], shape: type[Subscribe | Update], name: str
) -> tuple[list[Filter] | None, dict[str, Any]]:
    """Return the filters, None if nothing is said of them, and what else is said."""
    rest = dict(options)
    filters = rest.pop("filters", None)
    stated = {name: rest.pop(name) for name in (*FIELDS, "min_duration_ns") if name in rest}
    if filters is not None and stated:
        raise TypeError(f"give either filters or {', '.join(stated)}, not both")
    unknown = rest.keys() - set(shape.__struct_fields__)
    if unknown:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")
    if stated:
        return [filter_of(stated)], rest
    return None if filters is None else list(filters), rest


def filter_of(stated: Mapping[str, Any]) -> Filter:
    """Return one filter for fields of messages.Match (and `min_duration_ns`)."""
    fields = dict(stated)
    made = Filter(min_duration_ns=fields.pop("min_duration_ns", 0))
    excluded = Match()
    for name, given in fields.items():
        for value in _several(given):
            negative = isinstance(value, str) and value.startswith("!")
            plain = value[1:] if negative else value
            target = excluded if negative else made
            getattr(target, name).append(int(plain) if name in NUMERIC else _text(plain))
    if excluded != Match():
        made.not_ = excluded
    return made


def _text(value: str | bytes | os.PathLike[str]) -> str:
    r"""Return text as events have it: a byte that is not UTF-8 is shown as `\xNN`."""
    return shown(os.fsencode(value))


def _several(given: Any) -> Iterable[Any]:
    if isinstance(given, str | bytes | int | os.PathLike):
        return (given,)
    return cast("Iterable[Any]", given)
