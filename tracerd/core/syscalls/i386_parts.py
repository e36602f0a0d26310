"""Calls of i386 that stand for others: socketcall and ipc, and two with their arguments in memory.

A part is a row of its own, told under the name of the whole: its arguments are the words
that How.PART gives.  Those of socketcall begin with the number of the part, those of ipc are
the words of ipc in ipc's order, of which each part looks at some.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from msgspec.structs import replace

from tracerd.core.decode import fileargs
from tracerd.core.decode.names import ipc as ipc_names
from tracerd.core.decode.names import network as names
from tracerd.core.decode.names.ipc import IPC_CALL
from tracerd.core.decode.names.network import SOCKETCALL
from tracerd.core.syscalls import commands, i386_own, records, sockets
from tracerd.core.syscalls.descriptors import DESCRIPTORS
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.narrow import narrowed
from tracerd.core.syscalls.network import (
    family,
    kind,
    level,
    msg_flags,
    own,
    own_size,
    peer,
    peer_size,
)
from tracerd.core.syscalls.others import OTHERS, key, msqid, semid, shmid
from tracerd.core.syscalls.vocabulary import (
    bytes_in,
    bytes_out,
    enum,
    fd,
    flags,
    half,
    int_,
    ptr,
    sc,
    size,
    uint,
    ulong,
    word,
)

call = enum("call", SOCKETCALL)
which = enum("call", IPC_CALL, signed=False)
shm_cmd = enum("cmd", ipc_names.SHM_CONTROL_I386)
sem_cmd = enum("cmd", ipc_names.SEM_CONTROL_I386)
msg_cmd = enum("cmd", ipc_names.MSG_CONTROL_I386)
queue_flags = flags("msgflg", ipc_names.MSG_FLAGS)
net = partial(sc, 102, "socketcall", call, classes="network")
ipc = partial(sc, 117, "ipc", which, classes="ipc")
get = ipc_names.IPC_GET
second, third = half("second"), half("third")
raddr = records.struct_out("raddr", "ids", fileargs.ids32, 4)

# fmt: off
_SOCKETCALLS: Final[dict[str, Syscall]] = {
    "SYS_SOCKET": net(family, kind, sockets.protocol, ret="fd"),
    "SYS_BIND": net(fd, sockets.sockaddr_in("umyaddr", "addrlen", op="bind"), int_("addrlen")),
    "SYS_CONNECT": net(fd, sockets.sockaddr_in("uservaddr", "addrlen", op="connect"),
                       int_("addrlen")),
    "SYS_LISTEN": net(fd, int_("backlog")),
    "SYS_ACCEPT": net(fd, peer, peer_size, ret="fd"),
    "SYS_GETSOCKNAME": net(fd, own, own_size),
    "SYS_GETPEERNAME": net(fd, own, own_size),
    "SYS_SOCKETPAIR": net(family, kind, sockets.protocol, records.pair_out("usockvec")),
    "SYS_SEND": net(fd, bytes_in("buff", "len"), size("len"), msg_flags, ret="size"),
    "SYS_RECV": net(fd, bytes_out("ubuf", "size"), size, msg_flags, ret="size"),
    "SYS_SENDTO": net(fd, bytes_in("buff", "len"), size("len"), msg_flags,
                      sockets.sockaddr_in("addr", "addr_len", op="connect"), int_("addr_len"),
                      ret="size"),
    "SYS_RECVFROM": net(fd, bytes_out("ubuf", "size"), size, msg_flags,
                        sockets.sockaddr_out("addr", "addr_len"), records.size_both("addr_len"),
                        ret="size"),
    "SYS_SHUTDOWN": net(fd, enum("how", names.SHUTDOWN)),
    "SYS_SETSOCKOPT": net(fd, level, sockets.option, i386_own.option_in, int_("optlen")),
    "SYS_GETSOCKOPT": net(fd, level, sockets.option, i386_own.option_out,
                          records.size_both("optlen")),
    "SYS_SENDMSG": net(fd, sockets.message_in(op="connect"), msg_flags, ret="size"),
    "SYS_RECVMSG": net(fd, sockets.message_out(op="receive"), msg_flags, ret="size"),
    "SYS_ACCEPT4": net(fd, peer, peer_size, flags("flags", names.ACCEPT), ret="fd"),
    "SYS_RECVMMSG": net(fd, sockets.messages_out, uint("vlen"), msg_flags,
                        records.timespec_both("timeout")),
    "SYS_SENDMMSG": net(fd, sockets.messages_in, uint("vlen"), msg_flags),
}
_IPC_CALLS: Final[dict[str, Syscall]] = {
    "SEMOP": ipc(semid, uint("nsops"), third, records.sembufs),
    "SEMGET": ipc(key, int_("nsems"), flags("semflg", get)),
    "SEMCTL": ipc(semid, int_("semnum"), sem_cmd, ptr("arg")),
    "SEMTIMEDOP": ipc(semid, uint("nsops"), third, records.sembufs,
                      records.timespec_in("timeout")),
    "MSGSND": ipc(msqid, size("msgsz"), queue_flags, records.msgbuf_in),
    "MSGRCV": ipc(msqid, size("msgsz"), queue_flags, ptr("ipck"), ret="size"),
    "MSGGET": ipc(key, flags("msgflg", get)),
    "MSGCTL": ipc(msqid, msg_cmd, third, commands.msg_arg_i386),
    "SHMAT": ipc(shmid, flags("shmflg", ipc_names.SHM_AT), raddr, ptr("shmaddr")),
    "SHMDT": ipc(half("first"), second, third, ptr("shmaddr")),
    "SHMGET": ipc(key, size, flags("shmflg", ipc_names.SHM_GET)),
    "SHMCTL": ipc(shmid, shm_cmd, third, commands.shm_arg_i386),
}
# fmt: on


def _whole(row: Syscall, parts: Mapping[int, Syscall], memory: int) -> Syscall:
    """Return the row of a call that stands for others.  memory: see model.Syscall."""
    rows = {number: narrowed(part, row.nr, row.name) for number, part in parts.items()}
    rows = {number: replace(part, level=row.level) for number, part in rows.items()}
    return replace(narrowed(row, row.nr), parts=rows, memory=memory)


def _in_memory(nr: int, row: Syscall) -> Syscall:
    """Return the row of a call whose one argument points to the arguments of another."""
    arg = sc(nr, row.name, ptr("arg"), classes=" ".join(row.classes), level=row.level, ret=row.ret)
    return _whole(arg, {0: row}, 0)


def _named(rows: tuple[Syscall, ...], name: str) -> Syscall:
    return next(row for row in rows if row.name == name)


_socketcall: Final = sc(102, "socketcall", call, ptr("args"), classes="desc network", level="path")
_ipc: Final = sc(
    117,
    "ipc",
    which,
    word("first"),
    ulong("second"),
    ulong("third"),
    ptr("ptr"),
    word("fifth"),
    classes="ipc",
)

PARTED: Final[tuple[Syscall, ...]] = (
    _in_memory(82, _named(DESCRIPTORS, "select")),
    _in_memory(90, _named(OTHERS, "mmap")),
    _whole(_socketcall, {SOCKETCALL.values[n]: row for n, row in _SOCKETCALLS.items()}, 1),
    _whole(_ipc, {IPC_CALL.values[n]: row for n, row in _IPC_CALLS.items()}, -1),
)
