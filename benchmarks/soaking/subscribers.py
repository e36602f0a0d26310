"""Subscribers, each with a thread that reads and checks what it is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from soaking.account import Account

if TYPE_CHECKING:
    from tracerd.client import SyncClient


AUDITOR = "auditor"
"""The name of one that is there from the beginning to the end, and is told of all lives."""


class Subscriber:
    """One stream.  lazy: it reads nothing before `leave`."""

    def __init__(
        self, client: SyncClient, name: str, *, lazy: bool = False, **options: Any
    ) -> None:
        self.name = name
        kinds = options.get("type", ())
        self.account = Account(name, calls="syscall_enter" in kinds, whole=name == AUDITOR)
        self._stream = client.subscribe(**options)
        self._client = client
        self._failure = ""
        self.id = self._stream.id
        self.lazy = lazy
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        if not lazy:
            self._thread.start()

    def _read(self) -> None:
        try:
            while (batch := self._stream.read()) is not None:
                self.account.take(batch)
        except Exception as error:  # noqa: BLE001
            self._failure = f"{self.name}: {type(error).__name__}: {error}"

    def vanish(self) -> None:
        """Close the connection without a word."""
        self._stream.close()
        if not self.lazy:
            self._thread.join(10)

    def leave(self) -> list[str]:
        """Read to the end of the stream; return what was wrong with it."""
        if self.lazy:
            self._thread.start()
        if not self._stream.end:
            self._client.unsubscribe(self.id)
        self._thread.join(30)
        wrong = self.account.wrong
        if self._thread.is_alive():
            wrong.append(f"{self.name}: its stream did not end")
        elif self._stream.end != "unsubscribed":
            wrong.append(f"{self.name}: its stream ended with {self._stream.end!r}")
        if self._failure:
            wrong.append(self._failure)
        self._stream.close()
        return wrong

    def check_books(self, state: Any) -> list[str]:
        """Hold what came against what the daemon says it gave; all must have been written."""
        self.account.settle(state.delivered)
        wrong = []
        if state.matched != state.delivered + state.queued + state.lost:
            wrong.append(f"{self.name}: the daemon's account is wrong: {state}")
        if (self.account.events, self.account.lost) != (state.delivered, state.lost):
            wrong.append(
                f"{self.name}: {self.account.events} events came and {self.account.lost} were told"
                f" as lost, the daemon says {state.delivered} and {state.lost}"
            )
        return wrong
