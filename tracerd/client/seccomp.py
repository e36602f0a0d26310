"""The seccomp filter with which a program stops for its tracer at some system calls only.

For who starts a program under trace and wants the other calls at native speed:

    if (error := refusal()) is None:        # in the parent, before anything else
        reply = client.attach(child, until_exec=True, calls=CallSelection(filters=...))
        if reply.calls:
            filter_ = program(reply.calls)  # hand it to the child, which waits, and there:
            install(filter_)                # as the last thing before its exec

Under a tracer only: without one every call that the filter stops fails with ENOSYS, and so it
does when the tracer has gone.

A second kind of filter, of without_io_uring(), makes the calls of io_uring fail as on a kernel
that has none.  It needs no tracer, and goes with the first: the stricter of two answers counts.

A filter is a row of 8-byte instructions of classic BPF, see seccomp(2) and linux/filter.h.  It
looks at nothing but the architecture and the number of a call, so the kernel (5.11 and later)
knows the calls that it lets through beforehand, and does not run it for them.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable, Mapping
from typing import Final, NoReturn

RET_TRACE: Final = 0x7FF00000
RET_ALLOW: Final = 0x7FFF0000
RET_ERRNO: Final = 0x00050000
"""The call fails with the errno in the low 16 bits."""

MARK: Final = 0x7464
"""Data of our RET_TRACE, for PTRACE_GETEVENTMSG: so a tracer can tell our stops from those of a
filter of the program's own."""

ARCHITECTURES: Final = {"x86_64": 0xC000003E, "i386": 0x40000003}
"""AUDIT_ARCH_* by the names that the protocol has for them."""

AARCH64: Final = 0xC00000B7
"""Its AUDIT_ARCH_*."""

IO_URING: Final = range(425, 428)
"""io_uring_setup, io_uring_enter, io_uring_register, on every architecture."""

X32_BIT: Final = 1 << 30
"""Numbers of x86-64 from here up are x32's."""

LONGEST: Final = 4096
"""BPF_MAXINSNS."""

MOST_RANGES: Final = 500
"""Of one architecture: so that two of them always fit."""

_INSTRUCTION: Final = struct.Struct("=HBBI")
_LOAD, _JUMP, _IF_EQUAL, _IF_AT_LEAST, _RETURN, _AND = 0x20, 0x05, 0x15, 0x35, 0x06, 0x54
"""BPF_LD|W|ABS, BPF_JMP|JA, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K, BPF_ALU|AND|K."""
_NR, _ARCH = 0, 4
"""Offsets in struct seccomp_data."""
_FARTHEST: Final = 255
"""The distance of a conditional jump has 8 bits."""

_SYSCALL: Final = {"x86_64": 317, "aarch64": 277}
"""seccomp(2), which has no function in the C library, by machine."""
_SET_MODE_FILTER, _SPEC_ALLOW = 1, 4
"""SPEC_ALLOW: without it kernels before 5.16 slow the whole program down, as they would one that
cannot be trusted."""
_SET_NO_NEW_PRIVS: Final = 38


def program(
    calls: Mapping[str, Iterable[int]], *, stop: int = RET_TRACE | MARK, go: int = RET_ALLOW
) -> bytes:
    """Return the filter that answers `stop` to some calls and `go` to all others.

    calls: numbers by the names of ARCHITECTURES.  Calls of an architecture that is not named
    get `stop`, and so do those of x32.  If the numbers lie too scattered for the kernel's limit,
    so do some between them.
    """
    code = [_instruction(_LOAD, _ARCH)]
    for name, arch in ARCHITECTURES.items():
        if name in calls:
            ranges = _ranges(calls[name])
            if arch == ARCHITECTURES["x86_64"]:
                ranges = [(first, min(end, X32_BIT)) for first, end in ranges if first < X32_BIT]
                ranges.append((X32_BIT, 1 << 32))
            # Where the answer changes, and to what it does.
            steps = [(0, go)]
            for first, end in _fewer(ranges, MOST_RANGES):
                steps += [(first, stop), (end, go)]
            body = [_instruction(_LOAD, _NR), *_search(steps)]
            # A tree may be longer than a conditional jump reaches.
            code += [
                _instruction(_IF_EQUAL, arch, 1, 0),
                _instruction(_JUMP, len(body)),
                *body,
            ]
    code.append(_instruction(_RETURN, stop))
    assert len(code) <= LONGEST
    return b"".join(code)


