"""Decoders of the smaller structures that calls on files take."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.files import (
    OPEN,
    OPEN_AARCH64,
    RESOLVE,
    XATTR,
    XFLAGS,
)
from tracerd.core.decode.names.mounts import MOUNT_ATTR, PROPAGATION
from tracerd.core.decode.names.process import CLONE
from tracerd.core.decode.sets import FlagSet
from tracerd.core.decode.structs import array, record
from tracerd.core.syscalls.model import Decode

OPEN_HOW: Final = "<QQQ"
OPEN_HOW_SIZE: Final = 24
MOUNT_ATTR_LAYOUT: Final = "<QQQQ"
MOUNT_ATTR_SIZE: Final = 32
FILE_ATTR: Final = "<QIIII"
FILE_ATTR_SIZE: Final = 24
HANDLE: Final = "<Ii"
HANDLE_SIZE: Final = 8
"""The head of a struct file_handle; what follows is opaque."""


def _open_how(names: FlagSet) -> Decode:
    def build(flags: int, mode: int, resolve: int) -> dict[str, Any]:
        return {
            "flags": names.render(flags),
            "mode": f"0{mode:03o}",
            "resolve": RESOLVE.render(resolve),
        }

    return record(OPEN_HOW, build)


open_how: Final = _open_how(OPEN)
open_how_aarch64: Final = _open_how(OPEN_AARCH64)


def _mount_attr(attr_set: int, attr_clr: int, propagation: int, userns_fd: int) -> dict[str, Any]:
    return {
        "attr_set": MOUNT_ATTR.render(attr_set),
        "attr_clr": MOUNT_ATTR.render(attr_clr),
        "propagation": PROPAGATION.render(propagation),
        "userns_fd": userns_fd,
    }


mount_attr: Final = record(MOUNT_ATTR_LAYOUT, _mount_attr)


def _file_attr(
    xflags: int, extsize: int, nextents: int, projid: int, cowextsize: int
) -> dict[str, Any]:
    return {
        "xflags": XFLAGS.render(xflags),
        "extsize": extsize,
        "nextents": nextents,
        "projid": projid,
        "cowextsize": cowextsize,
    }


file_attr: Final = record(FILE_ATTR, _file_attr)


def _handle(size: int, kind: int) -> dict[str, Any]:
    return {"handle_bytes": size, "handle_type": kind}


file_handle: Final = record(HANDLE, _handle)


def _same(value: int) -> int:
    return value


ints: Final = array("<i", _same)
offsets: Final = array("<q", _same)
longs: Final = array("<q", _same)
"""Of four bytes in 32-bit programs."""
uints: Final = array("<I", _same)


def _mq_attr(flags: int, maxmsg: int, msgsize: int, curmsgs: int) -> dict[str, Any]:
    return {
        "flags": OPEN.render(flags & 0xFFFF_FFFF_FFFF_FFFF),
        "maxmsg": maxmsg,
        "msgsize": msgsize,
        "curmsgs": curmsgs,
    }


mq_attr: Final = record("<qqqq32x", _mq_attr)
MQ_ATTR_SIZE: Final = 64


def _cachestat_range(start: int, length: int) -> dict[str, int]:
    return {"off": start, "len": length}


def _cachestat(
    cached: int, dirty: int, writeback: int, evicted: int, recently_evicted: int
) -> dict[str, int]:
    return {
        "nr_cache": cached,
        "nr_dirty": dirty,
        "nr_writeback": writeback,
        "nr_evicted": evicted,
        "nr_recently_evicted": recently_evicted,
    }


cachestat_range: Final = record("<QQ", _cachestat_range)
cachestat: Final = record("<QQQQQ", _cachestat)
CACHESTAT_SIZE: Final = 40


def _xattr_args(value: int, size: int, flags: int) -> dict[str, Any]:
    return {"value": f"{value:#x}", "size": size, "flags": XATTR.render(flags)}


xattr_args: Final = record("<QII", _xattr_args)
XATTR_ARGS_SIZE: Final = 16


def _mnt_id_req(size: int, ns_fd: int, mnt_id: int, param: int, ns_id: int) -> dict[str, Any]:
    found: dict[str, Any] = {"size": size, "mnt_id": f"{mnt_id:#x}", "param": f"{param:#x}"}
    if ns_fd:
        found["mnt_ns_fd"] = ns_fd
    if size > MNT_ID_REQ_LEAST:
        found["mnt_ns_id"] = f"{ns_id:#x}"
    return found


MNT_ID_REQ_LEAST: Final = 24
MNT_ID_REQ_SIZE: Final = 32
mnt_id_req: Final = record("<IIQQQ", _mnt_id_req, least=MNT_ID_REQ_LEAST)


def _ns_id_req(size: int, ns_id: int, ns_type: int, user_ns_id: int) -> dict[str, Any]:
    return {
        "size": size,
        "ns_id": f"{ns_id:#x}",
        "ns_type": CLONE.render(ns_type),
        "user_ns_id": f"{user_ns_id:#x}",
    }


ns_id_req: Final = record("<I4xQI4xQ", _ns_id_req)
NS_ID_REQ_SIZE: Final = 32


def _hex(value: int) -> str:
    return f"{value:#x}"


ids: Final = array("<Q", _hex)

mq_attr32: Final = record("<iiii16x", _mq_attr)
MQ_ATTR32_SIZE: Final = 32
old_ids: Final = array("<H", _same)
"""Users and groups as they were when there were fewer than 65,536."""
ids32: Final = array("<I", _hex)
