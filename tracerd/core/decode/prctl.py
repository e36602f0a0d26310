"""Decoder of prctl's second argument."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.process import ARCH_PRCTL, PRCTL
from tracerd.core.decode.signals import SIGNALS, signal
from tracerd.core.decode.stages import filled, given
from tracerd.core.decode.structs import record
from tracerd.core.decode.words import address, int_, nothing
from tracerd.core.syscalls.model import Captured, Decode, Words
from tracerd.protocol.text import shown

NAME_SIZE: Final = 16
"""TASK_COMM_LEN, with the NUL."""


def _name(word: int, captured: Captured, _call: Words) -> Any:
    if type(captured) is not bytes or not captured:
        return address(word)
    return shown(captured[: NAME_SIZE - 1].split(b"\0", 1)[0])


def _signal(number: int) -> list[str | int]:
    return [SIGNALS.get(number, number)]


def _one(value: int) -> list[int]:
    return [value]


_INTS: Final = (
    "PR_SET_DUMPABLE",
    "PR_SET_KEEPCAPS",
    "PR_SET_TIMERSLACK",
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_NO_NEW_PRIVS",
    "PR_SET_THP_DISABLE",
    "PR_CAPBSET_READ",
    "PR_CAPBSET_DROP",
)
_NOTHING: Final = (
    "PR_GET_DUMPABLE",
    "PR_GET_KEEPCAPS",
    "PR_GET_TIMERSLACK",
    "PR_GET_NO_NEW_PRIVS",
    "PR_GET_THP_DISABLE",
    "PR_GET_SECCOMP",
    "PR_GET_SECUREBITS",
)
_BY_OPTION: Final[dict[str, Decode]] = {
    **dict.fromkeys(_INTS, int_),
    **dict.fromkeys(_NOTHING, nothing),
    "PR_SET_NAME": given(_name),
    "PR_GET_NAME": filled(_name),
    "PR_SET_PDEATHSIG": signal,
    "PR_GET_PDEATHSIG": filled(record("<i", _signal)),
    "PR_GET_CHILD_SUBREAPER": filled(record("<i", _one)),
}
_FIRST_ONLY: Final = (
    "PR_SET_NAME",
    "PR_GET_NAME",
    "PR_SET_PDEATHSIG",
    "PR_GET_PDEATHSIG",
    "PR_SET_DUMPABLE",
    "PR_GET_DUMPABLE",
    "PR_SET_KEEPCAPS",
    "PR_GET_KEEPCAPS",
    "PR_SET_TIMERSLACK",
    "PR_GET_TIMERSLACK",
    "PR_GET_SECCOMP",
    "PR_GET_SECUREBITS",
    "PR_CAPBSET_READ",
    "PR_CAPBSET_DROP",
    "PR_SET_CHILD_SUBREAPER",
    "PR_GET_CHILD_SUBREAPER",
)
REST: Final = {PRCTL.values[name]: nothing for name in _FIRST_ONLY}
"""Option -> decoder of the arguments behind the second, which these do not look at."""
ARGUMENTS: Final = {PRCTL.values[name]: decode for name, decode in _BY_OPTION.items()}
"""Option -> decoder.  Those that look at memory take a Pair."""


def _pointer(value: int) -> list[str]:
    return [f"{value:#x}"]


_base: Final = filled(record("<Q", _pointer))
ARCH: Final[dict[int, Decode]] = {
    ARCH_PRCTL.values["ARCH_GET_FS"]: _base,
    ARCH_PRCTL.values["ARCH_GET_GS"]: _base,
    ARCH_PRCTL.values["ARCH_GET_CPUID"]: nothing,
    ARCH_PRCTL.values["ARCH_SET_CPUID"]: int_,
}
"""Option of arch_prctl -> decoder."""
