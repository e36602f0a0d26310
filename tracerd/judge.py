"""The judge: a program that asks the kernel what a user may trace, as that user.

Started by the daemon (server/judging.py), with a socket to it.  Each question is answered by a fork
that has become the user: ids and groups, no capabilities, nothing to execute, and not to be looked
into, for it is that user's process then.  Users can end or stop such a fork, and so get no answer;
the daemon waits for it for so long only, and this process kills it then.

It imports nothing of tracerd, so that starting it is cheap and forking it safe: it has one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable

PATIENCE_S = 10.0
"""For one answer.  The kernel holds it up while a target executes a program."""
HEAD = struct.Struct("=III")
"""A question: uid, gid, how many groups; then these and thread ids, 32 bits each.  With it come two
descriptors: a pidfd of the process, and where the answer goes."""
MAX_TIDS = 16_384
"""In one question: it has to fit into a socket's buffer."""

MAY, READS, REFUSED, GONE, UNKNOWN = b"mrng?"
"""An answer is one byte.  READS: it may look into the process (PTRACE_MODE_READ), not attach to it:
so says Yama, or another security module."""

_SETGID, _SETUID, _KILL = 1 << 6, 1 << 7, 1 << 5
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_PIDFD_GETFD = 438
_GET_ROBUST_LIST = {"x86_64": 274, "aarch64": 100}.get(platform.machine(), -1)
_NO_FD = 0x7FFF_FFFF
_NEVER = float("inf")

_libc = ctypes.CDLL(None, use_errno=True)


class _Part(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def main(fd: int, patience_s: float) -> None:
    """Answer questions until the daemon is gone.  patience_s: for one answer."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    _keep_capabilities(_SETUID | _SETGID | _KILL)
    asked = socket.socket(fileno=fd)
    forks: dict[int, tuple[int, float]] = {}
    """By pidfd: pid, and until when it may live."""
    while True:
        poll = select.poll()
        for each in (fd, *forks):
            poll.register(each, select.POLLIN)
        until = min((until for _, until in forks.values()), default=_NEVER)
        wait_ms = None if until == _NEVER else max(0.0, until - time.monotonic()) * 1000
        ready = [each for each, _ in poll.poll(wait_ms)]
        for pidfd, (pid, until) in list(forks.items()):
            if pidfd in ready:
                os.waitpid(pid, 0)
                os.close(pidfd)
                del forks[pidfd]
            elif until <= time.monotonic():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                forks[pidfd] = pid, _NEVER  # it is gone in a moment, but not yet
        if fd in ready:
            pid = _next(asked, forks)
            if not pid:
                return
            forks[os.pidfd_open(pid)] = pid, time.monotonic() + patience_s


def _next(asked: socket.socket, others: Iterable[int]) -> int:
    """Receive a question, and fork for it; 0: there will be no more.

    others: descriptors that are not the fork's business.
    """
    question, fds, _, _ = socket.recv_fds(asked, 1 << 18, 2)
    if not question:
        return 0
    pid = os.fork()
    if not pid:
        try:
            asked.close()
            for each in others:
                os.close(each)
            held, answer = fds
            os.write(answer, bytes([_answer(question, held)]))
        finally:
            os._exit(0)
    for each in fds:
        os.close(each)
    return pid


def _answer(question: bytes, held: int) -> int:
    uid, gid, count = HEAD.unpack_from(question)
    words = struct.unpack_from(f"={(len(question) - HEAD.size) // 4}I", question, HEAD.size)
    _become(uid, gid, words[:count])
    seen = {_thread(tid) for tid in words[count:]}
    whole = _whole(held)
    # That cannot tell the two apart; the first thread, which it is about, could.
    seen.add(READS if whole == REFUSED and READS in seen else whole)
    for verdict in (REFUSED, READS, UNKNOWN, MAY):  # one thread refused is all refused
        if verdict in seen:
            return verdict
    return GONE


def _become(uid: int, gid: int, groups: tuple[int, ...]) -> None:
    """Become a user, for good.  Raises OSError."""
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _keep_capabilities(0)
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3:
        raise PermissionError


def _whole(held: int) -> int:
    """Judge a process by its pidfd, which names it for good.

    pidfd_getfd(2) wants PTRACE_MODE_ATTACH_REALCREDS, and looks for the descriptor only after that.
    """
    if _libc.syscall(_PIDFD_GETFD, held, _NO_FD, 0) != -1:
        return MAY
    return {errno.EBADF: MAY, errno.EPERM: REFUSED, errno.ESRCH: GONE}.get(
        ctypes.get_errno(), UNKNOWN
    )


def _thread(tid: int) -> int:
    """Judge one thread: credentials are each thread's own.

    process_vm_readv(2) wants PTRACE_MODE_ATTACH_REALCREDS; at address 0 there is nothing to read.
    """
    byte = ctypes.create_string_buffer(1)
    here = _Part(ctypes.addressof(byte), 1)
    there = _Part(None, 1)
    if _libc.process_vm_readv(tid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) != -1:
        return MAY
    why = ctypes.get_errno()
    if why != errno.EPERM:
        return {errno.EFAULT: MAY, errno.ESRCH: GONE}.get(why, UNKNOWN)
    # get_robust_list(2) wants PTRACE_MODE_READ_REALCREDS, of which Yama is not asked.
    head, size = ctypes.c_void_p(), ctypes.c_size_t()
    got = _libc.syscall(_GET_ROBUST_LIST, tid, ctypes.byref(head), ctypes.byref(size))
    return READS if got == 0 else REFUSED


def _keep_capabilities(wanted: int) -> None:
    """Have these capabilities, as far as we have them, and never any others."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    sets = ctypes.create_string_buffer(24)
    _check(_libc.capget(header, sets))
    had = struct.unpack("=6I", sets.raw)
    kept = had[1] & wanted
    _check(_libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)))


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0))


def _check(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
