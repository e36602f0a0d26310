"""From a path argument to an absolute path, as the tracee sees it.

Joined, never folded: `..` across a symlink is not what the text says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tracerd.core.syscalls.model import Captured, Cut, OpenedFile


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path argument leads.  raw: as passed; None when no path was passed."""

    path: bytes
    raw: bytes | None = None
    unresolved: bool = False
    deleted: bool = False
    truncated: bool = False
    outside: bool = False
    """Not below the tracee's root: `path` is ours."""
    changed: bool = False
    """The bytes in memory were others when the call returned."""


def is_outside(root: str, path: bytes) -> bool:
    """Whether a path of ours is none that a tracee with this root can name."""
    if root == "/" or root.startswith("/proc/"):
        return False
    prefix = root.encode("utf-8", "surrogateescape")
    return path.startswith(b"/") and path != prefix and not path.startswith(prefix + b"/")


def seen_from(root: str, path: bytes) -> bytes:
    """Turn a path of ours into one of a tracee whose root directory is `root`.

    One outside of it stays as it is.  A root with no name here (/proc/PID/root, of another mount
    namespace) needs no turning: /proc tells the tracee's own paths then.
    """
    if root == "/":
        return path
    prefix = root.encode("utf-8", "surrogateescape")
    if path == prefix:
        return b"/"
    if path.startswith(prefix + b"/"):
        return path[len(prefix) :]
    return path


def of_link(link: Captured, root: str) -> Place:
    """Read what a descriptor (or the working directory) refers to."""
    if isinstance(link, bytes):
        return Place(seen_from(root, link), outside=is_outside(root, link))
    if isinstance(link, OpenedFile):
        outside = is_outside(root, link.link)
        return Place(seen_from(root, link.link), deleted=link.deleted, outside=outside)
    return Place(b"", unresolved=True)


def resolve(raw: Captured, base: Captured, root: str, *, empty: bool) -> Place:
    """Join a path argument to its directory.

    raw, base: captured at the enter-stop (How.CSTRING, How.BASE).  empty: a missing or empty
    path means the descriptor itself (AT_EMPTY_PATH).
    """
    truncated = isinstance(raw, Cut)
    text = raw.data if isinstance(raw, Cut) else raw
    if text is None or text == b"":
        if empty:
            place = of_link(base, root)
            return replace(place, raw=b"" if text == b"" else None)
        return Place(b"", text if text == b"" else None, unresolved=text is None)
    if not isinstance(text, bytes):
        return Place(b"", unresolved=True)
    if text.startswith(b"/"):
        return Place(text, text, truncated=truncated)
    start = of_link(base, root)
    if start.unresolved or not start.path.startswith(b"/"):
        return Place(text, text, unresolved=True, truncated=truncated)
    joined = start.path.rstrip(b"/") + b"/" + text
    return Place(joined, text, deleted=start.deleted, truncated=truncated, outside=start.outside)