def without_io_uring() -> bytes:
    """Return the filter with which the calls of io_uring fail with ENOSYS, those of x32 too.

    Programs that can do without it do so then, by calls that can be seen.
    """
    known = [*ARCHITECTURES.values(), AARCH64]
    look = [
        _instruction(_LOAD, _NR),
        _instruction(_AND, ~X32_BIT & 0xFFFF_FFFF),
        _instruction(_IF_AT_LEAST, IO_URING.stop, 1, 0),
        _instruction(_IF_AT_LEAST, IO_URING.start, 1, 0),
        _instruction(_RETURN, RET_ALLOW),
        _instruction(_RETURN, RET_ERRNO | errno.ENOSYS),
    ]
    which = [_instruction(_IF_EQUAL, arch, len(known) - at, 0) for at, arch in enumerate(known)]
    return b"".join([_instruction(_LOAD, _ARCH), *which, _instruction(_RETURN, RET_ALLOW), *look])


def _instruction(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, if_true, if_false, k)


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the ranges [first, end) that numbers make up, in order."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if not 0 <= number < 1 << 32:
            raise ValueError(f"not the number of a system call: {number}")
        if ranges and ranges[-1][1] == number:
            ranges[-1] = (ranges[-1][0], number + 1)
        else:
            ranges.append((number, number + 1))
    return ranges


def _fewer(ranges: list[tuple[int, int]], most: int) -> list[tuple[int, int]]:
    """Close the narrowest gaps until no more than `most` ranges are left."""
    gaps = sorted(range(1, len(ranges)), key=lambda at: ranges[at][0] - ranges[at - 1][1])
    closed = set(gaps[: max(0, len(ranges) - most)])
    fewer: list[tuple[int, int]] = []
    for at, (first, end) in enumerate(ranges):
        if at in closed:
            fewer[-1] = (fewer[-1][0], end)
        else:
            fewer.append((first, end))
    return fewer


def _search(steps: list[tuple[int, int]]) -> list[bytes]:
    """Return the search among steps (from which number on, which answer), the first of all."""
    if len(steps) == 1:
        return [_instruction(_RETURN, steps[0][1])]
    middle = len(steps) // 2
    below, above = _search(steps[:middle]), _search(steps[middle:])
    number = steps[middle][0]
    if number >= 1 << 32:  # past the last number there is
        return below
    if len(below) <= _FARTHEST:
        return [_instruction(_IF_AT_LEAST, number, len(below), 0), *below, *above]
    far = [_instruction(_IF_AT_LEAST, number, 0, 1), _instruction(_JUMP, len(below))]
    return [*far, *below, *above]


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def install(filter_: bytes, *, no_new_privs: bool = False) -> None:
    """Put the calling thread, and all that it becomes, under a filter of program().

    no_new_privs: set that attribute if the kernel asks for it, that is without CAP_SYS_ADMIN;
    set-user-ID programs then do not change users.  Raises OSError: EACCES if it was not set.
    """
    try:
        _set_filter(filter_)
    except PermissionError as error:
        if error.errno != errno.EACCES or not no_new_privs:
            raise
        one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
        _checked(_libc().prctl(_SET_NO_NEW_PRIVS, one, zero, zero, zero))
        _set_filter(filter_)


def _set_filter(filter_: bytes) -> None:
    number = _SYSCALL.get(os.uname().machine)
    if number is None or sys.maxsize < 1 << 32:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    described = _Program(len(filter_) // _INSTRUCTION.size, filter_)
    arguments = (_SET_MODE_FILTER, _SPEC_ALLOW, ctypes.addressof(described))
    _checked(_libc().syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def refusal(*, no_new_privs: bool = False) -> OSError | None:
    """Return what install() would raise here; None if it would succeed.

    It is tried in a child, with a filter that lets everything through: a sandbox that we are in
    may well kill who asks.
    """
    reader, writer = os.pipe()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _try(writer, no_new_privs=no_new_privs)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        os.close(writer)
    with open(reader, "rb", buffering=0) as answers:
        answer = answers.read(1)
    with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: the kernel has reaped it
        os.waitpid(pid, 0)
    number = answer[0] if answer else errno.EPERM
    return OSError(number, os.strerror(number)) if number else None


def _try(writer: int, *, no_new_privs: bool) -> NoReturn:
    """Be the child of refusal(): tell the errno, or die."""
    code = errno.EPERM
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        install(program({}, stop=RET_ALLOW), no_new_privs=no_new_privs)
        code = 0
    except OSError as error:
        code = error.errno or code
    finally:
        os.write(writer, bytes([code]))
        os._exit(0)
