"""What is known of sockets: from the calls that made, named and connected them, else from /proc.

By inode, which names a socket for as long as it lives, whoever has it open.  For one that was there
before anybody listened, and for addresses that the kernel chose, /proc/TID/net is read when they
are first needed: as the tracee runs, and never for more than a twentieth of the time.  What cannot
be found, because the socket or its last user is gone by then, stays unknown.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tracerd.core import procfs
from tracerd.core.decode.descriptor import inode_of
from tracerd.core.decode.names.network import SOCKETCALL
from tracerd.core.syscalls.model import Captured, OpenedFile
from tracerd.protocol.text import shown

Address = dict[str, Any]
MOST: Final = 4096
"""Sockets remembered; the one not heard of for longest makes room."""
SHARE: Final = 0.05
SAVED_S: Final = 0.2
"""Of the time, how much may be spent on reading tables in /proc (a few ms each, for the kernel goes
through all it has room for), and how much of that is saved up at most, in CPU time."""

MAKERS: Final = frozenset(
    {
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "accept4",
        "getsockname",
        "getpeername",
        "socketcall",
    }
)
"""Calls that say something of sockets."""
PARTS: Final = {SOCKETCALL.values[f"SYS_{name.upper()}"]: name for name in MAKERS - {"socketcall"}}
"""Those that socketcall stands for, by its first argument."""


class Speech(NamedTuple):
    """A protocol: its family, its type if it has but one, and its table in /proc/TID/net."""

    family: str
    type: str | None
    table: str


SPEECHES: Final[dict[str, Speech]] = {
    "TCP": Speech("AF_INET", "SOCK_STREAM", "tcp"),
    "TCPv6": Speech("AF_INET6", "SOCK_STREAM", "tcp6"),
    "UDP": Speech("AF_INET", "SOCK_DGRAM", "udp"),
    "UDPv6": Speech("AF_INET6", "SOCK_DGRAM", "udp6"),
    "UDP-Lite": Speech("AF_INET", "SOCK_DGRAM", "udplite"),
    "UDPLITEv6": Speech("AF_INET6", "SOCK_DGRAM", "udplite6"),
    "RAW": Speech("AF_INET", "SOCK_RAW", "raw"),
    "RAWv6": Speech("AF_INET6", "SOCK_RAW", "raw6"),
    "PING": Speech("AF_INET", "SOCK_DGRAM", "icmp"),
    "PINGv6": Speech("AF_INET6", "SOCK_DGRAM", "icmp6"),
    "UNIX": Speech("AF_UNIX", None, "unix"),
    "UNIX-STREAM": Speech("AF_UNIX", "SOCK_STREAM", "unix"),
    "NETLINK": Speech("AF_NETLINK", None, "netlink"),
    "PACKET": Speech("AF_PACKET", None, "packet"),
}
"""By the kernel's names (struct proto.name)."""
TYPES: Final = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 5: "SOCK_SEQPACKET"}


class Socket(NamedTuple):
    """What is known of a socket; None: not known, or it has none."""

    family: str | None = None
    type: str | None = None
    protocol: str | None = None
    local: Address | None = None
    peer: Address | None = None
    listening: bool = False


UNKNOWN: Final = Socket()

# Rows of /proc/TID/net: see proc_pid_net(5) and the kernel's *_seq_show functions.


