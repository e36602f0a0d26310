"""From a place and an operation to an entry of `files`."""

from __future__ import annotations

import os

from tracerd.core.paths import Place
from tracerd.core.tracee import Details, Identity
from tracerd.protocol.events import FileAccess
from tracerd.protocol.text import exact, shown


def access(process: Identity, place: Place, op: str, extra: Details | None = None) -> FileAccess:
    """Return the entry of a file.  extra: fields of it that the place does not say."""
    path = place.path
    details: Details = {"path": shown(path), "op": op}
    if (b64 := exact(path)) is not None:
        details["path_b64"] = b64
    if process.root != "/" and not place.outside:
        details["root"] = process.root
    if process.mntns:
        details["mntns"] = process.mntns
    if place.real is not None:
        details |= text("real", place.real)
    if place.ino:
        details |= identity(place.dev, place.ino)
    if place.raw is not None:
        details["raw"] = shown(place.raw)
    if place.unresolved:
        details["unresolved"] = True
    if place.deleted:
        details["deleted"] = True
    if place.truncated:
        details["truncated"] = True
    if place.changed:
        details["changed"] = True
    if extra:
        details |= extra
    return FileAccess(**details)


def view(process: Identity) -> Details:
    """Return whose view a path is of, where that is not ours."""
    found: Details = {}
    if process.root != "/":
        found["root"] = process.root
    if process.mntns:
        found["mntns"] = process.mntns
    return found


def text(name: str, path: bytes) -> Details:
    """Return a path as text, and exactly where text does not carry it."""
    b64 = exact(path)
    return {name: shown(path)} if b64 is None else {name: shown(path), f"{name}_b64": b64}


def identity(dev: int, ino: int) -> Details:
    """Return which file it is, if that is known."""
    return {"dev": f"{os.major(dev)}:{os.minor(dev)}", "ino": ino} if ino else {}


def unknown(process: Identity, op: str) -> FileAccess:
    """Return the entry of a file that cannot be told."""
    return FileAccess(path="", op=op, unresolved=True, **view(process))
