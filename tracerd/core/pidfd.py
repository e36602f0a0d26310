"""A hold on a process that a recycled pid cannot fool."""

from __future__ import annotations

import errno
import os
import select

from tracerd import errors


class PidFd:
    """A pidfd, closed when nobody refers to it any more.  Usable from any thread.

    fd: one that there is already, to be taken over.  The id of a thread that is no process makes
    one that is never alive.  Raises NoSuchProcess.
    """

    def __init__(self, pid: int, fd: int = -1) -> None:
        self._fd = fd
        if fd >= 0:
            return
        if pid <= 0:
            raise errors.NoSuchProcess(pid)
        try:
            self._fd = os.pidfd_open(pid)
        except (ProcessLookupError, OverflowError):
            raise errors.NoSuchProcess(pid) from None
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):  # what the kernel says of a thread
                raise

    def fileno(self) -> int:
        """Return the descriptor, which stays ours; -1 if there is none."""
        return self._fd

    def alive(self) -> bool:
        """Whether any thread of the process is left: as long as that is so, its pid is its own."""
        if self._fd < 0:
            return False
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return not poll.poll(0)

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
