"""Rows of i386, made of rows written for x86-64.

An i386 call takes what the x86-64 call of the same name takes, in words of 32 bits and in
structures whose longs, times and pointers have four bytes.
"""

from __future__ import annotations

from typing import Final

from tracerd.core.decode import (
    dirents,
    fileargs,
    ipc,
    locks,
    messages,
    policies,
    process,
    signals,
    stages,
    stat,
    structs,
    system,
    times,
    words,
)
from tracerd.core.syscalls import records
from tracerd.core.syscalls.derived import Layout, Layouts, derived
from tracerd.core.syscalls.model import Syscall

_COMMON: Final[Layouts] = {
    words.long_: Layout(words.int_),
    times.timeval: Layout(times.timeval32, 8),
    times.timeval_left: Layout(times.timeval32_left, 8),
    times.timevals: Layout(times.timevals32, 16),
    times.itimerval: Layout(times.itimerval32, 16),
    times.utimbuf: Layout(times.utimbuf32, 8),
    stat.stat_: Layout(stat.stat_i386, structs.size_of(stat.STAT_I386)),
    stat.statfs: Layout(stat.statfs_i386, structs.size_of(stat.STATFS_I386)),
    fileargs.mq_attr: Layout(fileargs.mq_attr32, fileargs.MQ_ATTR32_SIZE),
    process.rusage: Layout(process.rusage32, process.RUSAGE32_SIZE),
    records.rusage_reaped.decode: Layout(
        process.when_reaped(process.rusage32), process.RUSAGE32_SIZE
    ),
    signals.stack: Layout(signals.stack32, signals.STACK32_SIZE),
    fileargs.longs: Layout(fileargs.ints, 4),
    policies.pointer: Layout(policies.pointer32, 4),
    policies.addresses: Layout(policies.addresses32, element=4),
    policies.ranges: Layout(
        policies.ranges32, records.ARRAY_LIMIT * policies.RANGE32_SIZE, policies.RANGE32_SIZE
    ),
    ipc.msgbuf: Layout(ipc.msgbuf32, element=4),
    system.sysinfo: Layout(system.sysinfo32, system.SYSINFO32_SIZE),
    system.tms: Layout(system.tms32, system.TMS32_SIZE),
    system.ustat: Layout(system.ustat32, system.USTAT32_SIZE),
    system.kexec_segments: Layout(
        system.kexec_segments32,
        records.ARRAY_LIMIT * system.KEXEC_SEGMENT32_SIZE,
        system.KEXEC_SEGMENT32_SIZE,
    ),
    process.sigaction: Layout(process.sigaction32, process.SIGACTION32_SIZE),
    signals.siginfo: Layout(signals.siginfo32, signals.SIGINFO_SIZE),
    signals.sigevent: Layout(signals.sigevent32, signals.SIGEVENT32_SIZE),
    messages.msghdr_filled: Layout(messages.msghdr_filled32),
    records.dirents_old.decode: Layout(dirents.dirents(dirents.DIRENT_NAME_I386, length_at=8)),
}
SHORT_TIMES: Final[Layouts] = {
    **_COMMON,
    times.timespec: Layout(times.timespec32, 8),
    times.timespec_left: Layout(times.timespec32_left, 8),
    locks.timeout: Layout(locks.timeout32, 8),
    records.TIMEX: Layout(stages.answered(system.timex32, system.timex32), system.TIMEX32_SIZE),
    times.file_times: Layout(times.file_times32, 16),
    times.itimerspec: Layout(times.itimerspec32, 16),
}
"""Seconds of 32 bits: all calls of before 2038 was near."""
LONG_TIMES: Final[Layouts] = {
    **_COMMON,
    times.timespec: Layout(times.timespec64, 16),
    times.timespec_left: Layout(times.timespec64_left, 16),
    locks.timeout: Layout(locks.timeout64, 16),
    records.TIMEX: Layout(records.TIMEX),  # as x86-64 has it
    times.file_times: Layout(times.file_times64, 32),
    times.itimerspec: Layout(times.itimerspec64, 32),
}
"""Seconds of 64 bits: the calls with 64 in their names, and all newer ones."""

OLD_IDS: Final[Layouts] = {
    fileargs.uints: Layout(fileargs.old_ids, records.ARRAY_LIMIT * 2, element=2),
}
"""Users and groups of 16 bits."""


def narrowed(row: Syscall, nr: int, name: str = "", layouts: Layouts = SHORT_TIMES) -> Syscall:
    """Return a row as a row of i386, with the number and, if given, the name it has there."""
    return derived(row, nr, name, "i386", layouts)
