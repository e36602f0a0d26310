"""What filters may say of syscalls: names, classes, and which count as file access."""

from __future__ import annotations

from typing import Final

from tracerd.core.syscalls.i386 import I386_ROWS
from tracerd.core.syscalls.table import ROWS
from tracerd.protocol.catalogue import Catalogue
from tracerd.protocol.events import LEVELS

_ROWS: Final = (*ROWS, *I386_ROWS)

_STAT: Final = {
    "stat": "stat stat64 oldstat",
    "lstat": "lstat lstat64 oldlstat",
    "fstat": "fstat newfstatat statx fstat64 fstatat64 oldfstat",
    "%stat": "stat lstat fstat newfstatat statx "
    "stat64 lstat64 fstat64 fstatat64 oldstat oldlstat oldfstat",
    "statfs": "statfs statfs64",
    "fstatfs": "fstatfs fstatfs64",
    "%statfs": "statfs fstatfs ustat statfs64 fstatfs64",
}
"""strace's finer classes: `%stat` is what C programs of old call so, `%%stat` all of its kind."""

CLASSES: Final[dict[str, frozenset[str]]] = {
    name: frozenset(row.name for row in _ROWS if name in row.classes)
    for name in sorted({name for row in _ROWS for name in row.classes})
} | {name: frozenset(calls.split()) for name, calls in _STAT.items()}
"""Names of the calls of each class, as strace has them, without the `%`."""

_UP_TO: Final = {level: frozenset(LEVELS[: at + 1]) for at, level in enumerate(LEVELS)}

FILE_CALLS: Final[dict[str, frozenset[str]]] = {
    level: frozenset(row.name for row in _ROWS if row.level in levels)
    for level, levels in _UP_TO.items()
}
"""Names of the calls that count as file access, by level; each holds the one before."""

PATHLESS: Final = frozenset(
    row.name for row in _ROWS for arg in row.args if arg.empty and arg.op in {"stat", "attr"}
)
"""Names of the calls that do what one of level `fd` does when they name no path."""

CATALOGUE: Final = Catalogue(frozenset(row.name for row in _ROWS), CLASSES, FILE_CALLS, PATHLESS)
