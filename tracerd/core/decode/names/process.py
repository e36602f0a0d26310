"""Names of the constants that calls on processes take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet
from tracerd.core.decode.signals import NUMBERS

CLONE_FLAGS: Final[dict[str, int]] = {
    "CLONE_NEWTIME": 0x80,
    "CLONE_VM": 0x100,
    "CLONE_FS": 0x200,
    "CLONE_FILES": 0x400,
    "CLONE_SIGHAND": 0x800,
    "CLONE_PIDFD": 0x1000,
    "CLONE_PTRACE": 0x2000,
    "CLONE_VFORK": 0x4000,
    "CLONE_PARENT": 0x8000,
    "CLONE_THREAD": 0x10000,
    "CLONE_NEWNS": 0x20000,
    "CLONE_SYSVSEM": 0x40000,
    "CLONE_SETTLS": 0x80000,
    "CLONE_PARENT_SETTID": 0x100000,
    "CLONE_CHILD_CLEARTID": 0x200000,
    "CLONE_DETACHED": 0x400000,
    "CLONE_UNTRACED": 0x800000,
    "CLONE_CHILD_SETTID": 0x1000000,
    "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000,
    "CLONE_NEWIPC": 0x8000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
    "CLONE_IO": 0x80000000,
    "CLONE_CLEAR_SIGHAND": 0x100000000,
    "CLONE_INTO_CGROUP": 0x200000000,
}
CLONE: Final = FlagSet(CLONE_FLAGS)
"""For clone3, unshare and setns."""

CLONE_OLD: Final = FlagSet(
    {name: bit for name, bit in CLONE_FLAGS.items() if 0xFF < bit < 1 << 32},
    mask=0xFF,
    field=NUMBERS,
)
"""For clone, whose low byte is the signal sent at exit: it comes first."""

WAIT: Final = FlagSet(
    {
        "WNOHANG": 0x1,
        "WEXITED": 0x4,
        "WUNTRACED": 0x2,
        "WCONTINUED": 0x8,
        "WNOWAIT": 0x1000000,
        "__WCLONE": 0x80000000,
        "__WALL": 0x40000000,
        "__WNOTHREAD": 0x20000000,
    }
)

WAITID: Final = FlagSet(
    {
        "WNOHANG": 0x1,
        "WEXITED": 0x4,
        "WSTOPPED": 0x2,
        "WCONTINUED": 0x8,
        "WNOWAIT": 0x1000000,
        "__WCLONE": 0x80000000,
        "__WALL": 0x40000000,
        "__WNOTHREAD": 0x20000000,
    }
)

WAIT_WHICH: Final = ValueSet({"P_ALL": 0, "P_PID": 1, "P_PGID": 2, "P_PIDFD": 3})

RLIMIT: Final = ValueSet(
    {
        "RLIMIT_CPU": 0,
        "RLIMIT_FSIZE": 1,
        "RLIMIT_DATA": 2,
        "RLIMIT_STACK": 3,
        "RLIMIT_CORE": 4,
        "RLIMIT_RSS": 5,
        "RLIMIT_NPROC": 6,
        "RLIMIT_NOFILE": 7,
        "RLIMIT_MEMLOCK": 8,
        "RLIMIT_AS": 9,
        "RLIMIT_LOCKS": 10,
        "RLIMIT_SIGPENDING": 11,
        "RLIMIT_MSGQUEUE": 12,
        "RLIMIT_NICE": 13,
        "RLIMIT_RTPRIO": 14,
        "RLIMIT_RTTIME": 15,
    }
)

PRIORITY: Final = ValueSet(
    {
        "PRIO_PROCESS": 0,
        "PRIO_PGRP": 1,
        "PRIO_USER": 2,
    }
)

RUSAGE: Final = ValueSet({"RUSAGE_SELF": 0, "RUSAGE_CHILDREN": -1, "RUSAGE_THREAD": 1})

ARCH_PRCTL: Final = ValueSet(
    {
        "ARCH_MAP_VDSO_X32": 0x2001,
        "ARCH_GET_XCOMP_SUPP": 0x1021,
        "ARCH_SET_CPUID": 0x1012,
        "ARCH_REQ_XCOMP_PERM": 0x1023,
        "ARCH_GET_XCOMP_GUEST_PERM": 0x1024,
        "ARCH_GET_CPUID": 0x1011,
        "ARCH_REQ_XCOMP_GUEST_PERM": 0x1025,
        "ARCH_GET_FS": 0x1003,
        "ARCH_GET_GS": 0x1004,
        "ARCH_SET_FS": 0x1002,
        "ARCH_MAP_VDSO_32": 0x2002,
        "ARCH_SET_GS": 0x1001,
        "ARCH_MAP_VDSO_64": 0x2003,
        "ARCH_GET_XCOMP_PERM": 0x1022,
        "ARCH_SHSTK_ENABLE": 0x5001,
        "ARCH_SHSTK_DISABLE": 0x5002,
        "ARCH_SHSTK_LOCK": 0x5003,
        "ARCH_SHSTK_UNLOCK": 0x5004,
        "ARCH_SHSTK_STATUS": 0x5005,
    }
)

PRCTL: Final = ValueSet(
    {
        "PR_SET_PDEATHSIG": 1,
        "PR_GET_PDEATHSIG": 2,
        "PR_GET_DUMPABLE": 3,
        "PR_SET_DUMPABLE": 4,
        "PR_GET_UNALIGN": 5,
        "PR_SET_UNALIGN": 6,
        "PR_GET_KEEPCAPS": 7,
        "PR_SET_KEEPCAPS": 8,
        "PR_GET_FPEMU": 9,
        "PR_SET_FPEMU": 10,
        "PR_GET_FPEXC": 11,
        "PR_SET_FPEXC": 12,
        "PR_GET_TIMING": 13,
        "PR_SET_TIMING": 14,
        "PR_SET_NAME": 15,
        "PR_GET_NAME": 16,
        "PR_GET_ENDIAN": 19,
        "PR_SET_ENDIAN": 20,
        "PR_GET_SECCOMP": 21,
        "PR_SET_SECCOMP": 22,
        "PR_CAPBSET_READ": 23,
        "PR_CAPBSET_DROP": 24,
        "PR_GET_TSC": 25,
        "PR_SET_TSC": 26,
        "PR_GET_SECUREBITS": 27,
        "PR_SET_SECUREBITS": 28,
        "PR_SET_TIMERSLACK": 29,
        "PR_GET_TIMERSLACK": 30,
        "PR_TASK_PERF_EVENTS_DISABLE": 31,
        "PR_TASK_PERF_EVENTS_ENABLE": 32,
        "PR_MCE_KILL": 33,
        "PR_MCE_KILL_GET": 34,
        "PR_SET_MM": 35,
        "PR_SET_CHILD_SUBREAPER": 36,
        "PR_GET_CHILD_SUBREAPER": 37,
        "PR_SET_NO_NEW_PRIVS": 38,
        "PR_GET_NO_NEW_PRIVS": 39,
        "PR_GET_TID_ADDRESS": 40,
        "PR_SET_THP_DISABLE": 41,
        "PR_GET_THP_DISABLE": 42,
        "PR_MPX_ENABLE_MANAGEMENT": 43,
        "PR_MPX_DISABLE_MANAGEMENT": 44,
        "PR_SET_FP_MODE": 45,
        "PR_GET_FP_MODE": 46,
        "PR_CAP_AMBIENT": 47,
        "PR_SVE_SET_VL": 50,
        "PR_SVE_GET_VL": 51,
        "PR_GET_SPECULATION_CTRL": 52,
        "PR_SET_SPECULATION_CTRL": 53,
        "PR_PAC_RESET_KEYS": 54,
        "PR_SET_TAGGED_ADDR_CTRL": 55,
        "PR_GET_TAGGED_ADDR_CTRL": 56,
        "PR_SET_IO_FLUSHER": 57,
        "PR_GET_IO_FLUSHER": 58,
        "PR_SET_SYSCALL_USER_DISPATCH": 59,
        "PR_PAC_SET_ENABLED_KEYS": 60,
        "PR_PAC_GET_ENABLED_KEYS": 61,
        "PR_SCHED_CORE": 62,
        "PR_SME_SET_VL": 63,
        "PR_SME_GET_VL": 64,
        "PR_SET_VMA": 1398164801,
        "PR_SET_PTRACER": 1499557217,
        "PR_SET_MDWE": 65,
        "PR_GET_MDWE": 66,
        "PR_SET_MEMORY_MERGE": 67,
        "PR_GET_MEMORY_MERGE": 68,
    }
)

_PTRACE: Final = {
    "PTRACE_TRACEME": 0x0,
    "PTRACE_PEEKTEXT": 0x1,
    "PTRACE_PEEKDATA": 0x2,
    "PTRACE_PEEKUSR": 0x3,
    "PTRACE_POKETEXT": 0x4,
    "PTRACE_POKEDATA": 0x5,
    "PTRACE_POKEUSR": 0x6,
    "PTRACE_CONT": 0x7,
    "PTRACE_KILL": 0x8,
    "PTRACE_SINGLESTEP": 0x9,
    "PTRACE_ATTACH": 0x10,
    "PTRACE_DETACH": 0x11,
    "PTRACE_SYSCALL": 0x18,
    "PTRACE_SYSEMU": 0x1F,
    "PTRACE_SYSEMU_SINGLESTEP": 0x20,
    "PTRACE_SETOPTIONS": 0x4200,
    "PTRACE_GETEVENTMSG": 0x4201,
    "PTRACE_GETSIGINFO": 0x4202,
    "PTRACE_SETSIGINFO": 0x4203,
    "PTRACE_GETREGSET": 0x4204,
    "PTRACE_SETREGSET": 0x4205,
    "PTRACE_SEIZE": 0x4206,
    "PTRACE_INTERRUPT": 0x4207,
    "PTRACE_LISTEN": 0x4208,
    "PTRACE_PEEKSIGINFO": 0x4209,
    "PTRACE_GETSIGMASK": 0x420A,
    "PTRACE_SETSIGMASK": 0x420B,
    "PTRACE_SECCOMP_GET_FILTER": 0x420C,
    "PTRACE_SECCOMP_GET_METADATA": 0x420D,
    "PTRACE_GET_SYSCALL_INFO": 0x420E,
    "PTRACE_GET_RSEQ_CONFIGURATION": 0x420F,
}
PTRACE: Final = ValueSet(
    _PTRACE,
    {
        "PTRACE_GETREGS": 0xC,
        "PTRACE_SETREGS": 0xD,
        "PTRACE_GETFPREGS": 0xE,
        "PTRACE_SETFPREGS": 0xF,
        "PTRACE_GETFPXREGS": 0x12,
        "PTRACE_SETFPXREGS": 0x13,
        "PTRACE_OLDSETOPTIONS": 0x15,
        "PTRACE_GET_THREAD_AREA": 0x19,
        "PTRACE_SET_THREAD_AREA": 0x1A,
        "PTRACE_ARCH_PRCTL": 0x1E,
        "PTRACE_SINGLEBLOCK": 0x21,
    },
)
PTRACE_AARCH64: Final = ValueSet(_PTRACE, {"PTRACE_PEEKMTETAGS": 0x21, "PTRACE_POKEMTETAGS": 0x22})

SIGACTION: Final = FlagSet(
    {
        "SA_RESTORER": 0x4000000,
        "SA_ONSTACK": 0x8000000,
        "SA_RESTART": 0x10000000,
        "SA_NODEFER": 0x40000000,
        "SA_RESETHAND": 0x80000000,
        "SA_SIGINFO": 0x4,
        "SA_NOCLDSTOP": 0x1,
        "SA_NOCLDWAIT": 0x2,
        "SA_UNSUPPORTED": 0x400,
        "SA_EXPOSE_TAGBITS": 0x800,
    }
)

SIGPROCMASK: Final = ValueSet({"SIG_BLOCK": 0, "SIG_UNBLOCK": 1, "SIG_SETMASK": 2})

SCHED: Final = ValueSet(
    {
        "SCHED_OTHER": 0,
        "SCHED_FIFO": 1,
        "SCHED_RR": 2,
        "SCHED_BATCH": 3,
        "SCHED_IDLE": 5,
        "SCHED_DEADLINE": 6,
        "SCHED_EXT": 7,
    }
)

SCHED_FLAGS: Final = FlagSet(
    {
        "SCHED_FLAG_RESET_ON_FORK": 0x01,
        "SCHED_FLAG_RECLAIM": 0x02,
        "SCHED_FLAG_DL_OVERRUN": 0x04,
        "SCHED_FLAG_KEEP_POLICY": 0x08,
        "SCHED_FLAG_KEEP_PARAMS": 0x10,
        "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
        "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
    }
)

SECCOMP: Final = ValueSet(
    {
        "SECCOMP_SET_MODE_STRICT": 0,
        "SECCOMP_SET_MODE_FILTER": 1,
        "SECCOMP_GET_ACTION_AVAIL": 2,
        "SECCOMP_GET_NOTIF_SIZES": 3,
    }
)

SECCOMP_FILTER: Final = FlagSet(
    {
        "SECCOMP_FILTER_FLAG_TSYNC": 0x1,
        "SECCOMP_FILTER_FLAG_LOG": 0x2,
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 0x4,
        "SECCOMP_FILTER_FLAG_NEW_LISTENER": 0x8,
        "SECCOMP_FILTER_FLAG_TSYNC_ESRCH": 0x10,
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 0x20,
    }
)

KEYCTL: Final = ValueSet(
    {
        "KEYCTL_GET_KEYRING_ID": 0,
        "KEYCTL_JOIN_SESSION_KEYRING": 1,
        "KEYCTL_UPDATE": 2,
        "KEYCTL_REVOKE": 3,
        "KEYCTL_CHOWN": 4,
        "KEYCTL_SETPERM": 5,
        "KEYCTL_DESCRIBE": 6,
        "KEYCTL_CLEAR": 7,
        "KEYCTL_LINK": 8,
        "KEYCTL_UNLINK": 9,
        "KEYCTL_SEARCH": 10,
        "KEYCTL_READ": 11,
        "KEYCTL_INSTANTIATE": 12,
        "KEYCTL_NEGATE": 13,
        "KEYCTL_SET_REQKEY_KEYRING": 14,
        "KEYCTL_SET_TIMEOUT": 15,
        "KEYCTL_ASSUME_AUTHORITY": 16,
        "KEYCTL_GET_SECURITY": 17,
        "KEYCTL_SESSION_TO_PARENT": 18,
        "KEYCTL_REJECT": 19,
        "KEYCTL_INSTANTIATE_IOV": 20,
        "KEYCTL_INVALIDATE": 21,
        "KEYCTL_GET_PERSISTENT": 22,
        "KEYCTL_DH_COMPUTE": 23,
        "KEYCTL_PKEY_QUERY": 24,
        "KEYCTL_PKEY_ENCRYPT": 25,
        "KEYCTL_PKEY_DECRYPT": 26,
        "KEYCTL_PKEY_SIGN": 27,
        "KEYCTL_PKEY_VERIFY": 28,
        "KEYCTL_RESTRICT_KEYRING": 29,
        "KEYCTL_MOVE": 30,
        "KEYCTL_CAPABILITIES": 31,
        "KEYCTL_WATCH_KEY": 32,
    }
)

SECCOMP_ACTION: Final = ValueSet(
    {
        "SECCOMP_RET_KILL_PROCESS": 0x80000000,
        "SECCOMP_RET_KILL_THREAD": 0,
        "SECCOMP_RET_TRAP": 0x00030000,
        "SECCOMP_RET_ERRNO": 0x00050000,
        "SECCOMP_RET_USER_NOTIF": 0x7FC00000,
        "SECCOMP_RET_TRACE": 0x7FF00000,
        "SECCOMP_RET_LOG": 0x7FFC0000,
        "SECCOMP_RET_ALLOW": 0x7FFF0000,
    }
)

KCMP: Final = ValueSet(
    {
        "KCMP_FILE": 0,
        "KCMP_VM": 1,
        "KCMP_FILES": 2,
        "KCMP_FS": 3,
        "KCMP_SIGHAND": 4,
        "KCMP_IO": 5,
        "KCMP_SYSVSEM": 6,
        "KCMP_EPOLL_TFD": 7,
    }
)

DUMPABLE: Final = ValueSet({"SUID_DUMP_DISABLE": 0, "SUID_DUMP_USER": 1, "SUID_DUMP_ROOT": 2})

SECUREBITS: Final = FlagSet(
    {
        "SECBIT_NOROOT": 0x1,
        "SECBIT_NOROOT_LOCKED": 0x2,
        "SECBIT_NO_SETUID_FIXUP": 0x4,
        "SECBIT_NO_SETUID_FIXUP_LOCKED": 0x8,
        "SECBIT_KEEP_CAPS": 0x10,
        "SECBIT_KEEP_CAPS_LOCKED": 0x20,
        "SECBIT_NO_CAP_AMBIENT_RAISE": 0x40,
        "SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED": 0x80,
    }
)

CAP_AMBIENT: Final = ValueSet(
    {
        "PR_CAP_AMBIENT_IS_SET": 1,
        "PR_CAP_AMBIENT_RAISE": 2,
        "PR_CAP_AMBIENT_LOWER": 3,
        "PR_CAP_AMBIENT_CLEAR_ALL": 4,
    }
)
SECCOMP_MODE: Final = ValueSet({"SECCOMP_MODE_STRICT": 1, "SECCOMP_MODE_FILTER": 2})
SPECULATION: Final = ValueSet(
    {"PR_SPEC_STORE_BYPASS": 0, "PR_SPEC_INDIRECT_BRANCH": 1, "PR_SPEC_L1D_FLUSH": 2}
)
SPECULATION_CONTROL: Final = FlagSet(
    {
        "PR_SPEC_PRCTL": 1,
        "PR_SPEC_ENABLE": 2,
        "PR_SPEC_DISABLE": 4,
        "PR_SPEC_FORCE_DISABLE": 8,
        "PR_SPEC_DISABLE_NOEXEC": 16,
    }
)
VMA: Final = ValueSet({"PR_SET_VMA_ANON_NAME": 0})
MEMORY_MAP: Final = ValueSet(
    {
        "PR_SET_MM_START_CODE": 1,
        "PR_SET_MM_END_CODE": 2,
        "PR_SET_MM_START_DATA": 3,
        "PR_SET_MM_END_DATA": 4,
        "PR_SET_MM_START_STACK": 5,
        "PR_SET_MM_START_BRK": 6,
        "PR_SET_MM_BRK": 7,
        "PR_SET_MM_ARG_START": 8,
        "PR_SET_MM_ARG_END": 9,
        "PR_SET_MM_ENV_START": 10,
        "PR_SET_MM_ENV_END": 11,
        "PR_SET_MM_AUXV": 12,
        "PR_SET_MM_EXE_FILE": 13,
        "PR_SET_MM_MAP": 14,
        "PR_SET_MM_MAP_SIZE": 15,
    }
)
