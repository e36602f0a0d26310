"""Filters, compiled.

A subscription has a list of filters; an event passes if any filter matches, or if there
is none.  In a filter every field that says something must match, and no field of its
`not` may; a field is a list of alternatives.  The rules beyond that:

* `syscall` speaks of syscall events only, `result` and `min_duration_ns` of syscall_exit
  only: other events do not match a filter that states them.
* syscall_enter is sent on request: only a filter whose `type` names it matches it.
* `path` and `op`, and those of `not`, are judged together for each entry of `files`: some
  entry must pass all four.  Entries count only for the syscalls of the subscription's
  level; an exec has one entry of its own.  An event without entries fails a positive
  condition, and a negative one cannot exclude it.
* Stream control (`lost`, `synced`, `heartbeat`) always passes.

Compiled, a filter is a row of checks per event type, the quick ones first; the type is
found by one dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from tracerd.errors import InvalidFilter
from tracerd.protocol.alternatives import Alternatives, normalised, read
from tracerd.protocol.bounds import check_bounds
from tracerd.protocol.catalogue import Catalogue
from tracerd.protocol.conditions import (
    Check,
    EntryRule,
    Judge,
    Subject,
    all_of,
    always,
    covering,
    exec_check,
    files_check,
    outcome_checks,
    syscall_checks,
    task_checks,
)
from tracerd.protocol.events import (
    EVENT_TYPES,
    STREAM_CONTROL,
    SYSCALL_TYPES,
    Event,
    SyscallEnter,
    SyscallExit,
)
from tracerd.protocol.interest import NOTHING, Interest, both, either, union
from tracerd.protocol.messages import Filter, Match

__all__ = [
    "NOTHING",
    "Catalogue",
    "Compiled",
    "Interest",
    "Subject",
    "Want",
    "compile_filters",
    "union",
]

FILTERABLE: frozenset[str] = frozenset(EVENT_TYPES) - STREAM_CONTROL


class Want(NamedTuple):
    """What one filter wants of the tracer, and of which processes.

    interest: without string_limit, envp and detail, which belong to the subscription.  covers:
    whether an event of a process could pass, judged by its pid, user, executable and ancestors
    alone.  judged: whether files decide: then they must be captured, whatever the detail.
    """

    interest: Interest
    covers: Judge
    judged: bool = False


class Compiled:
    """The filters of one subscription.  Immutable.

    types: event types that can match.  enter, exit: syscalls that can match as
    syscall_enter and syscall_exit; None: all, also those without a name.  pids: the
    processes that can match, or None if some filter does not name them.  wants: the same
    filter by filter; every event that matches is wanted by one of them.  terms: for each filter
    what it wants (nothing if it cannot match), and the filter as understood.
    """

    __slots__ = (
        "__weakref__",
        "_checks",
        "_unfiltered",
        "enter",
        "exit",
        "pids",
        "terms",
        "types",
        "wants",
    )

    def __init__(self, terms: Sequence[_Term], filters: Sequence[Filter]) -> None:
        live = [term for term in terms if term.types]
        self.types: frozenset[str] = frozenset[str]().union(*(term.types for term in live))
        self.enter: frozenset[str] | None = frozenset()
        self.exit: frozenset[str] | None = frozenset()
        self.pids: frozenset[int] | None = frozenset()
        for term in live:
            self.enter = either(self.enter, term.enter)
            self.exit = either(self.exit, term.exit)
            if self.pids is not None:
                self.pids = None if term.pids is None else self.pids | term.pids
        self.wants = tuple(Want(term.interest, term.judge, term.judged) for term in live)
        self._checks: dict[type[Event], tuple[Check, ...]] = {
            kind: (always,) for name, kind in EVENT_TYPES.items() if name in STREAM_CONTROL
        }
        for name in self.types:
            self._checks[EVENT_TYPES[name]] = tuple(
                term.checks[name] for term in live if name in term.types
            )
        stated = filters or [Filter()]
        self.terms = tuple(
            (term.interest if term.types else NOTHING, _normalised(one))
            for term, one in zip(terms, stated, strict=True)
        )
        self._unfiltered = not filters

    def matches(self, event: Any, subject: Subject, kind: type[Event] | None = None) -> bool:
        """Return whether an event, made by `subject`, passes.

        kind: its type, if it is given as something else that has the attributes looked at.
        """
        checks = self._checks.get(kind or type(event), ())
        for check in checks:  # noqa: SIM110  as fast as it can be
            if check(event, subject):
                return True
        return False

    def concerns(self, kind: type[Event], syscall: str) -> bool:
        """Return whether such an event could pass, of whatever process.

        syscall: the name of the call, if it is one.
        """
        if kind is SyscallExit:
            wanted = self.exit
        elif kind is SyscallEnter:
            wanted = self.enter
        else:
            wanted = None
        return kind in self._checks and (wanted is None or syscall in wanted)

    def covers(self, subject: Subject) -> bool:
        """Return whether an event of this process could pass, judged by the process alone."""
        return any(want.covers(subject) for want in self.wants)

    def normalised(self) -> list[Filter]:
        """Return the filters as understood: the same meaning, without repetitions."""
        return [] if self._unfiltered else [one for _, one in self.terms]


@dataclass(frozen=True, slots=True)
class _Term:
    """One filter, compiled.  `checks` by event type, for each of `types`."""

    types: frozenset[str]
    enter: frozenset[str] | None
    exit: frozenset[str] | None
    pids: frozenset[int] | None
    paths: frozenset[str] | None
    judge: Judge
    judged: bool
    checks: dict[str, Check]

    @property
    def interest(self) -> Interest:
        """What it wants of the tracer."""
        return Interest(self.types, self.enter, self.exit, paths=self.paths)


def compile_filters(
    filters: Sequence[Filter],
    catalogue: Catalogue,
    *,
    level: str = "path",
    field: str = "filters",
) -> Compiled:
    """Compile the filters of a subscription; no filters at all mean one that says nothing.

    level: which syscalls count as file access, see events.LEVELS.  Raises InvalidFilter,
    which names the bad value as a path below `field`: `filters[1].not.syscall[0]`.
    """
    check_bounds(filters, field)
    counted = catalogue.files[level]
    pathless = catalogue.pathless if level == "path" else frozenset()
    terms = [
        _compile_one(one, catalogue, (counted, pathless), f"{field}[{number}]")
        for number, one in enumerate(filters or [Filter()])
    ]
    return Compiled(terms, filters)


def _compile_one(
    one: Filter, catalogue: Catalogue, level: tuple[frozenset[str], frozenset[str]], field: str
) -> _Term:
    counted, pathless = level
    if one.min_duration_ns < 0:
        raise InvalidFilter(f"{field}.min_duration_ns", "a duration is not negative")
    wanted = read(one, catalogue, field)
    unwanted = read(one.not_ or Match(), catalogue, f"{field}.not")
    rule = EntryRule(wanted, unwanted)
    timed = one.min_duration_ns > 0 or wanted.result is not None
    names = _names(wanted, unwanted)
    if rule.positive:
        names = both(names, counted)
    types = _types(wanted, unwanted, rule, timed=timed)
    if names is not None and not names:
        types -= SYSCALL_TYPES
    tasks = task_checks(wanted, unwanted)
    syscalls = syscall_checks(wanted, unwanted)
    judged = rule.positive or rule.negative
    checks: dict[str, Check] = {}
    for name in types:
        row = [*syscalls, *tasks] if name in SYSCALL_TYPES else list(tasks)
        if name == "syscall_exit":
            row += outcome_checks(wanted, unwanted, one.min_duration_ns)
            row += [files_check(rule, counted, pathless)] if judged else []
        elif name == "exec":
            row += [exec_check(rule)] if judged else []
        checks[name] = all_of(row)
    return _Term(
        types=types,
        enter=names if "syscall_enter" in types else frozenset(),
        exit=names if "syscall_exit" in types else frozenset(),
        pids=wanted.pid,
        paths=wanted.path_heads if "syscall_exit" in types else None,
        judge=covering(wanted, unwanted),
        judged=judged,
        checks=checks,
    )


def _names(wanted: Alternatives, unwanted: Alternatives) -> frozenset[str] | None:
    """Return the syscalls that can match; None: all.

    A filter that only excludes some wants all the same the calls that the catalogue does
    not know, and a set of names could not say so.
    """
    if wanted.syscall is None:
        return None
    return wanted.syscall - (unwanted.syscall or frozenset())


def _types(
    wanted: Alternatives, unwanted: Alternatives, rule: EntryRule, *, timed: bool
) -> frozenset[str]:
    """Return the event types that can match."""
    types = FILTERABLE - {"syscall_enter"} if wanted.type is None else wanted.type
    types -= unwanted.type or frozenset()
    if wanted.syscall is not None:
        types &= SYSCALL_TYPES
    if timed:
        types &= {"syscall_exit"}
    if rule.positive:
        types &= {"syscall_exit", "exec"}
        ops = wanted.op
        if ops is not None and "exec" not in ops:
            types -= {"exec"}
    if unwanted.op is not None and "exec" in unwanted.op:
        types -= {"exec"}
    return types


def _normalised(one: Filter) -> Filter:
    return msgspec.structs.replace(
        one,
        **normalised(one),
        not_=Match(**said) if one.not_ is not None and (said := normalised(one.not_)) else None,
    )
