"""Names of the constants that calls on memory, time and locks take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

_PROT: Final = {
    "PROT_READ": 0x1,
    "PROT_WRITE": 0x2,
    "PROT_EXEC": 0x4,
    "PROT_SEM": 0x8,
    "PROT_GROWSDOWN": 0x1000000,
    "PROT_GROWSUP": 0x2000000,
}
PROT: Final = FlagSet(_PROT)
PROT_AARCH64: Final = FlagSet({**_PROT, "PROT_BTI": 0x10, "PROT_MTE": 0x20})

_MAP: Final = {
    "MAP_FIXED": 0x10,
    "MAP_ANONYMOUS": 0x20,
    "MAP_32BIT": 0x40,
    "MAP_NORESERVE": 0x4000,
    "MAP_POPULATE": 0x8000,
    "MAP_NONBLOCK": 0x10000,
    "MAP_GROWSDOWN": 0x100,
    "MAP_DENYWRITE": 0x800,
    "MAP_EXECUTABLE": 0x1000,
    "MAP_LOCKED": 0x2000,
    "MAP_STACK": 0x20000,
    "MAP_HUGETLB": 0x40000,
    "MAP_SYNC": 0x80000,
    "MAP_FIXED_NOREPLACE": 0x100000,
    "MAP_ABOVE4G": 0x80,
}
_MAP_KIND: Final = {
    "MAP_SHARED": 1,
    "MAP_PRIVATE": 2,
    "MAP_SHARED_VALIDATE": 3,
    "MAP_DROPPABLE": 8,
}
_ONLY_X86: Final = ("MAP_32BIT", "MAP_ABOVE4G")
MAP: Final = FlagSet(_MAP, mask=0xF, field=_MAP_KIND)
MAP_AARCH64: Final = FlagSet(
    {name: bit for name, bit in _MAP.items() if name not in _ONLY_X86}, mask=0xF, field=_MAP_KIND
)

MREMAP: Final = FlagSet({"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4})

MSYNC: Final = FlagSet({"MS_SYNC": 4, "MS_ASYNC": 1, "MS_INVALIDATE": 2})

MADVISE: Final = ValueSet(
    {
        "MADV_NORMAL": 0,
        "MADV_RANDOM": 1,
        "MADV_SEQUENTIAL": 2,
        "MADV_WILLNEED": 3,
        "MADV_DONTNEED": 4,
        "MADV_FREE": 8,
        "MADV_REMOVE": 9,
        "MADV_DONTFORK": 10,
        "MADV_DOFORK": 11,
        "MADV_MERGEABLE": 12,
        "MADV_UNMERGEABLE": 13,
        "MADV_HUGEPAGE": 14,
        "MADV_NOHUGEPAGE": 15,
        "MADV_DONTDUMP": 16,
        "MADV_DODUMP": 17,
        "MADV_WIPEONFORK": 18,
        "MADV_KEEPONFORK": 19,
        "MADV_COLD": 20,
        "MADV_PAGEOUT": 21,
        "MADV_POPULATE_READ": 22,
        "MADV_POPULATE_WRITE": 23,
        "MADV_DONTNEED_LOCKED": 24,
        "MADV_COLLAPSE": 25,
        "MADV_HWPOISON": 100,
        "MADV_SOFT_OFFLINE": 101,
        "MADV_GUARD_INSTALL": 102,
        "MADV_GUARD_REMOVE": 103,
    }
)

MLOCKALL: Final = FlagSet({"MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4})

MLOCK2: Final = FlagSet({"MLOCK_ONFAULT": 1})

FUTEX: Final = FlagSet(
    {"FUTEX_PRIVATE_FLAG": 0x80, "FUTEX_CLOCK_REALTIME": 0x100},
    mask=0x7F,
    field={
        "FUTEX_WAIT": 0,
        "FUTEX_WAKE": 1,
        "FUTEX_FD": 2,
        "FUTEX_REQUEUE": 3,
        "FUTEX_CMP_REQUEUE": 4,
        "FUTEX_WAKE_OP": 5,
        "FUTEX_LOCK_PI": 6,
        "FUTEX_UNLOCK_PI": 7,
        "FUTEX_TRYLOCK_PI": 8,
        "FUTEX_WAIT_BITSET": 9,
        "FUTEX_WAKE_BITSET": 10,
        "FUTEX_WAIT_REQUEUE_PI": 11,
        "FUTEX_CMP_REQUEUE_PI": 12,
        "FUTEX_LOCK_PI2": 13,
    },
)

FUTEX2: Final = FlagSet(
    {"FUTEX2_NUMA": 4, "FUTEX2_MPOL": 8, "FUTEX2_PRIVATE": 0x80},
    mask=3,
    field={"FUTEX2_SIZE_U8": 0, "FUTEX2_SIZE_U16": 1, "FUTEX2_SIZE_U32": 2, "FUTEX2_SIZE_U64": 3},
)

CLOCK: Final = ValueSet(
    {
        "CLOCK_REALTIME": 0,
        "CLOCK_MONOTONIC": 1,
        "CLOCK_PROCESS_CPUTIME_ID": 2,
        "CLOCK_THREAD_CPUTIME_ID": 3,
        "CLOCK_MONOTONIC_RAW": 4,
        "CLOCK_REALTIME_COARSE": 5,
        "CLOCK_MONOTONIC_COARSE": 6,
        "CLOCK_BOOTTIME": 7,
        "CLOCK_REALTIME_ALARM": 8,
        "CLOCK_BOOTTIME_ALARM": 9,
        "CLOCK_TAI": 11,
    }
)

TIMER: Final = FlagSet({"TIMER_ABSTIME": 1})

ITIMER: Final = ValueSet({"ITIMER_REAL": 0, "ITIMER_VIRTUAL": 1, "ITIMER_PROF": 2})

RANDOM: Final = FlagSet({"GRND_NONBLOCK": 1, "GRND_RANDOM": 2, "GRND_INSECURE": 4})

RSEQ: Final = FlagSet({"RSEQ_FLAG_UNREGISTER": 1})

MEMBARRIER_FLAGS: Final = FlagSet({"MEMBARRIER_CMD_FLAG_CPU": 1})
MEMBARRIER: Final = ValueSet(
    {
        "MEMBARRIER_CMD_QUERY": 0,
        "MEMBARRIER_CMD_GLOBAL": 1,
        "MEMBARRIER_CMD_GLOBAL_EXPEDITED": 2,
        "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED": 4,
        "MEMBARRIER_CMD_PRIVATE_EXPEDITED": 8,
        "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED": 16,
        "MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE": 32,
        "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE": 64,
        "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ": 128,
        "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ": 256,
        "MEMBARRIER_CMD_GET_REGISTRATIONS": 512,
    }
)

MEMBARRIERS: Final = FlagSet({name: bit for name, bit in MEMBARRIER.values.items() if bit})
"""What MEMBARRIER_CMD_QUERY returns."""
