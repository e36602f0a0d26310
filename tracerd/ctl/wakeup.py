"""Signals as something to poll for.

Handlers only note what came; the main loop acts between two batches of events.
So nothing is torn apart, and no signal is lost between a check and a wait.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Self, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

Disposition: TypeAlias = "signal._HANDLER"  # noqa: SLF001  typeshed's name of what signal() returns


class Wakeup:
    """Collects the given signals while it is entered.  fileno(): readable once one came."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self.signals = tuple(signals)
        self.inherited: dict[signal.Signals, Disposition] = {}
        """What was in force before: to be restored in children."""
        self._came: list[int] = []

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._former_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self.signals:
            self.inherited[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, former in self.inherited.items():
            signal.signal(number, former)
        signal.set_wakeup_fd(self._former_fd)
        os.close(self._reader)
        os.close(self._writer)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(number)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._reader

    def take(self) -> list[int]:
        """Return the signals that came since the last call, in order."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 512):
                pass
        came, self._came = self._came, []
        return came
