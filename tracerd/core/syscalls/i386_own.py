"""Calls of i386 that x86-64 has not, or has with other arguments.

Rules as in files.py, written as for x86-64: narrow.py makes of longs and structures what they
are here.  Where the kernel takes a number of 64 bits in two arguments, the lower half's tells
the whole and the upper half's (`half`) nothing.  Names of arguments that x86-64 has too are
the same there.  `_time64` calls and others that differ from an x86-64 call by name or
by layout alone are in i386.py.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tracerd.core.decode import (
    fcntl,
    fileargs,
    ioctl,
    policies,
    process,
    results,
    signals,
    sockopts,
    stages,
    stat,
)
from tracerd.core.decode import words as decoders
from tracerd.core.decode.names import descriptors as names
from tracerd.core.decode.names import files as file_names
from tracerd.core.decode.names import ipc as ipc_names
from tracerd.core.decode.names import process as process_names
from tracerd.core.decode.names import watches
from tracerd.core.decode.structs import size_of
from tracerd.core.syscalls import (
    commands,
    descriptors,
    files,
    network,
    others,
    records,
    sockets,
)
from tracerd.core.syscalls import process as processes
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.narrow import LONG_TIMES, narrowed
from tracerd.core.syscalls.others import words
from tracerd.core.syscalls.vocabulary import (
    Draft,
    bytes_in,
    bytes_out,
    dirfd,
    enum,
    fd,
    flags,
    half,
    int_,
    joined,
    off,
    path,
    pid,
    ptr,
    sc,
    size,
    string_out,
    uint,
    ulong,
    word,
)

by_path = partial(sc, classes="file", level="path")
by_fd = partial(sc, classes="desc", level="fd")
desc = partial(sc, classes="desc")
io = partial(sc, classes="desc", level="io")
signalling = partial(sc, classes="signal")
creds = partial(sc, classes="creds")
net = partial(sc, classes="network")

pos, pos_high = joined(off("pos"), "pos_high"), half("pos_high")
offset, offset_high = joined(off, "offset_high"), half("offset_high")
length, len_high = joined(off("length"), "len_high"), half("len_high")
span = joined(off("len"), "len_high")
stat64 = records.struct_out("statbuf", "stat", stat.stat64_i386, size_of(stat.STAT64_I386))
oldstat = records.struct_out("statbuf", "stat", stat.oldstat_i386, size_of(stat.OLDSTAT_I386))
statfs64 = records.struct_out("buf", "statfs", stat.statfs64_i386, size_of(stat.STATFS64_I386))
offset32 = records.struct_both("offset", "offs", stages.offset32, 4)
old_uid, old_gid = Draft("uid", "uid", decoders.old_id), Draft("gid", "gid", decoders.old_id)
user, group = old_uid("user"), old_gid("group")
fcntl_arg = commands.by_command("arg", "cmd", fcntl.ARGUMENTS_I386, ptr, fcntl.FLOCK_SIZE)
fcntl_cmd = enum("cmd", fcntl.FCNTL_I386)
ioctl_cmd = Draft("cmd", "enum", ioctl.request_i386)
ioctl_arg = commands.by_command("arg", "cmd", ioctl.ARGUMENTS_I386, word, ioctl.LARGEST)
seccomp_arg = commands.seccomp_with(process.SECCOMP_ARGUMENTS_I386)
option_in, option_out = sockets.option_with(sockopts.VALUES_I386)
act = records.struct_in("act", "sigaction", process.old_sigaction32, process.OLD_SIGACTION32_SIZE)
oact = records.struct_out(
    "oact", "sigaction", process.old_sigaction32, process.OLD_SIGACTION32_SIZE
)
mask_in = records.struct_in("nset", "sigset", signals.old_sigset, signals.OLD_SIGSET_SIZE)
mask_out = records.struct_out("oset", "sigset", signals.old_sigset, signals.OLD_SIGSET_SIZE)
rlim_in = records.struct_in("rlim", "rlimit", process.rlimit32, process.RLIMIT32_SIZE)
rlim_out = records.struct_out("rlim", "rlimit", process.rlimit32, process.RLIMIT32_SIZE)
old_rlim = records.struct_out("rlim", "rlimit", process.old_rlimit32, process.RLIMIT32_SIZE)
olduname = records.struct_out("name", "utsname", process.old_utsname, process.OLD_UTSNAME_SIZE)
oldolduname = records.struct_out(
    "name", "utsname", process.oldest_utsname, process.OLDEST_UTSNAME_SIZE
)
uring_arg = records.uring_register(policies.ranges32, policies.RANGE32_SIZE)
fan_mask = joined(flags("mask", watches.FANOTIFY_EVENTS, 64), "mask_high")


def old_id_out(name: str) -> Draft:
    """Return a pointer to a user or group of 16 bits that the kernel sets."""
    return records.struct_out(name, "ints", fileargs.old_ids, 2)


# fmt: off
_WRITTEN: Final[tuple[Syscall, ...]] = (
    # Files by name
    by_path(22, "umount", path("name", "mount")),
    by_path(193, "truncate64", path("path", "truncate"), length, len_high),
    by_path(16, "lchown", files.attr_link, user, group),
    by_path(182, "chown", files.attr, user, group),
    by_fd(95, "fchown", fd(op="attr"), user, group),
    by_path(18, "oldstat", files.asked, oldstat),
    by_path(84, "oldlstat", files.asked_link, oldstat),
    by_fd(28, "oldfstat", fd(op="stat"), oldstat),
    by_path(195, "stat64", files.asked, stat64),
    by_path(196, "lstat64", files.asked_link, stat64),
    by_fd(197, "fstat64", fd(op="stat"), stat64),
    sc(300, "fstatat64", dirfd, files.asked_at_empty, stat64, files.at_flag,
       classes="file desc", level="path"),
    by_path(268, "statfs64", path("pathname", "stat"), size("sz"), statfs64),
    by_fd(269, "fstatfs64", fd(op="stat"), size("sz"), statfs64),
    by_fd(89, "readdir", fd(op="list"), ptr("dirent"), uint("count")),
    # Descriptors
    io(180, "pread64", descriptors.read_fd, bytes_out(), size("count"), pos, pos_high,
       ret="size"),
    io(181, "pwrite64", descriptors.write_fd, bytes_in("buf", "count"), size("count"),
       pos, pos_high, ret="size"),
    io(187, "sendfile", fd("out_fd", op="write"), fd("in_fd", op="read"), offset32, size("count"),
       classes="desc network", ret="size"),
    io(225, "readahead", descriptors.read_fd, offset, offset_high, size("count")),
    desc(140, "_llseek", fd, offset_high, offset,
         records.struct_out("result", "offs", fileargs.offsets, 8), enum("whence", names.SEEK)),
    io(194, "ftruncate64", fd(op="truncate"), length, len_high),
    io(324, "fallocate", descriptors.write_fd, flags("mode", file_names.FALLOCATE), offset,
       offset_high, span, len_high),
    io(250, "fadvise64", fd, offset, offset_high, size("len"), descriptors.advice),
    io(272, "fadvise64_64", fd, offset, offset_high, span, len_high, descriptors.advice),
    io(314, "sync_file_range", descriptors.synced, offset, offset_high,
       joined(off("nbytes"), "nbytes_high"), half("nbytes_high"),
       flags("flags", names.SYNC_RANGE)),
    io(55, "fcntl", fd(op="fcntl"), fcntl_cmd, fcntl_arg, named=results.fcntl),
    io(221, "fcntl64", fd(op="fcntl"), fcntl_cmd, fcntl_arg, named=results.fcntl),
    io(54, "ioctl", fd(op="ioctl"), ioctl_cmd, ioctl_arg),
    sc(339, "fanotify_mark", fd("fanotify_fd"), flags("flags", watches.FANOTIFY_MARK), fan_mask,
       half("mask_high"), dirfd, path("pathname", "watch", at="dfd", empty="null"),
       classes="file desc", level="path"),
    sc(192, "mmap2", ptr, size("len"), others.prot, others.map_flags, fd(op="map"), ulong("pgoff"),
       classes="desc memory", level="io", ret="ptr"),
    # Processes
    sc(120, "clone", flags("clone_flags", process_names.CLONE_OLD), ptr("newsp"),
       processes.parent_tid, processes.tls, processes.child_tid, classes="process", ret="pid"),
    sc(7, "waitpid", pid, records.wait_status, flags("options", process_names.WAIT),
       classes="process", ret="pid"),
    sc(354, "seccomp", enum("op", process_names.SECCOMP, signed=False),
       flags("flags", process_names.SECCOMP_FILTER), seccomp_arg),
    sc(34, "nice", int_("increment")),
    sc(76, "getrlimit", processes.resource, old_rlim),
    sc(191, "ugetrlimit", processes.resource, rlim_out),
    sc(75, "setrlimit", processes.resource, rlim_in),
    # Signals
    signalling(48, "signal", records.signal, word("handler"), ret="word"),
    signalling(67, "sigaction", records.signal, act, oact),
    signalling(68, "sgetmask", ret="word"),
    signalling(69, "ssetmask", Draft("newmask", "sigset", signals.mask), ret="word"),
    signalling(72, "sigsuspend", int_("unused1"), int_("unused2"),
               Draft("mask", "sigset", signals.mask)),
    signalling(73, "sigpending", mask_out("uset")),
    signalling(119, "sigreturn", ret="long"),
    signalling(126, "sigprocmask", enum("how", process_names.SIGPROCMASK), mask_in, mask_out),
    # Users and groups of 16 bits
    creds(23, "setuid", old_uid),
    creds(46, "setgid", old_gid),
    creds(70, "setreuid", old_uid("ruid"), old_uid("euid")),
    creds(71, "setregid", old_gid("rgid"), old_gid("egid")),
    creds(164, "setresuid", old_uid("ruid"), old_uid("euid"), old_uid("suid")),
    creds(165, "getresuid", old_id_out("ruidp"), old_id_out("euidp"), old_id_out("suidp")),
    creds(170, "setresgid", old_gid("rgid"), old_gid("egid"), old_gid("sgid")),
    creds(171, "getresgid", old_id_out("rgidp"), old_id_out("egidp"), old_id_out("sgidp")),
    creds(138, "setfsuid", old_uid),
    creds(139, "setfsgid", old_gid),
    # System V IPC, kernel interfaces
    sc(394, "semctl", others.semid, int_("semnum"), enum("cmd", ipc_names.SEM_CONTROL_I386),
       commands.sem_arg_i386, classes="ipc"),
    sc(396, "shmctl", others.shmid, enum("cmd", ipc_names.SHM_CONTROL_I386), commands.shm_arg_i386,
       classes="ipc"),
    sc(402, "msgctl", others.msqid, enum("cmd", ipc_names.MSG_CONTROL_I386), commands.msg_arg_i386,
       classes="ipc"),
    sc(427, "io_uring_register", fd, enum("opcode", names.URING_REGISTER, signed=False), uring_arg,
       uint("nr_args"), classes="desc memory", level="io"),
    sc(26, "ptrace", enum("request", process_names.PTRACE), pid, commands.ptrace_addr,
       commands.ptrace_data_i386, ret="long"),
    # Sockets
    net(365, "getsockopt", fd, network.level, sockets.option, option_out,
        records.size_both("optlen")),
    net(366, "setsockopt", fd, network.level, sockets.option, option_in, int_("optlen")),
    # The system as a whole
    sc(25, "stime", records.struct_in("tptr", "ints", fileargs.ints, 4)),
    sc(59, "oldolduname", oldolduname),
    sc(109, "olduname", olduname),
    sc(113, "vm86old", ptr("user_vm86")),
    sc(166, "vm86", ulong("cmd"), word("arg")),
    sc(134, "bdflush", int_("func"), word("data")),
    sc(253, "lookup_dcookie", joined(ulong("cookie64"), "cookie_high"), half("cookie_high"),
       string_out("buf", 4096), size("len")),
    # Numbers that no kernel answers
    sc(17, "break", *words(6), classes="memory"),
    sc(31, "stty", *words(6)),
    sc(32, "gtty", *words(6)),
    sc(35, "ftime", *words(6)),
    sc(44, "prof", *words(6)),
    sc(53, "lock", *words(6)),
    sc(56, "mpx", *words(6)),
    sc(58, "ulimit", *words(6)),
    sc(98, "profil", *words(6)),
    sc(112, "idle", *words(6)),
)
_LONG_TIMES: Final[tuple[Syscall, ...]] = (
    net(417, "recvmmsg_time64", fd, sockets.messages_out, uint("vlen"), network.msg_flags,
        records.timespec_both("timeout"), level="io"),
)
# fmt: on

OWN: Final[tuple[Syscall, ...]] = (
    *[narrowed(row, row.nr) for row in _WRITTEN],
    *[narrowed(row, row.nr, layouts=LONG_TIMES) for row in _LONG_TIMES],
)
