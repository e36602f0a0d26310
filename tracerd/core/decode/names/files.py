"""Names of the constants that calls on paths and files take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet

_OPEN: Final = {
    "O_CREAT": 0o100,
    "O_EXCL": 0o200,
    "O_NOCTTY": 0o400,
    "O_TRUNC": 0o1000,
    "O_APPEND": 0o2000,
    "O_NONBLOCK": 0o4000,
    "O_SYNC": 0o4010000,
    "O_DSYNC": 0o10000,
    "O_DIRECT": 0o40000,
    "O_LARGEFILE": 0o100000,
    "O_NOFOLLOW": 0o400000,
    "O_NOATIME": 0o1000000,
    "O_CLOEXEC": 0o2000000,
    "O_PATH": 0o10000000,
    "O_TMPFILE": 0o20200000,
    "O_DIRECTORY": 0o200000,
    "O_ASYNC": 0o20000,
}
_OPEN_AARCH64: Final = {
    "O_TMPFILE": 0o20040000,
    "O_DIRECTORY": 0o40000,
    "O_NOFOLLOW": 0o100000,
    "O_DIRECT": 0o200000,
    "O_LARGEFILE": 0o400000,
}
"""Those with another value there: arch/arm64/include/uapi/asm/fcntl.h."""
_ACCESS_MODE: Final = {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_ACCMODE": 3}

OPEN: Final = FlagSet(_OPEN, mask=3, field=_ACCESS_MODE)
"""The access mode comes first, always."""
OPEN_AARCH64: Final = FlagSet({**_OPEN, **_OPEN_AARCH64}, mask=3, field=_ACCESS_MODE)

_DESCRIPTOR: Final = {"O_NONBLOCK": 0o4000, "O_DIRECT": 0o40000, "O_CLOEXEC": 0o2000000}
DESCRIPTOR: Final = FlagSet(_DESCRIPTOR)
"""Open flags where there is no access mode: pipe2, dup3."""
DESCRIPTOR_AARCH64: Final = FlagSet({**_DESCRIPTOR, "O_DIRECT": _OPEN_AARCH64["O_DIRECT"]})

RESOLVE: Final = FlagSet(
    {
        "RESOLVE_NO_XDEV": 0x01,
        "RESOLVE_NO_MAGICLINKS": 0x02,
        "RESOLVE_NO_SYMLINKS": 0x04,
        "RESOLVE_BENEATH": 0x08,
        "RESOLVE_IN_ROOT": 0x10,
        "RESOLVE_CACHED": 0x20,
    }
)

_FOLLOW: Final = {
    "AT_SYMLINK_NOFOLLOW": 0x100,
    "AT_SYMLINK_FOLLOW": 0x400,
    "AT_NO_AUTOMOUNT": 0x800,
    "AT_EMPTY_PATH": 0x1000,
}
AT: Final = FlagSet(_FOLLOW)
AT_ACCESS: Final = FlagSet({"AT_SYMLINK_NOFOLLOW": 0x100, "AT_EACCESS": 0x200, **_FOLLOW})
AT_REMOVE: Final = FlagSet({"AT_SYMLINK_NOFOLLOW": 0x100, "AT_REMOVEDIR": 0x200, **_FOLLOW})
AT_HANDLE: Final = FlagSet(
    {
        "AT_HANDLE_FID": 0x200,
        "AT_HANDLE_MNT_ID_UNIQUE": 0x001,
        "AT_HANDLE_CONNECTABLE": 0x002,
        **_FOLLOW,
    }
)
AT_STATX: Final = FlagSet(
    _FOLLOW,
    mask=0x6000,
    field={"AT_STATX_SYNC_AS_STAT": 0, "AT_STATX_FORCE_SYNC": 0x2000, "AT_STATX_DONT_SYNC": 0x4000},
)
AT_EXEC: Final = FlagSet({"AT_EXECVE_CHECK": 0x10000, **_FOLLOW})
AT_RECURSIVE: Final = FlagSet({**_FOLLOW, "AT_RECURSIVE": 0x8000})

OPEN_TREE: Final = FlagSet(
    {"OPEN_TREE_CLONE": 1, "OPEN_TREE_CLOEXEC": 0o2000000, **_FOLLOW, "AT_RECURSIVE": 0x8000}
)

ACCESS: Final = FlagSet({"R_OK": 4, "W_OK": 2, "X_OK": 1}, mask=7, field={"F_OK": 0})

RENAME: Final = FlagSet({"RENAME_NOREPLACE": 1, "RENAME_EXCHANGE": 2, "RENAME_WHITEOUT": 4})

STATX_MASK: Final = FlagSet(
    {
        "STATX_ALL": 0xFFF,
        "STATX_BASIC_STATS": 0x7FF,
        "STATX_TYPE": 0x1,
        "STATX_MODE": 0x2,
        "STATX_NLINK": 0x4,
        "STATX_UID": 0x8,
        "STATX_GID": 0x10,
        "STATX_ATIME": 0x20,
        "STATX_MTIME": 0x40,
        "STATX_CTIME": 0x80,
        "STATX_INO": 0x100,
        "STATX_SIZE": 0x200,
        "STATX_BLOCKS": 0x400,
        "STATX_BTIME": 0x800,
        "STATX_MNT_ID": 0x1000,
        "STATX_DIOALIGN": 0x2000,
        "STATX_MNT_ID_UNIQUE": 0x4000,
        "STATX_SUBVOL": 0x8000,
        "STATX_WRITE_ATOMIC": 0x10000,
        "STATX_DIO_READ_ALIGN": 0x20000,
    }
)

STATX_ATTRIBUTES: Final = FlagSet(
    {
        "STATX_ATTR_COMPRESSED": 0x4,
        "STATX_ATTR_IMMUTABLE": 0x10,
        "STATX_ATTR_APPEND": 0x20,
        "STATX_ATTR_NODUMP": 0x40,
        "STATX_ATTR_ENCRYPTED": 0x800,
        "STATX_ATTR_AUTOMOUNT": 0x1000,
        "STATX_ATTR_MOUNT_ROOT": 0x2000,
        "STATX_ATTR_VERITY": 0x100000,
        "STATX_ATTR_DAX": 0x200000,
        "STATX_ATTR_WRITE_ATOMIC": 0x400000,
    }
)

XATTR: Final = FlagSet({"XATTR_CREATE": 1, "XATTR_REPLACE": 2})

FALLOCATE: Final = FlagSet(
    {
        "FALLOC_FL_KEEP_SIZE": 0x01,
        "FALLOC_FL_PUNCH_HOLE": 0x02,
        "FALLOC_FL_NO_HIDE_STALE": 0x04,
        "FALLOC_FL_COLLAPSE_RANGE": 0x08,
        "FALLOC_FL_ZERO_RANGE": 0x10,
        "FALLOC_FL_INSERT_RANGE": 0x20,
        "FALLOC_FL_UNSHARE_RANGE": 0x40,
        "FALLOC_FL_WRITE_ZEROES": 0x80,
    }
)

INODE: Final = FlagSet(
    {
        "FS_SECRM_FL": 0x1,
        "FS_UNRM_FL": 0x2,
        "FS_COMPR_FL": 0x4,
        "FS_SYNC_FL": 0x8,
        "FS_IMMUTABLE_FL": 0x10,
        "FS_APPEND_FL": 0x20,
        "FS_NODUMP_FL": 0x40,
        "FS_NOATIME_FL": 0x80,
        "FS_DIRTY_FL": 0x100,
        "FS_COMPRBLK_FL": 0x200,
        "FS_NOCOMP_FL": 0x400,
        "FS_ENCRYPT_FL": 0x800,
        "FS_INDEX_FL": 0x1000,
        "FS_IMAGIC_FL": 0x2000,
        "FS_JOURNAL_DATA_FL": 0x4000,
        "FS_NOTAIL_FL": 0x8000,
        "FS_DIRSYNC_FL": 0x10000,
        "FS_TOPDIR_FL": 0x20000,
        "FS_HUGE_FILE_FL": 0x40000,
        "FS_EXTENT_FL": 0x80000,
        "FS_VERITY_FL": 0x100000,
        "FS_EA_INODE_FL": 0x200000,
        "FS_EOFBLOCKS_FL": 0x400000,
        "FS_NOCOW_FL": 0x800000,
        "FS_DAX_FL": 0x2000000,
        "FS_INLINE_DATA_FL": 0x10000000,
        "FS_PROJINHERIT_FL": 0x20000000,
        "FS_CASEFOLD_FL": 0x40000000,
        "FS_RESERVED_FL": 0x80000000,
    }
)
XFLAGS: Final = FlagSet(
    {
        "FS_XFLAG_REALTIME": 0x1,
        "FS_XFLAG_PREALLOC": 0x2,
        "FS_XFLAG_IMMUTABLE": 0x8,
        "FS_XFLAG_APPEND": 0x10,
        "FS_XFLAG_SYNC": 0x20,
        "FS_XFLAG_NOATIME": 0x40,
        "FS_XFLAG_NODUMP": 0x80,
        "FS_XFLAG_RTINHERIT": 0x100,
        "FS_XFLAG_PROJINHERIT": 0x200,
        "FS_XFLAG_NOSYMLINKS": 0x400,
        "FS_XFLAG_EXTSIZE": 0x800,
        "FS_XFLAG_EXTSZINHERIT": 0x1000,
        "FS_XFLAG_NODEFRAG": 0x2000,
        "FS_XFLAG_FILESTREAM": 0x4000,
        "FS_XFLAG_DAX": 0x8000,
        "FS_XFLAG_COWEXTSIZE": 0x10000,
        "FS_XFLAG_HASATTR": 0x80000000,
    }
)
