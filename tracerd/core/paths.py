"""From a path argument to an absolute path, as the tracee sees it.

Joined, never folded: `..` across a symlink is not what the text says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tracerd.core import links
from tracerd.core.syscalls.model import Captured, Cut, Message, OpenedFile

AF_UNIX: Final = b"\1\0"
"""As a socket address begins."""


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
    real: bytes | None = None
    """Where a link of /proc on the way led, with what follows it."""
    dev: int = 0
    ino: int = 0
    """Of the file itself, where they were looked up; 0: they were not."""


NOWHERE: Final = Place(b"", unresolved=True)


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
        path = seen_from(root, link.link)
        return Place(path, deleted=link.deleted, outside=outside, dev=link.dev, ino=link.ino)
    return NOWHERE


def resolve(raw: Captured, base: Captured, root: str, *, empty: bool, follow: bool) -> Place:
    """Join a path argument to its directory.

    raw, base: captured at the enter-stop (How.CSTRING, How.BASE).  empty: a missing or empty
    path means the descriptor itself (AT_EMPTY_PATH).  follow: a link at the end of the path is
    followed.
    """
    truncated = isinstance(raw, Cut)
    text = raw.data if isinstance(raw, Cut) else raw
    if text is None or text == b"":
        if empty:
            place = of_link(base, root)
            return replace(place, raw=b"" if text == b"" else None)
        return Place(b"", text if text == b"" else None, unresolved=text is None)
    if not isinstance(text, bytes):
        return NOWHERE
    if text.startswith(b"/"):
        place = Place(text, text, truncated=truncated)
        return place if base is None else _through(place, of_link(base, root), follow=follow)
    return _joined(text, of_link(base, root), truncated=truncated)


def _joined(text: bytes, start: Place, *, truncated: bool = False) -> Place:
    if start.unresolved or not start.path.startswith(b"/"):
        return Place(text, text, unresolved=True, truncated=truncated)
    joined = start.path.rstrip(b"/") + b"/" + text
    return Place(joined, text, deleted=start.deleted, truncated=truncated, outside=start.outside)


def _through(place: Place, start: Place, *, follow: bool) -> Place:
    """Return a place whose path begins with a link of /proc to `start`."""
    rest = place.path[links.length(place.path) :]
    if start.unresolved or not (rest or follow):
        return place
    if rest:
        return replace(place, real=start.path.rstrip(b"/") + rest)
    return replace(place, real=start.path, deleted=start.deleted, dev=start.dev, ino=start.ino)


def of_address(captured: Captured, base: Captured, root: str) -> Place | None:
    """Return the file that a socket address (or a message's) names.

    None if it names none: another family, no name, an abstract one (unix(7)).  base: How.BASE.
    """
    address = captured.name if isinstance(captured, Message) else captured
    if isinstance(address, Cut):
        address = address.data
    if not isinstance(address, bytes) or address[:2] != AF_UNIX:
        return None
    name = address[2:].split(b"\0", 1)[0]
    if not name:
        return None
    return Place(name, name) if name.startswith(b"/") else _joined(name, of_link(base, root))
