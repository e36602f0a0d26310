"""Names of signals, of why they were sent, and sets of them."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final

from tracerd.core.decode.sets import FlagSet
from tracerd.core.decode.structs import record
from tracerd.core.decode.words import address, int_
from tracerd.core.syscalls.model import Captured, Decode, Words

_SIGNALS: Final = (
    "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 "
    "SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG "
    "SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS SIGRTMIN"
)
FIRST_REALTIME: Final = 32
"""The kernel's SIGRTMIN; the C library keeps the first two for itself and starts at 34."""
LAST: Final = 64

SIGNALS: Final[dict[int, str]] = {
    **dict(enumerate(_SIGNALS.split(), start=1)),
    **{n: f"SIGRT_{n - FIRST_REALTIME}" for n in range(FIRST_REALTIME + 1, LAST + 1)},
}
"""Realtime signals are counted from the kernel's SIGRTMIN, as strace does."""
NUMBERS: Final[dict[str, int]] = {name: number for number, name in SIGNALS.items()}


def signal_name(number: int) -> str:
    """Return the name of a signal; its number as text if there is no such signal."""
    return SIGNALS.get(number) or str(number)


SI_KERNEL: Final = 0x80
CLD_EXITED: Final = 1

_ANY: Final = {
    0: "SI_USER",
    SI_KERNEL: "SI_KERNEL",
    -1: "SI_QUEUE",
    -2: "SI_TIMER",
    -3: "SI_MESGQ",
    -4: "SI_ASYNCIO",
    -5: "SI_SIGIO",
    -6: "SI_TKILL",
    -7: "SI_DETHREAD",
    -60: "SI_ASYNCNL",
}
"""si_code values that any signal can have."""

_OWN: Final[dict[int, tuple[str, ...]]] = {
    NUMBERS["SIGILL"]: (
        "ILL_ILLOPC",
        "ILL_ILLOPN",
        "ILL_ILLADR",
        "ILL_ILLTRP",
        "ILL_PRVOPC",
        "ILL_PRVREG",
        "ILL_COPROC",
        "ILL_BADSTK",
        "ILL_BADIADDR",
    ),
    NUMBERS["SIGFPE"]: (
        "FPE_INTDIV",
        "FPE_INTOVF",
        "FPE_FLTDIV",
        "FPE_FLTOVF",
        "FPE_FLTUND",
        "FPE_FLTRES",
        "FPE_FLTINV",
        "FPE_FLTSUB",
    ),
    NUMBERS["SIGSEGV"]: (
        "SEGV_MAPERR",
        "SEGV_ACCERR",
        "SEGV_BNDERR",
        "SEGV_PKUERR",
        "SEGV_ACCADI",
        "SEGV_ADIDERR",
        "SEGV_ADIPERR",
        "SEGV_MTEAERR",
        "SEGV_MTESERR",
        "SEGV_CPERR",
    ),
    NUMBERS["SIGBUS"]: (
        "BUS_ADRALN",
        "BUS_ADRERR",
        "BUS_OBJERR",
        "BUS_MCEERR_AR",
        "BUS_MCEERR_AO",
    ),
    NUMBERS["SIGTRAP"]: (
        "TRAP_BRKPT",
        "TRAP_TRACE",
        "TRAP_BRANCH",
        "TRAP_HWBKPT",
        "TRAP_UNK",
        "TRAP_PERF",
    ),
    NUMBERS["SIGCHLD"]: (
        "CLD_EXITED",
        "CLD_KILLED",
        "CLD_DUMPED",
        "CLD_TRAPPED",
        "CLD_STOPPED",
        "CLD_CONTINUED",
    ),
    NUMBERS["SIGIO"]: ("POLL_IN", "POLL_OUT", "POLL_MSG", "POLL_ERR", "POLL_PRI", "POLL_HUP"),
    NUMBERS["SIGSYS"]: ("SYS_SECCOMP", "SYS_USER_DISPATCH"),
}
"""si_code values from 1 up that belong to one signal."""


def si_code_name(signo: int, code: int) -> str:
    """Return the name of a siginfo's si_code; the number as text if it has none."""
    own = _OWN.get(signo, ())
    if 1 <= code <= len(own):
        return own[code - 1]
    return _ANY.get(code) or str(code)


def signal(word: int, captured: Captured, call: Words) -> str | int:
    """Decode a signal number: its name, or the number (0, or no signal)."""
    number = int_(word, captured, call)
    return SIGNALS.get(number, number)


@lru_cache(maxsize=256)
def _names_of(mask: int) -> tuple[str, ...]:
    return tuple([name for number, name in SIGNALS.items() if mask >> number - 1 & 1])


def signals_of(mask: int) -> list[str] | dict[str, list[str]]:
    """Return the names of the signals in a sigset_t; of more than half, `{"all_but": […]}`."""
    if mask.bit_count() > LAST // 2:
        return {"all_but": list(_names_of(~mask & (1 << LAST) - 1))}
    return list(_names_of(mask))


SIGSET_SIZE: Final = 8
sigset: Final = record("<Q", signals_of)

SIGINFO_SIZE: Final = 128

