"""Names for what some calls return as a number: flags, or one of several values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tracerd.core.decode.names.descriptors import FCNTL, FD, LEASE, SEALS
from tracerd.core.decode.names.files import OPEN, OPEN_AARCH64
from tracerd.core.decode.names.memory import MEMBARRIERS
from tracerd.core.decode.names.process import DUMPABLE, PRCTL, SCHED, SECUREBITS
from tracerd.core.decode.names.system import IOPRIO_CLASS, PERSONALITY, TIME_STATE
from tracerd.core.decode.sets import FlagSet, ValueSet
from tracerd.core.decode.signals import SIGNALS

Named: TypeAlias = Callable[[int, tuple[int, ...]], list[str]]
"""(what was returned, the words passed) -> its names; none if there are none."""


def flags(names: FlagSet) -> Named:
    """Return the names of a word of bits."""

    def named(value: int, _args: tuple[int, ...]) -> list[str]:
        return names.render(value & 0xFFFF_FFFF)

    return named


def one(names: ValueSet) -> Named:
    """Return the name of one value."""

    def named(value: int, _args: tuple[int, ...]) -> list[str]:
        name = names.names.get(value)
        return [] if name is None else [name]

    return named


def by_command(at: int, known: Mapping[int, Named]) -> Named:
    """Return what argument `at`, a command, says of the number."""

    def named(value: int, args: tuple[int, ...]) -> list[str]:
        return known.get(args[at] & 0xFFFF_FFFF, nameless)(value, args)

    return named


def nameless(_value: int, _args: tuple[int, ...]) -> list[str]:
    """Return no name."""
    return []


def _signal(value: int, _args: tuple[int, ...]) -> list[str]:
    name = SIGNALS.get(value)
    return [] if name is None else [name]


def _fcntl(open_flags: FlagSet) -> Named:
    values = FCNTL.values
    return by_command(
        1,
        {
            values["F_GETFD"]: flags(FD),
            values["F_GETFL"]: flags(open_flags),
            values["F_GETSIG"]: _signal,
            values["F_GETLEASE"]: one(LEASE),
            values["F_GET_SEALS"]: flags(SEALS),
        },
    )


fcntl: Final = _fcntl(OPEN)
fcntl_aarch64: Final = _fcntl(OPEN_AARCH64)
prctl: Final = by_command(
    0,
    {
        PRCTL.values["PR_GET_DUMPABLE"]: one(DUMPABLE),
        PRCTL.values["PR_GET_SECUREBITS"]: flags(SECUREBITS),
    },
)
membarrier: Final = by_command(0, {0: flags(MEMBARRIERS)})


def ioprio(value: int, _args: tuple[int, ...]) -> list[str]:
    """Return the class of an I/O priority, and its level."""
    return [str(IOPRIO_CLASS.render(value >> 13 & 7)), str(value & 0x1FFF)]


scheduler: Final = one(SCHED)
personality: Final = flags(PERSONALITY)
time_state: Final = one(TIME_STATE)
