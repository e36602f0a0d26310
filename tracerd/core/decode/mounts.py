"""Decoder of struct statmount."""

from __future__ import annotations

import struct
from typing import Any, Final

from tracerd.core.decode.names.mounts import FILESYSTEMS, MOUNT_ATTR, PROPAGATION, STATMOUNT
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Words
from tracerd.protocol.text import shown

STATMOUNT_LIMIT: Final = 1024
"""The structure's 512 bytes, and as many of the text behind it."""
_HEAD: Final = struct.Struct("<IIQIIQIIQQIIQQQQQIIQ")
_STRINGS: Final = 512


def statmount(word: int, captured: Captured, _call: Words) -> Any:
    """Decode what statmount tells: the parts that its mask says are there."""
    data = captured.data if isinstance(captured, Cut) else captured
    if type(data) is not bytes or len(data) < _HEAD.size:
        return address(word)
    size, options, mask, major, minor, magic, flags, fs_type, *rest = _HEAD.unpack_from(data)
    mnt, parent, old, old_parent, attributes, propagation, group, master, source, *at = rest
    parts: dict[str, dict[str, Any]] = {
        "STATMOUNT_SB_BASIC": {
            "sb_dev": f"{major}:{minor}",
            "sb_magic": FILESYSTEMS.render(magic),
            "sb_flags": f"{flags:#x}",
        },
        "STATMOUNT_MNT_BASIC": {
            "mnt_id": f"{mnt:#x}",
            "mnt_parent_id": f"{parent:#x}",
            "mnt_id_old": old,
            "mnt_parent_id_old": old_parent,
            "mnt_attr": MOUNT_ATTR.render(attributes),
            "mnt_propagation": PROPAGATION.render(propagation),
            "mnt_peer_group": group,
            "mnt_master": master,
        },
        "STATMOUNT_PROPAGATE_FROM": {"propagate_from": source},
        "STATMOUNT_MNT_ROOT": {"mnt_root": _string(data, at[0])},
        "STATMOUNT_MNT_POINT": {"mnt_point": _string(data, at[1])},
        "STATMOUNT_FS_TYPE": {"fs_type": _string(data, fs_type)},
        "STATMOUNT_MNT_NS_ID": {"mnt_ns_id": f"{at[2]:#x}"},
        "STATMOUNT_MNT_OPTS": {"mnt_opts": _string(data, options)},
    }
    found: dict[str, Any] = {"size": size, "mask": STATMOUNT.render(mask)}
    for part in found["mask"]:
        found |= parts.get(part, {})
    return found


def _string(data: bytes, offset: int) -> str | None:
    """Return a text behind the structure; None if it was not read."""
    text, end, _ = data[_STRINGS + offset :].partition(b"\0")
    return shown(text) if end else None
