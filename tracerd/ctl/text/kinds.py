"""The table of all kinds of argument, and the small ones that belong to no family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tracerd.ctl.text import records
from tracerd.ctl.text.look import Look
from tracerd.ctl.text.sockets import message, messages, sockaddr, vector
from tracerd.ctl.text.structures import (
    FILE_MOMENT,
    clone_args,
    dirents,
    file_time,
    rlimit,
    rusage,
    sigaction,
    sigevent,
    siginfo,
    signals,
    stat,
    statfs,
    statx,
    struct,
    timer,
    timespec,
    timeval,
    utsname,
    wait_status,
)
from tracerd.ctl.text.values import (
    Show,
    anything,
    bare,
    content,
    device,
    each,
    either,
    flags,
    mode,
    path,
    strings,
    text,
)


def _data(value: Any, look: Look) -> str:
    try:
        number = int(value, 16)
    except (TypeError, ValueError):
        return anything(value, look)
    return f"{{u32={number & 0xFFFF_FFFF}, u64={number}}}"


epoll_event: Final = struct(shows={"events": flags, "data": _data})


def pollfd(value: Any, look: Look) -> str:
    """Show what is waited for; what was found stands with the result."""
    if not isinstance(value, dict):
        return anything(value, look)
    negative = type(value.get("fd")) is int and value["fd"] < 0
    hidden = {"events", "revents"} if negative else {"revents"}  # as the kernel looks at them
    return _pollfd({name: item for name, item in value.items() if name not in hidden}, look)


_pollfd: Final = struct(shows={"events": flags})


def fd_set(value: Any, look: Look) -> str:
    """Show a set of descriptors: those waited for."""
    asked = value.get("asked") if isinstance(value, dict) and "asked" in value else value
    return each(anything, " ")(asked, look)


def _offsets(value: Any, look: Look) -> str:
    """Show an offset that a call moves, before and after."""
    if isinstance(value, list) and len(value) == 2 and value[0] != value[1]:
        return f"[{anything(value[0], look)}] => [{anything(value[1], look)}]"
    return anything(value[:1] if isinstance(value, list) else value, look)


_lock: Final = struct("l_")


def _either(value: Any, look: Look) -> str:
    if isinstance(value, dict) and {"type", "whence"} <= value.keys():
        return _lock(value, look)
    return either(value, look)


def _without_left(show: Show) -> Show:
    """Return what shows a time to wait; what is left of it stands with the result."""

    def show_time(value: Any, look: Look) -> str:
        if isinstance(value, dict) and "left" in value:
            value = {name: item for name, item in value.items() if name != "left"}
        return show(value, look)

    return show_time


KINDS: Final[Mapping[str, Show]] = {
    **records.KINDS,
    "any": _either,
    "buffer": content,
    "clone_args": clone_args,
    "cpus": each(anything, " "),
    "dev": device,
    "dirents": dirents,
    "dirfd": bare,
    "enum": bare,
    "epoll_event": epoll_event,
    "epoll_events": each(epoll_event),
    "fd": bare,
    "fd_set": fd_set,
    "file_times": each(file_time),
    "flags": flags,
    "iovec": vector,
    "itimerspec": timer,
    "itimerval": timer,
    "mmsghdr": messages,
    "mode": mode,
    "msghdr": message,
    "offs": _offsets,
    "path": path,
    "pid": bare,
    "pollfds": each(pollfd),
    "ptr": bare,
    "rlimit": rlimit,
    "rusage": rusage,
    "sigaction": sigaction,
    "sigevent": sigevent,
    "siginfo": siginfo,
    "signal": bare,
    "sigset": signals,
    "sockaddr": sockaddr,
    "stat": stat,
    "statfs": statfs,
    "statx": statx,
    "string": text,
    "strings": strings,
    "timespec": _without_left(timespec),
    "timeval": _without_left(timeval),
    "timevals": each(file_time),
    "utimbuf": struct(shows={"actime": FILE_MOMENT, "modtime": FILE_MOMENT}),
    "utsname": utsname,
    "word": bare,
    "wstatus": wait_status,
}
"""How a value of each kind is shown; those that are not here, by their shape."""
