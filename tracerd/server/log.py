"""Structured logs on stderr, one line per record.

By default `key=value` pairs (logfmt); JSON on request.  Values that are not plain are quoted
and escaped, so no value, wherever it came from, can end a line or add a field.

A thread of its own does the writing: a reader of stderr that stalls must stop neither the trio
loop nor the tracer thread.  When it lags too far behind, lines are dropped and counted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import re
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["text", "json"]

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,-]+")
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""Attributes of every record.  What else it has came by logging's `extra`."""
_BACKLOG_LINES: Final = 10_000
"""Lines that may wait for a stalled reader of stderr: some 2 MB."""
_FLUSH_S: Final = 1.0


class Log:
    """A named logger whose records carry fields: `log.info("attached", pid=4321)`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, message: str, **fields: object) -> None:
        """Record what only a developer needs."""
        self._logger.debug(message, extra={"fields": fields})

    def info(self, message: str, **fields: object) -> None:
        """Record what an administrator may want to know."""
        self._logger.info(message, extra={"fields": fields})

    def warning(self, message: str, **fields: object) -> None:
        """Record what is not as it should be, though the daemon copes."""
        self._logger.warning(message, extra={"fields": fields})

    def error(self, message: str, **fields: object) -> None:
        """Record what makes the daemon, or a request, fail."""
        self._logger.error(message, extra={"fields": fields})

    def fault(self, message: str, error: BaseException | None, **fields: object) -> None:
        """Record an exception that should not have been, with its traceback in the same line."""
        self._logger.error(message, exc_info=error, extra={"fields": fields})


class LineFormatter(logging.Formatter):
    """Makes one line of a record, whatever is in it."""

    def __init__(self, style: Format = "text") -> None:
        super().__init__()
        self._join = _as_json if style == "json" else _as_text

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline."""
        return self._join(dict(self._pairs(record)))

    def _pairs(self, record: logging.LogRecord) -> Iterator[tuple[str, object]]:
        when = datetime.fromtimestamp(record.created, UTC)
        yield "time", when.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        yield "level", record.levelname.lower()
        yield "msg", record.getMessage()
        yield "logger", record.name
        for name, value in vars(record).items():
            if name not in _STANDARD:
                yield from value.items() if name == "fields" else ((name, value),)
        if record.exc_info and record.exc_info[1] is not None:
            yield "error", repr(record.exc_info[1])
            yield "traceback", self.formatException(record.exc_info)


def _as_text(fields: dict[str, object]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in fields.items())


def _as_json(fields: dict[str, object]) -> str:
    # Not msgspec: it refuses surrogates, and a log line must never be what fails.
    return json.dumps(fields, default=str)


def _value(value: object) -> str:
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if short := _SHORT.get(char):
        return short
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class StderrHandler(logging.Handler):
    """Hands finished lines to a writer thread; never waits for it."""

    def __init__(self, fd: int = 2) -> None:
        super().__init__()
        self.dropped = 0
        """How many lines, ever.  Written under the handler's lock."""
        self._told = 0
        self._fd = fd
        self._lines: queue.Queue[str | None] = queue.Queue(_BACKLOG_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line, or count it as dropped."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self.dropped += 1
        except Exception:  # noqa: BLE001  as logging itself: a log line never ends the program
            self.handleError(record)

    def close(self) -> None:
        """Write what is queued, waiting for a stalled reader no longer than a second."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=_FLUSH_S)
            self._thread.join(_FLUSH_S)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if untold := self.dropped - self._told:
                self._told += untold
                line = f'level=warning msg="log lines dropped" count={untold}\n{line}'
            with contextlib.suppress(OSError):
                data = memoryview(line.encode("utf-8", "backslashreplace") + b"\n")
                while data:
                    data = data[os.write(self._fd, data) :]


def dropped_lines() -> int:
    """Return how many lines of this process's log have been dropped."""
    handlers = logging.getLogger().handlers
    return sum(each.dropped for each in handlers if isinstance(each, StderrHandler))


class Seldom:
    """Says when a line that a peer can cause at will is due: at most once in `every_s` seconds."""

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_s = every_s
        self._due = float("-inf")
        self._kept_back = 0

    def due(self) -> int:
        """Return 0 if there is to be no line; else for how many it stands."""
        now = time.monotonic()
        self._kept_back += 1
        if now < self._due:
            return 0
        self._due = now + self._every_s
        times, self._kept_back = self._kept_back, 0
        return times


@contextlib.contextmanager
def logging_to_stderr(style: Format, level: str) -> Iterator[None]:
    """Send all logs, warnings and stray exceptions of the process to stderr, until left."""
    handler = StderrHandler()
    handler.setFormatter(LineFormatter(style))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    log = Log("tracerd")
    before = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda args: log.fault("a thread failed", args.exc_value)
    sys.unraisablehook = lambda args: log.fault(
        "an exception nobody could receive", args.exc_value, where=repr(args.object)
    )
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook = before
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        handler.close()
