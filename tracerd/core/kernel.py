"""ptrace requests and waits.  Everything here is called on the tracer thread.

Built on python-ptrace's binding, with the requests it lacks.  The two requests
of every syscall stop (PTRACE_GET_SYSCALL_INFO, PTRACE_SYSCALL) go through a
PyDLL handle instead: the binding's CDLL releases the GIL around each call, and
beside a busy thread getting it back costs a stopped tracee milliseconds;
neither request ever blocks.

ESRCH is never an error of ours: the tracee was killed, and its wait status is
on the way.  Requests answer False (or None) then.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import warnings
from typing import NamedTuple

with warnings.catch_warnings():
    # python-ptrace calls datetime.utcfromtimestamp when imported.
    warnings.simplefilter("ignore", DeprecationWarning)
    from ptrace.binding import func as binding
    from ptrace.error import PtraceError

SEIZE = 0x4206
INTERRUPT = 0x4207
LISTEN = 0x4208
GET_SYSCALL_INFO = 0x420E
CONT: int = binding.PTRACE_CONT
SYSCALL: int = binding.PTRACE_SYSCALL
DETACH: int = binding.PTRACE_DETACH

O_EXITKILL = 1 << 20
O_TRACESECCOMP = 1 << 7
OPTIONS: int = (
    binding.PTRACE_O_TRACESYSGOOD
    | binding.PTRACE_O_TRACEFORK
    | binding.PTRACE_O_TRACEVFORK
    | binding.PTRACE_O_TRACECLONE
    | binding.PTRACE_O_TRACEEXEC
)
"""What every tracee is seized with.  No EXITKILL: the daemon's death must not be the program's."""

OPTIONS_FILTERED: int = OPTIONS | O_EXITKILL | O_TRACESECCOMP
"""For a program with a seccomp filter of ours, whose calls would fail without a tracer."""

WALL = 0x40000000
WNOTHREAD = 0x20000000
WAIT_FLAGS = WALL | WNOTHREAD
"""__WNOTHREAD: never reap the children of another thread of this process."""

ENTRY, EXIT, SECCOMP = 1, 2, 3
"""`op` of struct ptrace_syscall_info."""
ENTRIES = frozenset({ENTRY, SECCOMP})

X32_BIT = 1 << 30

_fast = ctypes.PyDLL(None, use_errno=True).ptrace
_fast.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_long, ctypes.c_long)
_fast.restype = ctypes.c_long

_info = bytearray(128)
_info_address = ctypes.addressof((ctypes.c_char * 128).from_buffer(_info))
_ENTRY = struct.Struct("<4xI16xQ6Q").unpack_from
"""arch, nr and the six arguments of struct ptrace_syscall_info; ip and sp are skipped."""
_EXIT = struct.Struct("<4xI16xqB").unpack_from
"""arch, the value returned, is_error."""

_word = ctypes.c_ulong()
_siginfo = ctypes.create_string_buffer(128)


def _request(request: int, tid: int, arg1: int = 0, arg2: int = 0) -> bool:
    try:
        binding.ptrace(request, tid, arg1, arg2)  # type: ignore[no-untyped-call]
    except PtraceError as error:
        if error.errno == errno.ESRCH:
            return False
        raise OSError(error.errno, os.strerror(error.errno or 0)) from None
    return True


def seize(tid: int, options: int = OPTIONS) -> bool:
    """Attach without stopping.  Raises OSError (EPERM)."""
    return _request(SEIZE, tid, 0, options)


def interrupt(tid: int) -> bool:
    """Ask a running or listening tracee to stop."""
    return _request(INTERRUPT, tid)


def listen(tid: int) -> bool:
    """Keep a tracee in its group-stop.  Raises OSError (EIO) at any other stop.

    If SIGCONT has ended the group-stop meanwhile, its next stop follows at once.
    """
    return _request(LISTEN, tid)


def detach(tid: int, signo: int = 0) -> bool:
    """Let a stopped tracee go, delivering `signo` if not 0."""
    return _request(DETACH, tid, 0, signo)


def cont(tid: int, signo: int = 0) -> bool:
    """Resume until the next stop that is not a syscall stop."""
    return _request(CONT, tid, 0, signo)


def resume(request: int, tid: int, signo: int = 0) -> bool:
    """Resume with SYSCALL or CONT: the hot path, see the head of this file."""
    return bool(_fast(request, tid, 0, signo) == 0)


def event_message(tid: int) -> int | None:
    """Return PTRACE_GETEVENTMSG; None if the tracee is gone."""
    if not _request(binding.PTRACE_GETEVENTMSG, tid, 0, ctypes.addressof(_word)):
        return None
    return _word.value


def syscall_info(tid: int) -> tuple[int, tuple[int, ...]]:
    """Ask the kernel what a syscall stop is.

    ENTRY (or SECCOMP, which comes at the same place): (op, (arch, nr, six arguments)).
    EXIT: (op, (arch, value returned, is_error)).  Else, or if the tracee is gone: (0, ()).
    """
    if _fast(GET_SYSCALL_INFO, tid, 128, _info_address) <= 0:
        return 0, ()
    op = _info[0]
    if op == EXIT:
        return op, _EXIT(_info)
    if op in (ENTRY, SECCOMP):
        return op, _ENTRY(_info)
    return 0, ()


def arch(tid: int) -> int:
    """Return the AUDIT_ARCH_* of the call that a stopped task is in, at any stop; 0 if gone."""
    if _fast(GET_SYSCALL_INFO, tid, 128, _info_address) <= 0:
        return 0
    return int.from_bytes(_info[4:8], "little")


KCMP_FILES = 2
_KCMP = {"x86_64": 312, "aarch64": 272}.get(os.uname().machine, -1)
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long,) * 6
_syscall.restype = ctypes.c_long


def shares_files(tid: int, other: int) -> bool | None:
    """Whether two tasks use the same table of descriptors; None: there is no telling (kcmp(2))."""
    order = _syscall(_KCMP, tid, other, KCMP_FILES, 0, 0)
    return None if order < 0 else bool(order == 0)


AT_EXEC = (5, 5 | 4 << 8)
"""si_signo and si_code of PTRACE_GETSIGINFO at a PTRACE_EVENT_EXEC stop."""


class SignalInfo(NamedTuple):
    """The beginning of siginfo_t as most signals have it, and all of it."""

    signo: int
    code: int
    pid: int
    raw: bytes


def signal_info(tid: int) -> SignalInfo | None:
    """Return PTRACE_GETSIGINFO of a signal-delivery-stop; None if it is gone."""
    try:
        if not _request(binding.PTRACE_GETSIGINFO, tid, 0, ctypes.addressof(_siginfo)):
            return None
    except OSError:
        return None
    signo, _, code = struct.unpack_from("<iii", _siginfo)
    (pid,) = struct.unpack_from("<i", _siginfo, 16)
    return SignalInfo(signo, code, pid, _siginfo.raw)


_REGS = 27
"""struct user_regs_struct of x86-64: 27 words; rax is word 10, orig_rax 15, rip 16."""
_regs = (ctypes.c_ulonglong * _REGS)()


X86_64, I386 = 0xC000003E, 0x40000003
"""AUDIT_ARCH_* of <linux/audit.h>."""
_FIRST_THREE = {X86_64: (14, 13, 12), I386: (5, 11, 12)}
"""Where in the registers a call has its first arguments."""
ERESTARTNOHAND = 514
_RAX_OFFSET = 10 * 8


class Interrupted(NamedTuple):
    """A call that is about to return EINTR.

    args: its first three.  at_exit: the stop is its syscall-exit-stop.
    """

    arch: int
    nr: int
    args: tuple[int, ...]
    at_exit: bool


def interrupted_call(tid: int) -> Interrupted | None:
    """Return the call that is about to return EINTR at this stop, if any.

    The architecture is that of the call, at every stop: right also for `int 0x80` by a 64-bit
    program.  (At a stop with no call, orig_rax is -1.)
    """
    try:
        if not _request(binding.PTRACE_GETREGS, tid, 0, ctypes.addressof(_regs)):
            return None
    except OSError:
        return None
    if _regs[10] != (1 << 64) - errno.EINTR:
        return None
    abi = arch(tid)
    if abi not in _FIRST_THREE:
        return None
    mask = 0xFFFFFFFF if abi == I386 else (1 << 64) - 1
    args = tuple([_regs[at] & mask for at in _FIRST_THREE[abi]])
    return Interrupted(abi, _regs[15], args, at_exit=_info[0] == EXIT)


def rewind(tid: int, call: Interrupted) -> bool:
    """Let the kernel run a call again that would return EINTR, at the stop it was found at.

    It looks at the result last of all, on the way to user mode: for ERESTARTNOHAND it steps back
    to the call, unless a handler runs first, which then finds EINTR.  So a signal that comes
    after this stop still ends the call.  It looks if a signal may be pending, and only then; at
    an exit-stop a second interrupt makes sure of that.
    """
    if _fast(binding.PTRACE_POKEUSER, tid, _RAX_OFFSET, -ERESTARTNOHAND) != 0:
        return False
    if call.at_exit:
        interrupt(tid)
    return True


ERESTART_RESTARTBLOCK = 516


def suspended_call(tid: int) -> tuple[int, int] | None:
    """Return (arch, number) of the call that restart_syscall will go on with after this stop."""
    try:
        if not _request(binding.PTRACE_GETREGS, tid, 0, ctypes.addressof(_regs)):
            return None
    except OSError:
        return None
    if _regs[10] != (1 << 64) - ERESTART_RESTARTBLOCK:
        return None
    return arch(tid), _regs[15]
