"""Waking the tracer thread out of a blocking wait, without polling and without a race.

os.waitpid retries on EINTR (PEP 475), so a signal cannot wake it.  The doorbell
is an idle child that the tracer thread has seized: whoever wants attention sends
it a signal, its signal-delivery-stop ends the wait, and the signal is suppressed.
A ring between the stop and the resume leaves the next signal pending: no ring is
lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import sys
import threading

from tracerd import errors
from tracerd.core import kernel, procfs
from tracerd.core.wait_status import classify

RING = signal.SIGWINCH
"""Ignored by default, so it could do no harm even untraced."""
SOON_S = 0.05


def _idle_command() -> list[str]:
    sleep = shutil.which("sleep")
    if sleep:
        return [sleep, "infinity"]
    return [sys.executable, "-ISc", "import signal\nwhile True: signal.pause()"]


class Doorbell:
    """`hang` and `answer` are for the tracer thread, `ring` for any."""

    def __init__(self) -> None:
        self.tid = 0
        self._pidfd = -1
        self._reminder: threading.Timer | None = None
        self._lock = threading.Lock()
        """Keeps a ring from using a descriptor that `hang` is replacing."""

    def hang(self) -> None:
        """Start the idle child and seize it (again, if it was killed)."""
        command = _idle_command()
        # A process group of its own: the terminal's Ctrl-C is not for it.
        tid = os.posix_spawn(command[0], command, {}, setpgroup=0)
        try:
            kernel.seize(tid, kernel.O_EXITKILL)
        except OSError as error:
            tracer = procfs.tracer_of(tid)
            # Nobody else would end it, and a tracer that follows us waits for it for ever.
            os.kill(tid, signal.SIGKILL)
            os.waitpid(tid, kernel.WALL)
            if error.errno == errno.EPERM and tracer:
                # We are traced with all that we start (strace -f, tracerctl run).
                raise errors.AlreadyTraced(os.getpid(), tracer) from None
            raise
        with self._lock:
            if self._pidfd >= 0:
                os.close(self._pidfd)
            self._pidfd = os.pidfd_open(tid)
            self.tid = tid

    def ring(self) -> None:
        """Make the tracer thread's wait return."""
        with self._lock:
            if self._pidfd < 0:
                return  # Not hung yet, or down: the tracer looks at its queue before it waits.
            # If it was killed, its wait status wakes the tracer, which hangs a new one.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, RING)

    def ring_soon(self) -> None:
        """Ring in SOON_S seconds.  On the tracer thread; asked again meanwhile, it rings once."""
        if self._reminder is None:
            self._reminder = threading.Timer(SOON_S, self._remind)
            self._reminder.daemon = True
            self._reminder.start()

    def _remind(self) -> None:
        self._reminder = None  # before the ring: who is woken by it may ask again
        self.ring()

    def answer(self) -> None:
        """Resume the doorbell after a stop, suppressing whatever signal stopped it.

        Call before emptying the queue the ring announced.
        """
        kernel.resume(kernel.CONT, self.tid)

    def take_down(self) -> None:
        """Kill and reap it."""
        with self._lock:
            if not self.tid:
                return
            os.kill(self.tid, signal.SIGKILL)
            while True:
                _, status = os.waitpid(self.tid, kernel.WALL)
                if classify(status).ended:
                    break
            os.close(self._pidfd)
            self.tid, self._pidfd = 0, -1
