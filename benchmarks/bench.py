"""What every row of the benchmarks needs: sizes, a stopwatch, daemons that run until the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from daemons import PUMPS, running
from errors import UnavailableError

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from daemons import Daemon
    from report import Table
    from stopwatch import Stopwatch

_T = TypeVar("_T")


@dataclass
class Bench:
    """One run of the benchmarks.  stack: ends what was started.  scratch: a directory."""

    quick: bool
    rounds: int
    scratch: Path
    stopwatch: Stopwatch
    stack: ExitStack
    pumps: tuple[str, ...] = PUMPS
    _daemons: dict[tuple[str, str, str], Daemon | UnavailableError] = field(default_factory=dict)

    def size(self, full: _T, quick: _T) -> _T:
        """Choose how much to do."""
        return quick if self.quick else full

    def daemon(self, pump: str = "", placement: str = "", looks: str = "") -> Daemon:
        """Return a daemon with this pump, placement and looks, started when first asked for.

        Raises UnavailableError.
        """
        wanted = pump, placement, looks
        if wanted not in self._daemons:
            try:
                self._daemons[wanted] = self.stack.enter_context(running(*wanted))
            except UnavailableError as error:
                self._daemons[wanted] = error
        found = self._daemons[wanted]
        if isinstance(found, UnavailableError):
            raise found
        return found

    def daemons(self, table: Table) -> list[Daemon]:
        """Return a daemon for each pump that there is; notes in `table` which are missing."""
        found = []
        for pump in self.pumps:
            try:
                found.append(self.daemon(pump))
            except UnavailableError as error:
                table.note(f"skipped: {error}")
        return found

    def best(self, table: Table) -> Daemon:
        """Return a daemon with the fastest pump there is.  Raises UnavailableError."""
        found = self.daemons(table)
        if not found:
            raise UnavailableError("no pump")
        return found[-1]
