"""Calls that make, end, wait for, signal or describe processes.

Rules as in files.py.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tracerd.core.decode import results
from tracerd.core.decode.names import files
from tracerd.core.decode.names import process as names
from tracerd.core.syscalls import commands, records
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.vocabulary import (
    Draft,
    dirfd,
    enum,
    fd,
    flags,
    int_,
    path,
    pid,
    ptr,
    sc,
    size,
    strings,
    uint,
    ulong,
)

process = partial(sc, classes="process")
signalling = partial(sc, classes="process signal")

argv, envp = strings("argv"), strings("envp")
program = path("filename", "exec")
program_at = path("filename", "exec", at="fd", empty="flag")


def with_flags(draft: Draft, *wanted: str) -> Draft:
    """Return an argument that clone has only if its flags have one of those named."""
    return records.only_with(draft, "clone_flags", names.CLONE.parse(wanted))


parent_tid = with_flags(records.int_out("parent_tidptr"), "CLONE_PARENT_SETTID", "CLONE_PIDFD")
child_tid = with_flags(ptr("child_tidptr"), "CLONE_CHILD_SETTID", "CLONE_CHILD_CLEARTID")
tls = with_flags(ptr("tls"), "CLONE_SETTLS")
unshared = flags("unshare_flags", names.CLONE, 64)
resource = enum("resource", names.RLIMIT, signed=False)
old_rlim, new_rlim = records.rlimit_out("old_rlim"), records.rlimit_in("new_rlim")

# fmt: off
PROCESSES: Final[tuple[Syscall, ...]] = (
    # Beginning and end
    process(57, "fork", ret="pid"),
    process(58, "vfork", ret="pid"),
    process(56, "clone", flags("clone_flags", names.CLONE_OLD, 64), ptr("newsp"),
            parent_tid, child_tid, tls, ret="pid"),
    process(435, "clone3", records.clone_args, size, ret="pid"),
    sc(59, "execve", program, argv, envp, classes="file process", level="path"),
    sc(322, "execveat", dirfd("fd"), program_at, argv, envp, flags("flags", files.AT_EXEC),
       classes="file desc process", level="path"),
    process(60, "exit", records.exit_status, returns=False),
    process(231, "exit_group", records.exit_status, returns=False),
    # Waiting
    process(61, "wait4", pid("upid"), records.wait_status, flags("options", names.WAIT),
            records.rusage_reaped, ret="pid"),
    process(247, "waitid", enum("which", names.WAIT_WHICH), pid("upid"), records.siginfo_out,
            flags("options", names.WAITID), records.rusage_out),
    # Signals to processes
    signalling(62, "kill", pid, records.signal),
    signalling(200, "tkill", pid, records.signal),
    signalling(234, "tgkill", pid("tgid"), pid, records.signal),
    signalling(129, "rt_sigqueueinfo", pid, records.signal, records.siginfo_in),
    signalling(297, "rt_tgsigqueueinfo", pid("tgid"), pid, records.signal, records.siginfo_in),
    sc(424, "pidfd_send_signal", fd("pidfd"), records.signal, records.siginfo_in("info"),
       uint("flags"), classes="desc process signal"),
    # Identity and namespaces
    sc(39, "getpid", classes="pure", ret="pid"),
    sc(110, "getppid", classes="pure", ret="pid"),
    sc(186, "gettid", classes="pure", ret="pid"),
    sc(111, "getpgrp", classes="pure", ret="pid"),
    sc(121, "getpgid", pid, ret="pid"),
    sc(109, "setpgid", pid, pid("pgid")),
    sc(124, "getsid", pid, ret="pid"),
    sc(112, "setsid", ret="pid"),
    sc(272, "unshare", unshared, level="path"),
    sc(308, "setns", fd, flags("flags", names.CLONE), classes="desc", level="path"),
    sc(218, "set_tid_address", ptr("tidptr"), ret="pid"),
    # Behaviour
    sc(157, "prctl", enum("option", names.PRCTL), commands.prctl_arg,
       commands.prctl_rest("arg3"), commands.prctl_rest("arg4"), commands.prctl_rest("arg5"),
       classes="creds", named=results.prctl),
    sc(158, "arch_prctl", enum("option", names.ARCH_PRCTL), commands.arch_prctl_arg),
    sc(101, "ptrace", enum("request", names.PTRACE), pid, commands.ptrace_addr,
       commands.ptrace_data, ret="long"),
    sc(312, "kcmp", pid("pid1"), pid("pid2"), enum("type", names.KCMP), ulong("idx1"),
       ulong("idx2")),
    sc(317, "seccomp", enum("op", names.SECCOMP, signed=False),
       flags("flags", names.SECCOMP_FILTER), commands.seccomp_arg),
    # Limits and use of resources
    sc(97, "getrlimit", resource, records.rlimit_out("rlim")),
    sc(160, "setrlimit", resource, records.rlimit_in("rlim")),
    sc(302, "prlimit64", pid, resource, new_rlim, old_rlim),
    sc(98, "getrusage", enum("who", names.RUSAGE), records.rusage_out),
    sc(140, "getpriority", enum("which", names.PRIORITY), int_("who")),
    sc(141, "setpriority", enum("which", names.PRIORITY), int_("who"), int_("niceval")),
)
# fmt: on
