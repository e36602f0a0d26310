"""Recordings as files: reading them, and who made an event that is read from one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from tracerd.client.selection import subscribe_call
from tracerd.ctl.errors import CommandError
from tracerd.ctl.session import session
from tracerd.protocol import events
from tracerd.protocol.codec import decode_event_json
from tracerd.protocol.events import LEVELS
from tracerd.protocol.filters import Compiled, compile_filters
from tracerd.protocol.framing import REPLY_LIMIT, ProtocolError
from tracerd.protocol.messages import SyscallsReply
from tracerd.protocol.recording import BadRecording, Header, RecordingReader, catalogue_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from tracerd.ctl.display import Table
    from tracerd.protocol.events import Event

CHUNK: Final = 256 * 1024

NOT_RECORDED: Final = frozenset({"uid"})
"""Filters that need what events do not carry."""


class Source(Protocol):
    """Events that were written down.

    level: what counted as file access.  created_ns: when it began, Unix time; None if that is not
    said.  fault: what is wrong with it, once all that could be read has been.
    """

    fault: str

    @property
    def level(self) -> str:
        """See above."""

    @property
    def created_ns(self) -> int | None:
        """See above."""

    def batches(self) -> Iterator[list[Any]]:
        """Yield all events, in batches.  Raises CommandError for what is none."""

    def table(self, arguments: argparse.Namespace, *, needed: bool) -> Table:
        """Return who knows the system calls; none need be known if they are not needed."""


class Recording:
    """A recording that is read from its beginning.  See opened()."""

    def __init__(self, name: str, file: BinaryIO, head: bytes = b"") -> None:
        self._name = name
        self._file = file
        self._reader = RecordingReader()
        self._ready: list[list[Any]] = []
        self.fault = ""
        self._receive(head)
        while self._reader.header is None and self._more():
            pass
        if self._reader.header is None:
            self._finish()
            raise CommandError(self.fault)

    @property
    def header(self) -> Header:
        """What is said before the events."""
        assert self._reader.header is not None
        return self._reader.header

    @property
    def level(self) -> str:
        """See Source."""
        return self.header.level if self.header.level in LEVELS else LEVELS[0]

    @property
    def created_ns(self) -> int | None:
        """See Source."""
        return self.header.created_ns

    def syscalls(self) -> SyscallsReply:
        """Return the table of the daemon that made it, as a client does."""
        return SyscallsReply(syscalls=self.header.syscalls)

    def table(self, _arguments: argparse.Namespace, *, needed: bool) -> Table:  # noqa: ARG002
        """See Source."""
        return self

    def batches(self) -> Iterator[list[Any]]:
        """See Source."""
        more = True
        while more:
            yield from self._ready
            self._ready.clear()
            more = self._reader.end is None and self._more()
        yield from self._ready
        self._finish()

    def _more(self) -> bool:
        """Read on; return whether there was anything."""
        data = _read(self._file, self._name)
        self._receive(data)
        return bool(data)

    def _receive(self, data: bytes) -> None:
        try:
            self._reader.receive_data(data)
            while (batch := self._reader.next_batch()) is not None:
                self._ready.append(batch)
        except BadRecording as error:
            raise CommandError(f"{self._name}: {error}") from error

    def _finish(self) -> None:
        try:
            self._reader.finish()
        except BadRecording as error:
            self.fault = f"{self._name}: {error}"


class Lines:
    """Events as lines of JSON."""

    level = LEVELS[0]
    created_ns = None

    def __init__(self, name: str, file: BinaryIO, head: bytes = b"") -> None:
        self._name = name
        self._file = file
        self._head = head
        self._table: Table | None = None
        self.fault = ""

    def table(self, arguments: argparse.Namespace, *, needed: bool) -> Table:
        """See Source.  Asks the daemon."""
        if self._table is None:
            if not needed:
                return _NOTHING_KNOWN
            with session(arguments) as opened_session:
                self._table = _Known(opened_session.client.syscalls())
        return self._table

    def batches(self) -> Iterator[list[Any]]:
        """See Source."""
        data, rest, offset = self._head, b"", 0
        while data or (data := _read(self._file, self._name)):
            *lines, rest = (rest + data).split(b"\n")
            data = b""
            if len(rest) > REPLY_LIMIT:
                raise CommandError(f"{self._name}: at byte {offset}: a line without an end")
            yield list(self._events(lines, offset))
            offset += sum(map(len, lines)) + len(lines)
        if rest.strip():
            yield list(self._events([rest], offset))

    def _events(self, lines: list[bytes], offset: int) -> Iterator[Any]:
        for line in lines:
            try:
                event = decode_event_json(line) if line.strip() else None
            except ProtocolError as error:
                raise CommandError(f"{self._name}: at byte {offset}: {error.reason}") from error
            if event is not None:
                yield event
            offset += len(line) + 1


class _Known(NamedTuple):
    reply: SyscallsReply

    def syscalls(self) -> SyscallsReply:
        return self.reply


_NOTHING_KNOWN: Final = _Known(SyscallsReply(syscalls=[]))


def _read(file: BinaryIO, name: str) -> bytes:
    try:
        return file.read(CHUNK)
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from error


@contextlib.contextmanager
def _file(path: str) -> Iterator[tuple[str, BinaryIO]]:
    """Open a file for reading, `-` for standard input; yield it with a name for people."""
    name, where = ("standard input", 0) if path == "-" else (path, path)
    try:
        file = open(where, "rb", buffering=0, closefd=path != "-")  # noqa: SIM115  closed below
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from error
    with file:
        yield name, cast("BinaryIO", file)


@contextlib.contextmanager
def opened(path: str) -> Iterator[Recording]:
    """Open a recording.  Raises CommandError."""
    with _file(path) as (name, file):
        yield Recording(name, file)


@contextlib.contextmanager
def opened_any(path: str) -> Iterator[Source]:
    """Open a recording, or events as lines of JSON.  Raises CommandError."""
    with _file(path) as (name, file):
        head = _read(file, name)
        kind = Lines if head.lstrip()[:1] in {b"{", b""} else Recording
        yield kind(name, file, head)


class Selection:
    """The events of a recording that pass filters, as the daemon would have passed them."""

    def __init__(self, table: Table, options: Mapping[str, Any]) -> None:
        """Compile the filters.  options: as for `subscribe`.  Raises InvalidFilter."""
        call = subscribe_call(options)
        self._filters: Compiled | None = None
        if call.filters:
            catalogue = catalogue_of(table.syscalls().syscalls)
            self._filters = compile_filters(call.filters, catalogue, level=call.level)
        self._processes = Processes()

    def of(self, batch: list[Any]) -> list[Any]:
        """Return the events of a batch that pass."""
        if self._filters is None:
            return batch
        matches, maker = self._filters.matches, self._processes.maker
        return [event for event in batch if matches(event, maker(event))]


@dataclass(slots=True)
class Process:
    """A process as filters look at it: what the events before said of it."""

    pid: int
    start: int
    exe: str = ""
    parent: Process | None = None
    uids: tuple[int, int, int, int] = (-1, -1, -1, -1)

    @property
    def lineage(self) -> frozenset[int]:
        """Its pid and those of its ancestors."""
        found: set[int] = set()
        process: Process | None = self
        while process is not None and process.pid not in found:
            found.add(process.pid)
            process = process.parent
        return frozenset(found)


@dataclass(slots=True)
class Processes:
    """Who is who, from the events that say so."""

    known: dict[tuple[int, int], Process] = field(default_factory=dict)

    def maker(self, event: Event) -> Process:
        """Return the process that made an event, after what the event says of it and others."""
        process = self._process(event.pid, event.start)
        match event:
            case events.Exec():
                process.exe = event.path
            case events.Attached() if event.exe is not None:
                process.exe = event.exe
            case events.NewChild() if not event.thread:
                child = self._process(event.child, event.child_start)
                child.exe, child.parent = process.exe, process
            case _:
                pass
        return process

    def _process(self, pid: int, start: int) -> Process:
        found = self.known.get((pid, start))
        if found is None:
            found = self.known[pid, start] = Process(pid, start)
        return found
