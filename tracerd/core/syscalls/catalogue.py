"""What filters may say of syscalls: names, classes, and which count as file access."""

from __future__ import annotations

from typing import Final

from tracerd.core.syscalls.table import TABLE
from tracerd.protocol.catalogue import Catalogue
from tracerd.protocol.events import LEVELS

_ROWS: Final = TABLE.values()

_STAT: Final = {
    "stat": "stat",
    "lstat": "lstat",
    "fstat": "fstat newfstatat statx",
    "%stat": "stat lstat fstat newfstatat statx",
    "statfs": "statfs",
    "fstatfs": "fstatfs",
    "%statfs": "statfs fstatfs ustat",
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

CATALOGUE: Final = Catalogue(frozenset(row.name for row in _ROWS), CLASSES, FILE_CALLS)
