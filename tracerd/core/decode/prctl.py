"""Decoders of prctl's arguments."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.process import (
    ARCH_PRCTL,
    CAP_AMBIENT,
    DUMPABLE,
    MEMORY_MAP,
    PRCTL,
    SECCOMP_MODE,
    SECUREBITS,
    SPECULATION,
    SPECULATION_CONTROL,
    VMA,
)
from tracerd.core.decode.names.system import CAPABILITY
from tracerd.core.decode.signals import SIGNALS, signal
from tracerd.core.decode.stages import filled, given
from tracerd.core.decode.structs import record
from tracerd.core.decode.text import text
from tracerd.core.decode.words import address, int_, nothing, ptr, ulong
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


def _tracer(word: int, captured: Captured, call: Words) -> int | str:
    return "PR_SET_PTRACER_ANY" if word & _ALL in (_ALL, _LOW) else int_(word, captured, call)


def _ambient(word: int, captured: Captured, call: Words) -> Any:
    if call.args[1] == CAP_AMBIENT.values["PR_CAP_AMBIENT_CLEAR_ALL"]:
        return int_(word, captured, call)
    return CAPABILITY.decoder()(word, captured, call)


_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF
_LOW: Final = 0xFFFF_FFFF

_INTS: Final = (
    "PR_SET_KEEPCAPS",
    "PR_SET_TIMERSLACK",
    "PR_SET_CHILD_SUBREAPER",
    "PR_SET_NO_NEW_PRIVS",
    "PR_SET_THP_DISABLE",
    "PR_SET_TIMING",
    "PR_SET_IO_FLUSHER",
    "PR_GET_NO_NEW_PRIVS",
)
_NOTHING: Final = (
    "PR_GET_DUMPABLE",
    "PR_GET_KEEPCAPS",
    "PR_GET_TIMERSLACK",
    "PR_GET_THP_DISABLE",
    "PR_GET_SECCOMP",
    "PR_GET_SECUREBITS",
    "PR_GET_TIMING",
    "PR_GET_IO_FLUSHER",
)
_BY_OPTION: Final[dict[str, Decode]] = {
    **dict.fromkeys(_INTS, int_),
    **dict.fromkeys(_NOTHING, nothing),
    "PR_SET_NAME": given(_name),
    "PR_GET_NAME": filled(_name),
    **dict.fromkeys(("PR_CAPBSET_READ", "PR_CAPBSET_DROP"), CAPABILITY.decoder()),
    "PR_SET_DUMPABLE": DUMPABLE.decoder(),
    "PR_SET_SECCOMP": SECCOMP_MODE.decoder(),
    "PR_SET_SECUREBITS": SECUREBITS.decoder(),
    "PR_CAP_AMBIENT": CAP_AMBIENT.decoder(),
    "PR_SET_VMA": VMA.decoder(),
    "PR_SET_MM": MEMORY_MAP.decoder(),
    "PR_SET_PTRACER": _tracer,
    **dict.fromkeys(("PR_GET_SPECULATION_CTRL", "PR_SET_SPECULATION_CTRL"), SPECULATION.decoder()),
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
    "PR_SET_PTRACER",
    "PR_SET_SECUREBITS",
)
_NONE_MORE: Final = {PRCTL.values[name]: nothing for name in _FIRST_ONLY}
REST: Final[dict[str, dict[int, Decode]]] = {
    "arg3": {
        **_NONE_MORE,
        PRCTL.values["PR_CAP_AMBIENT"]: _ambient,
        PRCTL.values["PR_SET_VMA"]: ptr,
        PRCTL.values["PR_SET_MM"]: ptr,
        PRCTL.values["PR_SET_SPECULATION_CTRL"]: SPECULATION_CONTROL.decoder(),
        PRCTL.values["PR_SET_NO_NEW_PRIVS"]: int_,
        PRCTL.values["PR_GET_NO_NEW_PRIVS"]: int_,
    },
    "arg4": {
        **_NONE_MORE,
        PRCTL.values["PR_SET_VMA"]: ulong,
        PRCTL.values["PR_SET_MM"]: ulong,
        PRCTL.values["PR_CAP_AMBIENT"]: int_,
        PRCTL.values["PR_SET_NO_NEW_PRIVS"]: int_,
        PRCTL.values["PR_GET_NO_NEW_PRIVS"]: int_,
    },
    "arg5": {
        **_NONE_MORE,
        PRCTL.values["PR_SET_VMA"]: text,
        PRCTL.values["PR_CAP_AMBIENT"]: int_,
        PRCTL.values["PR_SET_NO_NEW_PRIVS"]: int_,
        PRCTL.values["PR_GET_NO_NEW_PRIVS"]: int_,
    },
}
"""Argument behind the second -> option -> decoder; many options look at none of them."""
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
