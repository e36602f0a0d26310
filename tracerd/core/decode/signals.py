"""Names of signals, of why they were sent, and sets of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from tracerd.core.decode.structs import record
from tracerd.core.decode.words import int_
from tracerd.core.syscalls.model import Captured, Words

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


_ANY: Final = {
    0: "SI_USER",
    0x80: "SI_KERNEL",
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

SIGINFO: Final = "<iii4xiii100x"
SIGINFO_SIZE: Final = 128


def _siginfo(signo: int, errno: int, code: int, pid: int, uid: int, status: int) -> dict[str, Any]:
    if signo == 0:
        return {}  # waitid with WNOHANG, and nobody changed state
    found: dict[str, Any] = {"signo": signal_name(signo), "code": si_code_name(signo, code)}
    if errno:
        found["errno"] = errno
    if code <= 0 or signo == NUMBERS["SIGCHLD"]:
        found["pid"] = pid
        found["uid"] = uid & 0xFFFF_FFFF
    if signo == NUMBERS["SIGCHLD"] and code > 0:
        found["status"] = status if code == 1 else SIGNALS.get(status, status)
    return found


siginfo: Final = record(SIGINFO, _siginfo)

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

siginfo32: Final = record("<iiiiii104x", _siginfo)
sigevent32: Final = record("<Iiii", _sigevent)
SIGEVENT32_SIZE: Final = 16
old_sigset: Final = record("<I", signals_of)
OLD_SIGSET_SIZE: Final = 4


def mask(word: int, _captured: Captured, _call: Words) -> Any:
    """Decode a set of the first 32 signals that is passed as a word."""
    return signals_of(word & 0xFFFF_FFFF)
