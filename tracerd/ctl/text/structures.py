"""Structures as strace prints them, and the table of all kinds of argument.

A structure of the protocol has its fields without the prefix that C programs know them by
(`st_`, `tv_`); here they get it back.  Fields that a table does not name (a newer daemon's) are
shown last, by their shape.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final

from tracerd.ctl.text.escape import escape, quote
from tracerd.ctl.text.look import Look
from tracerd.ctl.text.values import (
    Show,
    anything,
    bare,
    device,
    field,
    flags,
    hexadecimal,
    text,
    typed_mode,
)


def struct(
    prefix: str = "",
    shows: Mapping[str, Show] | None = None,
    *,
    order: str = "",
    names: Mapping[str, str] | None = None,
    brief: str = "",
) -> Show:
    """Return what shows a structure.

    order: fields that come first, in this order; the rest follows as it comes.  names: of fields
    that are not `prefix` and the field.  brief: fields that are shown of it unless it is to be
    shown whole; three dots stand for the others.
    """
    known = shows or {}
    printed = names or {}
    first = order.split()
    few = brief.split()

    def one(name: str, value: Any, look: Look) -> str:
        show = known.get(name)
        shown = field(name, value, look) if show is None else show(value, look)
        return f"{printed.get(name) or prefix + escape(name)}={shown}"

    def show_struct(value: Any, look: Look) -> str:
        if not isinstance(value, dict) or value.keys() == {"ptr"}:
            return anything(value, look)
        if few and not look.whole:
            shown = [one(name, value[name], look) for name in few if name in value]
            return f"{{{', '.join([*shown, '...'])}}}"
        ordered = [name for name in first if name in value]
        ordered += [name for name in value if name not in first]
        return f"{{{', '.join([one(name, value[name], look) for name in ordered])}}}"

    return show_struct


def moment(seconds: Any, nanoseconds: Any = 0) -> str:
    """Return ` /* date and time */`; empty for what no calendar can show."""
    try:
        local = time.localtime(seconds)
        fraction = f".{nanoseconds:09}" if nanoseconds else ""
        shown = time.strftime("%Y-%m-%dT%H:%M:%S", local) + fraction + time.strftime("%z", local)
    except (OverflowError, OSError, ValueError, TypeError):
        return ""
    return f" /* {shown} */"


_HEX: Final = re.compile("0x[0-9a-f]{1,16}")


def pointer(value: Any, look: Look) -> str:
    """Show an address within a structure."""
    return "NULL" if value == "0x0" else bare(value, look)


# Times.

timespec: Final = struct("tv_")
timeval: Final = timespec
timer: Final = struct("it_", {"interval": timespec, "value": timespec})


def file_time(value: Any, look: Look) -> str:
    """Show a time of a file, with what the calendar says of it."""
    if not isinstance(value, dict):
        return bare(value, look)
    nanoseconds = value.get("nsec", _microseconds(value.get("usec")))
    return timespec(value, look) + moment(value.get("sec"), nanoseconds)


def _microseconds(count: Any) -> Any:
    return count * 1000 if isinstance(count, int) else 0


FILE_MOMENT: Final[Show] = lambda value, look: f"{anything(value, look)}{moment(value)}"  # noqa: E731

# Files.

_STAT_ORDER: Final = "dev ino mode nlink uid gid blksize blocks rdev size"
_STAT_TIMES: Final = ("atime", "mtime", "ctime")


_stat_fields: Final = struct(
    "st_",
    {"dev": device, "rdev": device, "mode": typed_mode},
    order=_STAT_ORDER,
    brief="mode rdev size",
)


def stat(value: Any, look: Look) -> str:
    """Show struct stat, whose times are each two fields."""
    if not isinstance(value, dict) or not look.whole:
        if isinstance(value, dict) and "rdev" in value:
            value = {name: item for name, item in value.items() if name != "size"}
        return _stat_fields(value, look)
    rest = {name: item for name, item in value.items() if name not in _STAT_TIMES}
    if "rdev" in rest:
        rest.pop("size", None)
    shown = [_stat_fields(rest, look)[:-1]]
    for name in _STAT_TIMES:
        when = value.get(name)
        if isinstance(when, dict):
            seconds, rest_ns = when.get("sec"), when.get("nsec")
            shown.append(f"st_{name}={anything(seconds)}{moment(seconds, rest_ns)}")
            shown.append(f"st_{name}_nsec={anything(rest_ns)}")
    return ", ".join(shown) + "}"


_statx_fields: Final = struct(
    "stx_",
    {
        "mask": flags,
        "attributes": flags,
        "attributes_mask": flags,
        "mode": typed_mode,
        "mnt_id": hexadecimal,
        **dict.fromkeys(("atime", "btime", "ctime", "mtime"), file_time),
    },
    order="mask blksize attributes nlink uid gid mode ino size blocks attributes_mask atime btime "
    "ctime mtime rdev_major rdev_minor dev_major dev_minor mnt_id",
    brief="mask attributes mode size",
)


def statx(value: Any, look: Look) -> str:
    """Show struct statx, whose device numbers are two fields each."""
    if isinstance(value, dict) and value.keys() != {"ptr"}:
        value = {"rdev": "0:0", **value}
        mask = value.get("mask")
        if isinstance(mask, list) and not {"STATX_BTIME", "STATX_ALL"} & set(map(str, mask)):
            value.pop("btime", None)
        for name in ("rdev", "dev"):
            major, _, minor = str(value.pop(name, "0:0")).partition(":")
            value[f"{name}_major"], value[f"{name}_minor"] = major, minor
    return _statx_fields(value, look)


def _fsid(value: Any, look: Look) -> str:
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        return anything(value, look)
    return f"{{val=[{', '.join(f'{item & 0xFFFF_FFFF:#x}' for item in value)}]}}"


_FILE_SYSTEMS: Final = {
    "EXT4_SUPER_MAGIC": "EXT2_SUPER_MAGIC",
    "EXT3_SUPER_MAGIC": "EXT2_SUPER_MAGIC",
}
"""Names of one number: strace knows the oldest."""


def _file_system(value: Any, look: Look) -> str:
    return bare(_FILE_SYSTEMS.get(value, value) if isinstance(value, str) else value, look)


statfs: Final = struct("f_", {"type": _file_system, "fsid": _fsid})


def dirents(value: Any, look: Look) -> str:
    """Show directory entries: how many they are, or on request their names."""
    names = value.get("names") if isinstance(value, dict) else None
    if not isinstance(names, list):
        return anything(value, look)
    count = value.get("entries")
    if not look.whole:
        return f"/* {anything(count)} entries */" if count is not None else "/* entries */"
    shown = [quote(name) if isinstance(name, str) else anything(name, look) for name in names]
    if count != len(names):
        shown.append("...")
    return f"[{', '.join(shown)}]"


# Signals.


def signals(value: Any, look: Look) -> str:
    """Show a set of signals: `[INT CHLD]`, `~[KILL STOP]`."""
    sign = ""
    if isinstance(value, dict) and value.keys() == {"all_but"}:
        sign, value = "~", value["all_but"]
    if not isinstance(value, list):
        return anything(value, look)
    return f"{sign}[{' '.join(_short_signal(item, look) for item in value)}]"


def _short_signal(value: Any, look: Look) -> str:
    return bare(value, look).removeprefix("SIG")


_sigaction_fields: Final = struct("sa_", {"handler": bare, "mask": signals, "restorer": pointer})


def sigaction(value: Any, look: Look) -> str:
    """Show struct sigaction; its restorer if it has one."""
    names = value.get("flags") if isinstance(value, dict) else None
    if isinstance(names, list) and "SA_RESTORER" not in names:
        value = {name: item for name, item in value.items() if name != "restorer"}
    return _sigaction_fields(value, look)


_siginfo_fields: Final = struct("si_", {"addr": pointer})


def siginfo(value: Any, look: Look) -> str:
    """Show siginfo_t; what came with the signal, as both members of its union."""
    shown = _siginfo_fields(value, look)
    if isinstance(value, dict) and isinstance(value.get("value"), str):
        word = value["value"]
        rest = {name: item for name, item in value.items() if name != "value"}
        shown = _siginfo_fields(rest, look)
        number = int(word, 16) & 0xFFFF_FFFF if _HEX.fullmatch(word) else 0
        number = (number ^ 1 << 31) - (1 << 31)
        shown = f"{shown[:-1]}, si_int={number}, si_ptr={pointer(word, look)}}}"
    return shown


_sigevent_fields: Final = struct("sigev_", order="value signo notify")


def sigevent(value: Any, look: Look) -> str:
    """Show struct sigevent; what comes with the signal, if it is anything."""
    if isinstance(value, dict) and value.get("value") == "0x0":
        value = {name: item for name, item in value.items() if name != "value"}
    return _sigevent_fields(value, look)


# Processes.


def _limit(value: Any, look: Look) -> str:
    if type(value) is int and value > 1024 and value % 1024 == 0:
        return f"{value // 1024}*1024"
    return bare(value, look)


def _limit64(value: Any, look: Look) -> str:
    return "RLIM64_INFINITY" if value == "RLIM_INFINITY" else _limit(value, look)


rlimit: Final = struct("rlim_", {"cur": _limit, "max": _limit})
rlimit64: Final = struct("rlim_", {"cur": _limit64, "max": _limit64})
rusage: Final = struct("ru_", {"utime": timeval, "stime": timeval}, brief="utime stime")
utsname: Final = struct(
    shows=dict.fromkeys(
        ("sysname", "nodename", "release", "version", "machine", "domainname"), text
    ),
    brief="sysname nodename",
)


def wait_status(value: Any, look: Look) -> str:
    """Show what wait tells, in the words of the macros that take it apart."""
    if not isinstance(value, dict) or value.keys() == {"ptr"}:
        return anything(value, look)
    if "exited" in value:
        shown = f"WIFEXITED(s) && WEXITSTATUS(s) == {anything(value['exited'])}"
    elif "signaled" in value:
        dumped = " && WCOREDUMP(s)" if value.get("core_dumped") else ""
        shown = f"WIFSIGNALED(s) && WTERMSIG(s) == {bare(value['signaled'], look)}{dumped}"
    elif "stopped" in value:
        shown = f"WIFSTOPPED(s) && WSTOPSIG(s) == {bare(value['stopped'], look)}"
        shown += " | 0x80" * bool(value.get("syscall"))
    elif "continued" in value:
        shown = "WIFCONTINUED(s)"
    else:
        return anything(value, look)
    return f"[{{{shown}}}]"


clone_args: Final = struct(
    shows={"flags": flags, "stack_size": hexadecimal},
    order="flags pidfd child_tid parent_tid exit_signal stack stack_size tls",
)
