"""Decoders of times: seconds with a fraction, and timers made of two of them."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.stages import left
from tracerd.core.decode.structs import record

TIMESPEC: Final = "<qq"
TWO: Final = "<qqqq"


def timespec_of(seconds: int, nanoseconds: int) -> dict[str, int]:
    """Return a timespec."""
    return {"sec": seconds, "nsec": nanoseconds}


def timeval_of(seconds: int, microseconds: int) -> dict[str, int]:
    """Return a timeval."""
    return {"sec": seconds, "usec": microseconds}


UTIME_NOW: Final = (1 << 30) - 1
UTIME_OMIT: Final = (1 << 30) - 2


def _file_time(seconds: int, nanoseconds: int) -> dict[str, int] | str:
    if nanoseconds == UTIME_NOW:
        return "UTIME_NOW"
    if nanoseconds == UTIME_OMIT:
        return "UTIME_OMIT"
    return timespec_of(seconds, nanoseconds)


def _file_times(*fields: int) -> list[Any]:
    return [_file_time(*fields[:2]), _file_time(*fields[2:])]


def _timevals(*fields: int) -> list[Any]:
    return [timeval_of(*fields[:2]), timeval_of(*fields[2:])]


def _itimerspec(*fields: int) -> dict[str, Any]:
    return {"interval": timespec_of(*fields[:2]), "value": timespec_of(*fields[2:])}


def _itimerval(*fields: int) -> dict[str, Any]:
    return {"interval": timeval_of(*fields[:2]), "value": timeval_of(*fields[2:])}


def _utimbuf(actime: int, modtime: int) -> dict[str, int]:
    return {"actime": actime, "modtime": modtime}


timespec: Final = record(TIMESPEC, timespec_of)
timeval: Final = record(TIMESPEC, timeval_of)
file_times: Final = record(TWO, _file_times)
"""struct timespec[2] of utimensat: access and modification, or what to do instead."""
timevals: Final = record(TWO, _timevals)
itimerspec: Final = record(TWO, _itimerspec)
itimerval: Final = record(TWO, _itimerval)
utimbuf: Final = record(TIMESPEC, _utimbuf)

# The same as 32-bit programs lay them out.

_SHORT: Final = "<ii"
_SHORT_TWO: Final = "<iiii"
timespec32: Final = record(_SHORT, timespec_of)
timeval32: Final = record(_SHORT, timeval_of)
file_times32: Final = record(_SHORT_TWO, _file_times)
timevals32: Final = record(_SHORT_TWO, _timevals)
itimerspec32: Final = record(_SHORT_TWO, _itimerspec)
itimerval32: Final = record(_SHORT_TWO, _itimerval)
utimbuf32: Final = record(_SHORT, _utimbuf)

# With seconds of 64 bits, and after the nanoseconds four bytes that may hold chance.

_LONG: Final = "<qI4x"
_LONG_TWO: Final = "<qI4xqI4x"
timespec64: Final = record(_LONG, timespec_of)
file_times64: Final = record(_LONG_TWO, _file_times)
itimerspec64: Final = record(_LONG_TWO, _itimerspec)

timespec_left: Final = left(timespec)
timespec32_left: Final = left(timespec32)
timespec64_left: Final = left(timespec64)
timeval_left: Final = left(timeval)
timeval32_left: Final = left(timeval32)
