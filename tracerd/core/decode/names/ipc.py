"""Names of the constants that System V IPC takes."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

_CONTROL: Final = {"IPC_RMID": 0, "IPC_SET": 1, "IPC_STAT": 2, "IPC_INFO": 3}
SHM_CONTROL: Final = ValueSet(
    _CONTROL,
    {"SHM_LOCK": 11, "SHM_UNLOCK": 12, "SHM_STAT": 13, "SHM_INFO": 14, "SHM_STAT_ANY": 15},
)
MSG_CONTROL: Final = ValueSet(_CONTROL, {"MSG_STAT": 11, "MSG_INFO": 12, "MSG_STAT_ANY": 13})
SEM_CONTROL: Final = ValueSet(
    _CONTROL,
    {
        "GETPID": 11,
        "GETVAL": 12,
        "GETALL": 13,
        "GETNCNT": 14,
        "GETZCNT": 15,
        "SETVAL": 16,
        "SETALL": 17,
        "SEM_STAT": 18,
        "SEM_INFO": 19,
        "SEM_STAT_ANY": 20,
    },
)

IPC_64: Final = 0x100
"""Said by i386 programs with a command that takes structures with room for large numbers."""


def _with_ipc_64(control: ValueSet) -> ValueSet:
    large = {f"{name}|IPC_64": number | IPC_64 for name, number in control.values.items()}
    return ValueSet(control.values, large)


SHM_CONTROL_I386: Final = _with_ipc_64(SHM_CONTROL)
MSG_CONTROL_I386: Final = _with_ipc_64(MSG_CONTROL)
SEM_CONTROL_I386: Final = _with_ipc_64(SEM_CONTROL)

KEY: Final = ValueSet({"IPC_PRIVATE": 0})

_GET: Final = {"IPC_CREAT": 0o1000, "IPC_EXCL": 0o2000}
IPC_GET: Final = FlagSet({**_GET, "IPC_NOWAIT": 0o4000}, octal=True)
"""With the permissions, in octal."""
SHM_GET: Final = FlagSet({**_GET, "SHM_HUGETLB": 0o4000, "SHM_NORESERVE": 0o10000}, octal=True)
SHM_AT: Final = FlagSet(
    {"SHM_RDONLY": 0o10000, "SHM_RND": 0o20000, "SHM_REMAP": 0o40000, "SHM_EXEC": 0o100000}
)
MSG_FLAGS: Final = FlagSet(
    {"IPC_NOWAIT": 0o4000, "MSG_NOERROR": 0o10000, "MSG_EXCEPT": 0o20000, "MSG_COPY": 0o40000}
)
SEM_FLAGS: Final = FlagSet({"SEM_UNDO": 0x1000, "IPC_NOWAIT": 0o4000})

IPC_CALL: Final = ValueSet(
    {
        "SEMOP": 1,
        "SEMGET": 2,
        "SEMCTL": 3,
        "SEMTIMEDOP": 4,
        "MSGSND": 11,
        "MSGRCV": 12,
        "MSGGET": 13,
        "MSGCTL": 14,
        "SHMAT": 21,
        "SHMDT": 22,
        "SHMGET": 23,
        "SHMCTL": 24,
    }
)
