"""Structures of calls on the system, on memory, of System V IPC and of devices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tracerd.ctl.text.look import Look
from tracerd.ctl.text.sockets import sockaddr
from tracerd.ctl.text.structures import siginfo, struct, timeval
from tracerd.ctl.text.values import Show, anything, bare, content, each, either, flags, mode, text


def _zero(value: Any, look: Look) -> str:
    """Show a number in hex, but zero."""
    return "0" if value == "0x0" else bare(value, look)


def changed(value: Any, look: Look) -> str:
    """Show a number that the call may have changed: `[128 => 16]`."""
    if isinstance(value, list) and len(value) == 2:
        return f"[{anything(value[0], look)} => {anything(value[1], look)}]"
    return anything(value, look)


def _capabilities(value: Any, look: Look) -> str:
    if not isinstance(value, list):
        return anything(value, look)
    named = [item if str(item).startswith("0x") else f"1<<{item}" for item in value]
    return flags(named, look)


def ioprio(value: Any, look: Look) -> str:
    """Show an I/O priority."""
    if not isinstance(value, dict) or not {"class", "data"} <= value.keys():
        return anything(value, look)
    return f"IOPRIO_PRIO_VALUE({bare(value['class'], look)}, {bare(value['data'], look)})"


def quota_command(value: Any, look: Look) -> str:
    """Show a command of quotactl."""
    if not isinstance(value, dict) or not {"cmd", "type"} <= value.keys():
        return anything(value, look)
    return f"QCMD({bare(value['cmd'], look)}, {bare(value['type'], look)})"


def message(value: Any, look: Look) -> str:
    """Show a struct msgbuf."""
    if not isinstance(value, dict) or "mtype" not in value:
        return anything(value, look)
    return f"{{mtype={bare(value['mtype'], look)}, mtext={content(value, look)}}}"


# System V IPC.


def _decimal(value: Any, look: Look) -> str:
    try:
        return str(int(value, 16))
    except (TypeError, ValueError):
        return anything(value, look)


_perm: Final = struct(order="uid gid mode", shows={"mode": mode, "key": _decimal})
IPC: Final[Mapping[str, Show]] = {
    prefix: struct(f"{prefix}_", shows={"perm": _perm}) for prefix in ("shm", "sem", "msg")
}


def controlled(prefix: str) -> Show:
    """Return what shows the last argument of shmctl, semctl, msgctl: a structure of their own."""

    def show(value: Any, look: Look) -> str:
        known = isinstance(value, dict) and "perm" in value
        return IPC[prefix](value, look) if known else either(value, look)

    return show


# Devices.

_NUMBER: Final = re.compile("0x[0-9a-f]{1,8}")
_REQUEST_PARTS: Final = ((0, 8), (8, 8), (16, 14))
_DIRECTIONS: Final = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")


def request(value: Any, look: Look) -> str:
    """Show an ioctl request; one without a name by its parts."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return bare(value, look)
    number = int(value, 16)
    nr, kind, size = (number >> shift & (1 << width) - 1 for shift, width in _REQUEST_PARTS)
    shown = ", ".join(f"{part:#x}" if part else "0" for part in (kind, nr, size))
    return f"_IOC({_DIRECTIONS[number >> 30 & 3]}, {shown})"


def _character(value: Any, _look: Look) -> str:
    return f"{value:#x}" if type(value) is int and value else "0"


def _characters(value: Any, look: Look) -> str:
    if not isinstance(value, dict):
        return anything(value, look)
    return f"[{', '.join(f'[{name}]={_character(item, look)}' for name, item in value.items())}]"


_terminal: Final = struct(
    "c_",
    shows={
        "iflag": flags,
        "oflag": flags,
        "cflag": flags,
        "lflag": flags,
        "line": bare,
        "cc": _characters,
    },
)
_window: Final = struct("ws_")
_interface: Final = struct(
    "ifr_", shows={"name": text, "newname": text, "flags": flags, "addr": sockaddr}
)


def requested(value: Any, look: Look) -> str:
    """Show the argument of an ioctl, whose fields say which structure it is."""
    if isinstance(value, dict):
        if "iflag" in value:
            return _terminal(value, look)
        if value.keys() == {"row", "col", "xpixel", "ypixel"}:
            return _window(value, look)
        if "name" in value and look is not None:
            return _interface(value, look)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return f"[{flags(value, look)}]"
    return either(value, look)


def traced(value: Any, look: Look) -> str:
    """Show the last argument of ptrace."""
    if isinstance(value, dict) and {"signo", "code"} <= value.keys():
        return siginfo(value, look)
    if isinstance(value, dict) and {"base", "len"} <= value.keys():
        return _range({**value, "len": value["len"]}, look)
    return either(value, look)


_range: Final = struct(names={"base": "iov_base", "len": "iov_len"}, shows={"base": bare})


def _entry(value: Any, look: Look) -> str:
    """Show the segment asked for, not the one that the kernel chose."""
    return bare(value[0] if isinstance(value, list) and value else value, look)


_segment: Final = struct(shows={"entry_number": _entry, "base_addr": bare, "limit": bare})
_operation: Final = struct("sem_", shows={"flg": flags})
_iocb: Final = struct(
    "aio_",
    order="data opcode fildes",
    names={"opcode": "aio_lio_opcode", "events": "aio_buf"},
    shows={"data": _zero, "opcode": bare, "events": flags, "buf": bare, "rw_flags": flags},
)
_io_event: Final = struct(shows={"data": _zero, "obj": bare})
_waiter: Final = struct(shows={"flags": flags, "uaddr": bare})

KINDS: Final[Mapping[str, Show]] = {
    "addresses": each(bare),
    "cap_data": struct(
        shows=dict.fromkeys(("effective", "permitted", "inheritable"), _capabilities)
    ),
    "cap_header": struct(shows={"version": bare}),
    "futex_waiters": each(_waiter),
    "iocb": _iocb,
    "iocbs": each(_iocb),
    "io_events": each(_io_event),
    "ioprio": ioprio,
    "msgbuf": message,
    "policy": each(bare),
    "quota_cmd": quota_command,
    "ranges": each(_range),
    "segment": _segment,
    "sembufs": each(_operation),
    "signal_stack": struct("ss_", shows={"sp": _zero, "flags": flags}),
    "timex": struct(shows={"modes": flags, "status": flags, "time": timeval}),
    "timezone": struct("tz_"),
    "tms": struct("tms_"),
    "value_result": changed,
}
"""Kinds of argument, and how each is shown."""
