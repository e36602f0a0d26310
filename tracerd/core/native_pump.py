"""The pump in C: from wait to resume without the GIL (see tracerd/core/native/).

Same contract as PythonPump, but `wait` comes back only when there is something for the
tracer, and `take` belongs on a thread of its own.  The module is optional at build time:
`NativePump` raises ImportError where it was not built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracerd.core.pump import Call, Mode, Pair, Stop, will_run_again
from tracerd.core.syscalls.model import (
    Cut,
    Fault,
    Message,
    OpenedFile,
    Part,
    Several,
    Strings,
    Vector,
)

if TYPE_CHECKING:
    from tracerd.core.actions import Actions

MOST_BYTES = 64 << 20
"""What may be queued for the teller before tracees have to wait."""

CLASSES = (Stop, Call, Pair, Cut, Fault, Strings, OpenedFile, Message, Part, Vector, Several)
"""What C makes objects of, field by field; in its own order."""


class NativePump:
    """See pump.Pump for what each method means.

    most_bytes: bound of the queue.  placement: whether the tracer may run on a lone tracee's
    CPU (see native/place.c); nothing of the tracee is ever changed.  remembers: what descriptors
    refer to, instead of a look into /proc at each call.  Raises ImportError if the
    extension module was not built.
    """

    name = "native"
    threaded = True

    def __init__(
        self, *, most_bytes: int = MOST_BYTES, placement: bool = True, remembers: bool = True
    ) -> None:
        from tracerd.core._pump import Pump  # noqa: PLC0415  optional

        self._pump = pump = Pump(
            classes=CLASSES,
            will_run_again=_will_run_again,
            most_bytes=most_bytes,
            placement=placement,
            remembers=remembers,
        )
        # The hot ones without a Python frame.
        self.wait = pump.wait
        self.take = pump.take
        self.put = pump.put
        self.handle = pump.handle
        self.resume = pump.resume
        self.entry = pump.entry
        self.forget = pump.forget
        self.new_image = pump.new_image
        self.ended_process = pump.ended_process
        self.trust_descriptors = pump.trust_descriptors
        self.distrust_descriptors = pump.distrust_descriptors
        self.set_manual = pump.set_manual
        self.is_manual = pump.is_manual
        self.skip = pump.skip
        self.limit = pump.limit
        self.read = pump.read
        self.close = pump.close
        self.histogram = pump.histogram
        self.placements = pump.placements
        self.looks = pump.looks
        self.kept = pump.kept

    @property
    def stops(self) -> int:
        """Syscall stops handled so far."""
        return self._pump.stops

    @property
    def reads(self) -> int:
        """Reads of tracees' memory so far."""
        return self._pump.reads

    def watch(self, tid: int, tgid: int, actions: Actions, mode: Mode) -> None:
        """Handle this task's syscall stops from now on, or in another way."""
        self._pump.watch(tid, tgid, actions, mode)


def _will_run_again(tid: int) -> Any:
    """Looked up when needed: tests put another in its place."""
    return will_run_again(tid)
