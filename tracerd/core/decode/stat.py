"""Decoders of what the kernel tells of files: stat, statx, statfs, file attributes."""

from __future__ import annotations

import stat
from typing import Any, Final

from tracerd.core.decode.names.files import STATX_ATTRIBUTES, STATX_MASK
from tracerd.core.decode.names.mounts import FILESYSTEMS, STATFS
from tracerd.core.decode.structs import record
from tracerd.core.decode.times import timespec_of
from tracerd.core.decode.words import device

STAT: Final = "<QQQIII4xQqqqqQqQqQ24x"
STATX: Final = "<IIQIIIH2xQQQQqI4xqI4xqI4xqI4xIIIIQ104x"
STATFS_LAYOUT: Final = "<qqQQQQQiiqqq32x"


def mode_text(mode: int) -> str:
    """Return st_mode in octal with a leading 0: type and permissions (`0100644`)."""
    return f"0{mode:03o}"


def _stat(
    dev: int,
    ino: int,
    nlink: int,
    mode: int,
    uid: int,
    gid: int,
    rdev: int,
    size: int,
    blksize: int,
    blocks: int,
    atime: int,
    atime_ns: int,
    mtime: int,
    mtime_ns: int,
    ctime: int,
    ctime_ns: int,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "dev": device(dev),
        "ino": ino,
        "mode": mode_text(mode),
        "nlink": nlink,
        "uid": uid,
        "gid": gid,
    }
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        found["rdev"] = device(rdev)
    found["size"] = size
    found["blksize"] = blksize
    found["blocks"] = blocks
    found["atime"] = timespec_of(atime, atime_ns)
    found["mtime"] = timespec_of(mtime, mtime_ns)
    found["ctime"] = timespec_of(ctime, ctime_ns)
    return found


stat_: Final = record(STAT, _stat)
"""struct stat of x86-64."""

STAT_GENERIC: Final = "<QQIIIIQ8xqi4xqqQqQqQ8x"


def _stat_generic(dev: int, ino: int, mode: int, nlink: int, *rest: int) -> dict[str, Any]:
    return _stat(dev, ino, nlink, mode, *rest)


stat_generic: Final = record(STAT_GENERIC, _stat_generic)
"""struct stat of newer architectures, aarch64 among them: <asm-generic/stat.h>."""


def _statx(
    mask: int,
    blksize: int,
    attributes: int,
    nlink: int,
    uid: int,
    gid: int,
    mode: int,
    ino: int,
    size: int,
    blocks: int,
    attributes_mask: int,
    *rest: int,
) -> dict[str, Any]:
    atime, btime, ctime, mtime = (timespec_of(*rest[at : at + 2]) for at in (0, 2, 4, 6))
    rdev, dev, mnt_id = rest[8:10], rest[10:12], rest[12]
    found: dict[str, Any] = {
        "mask": STATX_MASK.render(mask),
        "attributes": STATX_ATTRIBUTES.render(attributes),
        "dev": f"{dev[0]}:{dev[1]}",
        "ino": ino,
        "mode": mode_text(mode),
        "nlink": nlink,
        "uid": uid,
        "gid": gid,
    }
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        found["rdev"] = f"{rdev[0]}:{rdev[1]}"
    found["size"] = size
    found["blksize"] = blksize
    found["blocks"] = blocks
    found["atime"] = atime
    found["mtime"] = mtime
    found["ctime"] = ctime
    found["btime"] = btime
    found["attributes_mask"] = STATX_ATTRIBUTES.render(attributes_mask)
    found["mnt_id"] = mnt_id
    return found


statx: Final = record(STATX, _statx)


def _statfs(
    kind: int,
    bsize: int,
    blocks: int,
    bfree: int,
    bavail: int,
    files: int,
    ffree: int,
    fsid0: int,
    fsid1: int,
    namelen: int,
    frsize: int,
    flags: int,
) -> dict[str, Any]:
    return {
        "type": FILESYSTEMS.render(kind),
        "bsize": bsize,
        "blocks": blocks,
        "bfree": bfree,
        "bavail": bavail,
        "files": files,
        "ffree": ffree,
        "fsid": [fsid0, fsid1],
        "namelen": namelen,
        "frsize": frsize,
        "flags": STATFS.render(flags & 0xFFFF_FFFF_FFFF_FFFF),
    }


statfs: Final = record(STATFS_LAYOUT, _statfs)

# The same of i386: struct stat64, the stat that has no room for large files, the first one.

STAT64_I386: Final = "<Q8xIIIIQ4xqIqiIiIiIQ"
STAT_I386: Final = "<IIHHHHIIIIiIiIiI8x"
OLDSTAT_I386: Final = "<HHHHHHH2xIiii"
STATFS_I386: Final = "<IIIIIIIiiIII16x"
STATFS64_I386: Final = "<IIQQQQQiiIII16x"


def _stat64_i386(
    dev: int, mode: int, nlink: int, uid: int, gid: int, rdev: int, size: int, *rest: int
) -> dict[str, Any]:
    blksize, blocks, *times, ino = rest
    return _stat(dev, ino, nlink, mode, uid, gid, rdev, size, blksize, blocks, *times)


def _stat_i386(
    dev: int, ino: int, mode: int, nlink: int, uid: int, gid: int, rdev: int, *rest: int
) -> dict[str, Any]:
    return _stat(dev, ino, nlink, mode, uid, gid, rdev, *rest)


def _oldstat_i386(*fields: int) -> dict[str, Any]:
    *head, size, atime, mtime, ctime = fields
    found = _stat_i386(*head, size, 0, 0, atime, 0, mtime, 0, ctime, 0)
    del found["blksize"], found["blocks"]  # it has none
    return found


stat64_i386: Final = record(STAT64_I386, _stat64_i386)
stat_i386: Final = record(STAT_I386, _stat_i386)
oldstat_i386: Final = record(OLDSTAT_I386, _oldstat_i386)
statfs_i386: Final = record(STATFS_I386, _statfs)
statfs64_i386: Final = record(STATFS64_I386, _statfs)
