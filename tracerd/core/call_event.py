"""A call as an event, described no further than somebody asks.

What filters look at is found here one by one, as attributes by the names of the event's fields; so
a call that no filter lets through is never described, and one that is let through as far as those
who get it may see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from tracerd.core import describe, files
from tracerd.core.commands import Published, UndescribedError
from tracerd.core.pump import Call
from tracerd.core.state_calls import EXECS
from tracerd.core.tracee import Identity
from tracerd.protocol.detail import Detail, seen
from tracerd.protocol.events import Event, FileAccess, SyscallEnter, SyscallExit

NO_INFOS: Final[Mapping[str, Any]] = MappingProxyType({})
FILES, ARGS, FULL = Detail.FILES, Detail.ARGS, Detail.FULL
"""To look up a member takes its time."""


class CallEvent(Published):
    """A syscall-enter-stop, or a call that returned or never will.

    Made by the teller.  entry, back: as recorded; back is None for a syscall-enter-stop, or if it
    never returned.  resumes: see events.SyscallEnter.  implied: what the kernel opened by itself,
    of an exec.  infos: see fd_info.infos.
    """

    kind: type[SyscallEnter | SyscallExit]

    __slots__ = (
        "_back",
        "_entry",
        "_events",
        "_files",
        "_implied",
        "_infos",
        "_outcome",
        "_resumes",
        "comm",
        "tid",
        "time_ns",
    )

    def __init__(
        self,
        kind: type[SyscallEnter | SyscallExit],
        seq: int,
        process: Identity,
        comm: str,
        entry: Call,
        back: Call | None,
        time_ns: int,
        resumes: str | None,
        implied: Sequence[FileAccess] = (),
        infos: Mapping[str, Any] = NO_INFOS,
    ) -> None:
        self.kind = kind
        self.seq = seq
        self.process = process
        self.captured = entry.action.detail
        self.pid = process.pid
        self.tid = entry.tid
        self.comm = comm
        self.syscall = entry.action.syscall.name
        self.time_ns = time_ns
        self._entry = entry
        self._back = back
        self._resumes = resumes
        self._implied = implied
        self._infos = infos
        self._outcome: dict[str, Any] | None = None
        self._files: list[FileAccess] | None = None
        self._events: list[Event | None] = [None, None, None, None]
        """By level of detail."""

    def __repr__(self) -> str:
        return f"{self.kind.__name__} of {self._entry!r}, {self._back!r}"

    @property
    def facts(self) -> Any:
        """What filters are to look at."""
        return self

    @property
    def ret(self) -> int | str | None:
        """As of SyscallExit."""
        return self.outcome.get("ret")

    @property
    def errno(self) -> str | None:
        """As of SyscallExit."""
        return self.outcome.get("errno")

    @property
    def duration_ns(self) -> int | None:
        """As of SyscallExit."""
        return self.outcome.get("duration_ns")

    @property
    def outcome(self) -> dict[str, Any]:
        """See describe.outcome."""
        if self._outcome is None:
            self._outcome = describe.outcome(self._entry, self._back)
        return self._outcome

    @property
    def files(self) -> list[FileAccess]:
        """As of SyscallExit; empty if they were not captured.  Raises UndescribedError."""
        if self._files is None:
            try:
                self._files = self._described_files()
            except Exception as error:
                raise UndescribedError(self.syscall) from error
        return self._files

    def at(self, detail: Detail) -> Event:
        """Return the event as seen at a level, or at the one that was captured if that is lower.

        Raises UndescribedError.
        """
        if detail > self.captured:  # noqa: PLR1730  min() takes longer
            detail = self.captured
        event = self._events[detail]
        if event is None:
            try:
                event = self._events[detail] = self._described(detail)
            except Exception as error:
                raise UndescribedError(self.syscall) from error
        return event

    def _described(self, detail: Detail) -> Event:
        if detail == ARGS < self.captured:
            return seen(self.at(FULL), self.process, detail)  # from what has been decoded
        entry, back, process = self._entry, self._back, self.process
        if entry.action.syscall.parts:
            entry, back = files.part_told(entry, back)
        fields: dict[str, Any] = {
            "seq": self.seq,
            "time_ns": self.time_ns,
            "pid": self.pid,
            "tid": self.tid,
            "start": process.start,
            "comm": self.comm,
            "syscall": self.syscall,
            "nr": entry.nr,
            "abi": entry.action.syscall.abi,
            "resumes": self._resumes,
        }
        if process.inner:
            fields.update(describe.own_ids(process, entry.tid))
        if detail >= ARGS:
            fields["args"] = args = describe.shown_args(entry, back)
            fields["fds"] = describe.shown_fds(entry)
            fields.update(self._infos)
        if self.kind is SyscallExit:
            fields.update(self.outcome)
            if detail >= ARGS:
                fields.update(describe.results(entry, back, args))
            if detail >= FILES and entry.action.syscall.level:
                fields["files"] = self.files
        return self.kind(**fields)

    def _described_files(self) -> list[FileAccess]:
        entry, back = self._entry, self._back
        if self.captured < FILES or not entry.action.syscall.level:
            return []
        if entry.action.syscall.parts:
            entry, back = files.part_told(entry, back)
        found = files.entries(self.process, entry, back)
        executed = back is not None and not back.failed and self.syscall in EXECS
        if executed and entry.action.noted:
            found += self._implied
        return found
