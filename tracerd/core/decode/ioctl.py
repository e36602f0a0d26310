"""Decoder of ioctl's third argument for requests of terminals, files, disks and sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tracerd.core.decode.names.files import INODE, OPEN, XFLAGS
from tracerd.core.decode.names.ioctls import IOCTL
from tracerd.core.decode.names.network import INTERFACE
from tracerd.core.decode.names.terminals import FLOW, FLUSH, MODEM
from tracerd.core.decode.signals import signal
from tracerd.core.decode.sockaddr import sockaddr_of
from tracerd.core.decode.stages import answered, filled, given
from tracerd.core.decode.structs import record
from tracerd.core.decode.terminals import TERMIOS, TERMIOS2, termios_of
from tracerd.core.decode.words import int_, nothing
from tracerd.core.syscalls.model import Captured, Decode, Words
from tracerd.protocol.text import shown

LARGEST: Final = 44
"""Bytes looked at: struct termios2."""


def request(word: int, _captured: Captured, _call: Words) -> str:
    """Decode an ioctl request: its name, or the number in hex, whose parts are bit fields."""
    number = word & 0xFFFF_FFFF
    return IOCTL.names.get(number) or f"{number:#x}"


def _one(value: int) -> list[int]:
    return [value]


def _bits(value: int) -> list[str]:
    return [f"{value:#x}"]


def _winsize(row: int, col: int, xpixel: int, ypixel: int) -> dict[str, int]:
    return {"row": row, "col": col, "xpixel": xpixel, "ypixel": ypixel}


def _termios2(*fields: Any) -> dict[str, Any]:
    return {**termios_of(*fields[:6]), "ispeed": fields[6], "ospeed": fields[7]}


def _clone_range(fd: int, start: int, length: int, to: int) -> dict[str, int]:
    return {"src_fd": fd, "src_offset": start, "src_length": length, "dest_offset": to}


def _fsxattr(xflags: int, extsize: int, nextents: int, projid: int, cow: int) -> dict[str, Any]:
    return {
        "xflags": XFLAGS.render(xflags),
        "extsize": extsize,
        "nextents": nextents,
        "projid": projid,
        "cowextsize": cow,
    }


def _trim(start: int, length: int, minlen: int) -> dict[str, int]:
    return {"start": start, "len": length, "minlen": minlen}


_int: Final = record("<i", _one)
_uint: Final = record("<I", _one)
_u64: Final = record("<Q", _one)
_hex: Final = record("<I", _bits)
_window: Final = record("<HHHH", _winsize)
_terminal: Final = record(TERMIOS, termios_of)
_terminal2: Final = record(TERMIOS2, _termios2)
_modem: Final = record("<I", MODEM.render)
_inode: Final = record("<I", INODE.render)
_extended: Final = record("<IIIII8x", _fsxattr)
_range: Final = record("<QQQ", _trim)


def _if_name(name: bytes, *_rest: Any) -> dict[str, Any]:
    return {"name": shown(name.split(b"\0", 1)[0])}


_interface: Final = record("<16s", _if_name)


def _told(field: str, layout: str, show: Callable[[Any], Any] = lambda value: value) -> Decode:
    """Return a decoder of a struct ifreq: the interface's name, and what the kernel tells."""

    def build(name: bytes, value: Any) -> dict[str, Any]:
        return {**_if_name(name), field: show(value)}

    return answered(_interface, record(f"<16s{layout}", build))


def _passed(field: str, layout: str, show: Callable[[Any], Any] = lambda value: value) -> Decode:
    """Return a decoder of a struct ifreq: the interface's name, and what it is to be given."""

    def build(name: bytes, value: Any) -> dict[str, Any]:
        return {**_if_name(name), field: show(value)}

    return given(record(f"<16s{layout}", build))


def _renamed(name: bytes, new: bytes) -> dict[str, Any]:
    return {**_if_name(name), "newname": _if_name(new)["name"]}


def _number(index: int) -> dict[str, Any]:
    return {"ifindex": index}


def _named(name: bytes, index: int) -> dict[str, Any]:
    return {"ifindex": index, **_if_name(name)}


_address: Final = _told("addr", "16s", sockaddr_of)

