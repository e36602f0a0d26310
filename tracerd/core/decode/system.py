"""Decoders of what calls on the system as a whole, on time and on rights take."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.system import (
    ADJTIME,
    CAPABILITIES,
    CAPABILITY_VERSION,
    IOPRIO_CLASS,
    LSM_ID,
    PERSONALITY,
    PERSONALITY_QUERY,
    QUOTA,
    QUOTA_FORMAT,
    QUOTA_TYPE,
    QUOTA_VALID,
    TIME_STATUS,
)
from tracerd.core.decode.stages import filled, given
from tracerd.core.decode.structs import array, record
from tracerd.core.decode.times import timeval_of
from tracerd.core.decode.words import nothing, ptr
from tracerd.core.syscalls.model import Captured, Decode, Words

# The system.

_SYSINFO_FIELDS: Final = (
    "totalram",
    "freeram",
    "sharedram",
    "bufferram",
    "totalswap",
    "freeswap",
    "procs",
    "totalhigh",
    "freehigh",
    "mem_unit",
)


def _sysinfo(uptime: int, *rest: int) -> dict[str, Any]:
    loads, others = rest[:3], rest[3:]
    return {
        "uptime": uptime,
        "loads": list(loads),
        **dict(zip(_SYSINFO_FIELDS, others, strict=True)),
    }


SYSINFO_SIZE: Final = 112
SYSINFO32_SIZE: Final = 64
sysinfo: Final = record("<q3Q6QH6xQQI4x", _sysinfo)
sysinfo32: Final = record("<i3I6IH2xIII8x", _sysinfo)


def _tms(utime: int, stime: int, cutime: int, cstime: int) -> dict[str, int]:
    return {"utime": utime, "stime": stime, "cutime": cutime, "cstime": cstime}


tms: Final = record("<4q", _tms)
tms32: Final = record("<4i", _tms)
TMS_SIZE: Final = 32
TMS32_SIZE: Final = 16


def personality(word: int, _captured: Captured, _call: Words) -> list[str]:
    """Decode a personality; 0xffffffff only asks for it."""
    number = word & 0xFFFF_FFFF
    return [f"{number:#x}"] if number == PERSONALITY_QUERY else PERSONALITY.render(number)


def _ustat(blocks: int, inodes: int, name: bytes, pack: bytes) -> dict[str, Any]:
    found = {"f_tfree": blocks, "f_tinode": inodes}
    texts = (each.split(b"\0", 1)[0].decode("utf-8", "backslashreplace") for each in (name, pack))
    return {**found, **dict(zip(("f_fname", "f_fpack"), texts, strict=True))}


USTAT_SIZE: Final = 32
USTAT32_SIZE: Final = 20
ustat: Final = record("<i4xQ6s6s4x", _ustat)
ustat32: Final = record("<iI6s6s", _ustat)


def _segment(buf: int, bufsz: int, mem: int, memsz: int) -> dict[str, Any]:
    return {"buf": f"{buf:#x}", "bufsz": bufsz, "mem": f"{mem:#x}", "memsz": memsz}


kexec_segments: Final = array("<4Q", _segment)
kexec_segments32: Final = array("<4I", _segment)
KEXEC_SEGMENT_SIZE: Final = 32
KEXEC_SEGMENT32_SIZE: Final = 16

# Time.


def _timezone(west: int, dst: int) -> dict[str, int]:
    return {"minuteswest": west, "dsttime": dst}


timezone: Final = record("<ii", _timezone)
TIMEZONE_SIZE: Final = 8

_TIMEX_FIELDS: Final = (
    "tick",
    "ppsfreq",
    "jitter",
    "shift",
    "stabil",
    "jitcnt",
    "calcnt",
    "errcnt",
    "stbcnt",
    "tai",
)


def _timex(modes: int, offset: int, freq: int, maxerror: int, esterror: int, *rest: int) -> Any:
    status, constant, precision, tolerance, seconds, fraction, *others = rest
    return {
        "modes": ADJTIME.render(modes),
        "offset": offset,
        "freq": freq,
        "maxerror": maxerror,
        "esterror": esterror,
        "status": TIME_STATUS.render(status),
        "constant": constant,
        "precision": precision,
        "tolerance": tolerance,
        "time": timeval_of(seconds, fraction),
        **dict(zip(_TIMEX_FIELDS, others, strict=True)),
    }


TIMEX_SIZE: Final = 208
TIMEX32_SIZE: Final = 128
timex: Final = record("<I4xqqqqI4xqqqqqqqqi4xqqqqqi44x", _timex)
timex32: Final = record("<IiiiiIiiiiiiiiiiiiiii44x", _timex)

# Rights.


def _cap_header(version: int, pid: int) -> dict[str, Any]:
    return {"version": CAPABILITY_VERSION.render(version), "pid": pid}


def _cap_data(*fields: int) -> dict[str, list[str]]:
    names = ("effective", "permitted", "inheritable")
    low, high = fields[:3], fields[3:]
    return {
        name: CAPABILITIES.render(one | two << 32)
        for name, one, two in zip(names, low, high, strict=True)
    }


CAP_HEADER_SIZE: Final = 8
CAP_DATA_SIZE: Final = 24
cap_header: Final = record("<Ii", _cap_header)
cap_data: Final = record("<6I", _cap_data, least=12)
"""Two of each, of which the second has the upper 32; of version 1 there is but one."""


def ioprio_of(number: int) -> dict[str, Any]:
    """Return the class and level of an I/O priority."""
    return {"class": IOPRIO_CLASS.render(number >> 13 & 7), "data": number & 0x1FFF}


def ioprio(word: int, _captured: Captured, _call: Words) -> dict[str, Any]:
    """Decode an I/O priority."""
    return ioprio_of(word & 0xFFFF)


# Quotas.


def quota_command(word: int, _captured: Captured, _call: Words) -> dict[str, Any]:
    """Decode a command of quotactl, and whose quotas it is for."""
    number = word & 0xFFFF_FFFF
    return {"cmd": QUOTA.render(number >> 8), "type": QUOTA_TYPE.render(number & 0xFF)}


def _quota(*fields: int) -> dict[str, Any]:
    names = (
        "bhardlimit",
        "bsoftlimit",
        "curspace",
        "ihardlimit",
        "isoftlimit",
        "curinodes",
        "btime",
        "itime",
    )
    return {**dict(zip(names, fields, strict=False)), "valid": QUOTA_VALID.render(fields[8])}


def _next_quota(*fields: int) -> dict[str, Any]:
    return {**_quota(*fields[:9]), "id": fields[9]}


def _quota_info(block: int, inode: int, flags: int, valid: int) -> dict[str, Any]:
    return {"bgrace": block, "igrace": inode, "flags": f"{flags:#x}", "valid": f"{valid:#x}"}


def _format(number: int) -> list[str | int]:
    return [QUOTA_FORMAT.render(number)]


QUOTA_SIZE: Final = 72
_quota_whole: Final = record("<8QI4x", _quota)
_info: Final = record("<QQII", _quota_info)
_QUOTA_ARGUMENTS: Final[dict[str, Decode]] = {
    "Q_SYNC": nothing,
    "Q_QUOTAOFF": nothing,
    "Q_GETQUOTA": filled(_quota_whole),
    "Q_SETQUOTA": given(_quota_whole),
    "Q_GETNEXTQUOTA": filled(record("<8QII", _next_quota)),
    "Q_GETINFO": filled(_info),
    "Q_SETINFO": given(_info),
    "Q_GETFMT": filled(record("<I", _format)),
    "Q_XQUOTASYNC": nothing,
}
_QUOTA_BY_NUMBER: Final = {QUOTA.values[n]: decode for n, decode in _QUOTA_ARGUMENTS.items()}


def quota_argument(cmd: int) -> Decode:
    """Return the decoder of what argument `cmd` of quotactl takes."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        known = _QUOTA_BY_NUMBER.get((call.args[cmd] & 0xFFFF_FFFF) >> 8, ptr)
        return known(word, captured, call)

    return decode


# Security modules.


def _lsm_id(number: int) -> str | int:
    return LSM_ID.render(number)


lsm_ids: Final = array("<Q", _lsm_id)


def _lsm_context(module: int, flags: int, length: int, context: int) -> dict[str, Any]:
    return {"id": LSM_ID.render(module), "flags": f"{flags:#x}", "len": length, "ctx_len": context}


LSM_CONTEXT_SIZE: Final = 32
lsm_context: Final = record("<QQQQ", _lsm_context)
"""The head of a struct lsm_ctx; behind it stands the context."""
