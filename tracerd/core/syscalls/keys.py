"""keyctl: as many calls as it has options, each with what its arguments are there.

The arguments keep the names that the kernel gives them for all options: arg2 to arg5.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec.structs import replace

from tracerd.core.decode import words
from tracerd.core.decode.names import kernel, process
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.vocabulary import (
    Draft,
    bytes_in,
    bytes_out,
    enum,
    flags,
    gid,
    int_,
    iovec_in,
    sc,
    size,
    string,
    uid,
    uint,
    ulong,
)

option = enum("option", process.KEYCTL)
part = partial(sc, -1, "keyctl", option, ret="long")
any_ = Draft("arg", "any", words.hex_)

key, ring = enum("arg2", kernel.KEYRING), enum("arg3", kernel.KEYRING)
told = bytes_out("arg3", "arg4")
rights = flags("arg3", kernel.KEY_PERMISSIONS)
payload, length = bytes_in("arg3", "arg4"), size("arg4")

# fmt: off
_BY_OPTION: Final[dict[str, Syscall]] = {
    "GET_KEYRING_ID": part(key, int_("arg3")),
    "JOIN_SESSION_KEYRING": part(string("arg2")),
    "UPDATE": part(key, payload, length),
    "REVOKE": part(key),
    "CHOWN": part(key, uid("arg3"), gid("arg4")),
    "SETPERM": part(key, rights),
    "DESCRIBE": part(key, told, length),
    "CLEAR": part(key),
    "LINK": part(key, ring),
    "UNLINK": part(key, ring),
    "SEARCH": part(key, string("arg3"), string("arg4"), enum("arg5", kernel.KEYRING)),
    "READ": part(key, told, length),
    "INSTANTIATE": part(key, payload, length, enum("arg5", kernel.KEYRING)),
    "NEGATE": part(key, uint("arg3"), enum("arg4", kernel.KEYRING)),
    "SET_REQKEY_KEYRING": part(enum("arg2", kernel.KEY_DEFAULT)),
    "SET_TIMEOUT": part(key, uint("arg3")),
    "ASSUME_AUTHORITY": part(key),
    "GET_SECURITY": part(key, told, length),
    "SESSION_TO_PARENT": part(),
    "REJECT": part(key, uint("arg3"), uint("arg4"), enum("arg5", kernel.KEYRING)),
    "INSTANTIATE_IOV": part(key, iovec_in("arg3", "arg4"), ulong("arg4"),
                            enum("arg5", kernel.KEYRING)),
    "INVALIDATE": part(key),
    "GET_PERSISTENT": part(uid("arg2"), ring),
    "RESTRICT_KEYRING": part(key, string("arg3"), string("arg4")),
    "MOVE": part(key, ring, enum("arg4", kernel.KEYRING), uint("arg5")),
    "CAPABILITIES": part(bytes_out("arg2", "arg3"), size("arg3")),
}
# fmt: on


def keyctl(nr: int) -> Syscall:
    """Return the row of keyctl."""
    whole = sc(nr, "keyctl", option, *[any_(f"arg{n}") for n in range(2, 6)], ret="long")
    values = process.KEYCTL.values
    parts = {values[f"KEYCTL_{name}"]: replace(row, nr=nr) for name, row in _BY_OPTION.items()}
    return replace(whole, parts=parts)
