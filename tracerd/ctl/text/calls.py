"""What is particular to some calls: arguments shown in a way of their own, order, results.

Tables by name of the call; all else follows from the kinds of the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tracerd.ctl.text.look import Look
from tracerd.ctl.text.records import controlled, request, requested, traced
from tracerd.ctl.text.structures import moment, rlimit64, signals, timespec, timeval
from tracerd.ctl.text.values import (
    Show,
    anything,
    bare,
    bytes_of,
    each,
    first,
    flags,
    hexadecimal,
    link,
    mode,
    named,
    path,
    typed_mode,
    variables,
)

if TYPE_CHECKING:
    from tracerd.protocol.events import SyscallEnter, SyscallExit

Shown: TypeAlias = "dict[str, str]"
"""The arguments of a call as text, by name, in order."""
Layout: TypeAlias = "Callable[[SyscallEnter | SyscallExit, Shown], list[str]]"
Remark: TypeAlias = "Callable[[SyscallExit, Look], str]"


_HEX: Final = re.compile("0x[0-9a-f]{1,16}")


# Arguments.


def _futex_op(value: Any, look: Look) -> str:
    """Show a futex operation: private ones have names of their own."""
    if not isinstance(value, list) or not value or "FUTEX_PRIVATE_FLAG" not in value:
        return flags(value, look)
    rest = [item for item in value[1:] if item != "FUTEX_PRIVATE_FLAG"]
    return flags([f"{value[0]}_PRIVATE", *rest], look)


def _sigmask(value: Any, look: Look) -> str:
    """Show what pselect6 has as its last argument."""
    if value is None or (isinstance(value, dict) and "ptr" in value):
        return anything(value, look)
    return f"{{sigmask={signals(value, look)}, sigsetsize=8}}"


def _random(value: Any, look: Look) -> str:
    """Show bytes of which none means anything: in hex all."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return anything(value, look)
    shown = "".join(f"\\x{byte:02x}" for byte in bytes_of(first(value["text"], look.limit)))
    cut = value.get("truncated") or len(shown) < 4 * value.get("size", 0)
    return f'"{shown}"' + "..." * bool(cut)


def _key(value: Any, look: Look) -> str:
    """Show the key of a System V object."""
    if type(value) is not int:
        return anything(value, look)
    return f"{value & 0xFFFF_FFFF:#x}" if value else "IPC_PRIVATE"


def _ipc_flags(value: Any, look: Look) -> str:
    """Show what to make, and the permissions."""
    if not isinstance(value, list):
        return anything(value, look)
    permissions = value[-1] if value and str(value[-1]).startswith("0") else None
    names = value if permissions is None else value[:-1]
    return flags([*names, mode(permissions or "0", look)], look)


def _bitset(value: Any, look: Look) -> str:
    return "FUTEX_BITSET_MATCH_ANY" if value == 0xFFFF_FFFF else bare(value, look)


def _base(value: Any, look: Look) -> str:
    """Show an address, or where one was put."""
    return each(bare)(value, look) if isinstance(value, list) else bare(value, look)


_prot: Final = {"prot": named("PROT_NONE")}
_environment: Final = {"envp": variables}
_limits: Final = {"new_rlim": rlimit64, "old_rlim": rlimit64}

FORMS: Final[Mapping[str, Mapping[str, Show]]] = {
    "arch_prctl": {"arg2": _base},
    "execve": _environment,
    "execveat": _environment,
    "futex": {"op": _futex_op, "utime": timespec, "val3": _bitset},
    "getcwd": {"buf": path},
    "getrandom": {"ubuf": _random},
    "ioctl": {"cmd": request, "arg": requested},
    "mknod": {"mode": typed_mode},
    "mknodat": {"mode": typed_mode},
    "mmap": {**_prot, "off": hexadecimal},
    "mprotect": _prot,
    "msgctl": {"buf": controlled("msg")},
    "msgget": {"key": _key, "msgflg": _ipc_flags},
    "pkey_mprotect": _prot,
    "prlimit64": _limits,
    "pselect6": {"sig": _sigmask},
    "remap_file_pages": _prot,
    "rseq": {"rseq_len": hexadecimal},
    "ptrace": {"data": traced},
    "semctl": {"arg": controlled("sem")},
    "semget": {"key": _key, "semflg": _ipc_flags},
    "shmctl": {"buf": controlled("shm")},
    "symlink": {"oldname": path},
    "symlinkat": {"oldname": path},
    "shmget": {"key": _key, "shmflg": _ipc_flags},
}
"""Call -> argument -> how it is shown, whatever its kind."""


# Layouts.


def _clone(_event: SyscallEnter | SyscallExit, shown: Shown) -> list[str]:
    """Lay out clone's arguments: the C library's order, each with its name."""
    names = shown.get("clone_flags", "0").split("|")
    signal = [name for name in names if name.startswith("SIG")]
    rest = [name for name in names if not name.startswith("SIG")]
    placed = [f"child_stack={shown.get('newsp', 'NULL')}", f"flags={'|'.join([*rest, *signal])}"]
    for name, printed in (
        ("parent_tidptr", "parent_tid"),
        ("tls", "tls"),
        ("child_tidptr", "child_tidptr"),
    ):
        if name in shown:
            placed.append(f"{printed}={shown[name]}")
    return placed