_BY_NAME: Final[dict[str, Decode]] = {
    **dict.fromkeys(("TCGETS", "TIOCGLCKTRMIOS"), filled(_terminal)),
    **dict.fromkeys(("TCSETS", "TCSETSW", "TCSETSF", "TIOCSLCKTRMIOS"), given(_terminal)),
    "TCGETS2": filled(_terminal2),
    **dict.fromkeys(("TCSETS2", "TCSETSW2", "TCSETSF2"), given(_terminal2)),
    "TIOCGWINSZ": filled(_window),
    "TIOCSWINSZ": given(_window),
    # A word that is the value
    **dict.fromkeys(("TCSBRK", "TCSBRKP", "TIOCSCTTY"), int_),
    "TIOCSIG": signal,
    "TIOCGPTPEER": OPEN.decoder(),
    "TCFLSH": FLUSH.decoder(),
    "TCXONC": FLOW.decoder(),
    "FICLONE": int_,
    # Nothing
    **dict.fromkeys(("FIOCLEX", "FIONCLEX", "TIOCEXCL", "TIOCNXCL", "TIOCNOTTY"), nothing),
    **dict.fromkeys(("TIOCSBRK", "TIOCCBRK", "TIOCCONS", "TIOCVHANGUP"), nothing),
    **dict.fromkeys(("BLKRRPART", "BLKFLSBUF"), nothing),
    # Numbers at a pointer
    **dict.fromkeys(
        ("FIONREAD", "TIOCOUTQ", "TIOCGPGRP", "TIOCGSID", "TIOCGETD", "TIOCGSOFTCAR"),
        filled(_int),
    ),
    **dict.fromkeys(("TIOCGPKT", "TIOCGPTLCK", "TIOCGEXCL", "SIOCATMARK"), filled(_int)),
    **dict.fromkeys(("BLKROGET", "BLKSSZGET", "FIGETBSZ", "SIOCOUTQNSD"), filled(_int)),
    **dict.fromkeys(("FIONBIO", "FIOASYNC", "TIOCSPGRP", "TIOCSETD", "TIOCPKT"), given(_int)),
    **dict.fromkeys(("TIOCSPTLCK", "TIOCSSOFTCAR", "BLKROSET"), given(_int)),
    **dict.fromkeys(("TIOCGPTN", "BLKPBSZGET", "BLKIOMIN", "BLKIOOPT"), filled(_uint)),
    "FS_IOC_GETVERSION": filled(_int),
    "FS_IOC_SETVERSION": given(_int),
    **dict.fromkeys(("BLKGETSIZE", "BLKGETSIZE64", "FIOQSIZE"), filled(_u64)),
    "FIBMAP": answered(_int, _int),
    # Bits at a pointer
    "TIOCGDEV": filled(_hex),
    "TIOCMGET": filled(_modem),
    **dict.fromkeys(("TIOCMSET", "TIOCMBIS", "TIOCMBIC"), given(_modem)),
    "FS_IOC_GETFLAGS": filled(_inode),
    "FS_IOC_SETFLAGS": given(_inode),
    # Structures
    "FICLONERANGE": given(record("<qQQQ", _clone_range)),
    "FITRIM": answered(_range, _range),
    "FS_IOC_FSGETXATTR": filled(_extended),
    "FS_IOC_FSSETXATTR": given(_extended),
    # Network interfaces
    "SIOCGIFNAME": answered(record("<16xi", _number), record("<16si", _named)),
    "SIOCGIFINDEX": _told("ifindex", "i"),
    "SIOCGIFFLAGS": _told("flags", "H", INTERFACE.render),
    "SIOCGIFMTU": _told("mtu", "i"),
    "SIOCGIFMETRIC": _told("metric", "i"),
    "SIOCGIFTXQLEN": _told("qlen", "i"),
    "SIOCGIFADDR": _address,
    "SIOCGIFDSTADDR": _address,
    "SIOCGIFBRDADDR": _address,
    "SIOCGIFNETMASK": _address,
    "SIOCGIFHWADDR": _told("hwaddr", "16s", sockaddr_of),
    "SIOCSIFFLAGS": _passed("flags", "H", INTERFACE.render),
    "SIOCSIFMTU": _passed("mtu", "i"),
    "SIOCSIFMETRIC": _passed("metric", "i"),
    "SIOCSIFTXQLEN": _passed("qlen", "i"),
    **dict.fromkeys(
        ("SIOCSIFADDR", "SIOCSIFDSTADDR", "SIOCSIFBRDADDR", "SIOCSIFNETMASK"),
        _passed("addr", "16s", sockaddr_of),
    ),
    "SIOCSIFHWADDR": _passed("hwaddr", "16s", sockaddr_of),
    "SIOCSIFNAME": given(record("<16s16s", _renamed)),
}
ARGUMENTS: Final = {IOCTL.values[name]: decode for name, decode in _BY_NAME.items()}
"""Request -> decoder.  Those that look at memory take a Pair."""

# Requests with the size of a long in their number have other numbers on i386.
_OF_LONGS: Final = {
    "FS_IOC_GETFLAGS": 0x80046601,
    "FS_IOC_SETFLAGS": 0x40046602,
    "FS_IOC_GETVERSION": 0x80047601,
    "FS_IOC_SETVERSION": 0x40047602,
}
_LONG_ELSEWHERE: Final = frozenset({"BLKBSZGET", "BLKBSZSET", "BLKGETSIZE64", *_OF_LONGS})
_OTHER: Final = frozenset(IOCTL.values[name] for name in ("BLKGETSIZE", *_LONG_ELSEWHERE))
NAMES_I386: Final = {
    **{number: name for number, name in IOCTL.names.items() if name not in _LONG_ELSEWHERE},
    **{number: name for name, number in _OF_LONGS.items()},
}
ARGUMENTS_I386: Final = {
    **{request: decode for request, decode in ARGUMENTS.items() if request not in _OTHER},
    **{number: _BY_NAME[name] for name, number in _OF_LONGS.items()},
    IOCTL.values["BLKGETSIZE"]: filled(_uint),
}


def request_i386(word: int, _captured: Captured, _call: Words) -> str:
    """Decode an ioctl request of an i386 program."""
    number = word & 0xFFFF_FFFF
    return NAMES_I386.get(number) or f"{number:#x}"
