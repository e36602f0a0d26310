"""Calls on sockets.

Rules as in files.py.  An AF_UNIX address is a path too, so address arguments have an op.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tracerd.core.decode.names import network as names
from tracerd.core.syscalls import records, sockets
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.vocabulary import (
    bytes_in,
    bytes_out,
    enum,
    fd,
    flags,
    int_,
    sc,
    size,
    uint,
)

net = partial(sc, classes="network")

family = enum("family", names.FAMILY)
kind = flags("type", names.SOCKET_TYPE)
peer = sockets.sockaddr_out("upeer_sockaddr", "upeer_addrlen")
peer_size = records.size_both("upeer_addrlen")
own = sockets.sockaddr_out("usockaddr", "usockaddr_len")
own_size = records.size_both("usockaddr_len")
msg_flags = flags("flags", names.MSG)
level = enum("level", names.LEVEL)

# fmt: off
NETWORK: Final[tuple[Syscall, ...]] = (
    net(41, "socket", family, kind, sockets.protocol, ret="fd"),
    net(53, "socketpair", family, kind, sockets.protocol, records.pair_out("usockvec")),
    net(49, "bind", fd, sockets.sockaddr_in("umyaddr", "addrlen", op="bind"), int_("addrlen"),
        level="path"),
    net(42, "connect", fd, sockets.sockaddr_in("uservaddr", "addrlen", op="connect"),
        int_("addrlen"), level="path"),
    net(50, "listen", fd, int_("backlog")),
    net(43, "accept", fd, peer, peer_size, ret="fd"),
    net(288, "accept4", fd, peer, peer_size, flags("flags", names.ACCEPT), ret="fd"),
    net(51, "getsockname", fd, own, own_size),
    net(52, "getpeername", fd, own, own_size),
    net(44, "sendto", fd, bytes_in("buff", "len"), size("len"), msg_flags,
        sockets.sockaddr_in("addr", "addr_len", op="connect"), int_("addr_len"),
        level="io", ret="size"),
    net(45, "recvfrom", fd, bytes_out("ubuf", "size"), size, msg_flags,
        sockets.sockaddr_out("addr", "addr_len"), records.size_both("addr_len"), ret="size"),
    net(46, "sendmsg", fd, sockets.message_in(op="connect"), msg_flags, level="io", ret="size"),
    net(47, "recvmsg", fd, sockets.message_out(op="receive"), msg_flags, level="io", ret="size"),
    net(307, "sendmmsg", fd, sockets.messages_in, uint("vlen"), msg_flags, level="io"),
    net(299, "recvmmsg", fd, sockets.messages_out, uint("vlen"), msg_flags,
        records.timespec_both("timeout"), level="io"),
    net(48, "shutdown", fd, enum("how", names.SHUTDOWN)),
    net(54, "setsockopt", fd, level, sockets.option, sockets.option_in, int_("optlen")),
    net(55, "getsockopt", fd, level, sockets.option, sockets.option_out,
        records.size_both("optlen")),
)
# fmt: on