def _clone3(event: SyscallEnter | SyscallExit, shown: Shown) -> list[str]:
    """Lay out clone3's arguments, with what the kernel filled in."""
    given = event.args.get("uargs")
    made = getattr(event, "ret", None)
    names = given.get("flags") if isinstance(given, dict) else None
    told = isinstance(names, list) and "CLONE_PARENT_SETTID" in names
    if told and type(made) is int and made > 0:
        shown["uargs"] += f" => {{parent_tid=[{made}]}}"
    return list(shown.values())


def _mknod(_event: SyscallEnter | SyscallExit, shown: Shown) -> list[str]:
    """Leave the device number out where none is looked at."""
    if not shown.get("mode", "").startswith(("S_IFCHR", "S_IFBLK")):
        shown.pop("dev", None)
    return list(shown.values())


def _positioned(_event: SyscallEnter | SyscallExit, shown: Shown) -> list[str]:
    """Leave the upper half of a position out: it says nothing where a long has 64 bits."""
    shown.pop("pos_h", None)
    return list(shown.values())


LAYOUTS: Final[Mapping[str, Layout]] = {
    "clone": _clone,
    "clone3": _clone3,
    "mknod": _mknod,
    "mknodat": _mknod,
    **dict.fromkeys(("preadv", "preadv2", "pwritev", "pwritev2"), _positioned),
}
"""Call -> the arguments as they stand between the parentheses."""


# Results.

RETURNS: Final[Mapping[str, Show]] = {"umask": mode}
"""Call -> how what it returns is shown."""

TIMEOUT: Final = " (Timeout)"


def _found(parts: list[str]) -> str:
    return f" ({', '.join(parts)})" if parts else ""


def _left(event: SyscallExit, name: str, show: Show, look: Look) -> list[str]:
    """Say what is left of the time to wait."""
    time = event.args.get(name)
    if not isinstance(time, dict) or "sec" not in time:
        return []
    return [f"left {show(time.get('left', time), look)}"]


def _polled(event: SyscallExit, look: Look) -> str:
    """Say which descriptors are ready."""
    if event.ret == 0:
        return TIMEOUT
    polled = event.args.get("ufds")
    if not isinstance(polled, list):
        return ""
    ready = [
        f"{{fd={anything(item.get('fd'), look)}, revents={flags(item['revents'], look)}}}"
        for item in polled
        if isinstance(item, dict) and item.get("revents")
    ]
    shown = [f"[{', '.join(ready)}]"] if ready else []
    return _found([*shown, *_left(event, "tsp", timespec, look)])


_SETS: Final = (("inp", "in"), ("outp", "out"), ("exp", "except"))


def _selected(event: SyscallExit, look: Look) -> str:
    """Say which descriptors of each set are ready."""
    if event.ret == 0:
        return TIMEOUT
    ready = []
    for name, printed in _SETS:
        found = event.args.get(name)
        members = found.get("ready") if isinstance(found, dict) else None
        if isinstance(members, list) and members:
            ready.append(f"{printed} [{' '.join(anything(fd, look) for fd in members)}]")
    ready += _left(event, "tvp", timeval, look) + _left(event, "tsp", timespec, look)
    return _found(ready)


def _duplicated(event: SyscallExit, look: Look) -> str:
    """Say what the descriptor made refers to: what the old one does."""
    command = str(event.args.get("cmd"))
    made = command in {"F_DUPFD", "F_DUPFD_CLOEXEC"} and event.ret_path is None
    return link(event.fds["fd"], look) if made and "fd" in event.fds else ""


def _signalled(event: SyscallExit, look: Look) -> str:
    info = event.args.get("uinfo")
    return (
        f" ({bare(info.get('signo'), look)})" if isinstance(info, dict) and "signo" in info else ""
    )


def _date(event: SyscallExit, _look: Look) -> str:
    return f" ({said[4:-3]})" if (said := moment(event.ret)) else ""


_IN_HEX: Final = frozenset({"F_GETFD", "F_GETFL", "F_GETLEASE", "F_GET_SEALS", "PR_GET_SECUREBITS"})
_WORDS_BEFORE: Final = {"F_GETFD": "flags ", "F_GETFL": "flags ", "F_GET_SEALS": "seals "}


def named_result(event: SyscallExit, look: Look) -> str | None:
    """Return a number with what it stands for: `0x8002 (flags O_RDWR|O_LARGEFILE)`."""
    if not event.ret_names or type(event.ret) is not int:
        return None
    command = str(event.args.get("cmd") or event.args.get("option") or "")
    in_hex = command in _IN_HEX or event.syscall in {"membarrier", "personality"}
    shown = f"{event.ret:#x}" if in_hex and event.ret else str(event.ret)
    if event.syscall == "ioprio_get":
        return f"{shown} (IOPRIO_PRIO_VALUE({', '.join(event.ret_names)}))"
    return f"{shown} ({_WORDS_BEFORE.get(command, '')}{flags(event.ret_names, look)})"


REMARKS: Final[Mapping[str, Remark]] = {
    "fcntl": _duplicated,
    "poll": _polled,
    "ppoll": _polled,
    "pselect6": _selected,
    "rt_sigtimedwait": _signalled,
    "select": _selected,
    "time": _date,
}
"""Call -> what stands behind the result of one that succeeded."""
