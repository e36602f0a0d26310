"""The parts of a compiled filter: small functions that each judge one thing.

A check takes an event and the process that made it.  The event is one of the types the
check was chosen for (see compiler.py), so it may use their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from tracerd.protocol.alternatives import Alternatives
from tracerd.protocol.events import FileAccess
from tracerd.protocol.patterns import TextMatcher, fold


class Subject(Protocol):
    """The process that made an event, as far as filters look at it."""

    @property
    def pid(self) -> int:
        """Thread-group id."""

    @property
    def start(self) -> int:
        """Start time, clock ticks since boot."""

    @property
    def uids(self) -> tuple[int, int, int, int]:
        """Real, effective, saved and file system user id."""

    @property
    def exe(self) -> str:
        """Path of the executable."""

    @property
    def lineage(self) -> frozenset[int]:
        """Its pid and those of all its traced ancestors."""


Check: TypeAlias = Callable[[Any, Subject], bool]
Judge: TypeAlias = Callable[[Subject], bool]
"""Looks at the process only."""


def always(_event: Any, _subject: Subject) -> bool:
    """Pass everything."""
    return True


def all_of(checks: Sequence[Check]) -> Check:
    """Return a check that passes what each of `checks` passes, asked in this order."""
    match checks:
        case []:
            return always
        case [only]:
            return only
        case [first, second]:
            return lambda event, subject: first(event, subject) and second(event, subject)
        case [first, second, third]:
            return lambda event, subject: (
                first(event, subject) and second(event, subject) and third(event, subject)
            )
        case [first, second, *rest]:
            others = all_of(rest)
            return lambda event, subject: (
                first(event, subject) and second(event, subject) and others(event, subject)
            )
    raise AssertionError


def syscall_checks(wanted: Alternatives, unwanted: Alternatives) -> list[Check]:
    """Return the checks on the syscall's name."""
    checks: list[Check] = []
    if (names := wanted.syscall) is not None:
        names = names - (unwanted.syscall or frozenset())
        checks.append(lambda event, _: event.syscall in names)
    elif (excluded := unwanted.syscall) is not None:
        checks.append(lambda event, _: event.syscall not in excluded)
    return checks


def task_checks(wanted: Alternatives, unwanted: Alternatives) -> list[Check]:
    """Return the checks on pid, tid, command name, user and ancestors, the quick ones first."""
    checks: list[Check] = []
    if (pids := wanted.pid) is not None:
        checks.append(lambda event, _: event.pid in pids)
    if (no_pids := unwanted.pid) is not None:
        checks.append(lambda event, _: event.pid not in no_pids)
    if (tids := wanted.tid) is not None:
        checks.append(lambda event, _: event.tid in tids)
    if (no_tids := unwanted.tid) is not None:
        checks.append(lambda event, _: event.tid not in no_tids)
    if (comm := wanted.comm) is not None:
        checks.append(lambda event, _: comm(event.comm))
    if (no_comm := unwanted.comm) is not None:
        checks.append(lambda event, _: not no_comm(event.comm))
    checks += [_on_subject(judge) for judge in _process_judges(wanted, unwanted)]
    return checks


def covering(wanted: Alternatives, unwanted: Alternatives) -> Judge:
    """Return whether an event of a process could pass, judged by the process alone."""
    judges = _process_judges(wanted, unwanted)
    if (pids := wanted.pid) is not None:
        judges.append(lambda subject: subject.pid in pids)
    if (no_pids := unwanted.pid) is not None:
        judges.append(lambda subject: subject.pid not in no_pids)
    return lambda subject: all(judge(subject) for judge in judges)


def _process_judges(wanted: Alternatives, unwanted: Alternatives) -> list[Judge]:
    judges: list[Judge] = []
    if (uids := wanted.uid) is not None:
        judges.append(lambda subject: subject.uids[0] in uids)
    if (no_uids := unwanted.uid) is not None:
        judges.append(lambda subject: subject.uids[0] not in no_uids)
    if (roots := wanted.tree) is not None:
        judges.append(lambda subject: not roots.isdisjoint(subject.lineage))
    if (no_roots := unwanted.tree) is not None:
        judges.append(lambda subject: no_roots.isdisjoint(subject.lineage))
    if (exe := wanted.exe) is not None:
        judges.append(lambda subject: exe(subject.exe))
    if (no_exe := unwanted.exe) is not None:
        judges.append(lambda subject: not no_exe(subject.exe))
    return judges


def _on_subject(judge: Judge) -> Check:
    return lambda _, subject: judge(subject)


def outcome_checks(
    wanted: Alternatives, unwanted: Alternatives, min_duration_ns: int
) -> list[Check]:
    """Return the checks on how a completed syscall went (syscall_exit only)."""
    checks: list[Check] = []
    if min_duration_ns > 0:
        checks.append(
            lambda event, _: event.duration_ns is not None and event.duration_ns >= min_duration_ns
        )
    if wanted.result is not None:
        checks.append(_result_check(wanted.result))
    if unwanted.result is not None:
        excluded = _result_check(unwanted.result)
        checks.append(lambda event, subject: not excluded(event, subject))
    return checks


def _result_check(results: frozenset[str]) -> Check:
    """Return whether a call ended in one of `results`.  A call that never returned has none."""
    any_success = "ok" in results
    any_error = "error" in results

    def check(event: Any, _subject: Subject) -> bool:
        if event.errno is None:
            return any_success and event.ret is not None
        return any_error or event.errno in results

    return check


class EntryRule:
    """Judges one FileAccess by path and operation together."""

    def __init__(self, wanted: Alternatives, unwanted: Alternatives) -> None:
        self.positive = wanted.path is not None or wanted.op is not None
        self.negative = unwanted.path is not None or unwanted.op is not None
        self._path = wanted.path
        self._not_path = unwanted.path
        self._op = wanted.op
        self._not_op = unwanted.op

    def passes(self, entry: FileAccess) -> bool:
        """Return whether the entry is wanted.

        An entry whose path is not known passes any path condition: it is never silently
        left out.
        """
        op = entry.op
        if self._op is not None and op not in self._op:
            return False
        if self._not_op is not None and op in self._not_op:
            return False
        if entry.unresolved:
            return True
        if self._path is not None and not _names(entry, self._path):
            return False
        return self._not_path is None or not _names(entry, self._not_path)


def _names(entry: FileAccess, matcher: TextMatcher) -> bool:
    """Return whether the path as passed, its folded form or the kernel's own name matches."""
    path = entry.path
    if matcher(path):
        return True
    folded = fold(path)
    if folded is not path and matcher(folded):
        return True
    real = entry.real
    return real is not None and real != path and matcher(real)


def files_check(rule: EntryRule, counted: frozenset[str], pathless: frozenset[str]) -> Check:
    """Return whether a syscall_exit has an entry that passes.

    counted: the syscalls whose entries count at the subscription's level, those in pathless only
    with a path; an event without any fails a positive condition and cannot be excluded by a
    negative one.
    """
    passes = rule.passes
    without = not rule.positive

    def check(event: Any, _subject: Subject) -> bool:
        files: Iterable[FileAccess] = event.files
        if not files or event.syscall not in counted:
            return without
        if event.syscall in pathless and not any(entry.raw for entry in files):
            return without
        for entry in files:  # noqa: SIM110  a generator would cost more than the loop
            if passes(entry):
                return True
        return False

    return check


def exec_check(rule: EntryRule) -> Check:
    """Return whether an exec passes, as one entry with operation `exec`."""
    passes = rule.passes
    return lambda event, _: passes(FileAccess(path=event.path, op="exec"))
