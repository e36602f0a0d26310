"""Decoders of ptrace's third and fourth argument, as the request says."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.kernel import PTRACE_OPTIONS, REGISTER_SET
from tracerd.core.decode.names.process import PTRACE
from tracerd.core.decode.policies import ranges, ranges32
from tracerd.core.decode.signals import (
    SIGINFO_SIZE,
    SIGSET_SIZE,
    siginfo,
    siginfo32,
    signal,
    sigset,
)
from tracerd.core.decode.stages import answered, filled, given
from tracerd.core.decode.structs import record
from tracerd.core.decode.words import nothing
from tracerd.core.syscalls.model import Captured, Decode, Pair, Words

DATA_SIZE: Final = SIGINFO_SIZE


def _short(decode: Decode, size: int) -> Decode:
    """Return a decoder that looks at the first bytes only."""

    def decode_short(word: int, captured: Captured, call: Words) -> Any:
        return decode(word, captured[:size] if type(captured) is bytes else captured, call)

    return decode_short


def _address(value: int) -> list[str]:
    return [f"{value:#x}"]


def _number(value: int) -> list[int]:
    return [value]


_mask: Final = _short(sigset, SIGSET_SIZE)
_RESUMES: Final = (
    "PTRACE_CONT",
    "PTRACE_SYSCALL",
    "PTRACE_SINGLESTEP",
    "PTRACE_SINGLEBLOCK",
    "PTRACE_DETACH",
    "PTRACE_LISTEN",
    "PTRACE_SYSEMU",
    "PTRACE_SYSEMU_SINGLESTEP",
)
_PEEKS: Final = ("PTRACE_PEEKTEXT", "PTRACE_PEEKDATA", "PTRACE_PEEKUSR")
_BARE: Final = ("PTRACE_TRACEME", "PTRACE_ATTACH", "PTRACE_KILL", "PTRACE_INTERRUPT")


def _data(word: str, info: Decode, iovec: Decode) -> dict[int, Decode]:
    """Return the decoders of `data`.  word: the format of a long; info, iovec: of structures."""
    by_name: dict[str, Decode] = {
        **dict.fromkeys(_BARE, nothing),
        **dict.fromkeys(_RESUMES, signal),
        **dict.fromkeys(_PEEKS, filled(record(f"<{word}", _address))),
        **dict.fromkeys(("PTRACE_SETOPTIONS", "PTRACE_SEIZE"), PTRACE_OPTIONS.decoder()),
        "PTRACE_GETEVENTMSG": filled(record(f"<{word}", _number)),
        "PTRACE_GETSIGINFO": filled(info),
        "PTRACE_SETSIGINFO": given(info),
        "PTRACE_GETSIGMASK": filled(_mask),
        "PTRACE_SETSIGMASK": given(_mask),
        "PTRACE_GETREGSET": _vector(iovec),
        "PTRACE_SETREGSET": _vector(iovec),
    }
    return {PTRACE.values[name]: decode for name, decode in by_name.items()}


def _vector(iovec: Decode) -> Decode:
    """Return the decoder of the one iovec of a register set; the kernel may change its length."""
    size = 16 if iovec is ranges else 8
    one = _short(iovec, size)

    def build(word: int, captured: Captured, call: Words) -> Any:
        shown = one(word, captured, call)
        return shown[0] if isinstance(shown, list) and shown else shown

    either = answered(build, build)

    def decode(word: int, captured: Captured, call: Words) -> Any:
        shown = either(word, captured, call)
        if isinstance(captured, Pair) and isinstance(shown, dict) and "len" in shown:
            before = build(word, captured.before, call)
            if isinstance(before, dict) and before.get("len") not in (None, shown["len"]):
                shown["len"] = [before["len"], shown["len"]]
        return shown

    return decode


DATA: Final = _data("Q", siginfo, ranges)
"""Request -> decoder.  Those that look at memory take a Pair."""
DATA_I386: Final = _data("I", siginfo32, ranges32)

_REGISTERS: Final = ("PTRACE_GETREGSET", "PTRACE_SETREGSET")
ADDRESS: Final[dict[int, Decode]] = {
    **{PTRACE.values[name]: REGISTER_SET.decoder() for name in _REGISTERS},
    **{PTRACE.values[name]: nothing for name in ("PTRACE_TRACEME", "PTRACE_ATTACH")},
}
