"""Where lines go: standard output, standard error or a file; one write per batch of lines."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Final, Self

from tracerd.ctl.errors import CommandError
from tracerd.ctl.text.ink import Ink

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

STDOUT: Final = 1
STDERR: Final = 2
_NAMES: Final = {STDOUT: "to standard output", STDERR: "to standard error"}


class OutputError(CommandError):
    """What was to be written cannot be: no space left, and the like."""


class Output:
    """A descriptor to write lines to.  BrokenPipeError means that its reader has gone."""

    def __init__(self, fd: int, *, path: str = "", owned: bool = False) -> None:
        self.fd = fd
        self._path = path or _NAMES.get(fd, "")
        self._owned = owned

    @classmethod
    def open(cls, path: str | None, default: int) -> Self:
        """Open `path` for writing; `-` is standard output, None the descriptor `default`."""
        if path is None:
            return cls(default)
        if path == "-":
            return cls(STDOUT)
        try:
            # Close-on-exec, as every descriptor that Python opens: no traced program inherits it.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            return cls(os.open(path, flags, 0o666), path=path, owned=True)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._owned:
            os.close(self.fd)

    def ink(self, choice: str) -> Ink:
        """Return colours for `choice`: `always`, `never` or `auto` (a terminal that wants them)."""
        if choice == "auto":
            plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
            return Ink(coloured=not plain and os.isatty(self.fd))
        return Ink(coloured=choice == "always")

    def lines(self, lines: Iterable[str]) -> None:
        """Write each line with a newline after it, all in one go."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self.write(text.encode("utf-8", "backslashreplace"))

    def write(self, data: bytes) -> None:
        """Write all of `data`, even if whoever shares the descriptor made it non-blocking.

        Raises BrokenPipeError, and OutputError if it cannot be written for another reason.
        """
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view) :]
            except BlockingIOError:
                poller = select.poll()
                poller.register(self.fd, select.POLLOUT)
                poller.poll()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(f"cannot write {self._path}: {error.strerror}") from error


def add_options(parser: argparse._ActionsContainer, default: str) -> None:
    """Add -o and --color; `default` says where lines go without -o."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=f"write there, - is standard output ({default})"
    )
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="auto: if the output is a terminal and NO_COLOR is not set",
    )
