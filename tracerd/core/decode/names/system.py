"""Names of the constants that calls on the system as a whole take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

_CAPABILITIES: Final = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
CAPABILITY: Final = ValueSet(
    {f"CAP_{name}": number for number, name in enumerate(_CAPABILITIES.split())}
)
CAPABILITIES: Final = FlagSet({name: 1 << number for name, number in CAPABILITY.values.items()})
"""Sets of them: a bit for each."""
CAPABILITY_VERSION: Final = ValueSet(
    {
        "_LINUX_CAPABILITY_VERSION_1": 0x19980330,
        "_LINUX_CAPABILITY_VERSION_2": 0x20071026,
        "_LINUX_CAPABILITY_VERSION_3": 0x20080522,
    }
)

PERSONALITY: Final = FlagSet(
    {
        "UNAME26": 0x0020000,
        "ADDR_NO_RANDOMIZE": 0x0040000,
        "FDPIC_FUNCPTRS": 0x0080000,
        "MMAP_PAGE_ZERO": 0x0100000,
        "ADDR_COMPAT_LAYOUT": 0x0200000,
        "READ_IMPLIES_EXEC": 0x0400000,
        "ADDR_LIMIT_32BIT": 0x0800000,
        "SHORT_INODE": 0x1000000,
        "WHOLE_SECONDS": 0x2000000,
        "STICKY_TIMEOUTS": 0x4000000,
        "ADDR_LIMIT_3GB": 0x8000000,
    },
    mask=0xFF,
    field={"PER_LINUX": 0, "PER_SVR4": 1, "PER_BSD": 6, "PER_LINUX32": 8, "PER_HPUX": 0x10},
)
PERSONALITY_QUERY: Final = 0xFFFF_FFFF

REBOOT_MAGIC1: Final = ValueSet({"LINUX_REBOOT_MAGIC1": 0xFEE1DEAD})
REBOOT_MAGIC2: Final = ValueSet(
    {
        "LINUX_REBOOT_MAGIC2": 672274793,
        "LINUX_REBOOT_MAGIC2A": 85072278,
        "LINUX_REBOOT_MAGIC2B": 369367448,
        "LINUX_REBOOT_MAGIC2C": 537993216,
    }
)
REBOOT: Final = ValueSet(
    {
        "LINUX_REBOOT_CMD_RESTART": 0x01234567,
        "LINUX_REBOOT_CMD_HALT": 0xCDEF0123,
        "LINUX_REBOOT_CMD_CAD_ON": 0x89ABCDEF,
        "LINUX_REBOOT_CMD_CAD_OFF": 0,
        "LINUX_REBOOT_CMD_POWER_OFF": 0x4321FEDC,
        "LINUX_REBOOT_CMD_RESTART2": 0xA1B2C3D4,
        "LINUX_REBOOT_CMD_SW_SUSPEND": 0xD000FCE2,
        "LINUX_REBOOT_CMD_KEXEC": 0x45584543,
    }
)

SYSLOG: Final = ValueSet(
    {
        "SYSLOG_ACTION_CLOSE": 0,
        "SYSLOG_ACTION_OPEN": 1,
        "SYSLOG_ACTION_READ": 2,
        "SYSLOG_ACTION_READ_ALL": 3,
        "SYSLOG_ACTION_READ_CLEAR": 4,
        "SYSLOG_ACTION_CLEAR": 5,
        "SYSLOG_ACTION_CONSOLE_OFF": 6,
        "SYSLOG_ACTION_CONSOLE_ON": 7,
        "SYSLOG_ACTION_CONSOLE_LEVEL": 8,
        "SYSLOG_ACTION_SIZE_UNREAD": 9,
        "SYSLOG_ACTION_SIZE_BUFFER": 10,
    }
)

DELETE_MODULE: Final = FlagSet({"O_NONBLOCK": 0o4000, "O_TRUNC": 0o1000})

KEXEC: Final = FlagSet(
    {"KEXEC_ON_CRASH": 1, "KEXEC_PRESERVE_CONTEXT": 2},
    mask=0xFFFF0000,
    field={
        "KEXEC_ARCH_386": 3 << 16,
        "KEXEC_ARCH_X86_64": 62 << 16,
        "KEXEC_ARCH_ARM": 40 << 16,
        "KEXEC_ARCH_AARCH64": 183 << 16,
    },
)

ADJTIME: Final = FlagSet(
    {
        "ADJ_OFFSET_SS_READ": 0xA001,
        "ADJ_OFFSET_SINGLESHOT": 0x8001,
        "ADJ_OFFSET": 0x0001,
        "ADJ_FREQUENCY": 0x0002,
        "ADJ_MAXERROR": 0x0004,
        "ADJ_ESTERROR": 0x0008,
        "ADJ_STATUS": 0x0010,
        "ADJ_TIMECONST": 0x0020,
        "ADJ_TAI": 0x0080,
        "ADJ_SETOFFSET": 0x0100,
        "ADJ_MICRO": 0x1000,
        "ADJ_NANO": 0x2000,
        "ADJ_TICK": 0x4000,
    }
)
TIME_STATUS: Final = FlagSet(
    {
        "STA_PLL": 0x0001,
        "STA_PPSFREQ": 0x0002,
        "STA_PPSTIME": 0x0004,
        "STA_FLL": 0x0008,
        "STA_INS": 0x0010,
        "STA_DEL": 0x0020,
        "STA_UNSYNC": 0x0040,
        "STA_FREQHOLD": 0x0080,
        "STA_PPSSIGNAL": 0x0100,
        "STA_PPSJITTER": 0x0200,
        "STA_PPSWANDER": 0x0400,
        "STA_PPSERROR": 0x0800,
        "STA_CLOCKERR": 0x1000,
        "STA_NANO": 0x2000,
        "STA_MODE": 0x4000,
        "STA_CLK": 0x8000,
    }
)
TIME_STATE: Final = ValueSet(
    {
        "TIME_OK": 0,
        "TIME_INS": 1,
        "TIME_DEL": 2,
        "TIME_OOP": 3,
        "TIME_WAIT": 4,
        "TIME_ERROR": 5,
    }
)
"""What adjtimex returns."""

LSM_ATTR: Final = ValueSet(
    {
        "LSM_ATTR_CURRENT": 100,
        "LSM_ATTR_EXEC": 101,
        "LSM_ATTR_FSCREATE": 102,
        "LSM_ATTR_KEYCREATE": 103,
        "LSM_ATTR_PREV": 104,
        "LSM_ATTR_SOCKCREATE": 105,
    }
)
LSM_ID: Final = ValueSet(
    {
        "LSM_ID_CAPABILITY": 100,
        "LSM_ID_SELINUX": 101,
        "LSM_ID_SMACK": 102,
        "LSM_ID_TOMOYO": 103,
        "LSM_ID_APPARMOR": 104,
        "LSM_ID_YAMA": 105,
        "LSM_ID_LOADPIN": 106,
        "LSM_ID_SAFESETID": 107,
        "LSM_ID_LOCKDOWN": 108,
        "LSM_ID_BPF": 109,
        "LSM_ID_LANDLOCK": 110,
        "LSM_ID_IMA": 111,
        "LSM_ID_EVM": 112,
        "LSM_ID_IPE": 113,
    }
)
LSM_FLAGS: Final = FlagSet({"LSM_FLAG_SINGLE": 1})

QUOTA_TYPE: Final = ValueSet({"USRQUOTA": 0, "GRPQUOTA": 1, "PRJQUOTA": 2})
QUOTA: Final = ValueSet(
    {
        "Q_SYNC": 0x800001,
        "Q_QUOTAON": 0x800002,
        "Q_QUOTAOFF": 0x800003,
        "Q_GETFMT": 0x800004,
        "Q_GETINFO": 0x800005,
        "Q_SETINFO": 0x800006,
        "Q_GETQUOTA": 0x800007,
        "Q_SETQUOTA": 0x800008,
        "Q_GETNEXTQUOTA": 0x800009,
        "Q_XQUOTAON": 0x5801,
        "Q_XQUOTAOFF": 0x5802,
        "Q_XGETQUOTA": 0x5803,
        "Q_XSETQLIM": 0x5804,
        "Q_XGETQSTAT": 0x5805,
        "Q_XQUOTARM": 0x5806,
        "Q_XQUOTASYNC": 0x5807,
        "Q_XGETQSTATV": 0x5808,
        "Q_XGETNEXTQUOTA": 0x5809,
    }
)
QUOTA_FORMAT: Final = ValueSet(
    {
        "QFMT_VFS_OLD": 1,
        "QFMT_VFS_V0": 2,
        "QFMT_OCFS2": 3,
        "QFMT_VFS_V1": 4,
        "QFMT_SHMEM": 5,
    }
)
QUOTA_VALID: Final = FlagSet(
    {
        "QIF_BLIMITS": 1,
        "QIF_SPACE": 2,
        "QIF_ILIMITS": 4,
        "QIF_INODES": 8,
        "QIF_BTIME": 16,
        "QIF_ITIME": 32,
    }
)

IOPRIO_WHO: Final = ValueSet({"IOPRIO_WHO_PROCESS": 1, "IOPRIO_WHO_PGRP": 2, "IOPRIO_WHO_USER": 3})
IOPRIO_CLASS: Final = ValueSet(
    {
        "IOPRIO_CLASS_NONE": 0,
        "IOPRIO_CLASS_RT": 1,
        "IOPRIO_CLASS_BE": 2,
        "IOPRIO_CLASS_IDLE": 3,
    }
)
