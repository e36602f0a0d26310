"""The tracer thread as the trio side sees it: run it, ask it, learn that it ended.

Answers come on the tracer thread.  `ask` can run a function there with the answer in hand,
before anything else is published: what it reads and changes of the tracer side's state is then
exactly the state of that moment.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import trio

from tracerd import errors
from tracerd.core.commands import Stop
from tracerd.server.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tracerd.core.commands import Answer, Command, Gate, Publish, Statistics
    from tracerd.core.syscalls.model import Syscall
    from tracerd.protocol.filters import Catalogue

log = Log(__name__)

_NOT_YET: Final = object()


class Tracer(Protocol):
    """What the server needs of core's tracer."""

    statistics: Statistics

    def run(self) -> None:
        """Trace, on the thread that calls, until Stop."""

    def submit(self, command: Command, answer: Answer) -> None:
        """Queue a command, from any thread."""


class MakeTracer(Protocol):
    """Core's Tracer class, or a stand-in."""

    def __call__(self, *, publish: Publish, gate: Gate) -> Tracer:
        """Make a tracer that publishes to `publish` and heeds `gate`."""


class Core(NamedTuple):
    """What core provides: a tracer, and the syscalls that filters can name."""

    make_tracer: MakeTracer
    catalogue: Catalogue
    table: Sequence[Syscall]


class Tracing:
    """One run of a tracer in a thread of its own.  All methods are for the trio thread."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.ended = trio.Event()
        self.failure: Exception | None = None
        """What ended the thread, if it was not Stop."""
        self._token = trio.lowlevel.current_trio_token()
        self._asked: set[_Question] = set()
        self._stopping = False

    async def run(self) -> None:
        """Run the tracer until it ends; its failure is kept in `failure`.

        Cancelling gives the thread up, it does not stop it: `stop` does.
        """
        try:
            await trio.to_thread.run_sync(
                self.tracer.run,
                thread_name="tracer",
                abandon_on_cancel=True,
                limiter=trio.CapacityLimiter(1),
            )
        except errors.TracerdError as error:
            self.failure = error
            log.error("no tracing here", reason=str(error))  # noqa: TRY400  the text says it all
        except Exception as error:  # noqa: BLE001  logged here, judged by the daemon
            self.failure = error
            log.fault("the tracer failed", error)
        finally:
            self.ended.set()
            for question in self._asked:
                question.unanswerable()

    async def ask(
        self,
        command: Command,
        then: Callable[[Any], Any] | None = None,
        *,
        patience_s: float = float("inf"),
        impatient: Callable[[], None] | None = None,
    ) -> Any:
        """Submit `command` and return its answer, or what `then(answer)` returned.

        `then` runs on the tracer thread.  After `patience_s` seconds `impatient` is called,
        once, to hurry the answer.  Raises what the tracer answered if that is an exception,
        and ShuttingDown if the tracer ended without an answer.
        """
        question = _Question(self._token, then)
        if self.ended.is_set():
            raise errors.ShuttingDown
        self._asked.add(question)
        try:
            self.tracer.submit(command, question.answer)
            with trio.move_on_after(patience_s):
                await question.answered.wait()
            if not question.answered.is_set():
                if impatient is not None:
                    impatient()
                await question.answered.wait()
        finally:
            self._asked.discard(question)
        if isinstance(question.value, BaseException):
            raise question.value
        return question.value

    def tell(
        self,
        command: Command,
        then: Callable[[Any], Any] | None = None,
        *,
        refused: Callable[[errors.TracerdError], None] | None = None,
    ) -> None:
        """Submit `command` and do not wait; a failure is logged.

        refused: called on the trio thread, instead, with what the tracer refuses the command with.
        """

        def answered(value: object) -> None:
            if isinstance(value, errors.ShuttingDown):
                return
            if refused is not None and isinstance(value, errors.TracerdError):
                with contextlib.suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(refused, value)
                return
            try:
                if isinstance(value, BaseException):
                    raise value  # noqa: TRY301  one place that logs
                if then is not None:
                    then(value)
            except BaseException as error:  # noqa: BLE001  nothing may escape to the tracer
                log.fault("a command failed", error, command=repr(command))

        if not self.ended.is_set():
            self.tracer.submit(command, answered)

    async def stop(
        self, then: Callable[[Any], Any] | None = None, *, patient: bool = False
    ) -> None:
        """Detach everything and end the thread; `then` runs by the teller once all is let go.

        patient: see Stop.
        """
        if not self._stopping and not self.ended.is_set():
            self._stopping = True
            self.tell(Stop(patient=patient), then)
        await self.ended.wait()


class _Question:
    """A command that waits for its answer."""

    def __init__(self, token: trio.lowlevel.TrioToken, then: Callable[[Any], Any] | None) -> None:
        self.answered = trio.Event()
        self.value: Any = _NOT_YET
        self._token = token
        self._then = then

    def answer(self, value: object) -> None:
        """Take the answer.  Called on the tracer thread; never raises."""
        try:
            if self._then is not None and not isinstance(value, BaseException):
                value = self._then(value)
        except BaseException as error:  # noqa: BLE001  belongs to the asker, not to the tracer
            value = error
        self.value = value
        with contextlib.suppress(trio.RunFinishedError):  # nobody waits any more
            self._token.run_sync_soon(self.answered.set)

    def unanswerable(self) -> None:
        """Give up: the tracer has ended.  Called on the trio thread."""
        if self.value is _NOT_YET:
            self.value = errors.ShuttingDown()
        self.answered.set()
