"""Decoders of what calls on processes take and give."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.process import (
    CLONE,
    CLONE_FLAGS,
    SCHED,
    SCHED_FLAGS,
    SECCOMP,
    SECCOMP_ACTION,
)
from tracerd.core.decode.names.process import SIGACTION as SIGACTION_FLAGS
from tracerd.core.decode.signals import SIGNALS, signal_name, signals_of
from tracerd.core.decode.structs import record
from tracerd.core.decode.times import timeval_of
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Decode, Pair, Words
from tracerd.protocol.text import shown

CLONE_ARGS: Final = "<11Q"
CLONE_ARGS_SIZE: Final = 88
CLONE_ARGS_LEAST: Final = 64
RUSAGE: Final = "<qqqq14q"
RUSAGE_SIZE: Final = 144
UTSNAME: Final = "<65s65s65s65s65s65s"
UTSNAME_SIZE: Final = 390
SIGACTION: Final = "<QQQQ"
SIGACTION_SIZE: Final = 32
RLIM_INFINITY: Final = (1 << 64) - 1


def wait_status_of(status: int) -> dict[str, Any]:
    """Return what a wait status says."""
    low = status & 0x7F
    if low == 0:
        return {"exited": status >> 8 & 0xFF}
    if status & 0xFFFF == 0xFFFF:
        return {"continued": True}
    if low == 0x7F:
        stopped: dict[str, Any] = {"stopped": signal_name(status >> 8 & 0x7F)}
        if status & 0x8000:
            stopped["syscall"] = True
        if status >> 16:
            stopped["event"] = status >> 16
        return stopped
    killed: dict[str, Any] = {"signaled": signal_name(low)}
    if status & 0x80:
        killed["core_dumped"] = True
    return killed


wstatus: Final = record("<I", wait_status_of)


def _clone_args(
    flags: int,
    pidfd: int,
    child_tid: int,
    parent_tid: int,
    exit_signal: int,
    stack: int,
    stack_size: int,
    tls: int,
    set_tid: int,
    set_tid_size: int,
    cgroup: int,
) -> dict[str, Any]:
    given: dict[str, Any] = {
        "flags": CLONE.render(flags),
        "exit_signal": SIGNALS.get(exit_signal, exit_signal),
    }
    for name, pointer, flag in (
        ("pidfd", pidfd, "CLONE_PIDFD"),
        ("child_tid", child_tid, ""),
        ("parent_tid", parent_tid, "CLONE_PARENT_SETTID"),
        ("stack", stack, ""),
        ("tls", tls, "CLONE_SETTLS"),
        ("set_tid", set_tid, ""),
    ):
        if pointer and (not flag or flags & CLONE_FLAGS[flag]):
            given[name] = f"{pointer:#x}"
    if stack_size:
        given["stack_size"] = stack_size
    if set_tid_size:
        given["set_tid_size"] = set_tid_size
    if flags & CLONE_FLAGS["CLONE_INTO_CGROUP"]:
        given["cgroup"] = cgroup
    return given


clone_args: Final = record(CLONE_ARGS, _clone_args, least=CLONE_ARGS_LEAST)
"""Fields that are zero or not looked at are left out, but for flags and exit_signal."""

_RUSAGE_FIELDS: Final = (
    "maxrss",
    "ixrss",
    "idrss",
    "isrss",
    "minflt",
    "majflt",
    "nswap",
    "inblock",
    "oublock",
    "msgsnd",
    "msgrcv",
    "nsignals",
    "nvcsw",
    "nivcsw",
)


def _rusage(utime: int, utime_us: int, stime: int, stime_us: int, *rest: int) -> dict[str, Any]:
    return {
        "utime": timeval_of(utime, utime_us),
        "stime": timeval_of(stime, stime_us),
        **dict(zip(_RUSAGE_FIELDS, rest, strict=True)),
    }


rusage: Final = record(RUSAGE, _rusage)
rusage32: Final = record("<18i", _rusage)
RUSAGE32_SIZE: Final = 72


def _limit(value: int) -> int | str:
    return "RLIM_INFINITY" if value == RLIM_INFINITY else value


def _rlimit(cur: int, maximum: int) -> dict[str, int | str]:
    return {"cur": _limit(cur), "max": _limit(maximum)}


rlimit: Final = record("<QQ", _rlimit)


def _rlimit_up_to(infinity: int) -> Decode:
    """Return the decoder of limits of 32 bits, of which one value means none."""

    def build(cur: int, maximum: int) -> dict[str, int | str]:
        return _rlimit(*(RLIM_INFINITY if each == infinity else each for each in (cur, maximum)))

    return record("<II", build)


rlimit32: Final = _rlimit_up_to(0xFFFF_FFFF)
old_rlimit32: Final = _rlimit_up_to(0x7FFF_FFFF)
RLIMIT32_SIZE: Final = 8

_UTSNAME_FIELDS: Final = ("sysname", "nodename", "release", "version", "machine", "domainname")


def _utsname(*fields: bytes) -> dict[str, str]:
    texts = [shown(each.split(b"\0", 1)[0]) for each in fields]
    return dict(zip(_UTSNAME_FIELDS, texts, strict=True))


utsname: Final = record(UTSNAME, _utsname)


def _old_utsname(*fields: bytes) -> dict[str, str]:
    texts = [shown(each.split(b"\0", 1)[0]) for each in fields]
    return dict(zip(_UTSNAME_FIELDS, texts, strict=False))


old_utsname: Final = record("<65s65s65s65s65s", _old_utsname)
OLD_UTSNAME_SIZE: Final = 325
oldest_utsname: Final = record("<9s9s9s9s9s", _old_utsname)
OLDEST_UTSNAME_SIZE: Final = 45


def _sigaction(handler: int, flags: int, restorer: int, mask: int) -> dict[str, Any]:
    return {
        "handler": {0: "SIG_DFL", 1: "SIG_IGN"}.get(handler) or f"{handler:#x}",
        "mask": signals_of(mask),
        "flags": SIGACTION_FLAGS.render(flags),
        "restorer": f"{restorer:#x}",
    }


sigaction: Final = record(SIGACTION, _sigaction)
sigaction32: Final = record("<IIIQ", _sigaction)
SIGACTION32_SIZE: Final = 20


def _old_sigaction(handler: int, mask: int, flags: int, restorer: int) -> dict[str, Any]:
    return _sigaction(handler, flags, restorer, mask)


old_sigaction32: Final = record("<IIII", _old_sigaction)
OLD_SIGACTION32_SIZE: Final = 16


def exit_status(word: int, _captured: Captured, _call: Words) -> int:
    """Decode a status passed to exit, as the kernel keeps it."""
    return word & 0xFF


def when_reaped(decode: Decode) -> Decode:
    """Return a decoder of what wait4 fills in only if it returns a process."""

    def decode_if(word: int, captured: Captured, call: Words) -> Any:
        return decode(word, captured if call.ret > 0 else None, call)

    return decode_if


def cpus(word: int, captured: Captured, _call: Words) -> Any:
    """Decode a mask of processors: a list of their numbers."""
    if type(captured) is bytes:
        return _cpus_of(captured)
    if isinstance(captured, Cut):
        return {"items": _cpus_of(captured.data), "truncated": True}
    return address(word)


def _cpus_of(mask: bytes) -> list[int]:
    bits = int.from_bytes(mask, "little")
    return [cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1]


def _sched_attr(
    size: int,
    policy: int,
    flags: int,
    nice: int,
    priority: int,
    runtime: int,
    deadline: int,
    period: int,
    util_min: int,
    util_max: int,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "size": size,
        "policy": SCHED.render(policy),
        "flags": SCHED_FLAGS.render(flags),
        "nice": nice,
        "priority": priority,
        "runtime": runtime,
        "deadline": deadline,
        "period": period,
    }
    if size > SCHED_ATTR_LEAST:
        found["util_min"] = util_min
        found["util_max"] = util_max
    return found


SCHED_ATTR: Final = "<IIQiIQQQII"
SCHED_ATTR_SIZE: Final = 56
SCHED_ATTR_LEAST: Final = 48
sched_attr: Final = record(SCHED_ATTR, _sched_attr, least=SCHED_ATTR_LEAST)


def _fprog(length: int, instructions: int) -> dict[str, Any]:
    return {"len": length, "filter": f"{instructions:#x}"}


def _action(value: int) -> list[str | int]:
    return [SECCOMP_ACTION.render(value)]


SECCOMP_SIZE: Final = 16
SECCOMP_ARGUMENTS: Final[dict[int, Decode]] = {
    SECCOMP.values["SECCOMP_SET_MODE_FILTER"]: record("<H6xQ", _fprog),
    SECCOMP.values["SECCOMP_GET_ACTION_AVAIL"]: record("<I", _action),
}
"""Operation of seccomp -> decoder of its argument."""
SECCOMP_ARGUMENTS_I386: Final[dict[int, Decode]] = {
    **SECCOMP_ARGUMENTS,
    SECCOMP.values["SECCOMP_SET_MODE_FILTER"]: record("<H2xI", _fprog),
}


_SEGMENT_BITS: Final = (
    ("seg_32bit", 0, 1),
    ("contents", 1, 2),
    ("read_exec_only", 3, 1),
    ("limit_in_pages", 4, 1),
    ("seg_not_present", 5, 1),
    ("useable", 6, 1),
)


def _segment(entry: int, base: int, limit: int, bits: int) -> dict[str, Any]:
    found = {"entry_number": entry, "base_addr": f"{base:#x}", "limit": f"{limit:#x}"}
    fields = {name: bits >> at & (1 << width) - 1 for name, at, width in _SEGMENT_BITS}
    return {**found, **fields}


SEGMENT_SIZE: Final = 16
segment: Final = record("<iIII", _segment)
"""struct user_desc."""


def segment_set(word: int, captured: Captured, call: Words) -> Any:
    """Decode a segment that is set; entry_number is two numbers if the kernel has chosen one."""
    if not isinstance(captured, Pair):
        return segment(word, captured, call)
    given, found = segment(word, captured.before, call), segment(word, captured.after, call)
    if given != found and "entry_number" in (given or {}) and "entry_number" in (found or {}):
        return {**given, "entry_number": [given["entry_number"], found["entry_number"]]}
    return given