def _inet_address(text: bytes, family: str) -> Address | None:
    host, _, port = text.partition(b":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)  # they are printed as they are in memory
    number = int(port, 16)
    if not number and not any(packed):
        return None
    kind = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return {"family": family, "addr": socket.inet_ntop(kind, packed), "port": number}


LISTENING: Final = b"0A"
"""TCP_LISTEN."""


def _inet(fields: list[bytes], speech: Speech) -> Socket:
    return Socket(
        local=_inet_address(fields[1], speech.family),
        peer=_inet_address(fields[2], speech.family),
        listening=speech.type == "SOCK_STREAM" and fields[3] == LISTENING,
    )


ACCEPTS: Final = 1 << 16
"""__SO_ACCEPTCON."""


def _unix(fields: list[bytes], speech: Speech) -> Socket:
    path = shown(b" ".join(fields[7:])) if len(fields) > 7 else ""
    local: Address | None = {"family": speech.family, "path": path} if path else None
    if local and path.startswith("@"):
        local["abstract"] = True
    return Socket(
        type=TYPES.get(int(fields[4], 16)),
        local=local,
        listening=bool(int(fields[3], 16) & ACCEPTS),
    )


def _netlink(fields: list[bytes], speech: Speech) -> Socket:
    groups = f"{int(fields[3], 16):#x}"
    return Socket(local={"family": speech.family, "pid": int(fields[2]), "groups": groups})


def _packet(fields: list[bytes], speech: Speech) -> Socket:
    protocol = f"{int(fields[3], 16):#06x}"
    local = {"family": speech.family, "protocol": protocol, "ifindex": int(fields[4])}
    return Socket(type=TYPES.get(int(fields[2])), local=local)


class _Format(NamedTuple):
    """How to read a table: in which field of a row the inode is, and the rest."""

    inode: int
    read: Callable[[list[bytes], Speech], Socket]


_FORMATS: Final = {
    "unix": _Format(6, _unix),
    "netlink": _Format(9, _netlink),
    "packet": _Format(8, _packet),
}
_INET: Final = _Format(9, _inet)


def found_in(table: bytes, speech: Speech, inode: int) -> Socket | None:
    """Return a socket from the text of a table in /proc/TID/net; None: it is not in it.  Total."""
    form = _FORMATS.get(speech.table, _INET)
    wanted = b"%d" % inode
    for line in table.split(b"\n")[1:]:
        if wanted in line:
            fields = line.split()
            if len(fields) > form.inode and fields[form.inode] == wanted:
                try:
                    return form.read(fields, speech)
                except (ValueError, IndexError, struct.error):
                    return None
    return None


class _Known:
    """A socket.  looked: there is nothing more to be found in /proc as it is now."""

    __slots__ = ("looked", "socket")

    def __init__(self) -> None:
        self.socket = UNKNOWN
        self.looked = False


class Sockets:
    """See the head of this file.  For the teller."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._saved_s = SAVED_S
        self._saved_at = time.monotonic()
        self._learn: dict[str, Callable[..., None]] = {
            "socket": self._socket,
            "bind": self._bind,
            "connect": self._connect,
            "listen": self._listen,
            "accept": self._accept,
            "accept4": self._accept,
            "getsockname": self._named,
            "getpeername": self._peer_named,
        }

    def learn(
        self,
        name: str,
        args: Mapping[str, Any],
        fd: Captured,
        returned: Captured,
        errno: str | None,
    ) -> None:
        """Take note of a call of MAKERS that returned.

        args: as they are shown.  fd: what its descriptor refers to, returned: what the one it
        returned does.  errno: that of a call that failed.
        """
        if errno is None or (name == "connect" and errno == "EINPROGRESS"):
            self._learn[name](args, fd, returned)

    def of(self, tid: int, file: OpenedFile) -> Socket:
        """Return what is known of a socket, that a task has or had open."""
        inode = inode_of(file.link)
        if inode is None:
            return UNKNOWN
        known = self._get(inode)
        speech = SPEECHES.get(protocol := shown(file.more))
        if known.socket.protocol is None and protocol:
            known.socket = known.socket._replace(protocol=protocol)
        if speech is not None:
            if known.socket.family is None:
                known.socket = known.socket._replace(family=speech.family, type=speech.type)
            if not known.looked:
                self._look(tid, inode, known, speech)
        return known.socket

    def _get(self, inode: int) -> _Known:
        known = self._known.get(inode)
        if known is None:
            known = self._known[inode] = _Known()
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(inode)
        return known

    def _look(self, tid: int, inode: int, known: _Known, speech: Speech) -> None:
        now = time.monotonic()
        self._saved_s = min(self._saved_s + SHARE * (now - self._saved_at), SAVED_S)
        self._saved_at = now
        if self._saved_s <= 0:
            return
        began = time.thread_time()
        table = procfs.read(f"/proc/{tid}/net/{speech.table}")
        if table is None:
            return
        known.looked = True
        found = found_in(table, speech, inode)
        if found is not None:
            known.socket = known.socket._replace(
                type=known.socket.type or found.type,
                local=found.local or known.socket.local,
                peer=found.peer or known.socket.peer,
                listening=found.listening or known.socket.listening,
            )
        self._saved_s -= time.thread_time() - began

    # --- calls --------------------------------------------------------------------------------

    def _change(self, file: Captured, *, looked: bool, **fields: Any) -> None:
        inode = inode_of(file.link) if isinstance(file, OpenedFile) else None
        if inode is not None:
            known = self._get(inode)
            known.socket = known.socket._replace(**fields)
            known.looked = looked

    def _socket(self, args: Mapping[str, Any], _fd: Captured, returned: Captured) -> None:
        kind = args.get("type")
        name = next((word for word in kind if word.startswith("SOCK_")), None) if kind else None
        self._change(returned, looked=True, family=args.get("family"), type=name)

    def _bind(self, args: Mapping[str, Any], fd: Captured, _returned: Captured) -> None:
        local = _address(args.get("umyaddr"))
        self._change(fd, looked=local is not None, local=local)

    def _connect(self, args: Mapping[str, Any], fd: Captured, _returned: Captured) -> None:
        peer = args.get("uservaddr")
        unix = isinstance(peer, dict) and peer.get("family") == "AF_UNIX"
        self._change(fd, looked=unix, peer=_address(peer))

    def _listen(self, _args: Mapping[str, Any], fd: Captured, _returned: Captured) -> None:
        self._change(fd, looked=False, listening=True)

    def _accept(self, args: Mapping[str, Any], fd: Captured, returned: Captured) -> None:
        inode = inode_of(fd.link) if isinstance(fd, OpenedFile) else None
        listener = UNKNOWN if inode is None else self._get(inode).socket
        local = _address(listener.local)
        self._change(
            returned,
            looked=local is not None,
            family=listener.family,
            type=listener.type,
            local=local,
            peer=_address(args.get("upeer_sockaddr")),
        )

    def _named(self, args: Mapping[str, Any], fd: Captured, _returned: Captured) -> None:
        local = _address(args.get("usockaddr"))
        if local is not None:
            self._change(fd, looked=True, local=local)

    def _peer_named(self, args: Mapping[str, Any], fd: Captured, _returned: Captured) -> None:
        peer = _address(args.get("usockaddr"))
        if peer is not None:
            self._change(fd, looked=False, peer=peer)


_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  nothing is bound here


def _address(address: Any) -> Address | None:
    """Return an address if it says all: not a port or a host for the kernel to choose, nor none."""
    if not isinstance(address, dict) or address.get("family") in (None, "AF_UNSPEC"):
        return None
    if "port" in address:
        if not address["port"] or address.get("addr") in _ANY:
            return None
        return {name: address[name] for name in ("family", "addr", "port") if name in address}
    if address["family"] == "AF_NETLINK" and not address.get("pid"):
        return None
    return None if "unnamed" in address or "ptr" in address else address
