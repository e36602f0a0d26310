"""From a path argument to an absolute path, as the tracee sees it.

Joined, never folded: `..` across a symlink is not what the text says.
"""

from __future__ import annotations

from dataclasses import dataclass

from tracerd.core.syscalls.model import Captured, Cut, OpenedFile


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path argument leads.  raw: as passed; None when no path was passed."""

    path: bytes
    raw: bytes | None = None
    unresolved: bool = False
    deleted: bool = False
    truncated: bool = False


def seen_from(root: str, path: bytes) -> bytes:
    """Turn a path of ours into one of a tracee whose root directory is `root`."""
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
        return Place(seen_from(root, link))
    if isinstance(link, OpenedFile):
        return Place(seen_from(root, link.link), deleted=link.deleted)
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
            return Place(place.path, b"" if text == b"" else None, place.unresolved, place.deleted)
        return Place(b"", text if text == b"" else None, unresolved=text is None)
    if not isinstance(text, bytes):
        return Place(b"", unresolved=True)
    if text.startswith(b"/"):
        return Place(text, text, truncated=truncated)
    start = of_link(base, root)
    if start.unresolved or not start.path.startswith(b"/"):
        return Place(text, text, unresolved=True, truncated=truncated)
    joined = start.path.rstrip(b"/") + b"/" + text
    return Place(joined, text, deleted=start.deleted, truncated=truncated)
