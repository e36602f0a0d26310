"""What became of filters, for people: what was pushed down to the tracer, and what was not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracerd.protocol.messages import Filter, Match, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracerd.protocol.filters import Compiled

ALL_CALLS: Final = ["*"]

_OF_PROCESSES: Final = ("pid", "tree", "uid", "exe")
"""Judged once for each process, and again when it executes or becomes another user's."""
_OF_EVENTS: Final = ("tid", "comm", "path", "op", "result")
"""Judged for each event; of `path` the beginnings are the tracer's too."""


def wishes(compiled: Compiled) -> list[Wish]:
    """Return what each filter wants of the tracer, in order."""
    return [
        Wish(
            types=sorted(interest.types),
            enter=calls(interest.enter),
            exit=calls(interest.exit),
            paths=None if interest.paths is None else sorted(interest.paths),
            covers=_of_processes(one),
            judged=_judged(one),
        )
        for interest, one in compiled.terms
    ]


def calls(names: Iterable[str] | None) -> list[str]:
    """Return names of calls; [`*`] for all."""
    return ALL_CALLS if names is None else sorted(names)


def _of_processes(one: Filter) -> Filter:
    excluded = one.not_ and Match(**{name: getattr(one.not_, name) for name in _OF_PROCESSES})
    stated = {name: getattr(one, name) for name in _OF_PROCESSES}
    return Filter(**stated, not_=None if excluded == Match() else excluded)


def _judged(one: Filter) -> list[str]:
    fields = [name for name in _OF_EVENTS if getattr(one, name)]
    if one.min_duration_ns:
        fields.append("min_duration_ns")
    if one.not_ is not None:
        fields += [f"not.{name}" for name in _OF_EVENTS if getattr(one.not_, name)]
        if one.not_.syscall and not one.syscall:
            fields.append("not.syscall")
    return fields
