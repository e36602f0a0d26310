"""What is particular to some calls: arguments shown in a way of their own, order, results.

Tables by name of the call; all else follows from the kinds of the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tracerd.ctl.text.look import Look
from tracerd.ctl.text.structures import moment, rlimit64, signals
from tracerd.ctl.text.values import (
    Show,
    anything,
    bare,
    bytes_of,
    first,
    flags,
    hexadecimal,
    link,
    mode,
    named,
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
    names = [name for name in value if not str(name).startswith("0x")]
    rest = [int(name, 16) for name in value if _HEX.fullmatch(str(name))]
    permissions = rest[0] & 0o777 if rest else 0
    other = [f"{rest[0] & ~0o777:#x}"] if rest and rest[0] & ~0o777 else []
    return flags([*names, *other, mode(f"0{permissions:o}", look)], look)


def _bitset(value: Any, look: Look) -> str:
    return "FUTEX_BITSET_MATCH_ANY" if value == 0xFFFF_FFFF else bare(value, look)


_prot: Final = {"prot": named("PROT_NONE")}
_environment: Final = {"envp": variables}
_limits: Final = {"new_rlim": rlimit64, "old_rlim": rlimit64}

FORMS: Final[Mapping[str, Mapping[str, Show]]] = {
    "execve": _environment,
    "execveat": _environment,
    "futex": {"op": _futex_op, "val3": _bitset},
    "getrandom": {"ubuf": _random},
    "mknod": {"mode": typed_mode},
    "mknodat": {"mode": typed_mode},
    "mmap": {**_prot, "off": hexadecimal},
    "mprotect": _prot,
    "msgget": {"key": _key, "msgflg": _ipc_flags},
    "pkey_mprotect": _prot,
    "prlimit64": _limits,
    "pselect6": {"sig": _sigmask},
    "remap_file_pages": _prot,
    "rseq": {"rseq_len": hexadecimal},
    "semget": {"key": _key, "semflg": _ipc_flags},
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
    return f" ([{', '.join(ready)}])" if ready else ""


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
    return f" ({', '.join(ready)})" if ready else ""


def _duplicated(event: SyscallExit, look: Look) -> str:
    """Say what the descriptor made refers to: what the old one does."""
    made = event.args.get("cmd") in {"F_DUPFD", "F_DUPFD_CLOEXEC"} and event.ret_path is None
    return link(event.fds["fd"], look) if made and "fd" in event.fds else ""


def _signalled(event: SyscallExit, look: Look) -> str:
    info = event.args.get("uinfo")
    return (
        f" ({bare(info.get('signo'), look)})" if isinstance(info, dict) and "signo" in info else ""
    )


def _date(event: SyscallExit, _look: Look) -> str:
    return f" ({said[4:-3]})" if (said := moment(event.ret)) else ""


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
