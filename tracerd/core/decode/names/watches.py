"""Names of the constants of inotify, fanotify and Landlock."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

INOTIFY_MASK: Final = FlagSet(
    {
        "IN_ACCESS": 0x1,
        "IN_MODIFY": 0x2,
        "IN_ATTRIB": 0x4,
        "IN_CLOSE_WRITE": 0x8,
        "IN_CLOSE_NOWRITE": 0x10,
        "IN_OPEN": 0x20,
        "IN_MOVED_FROM": 0x40,
        "IN_MOVED_TO": 0x80,
        "IN_CREATE": 0x100,
        "IN_DELETE": 0x200,
        "IN_DELETE_SELF": 0x400,
        "IN_MOVE_SELF": 0x800,
        "IN_UNMOUNT": 0x2000,
        "IN_Q_OVERFLOW": 0x4000,
        "IN_IGNORED": 0x8000,
        "IN_ONLYDIR": 0x1000000,
        "IN_DONT_FOLLOW": 0x2000000,
        "IN_EXCL_UNLINK": 0x4000000,
        "IN_MASK_CREATE": 0x10000000,
        "IN_MASK_ADD": 0x20000000,
        "IN_ISDIR": 0x40000000,
        "IN_ONESHOT": 0x80000000,
    }
)
INOTIFY_INIT: Final = FlagSet({"IN_NONBLOCK": 0o4000, "IN_CLOEXEC": 0o2000000})

FANOTIFY_INIT: Final = FlagSet(
    {
        "FAN_CLOEXEC": 0x1,
        "FAN_NONBLOCK": 0x2,
        "FAN_UNLIMITED_QUEUE": 0x10,
        "FAN_UNLIMITED_MARKS": 0x20,
        "FAN_ENABLE_AUDIT": 0x40,
        "FAN_REPORT_PIDFD": 0x80,
        "FAN_REPORT_TID": 0x100,
        "FAN_REPORT_FID": 0x200,
        "FAN_REPORT_DIR_FID": 0x400,
        "FAN_REPORT_NAME": 0x800,
        "FAN_REPORT_TARGET_FID": 0x1000,
        "FAN_REPORT_FD_ERROR": 0x2000,
        "FAN_REPORT_MNT": 0x4000,
    },
    mask=0xC,
    field={"FAN_CLASS_NOTIF": 0, "FAN_CLASS_CONTENT": 4, "FAN_CLASS_PRE_CONTENT": 8},
)
FANOTIFY_MARK: Final = FlagSet(
    {
        "FAN_MARK_ADD": 0x1,
        "FAN_MARK_REMOVE": 0x2,
        "FAN_MARK_DONT_FOLLOW": 0x4,
        "FAN_MARK_ONLYDIR": 0x8,
        "FAN_MARK_IGNORED_MASK": 0x20,
        "FAN_MARK_IGNORED_SURV_MODIFY": 0x40,
        "FAN_MARK_FLUSH": 0x80,
        "FAN_MARK_EVICTABLE": 0x200,
        "FAN_MARK_IGNORE": 0x400,
    },
    mask=0x110,
    field={
        "FAN_MARK_INODE": 0,
        "FAN_MARK_MOUNT": 0x10,
        "FAN_MARK_FILESYSTEM": 0x100,
        "FAN_MARK_MNTNS": 0x110,
    },
)
FANOTIFY_EVENTS: Final = FlagSet(
    {
        "FAN_ACCESS": 0x1,
        "FAN_MODIFY": 0x2,
        "FAN_ATTRIB": 0x4,
        "FAN_CLOSE_WRITE": 0x8,
        "FAN_CLOSE_NOWRITE": 0x10,
        "FAN_OPEN": 0x20,
        "FAN_MOVED_FROM": 0x40,
        "FAN_MOVED_TO": 0x80,
        "FAN_CREATE": 0x100,
        "FAN_DELETE": 0x200,
        "FAN_DELETE_SELF": 0x400,
        "FAN_MOVE_SELF": 0x800,
        "FAN_OPEN_EXEC": 0x1000,
        "FAN_Q_OVERFLOW": 0x4000,
        "FAN_FS_ERROR": 0x8000,
        "FAN_OPEN_PERM": 0x10000,
        "FAN_ACCESS_PERM": 0x20000,
        "FAN_OPEN_EXEC_PERM": 0x40000,
        "FAN_PRE_ACCESS": 0x100000,
        "FAN_MNT_ATTACH": 0x1000000,
        "FAN_MNT_DETACH": 0x2000000,
        "FAN_EVENT_ON_CHILD": 0x8000000,
        "FAN_RENAME": 0x10000000,
        "FAN_ONDIR": 0x40000000,
    }
)

LANDLOCK_RULE: Final = ValueSet({"LANDLOCK_RULE_PATH_BENEATH": 1, "LANDLOCK_RULE_NET_PORT": 2})

LANDLOCK_FS: Final = FlagSet(
    {
        "LANDLOCK_ACCESS_FS_EXECUTE": 0x1,
        "LANDLOCK_ACCESS_FS_WRITE_FILE": 0x2,
        "LANDLOCK_ACCESS_FS_READ_FILE": 0x4,
        "LANDLOCK_ACCESS_FS_READ_DIR": 0x8,
        "LANDLOCK_ACCESS_FS_REMOVE_DIR": 0x10,
        "LANDLOCK_ACCESS_FS_REMOVE_FILE": 0x20,
        "LANDLOCK_ACCESS_FS_MAKE_CHAR": 0x40,
        "LANDLOCK_ACCESS_FS_MAKE_DIR": 0x80,
        "LANDLOCK_ACCESS_FS_MAKE_REG": 0x100,
        "LANDLOCK_ACCESS_FS_MAKE_SOCK": 0x200,
        "LANDLOCK_ACCESS_FS_MAKE_FIFO": 0x400,
        "LANDLOCK_ACCESS_FS_MAKE_BLOCK": 0x800,
        "LANDLOCK_ACCESS_FS_MAKE_SYM": 0x1000,
        "LANDLOCK_ACCESS_FS_REFER": 0x2000,
        "LANDLOCK_ACCESS_FS_TRUNCATE": 0x4000,
        "LANDLOCK_ACCESS_FS_IOCTL_DEV": 0x8000,
    }
)

LANDLOCK_NET: Final = FlagSet(
    {"LANDLOCK_ACCESS_NET_BIND_TCP": 1, "LANDLOCK_ACCESS_NET_CONNECT_TCP": 2}
)