_HEAD: Final = struct.Struct("<iii")
_POINTER: Final = "{:#x}".format


def _as_it_is(value: int) -> int:
    return value


_SENDER: Final = ("pid", "uid")
_MEMBERS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "kill": ("<16xiI", "<12xiI", _SENDER),
    "queue": ("<16xiIQ", "<12xiII", (*_SENDER, "value")),
    "timer": ("<16xiiQ", "<12xiiI", ("timerid", "overrun", "value")),
    "child": ("<16xiIi4xqq", "<12xiIiii", (*_SENDER, "status", "utime", "stime")),
    "fault": ("<16xQ", "<12xI", ("addr",)),
    "poll": ("<16xqi", "<12xii", ("band", "fd")),
    "call": ("<16xQiI", "<12xIiI", ("call_addr", "syscall", "arch")),
}
"""Members of siginfo_t's union: layout of 64-bit and of 32-bit programs, and the fields.  See
sigaction(2) and include/uapi/asm-generic/siginfo.h."""

_BY_CODE: Final = {0: "kill", -6: "kill", -2: "timer", -5: "poll"}
_BY_SIGNAL: Final = {
    NUMBERS["SIGCHLD"]: "child",
    NUMBERS["SIGIO"]: "poll",
    NUMBERS["SIGSYS"]: "call",
    **dict.fromkeys(
        (NUMBERS[name] for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP")), "fault"
    ),
}
_SHOWN: Final = dict.fromkeys(("value", "addr", "call_addr", "arch"), _POINTER)


def _member_of(signo: int, code: int) -> str:
    """Return which member of the union a signal has filled; empty: none."""
    if code > 0:
        member = _BY_SIGNAL.get(signo, "")
        return member if code != SI_KERNEL or member == "fault" else ""
    return _BY_CODE.get(code, "queue")


def siginfo_of(data: bytes, *, narrow: bool = False) -> dict[str, Any]:
    """Return what a siginfo_t says; empty if it is of no signal.  narrow: of a 32-bit program.

    `status` is an exit code, or the name of the signal that killed, stopped or continued.
    """
    data = data.ljust(SIGINFO_SIZE, b"\0")
    signo, errno, code = _HEAD.unpack_from(data)
    if signo == 0:
        return {}  # waitid with WNOHANG, and nobody changed state
    found: dict[str, Any] = {"signo": signal_name(signo), "code": si_code_name(signo, code)}
    if errno:
        found["errno"] = errno
    member = _member_of(signo, code)
    if member:
        wide, short, names = _MEMBERS[member]
        values = struct.unpack_from(short if narrow else wide, data)
        found |= {
            name: _SHOWN.get(name, _as_it_is)(value)
            for name, value in zip(names, values, strict=True)
        }
    if member == "child" and code != CLD_EXITED:
        found["status"] = SIGNALS.get(found["status"], found["status"])
    return found


def _siginfo(*, narrow: bool) -> Decode:
    def decode(word: int, captured: Captured, _call: Words) -> Any:
        if type(captured) is bytes and len(captured) == SIGINFO_SIZE:
            return siginfo_of(captured, narrow=narrow)
        return address(word)

    return decode


siginfo: Final = _siginfo(narrow=False)

SIGNAL_STACK: Final = FlagSet(
    {"SS_AUTODISARM": 1 << 31}, mask=3, field={"SS_ONSTACK": 1, "SS_DISABLE": 2}
)


def _stack(sp: int, flags: int, size: int) -> dict[str, Any]:
    return {"sp": f"{sp:#x}", "flags": SIGNAL_STACK.render(flags), "size": size}


STACK_SIZE: Final = 24
STACK32_SIZE: Final = 12
stack: Final = record("<QI4xQ", _stack)
stack32: Final = record("<III", _stack)

_NOTIFICATIONS: Final = {
    0: "SIGEV_SIGNAL",
    1: "SIGEV_NONE",
    2: "SIGEV_THREAD",
    4: "SIGEV_THREAD_ID",
}


def _sigevent(value: int, signo: int, notify: int, tid: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "notify": _NOTIFICATIONS.get(notify, notify),
        "signo": SIGNALS.get(signo, signo),
        "value": f"{value:#x}",
    }
    if notify == 4:
        event["tid"] = tid
    return event


sigevent: Final = record("<Qiii", _sigevent)
SIGEVENT_SIZE: Final = 20
"""The part of the structure that is in use."""


def sigmask_at(word: int, captured: Captured, call: Words) -> Any:
    """Decode a pointer to a pointer to a set of signals: the set; null if there is none."""
    return None if captured == b"" else sigset(word, captured, call)


# The same of 32-bit programs.

siginfo32: Final = _siginfo(narrow=True)
sigevent32: Final = record("<Iiii", _sigevent)
SIGEVENT32_SIZE: Final = 16
old_sigset: Final = record("<I", signals_of)
OLD_SIGSET_SIZE: Final = 4


def mask(word: int, _captured: Captured, _call: Words) -> Any:
    """Decode a set of the first 32 signals that is passed as a word."""
    return signals_of(word & 0xFFFF_FFFF)
