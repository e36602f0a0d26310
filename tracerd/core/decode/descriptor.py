"""Which kind of thing a descriptor refers to, from what /proc says of it."""

from __future__ import annotations

import re
import stat
from typing import Final

from tracerd.core.syscalls.model import Captured, OpenedFile
from tracerd.protocol.text import shown

ANONYMOUS: Final = b"anon_inode:"
_NAMES: Final = {
    "eventpoll": "epoll",
    "perf_event": "perf",
    "landlock-ruleset": "landlock",
}
"""The kernel's names of anonymous inodes whose kind has another; the rest are kinds as they are:
eventfd, signalfd, timerfd, inotify, fanotify, pidfd, io_uring, userfaultfd, fscontext, ..."""
_TYPES: Final = {
    stat.S_IFDIR: "dir",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
    stat.S_IFLNK: "symlink",
    stat.S_IFSOCK: "socket",
}
_BEGINNINGS: Final = {
    b"/memfd:": "memfd",
    b"/secretmem": "secretmem",
    b"/dmabuf:": "dmabuf",
    b"pipe:[": "pipe",
    b"socket:[": "socket",
    b"pidfd:[": "pidfd",
}
_NAMESPACE: Final = re.compile(rb"[a-z_]+:\[\d+\]")
_INODE: Final = re.compile(rb"(?:pipe|socket):\[(\d+)\]")


def kind_of(file: OpenedFile) -> str:
    """Return the kind: `file`, `dir`, `socket`, `pipe`, `eventfd`, ...  Total."""
    link = file.link
    if link.startswith(ANONYMOUS):
        name = shown(link[len(ANONYMOUS) :]).strip("[]")
        return "bpf" if name.startswith("bpf") else _NAMES.get(name, name)
    for beginning, kind in _BEGINNINGS.items():
        if link.startswith(beginning):
            return kind
    if _NAMESPACE.fullmatch(link):
        return "namespace"
    return _TYPES.get(stat.S_IFMT(file.mode), "file")


def inode_of(link: bytes) -> int | None:
    """Return the inode of a socket or a pipe, from its link; None of anything else."""
    found = _INODE.fullmatch(link)
    return int(found[1]) if found else None


def link_text(link: Captured) -> str | None:
    """Return what a captured link says (How.FD, How.RET_FD); None if there was none."""
    if isinstance(link, bytes):
        return shown(link)
    if isinstance(link, OpenedFile):
        return shown(link.link) + (" (deleted)" if link.deleted else "")
    return None
