"""Asking the kernel, through the judge (tracerd/judge.py), what a peer may trace.

Blocking, with a deadline: to be called in worker threads.
"""

from __future__ import annotations

import array
import contextlib
import enum
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracerd import judge
from tracerd.core import procfs
from tracerd.server.log import Log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracerd.core.pidfd import PidFd
    from tracerd.server.access import Peer

log = Log(__name__)

_SETGID: Final = 1 << 6
_SETUID: Final = 1 << 7
_END_S: Final = 5.0
_ENVIRONMENT: Final = frozenset({"LD_LIBRARY_PATH"})
"""What Python may need to start; nothing else is the judge's business."""


class Verdict(enum.Enum):
    """What the kernel says of a peer and a process."""

    MAY = judge.MAY
    READS = judge.READS
    """It may look into the process, not attach to it: a security module says so, Yama say."""
    REFUSED = judge.REFUSED
    GONE = judge.GONE
    UNKNOWN = judge.UNKNOWN
    """The kernel could not be asked: it is too old, or we cannot become the peer."""
    SILENT = 0
    """There was no answer in time."""


class Judge:
    """The daemon's side.  The judge is started when it is first needed, and when it has ended.

    patience_s: for one answer.
    """

    def __init__(self, patience_s: float = judge.PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._warned = False

    @property
    def pid(self) -> int:
        """That of the judge; 0 if there is none."""
        return self._process.pid if self._process else 0

    def ask(self, peer: Peer, held: PidFd, tids: Sequence[int]) -> Verdict:
        """Return what the kernel says of `peer` and the process `held`, all of whose threads count.

        Any thread; blocks for `patience_s` at most (of each 16,384 threads).
        """
        if not self._is_able():
            return Verdict.UNKNOWN
        verdict = Verdict.MAY
        for start in range(0, max(len(tids), 1), judge.MAX_TIDS):
            verdict = self._ask(peer, held, tids[start : start + judge.MAX_TIDS])
            if verdict is not Verdict.MAY:
                break
        return verdict

    def _ask(self, peer: Peer, held: PidFd, tids: Sequence[int]) -> Verdict:
        groups = sorted(peer.groups)
        words = [*groups, *tids]
        head = judge.HEAD.pack(peer.uid, peer.gid, len(groups))
        question = head + struct.pack(f"={len(words)}I", *words)
        answer, theirs = os.pipe()
        try:
            try:
                self._send(question, [held.fileno(), theirs])
            except OSError as error:
                log.fault("the judge could not be asked", error)
                return Verdict.SILENT
            finally:
                os.close(theirs)
            poll = select.poll()
            poll.register(answer, select.POLLIN)
            if not poll.poll(self._patience_s * 1000):
                return Verdict.SILENT
            said = os.read(answer, 1)
            return Verdict(said[0]) if said else Verdict.SILENT
        finally:
            os.close(answer)

    def close(self) -> None:
        """End the judge."""
        with self._lock:
            self._end()

    def _is_able(self) -> bool:
        """Whether we can become others: the judge inherits what that takes."""
        status = (procfs.read("/proc/self/status") or b"").partition(b"CapEff:")[2].split()
        able = bool(status) and int(status[0], 16) & (_SETUID | _SETGID) == _SETUID | _SETGID
        if not able and not self._warned and os.geteuid() == 0:
            self._warned = True
            log.warning(
                "without CAP_SETUID and CAP_SETGID the kernel cannot be asked on behalf of users; "
                "judging by their ids alone"
            )
        return able

    def _send(self, question: bytes, fds: list[int]) -> None:
        with self._lock:
            if self._socket is None or self._process is None or self._process.poll() is not None:
                self._end()
                self._start()
            assert self._socket is not None
            # Not socket.send_fds: that wants a list of buffers, and hides MSG_NOSIGNAL.
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
            self._socket.sendmsg([question], [rights], socket.MSG_NOSIGNAL)

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.settimeout(self._patience_s)
            program = str(Path(judge.__file__))
            self._socket = ours
            self._process = subprocess.Popen(
                [sys.executable, "-IS", program, str(theirs.fileno()), str(self._patience_s)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={name: os.environ[name] for name in _ENVIRONMENT & os.environ.keys()},
                process_group=0,  # the terminal's Ctrl-C is not for it
            )

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_END_S)
            self._process = None
