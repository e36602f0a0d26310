r"""Links of /proc that lead to a file by themselves, whatever their text says (proc(5)).

`/proc/PID/fd/N`, `cwd`, `root` and `exe`, also by way of `self` and `thread-self`, and what the C
library and the shells call by way of them: `/dev/fd/N`, `/dev/stdin`.  Only /proc can tell where
such a path leads, and only while the call is being made.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 64
"""Bytes of a path that are looked at for one."""

_LINK: Final = re.compile(
    rb"/proc/(?:self|thread-self|[0-9]{1,10})(?:/task/[0-9]{1,10})?"
    rb"/(?:fd/[0-9]{1,10}|cwd|root|exe)(?=[/\0]|\Z)"
    rb"|/dev/(?:fd/[0-9]{1,10}|stdin|stdout|stderr)(?=[/\0]|\Z)"
)
_STANDARD: Final = {b"stdin": b"fd/0", b"stdout": b"fd/1", b"stderr": b"fd/2"}


def length(path: bytes) -> int:
    """Return how much of an absolute path such a link is; 0: it has none at its beginning."""
    found = _LINK.match(path)
    return 0 if found is None else found.end()


def link_on_the_way(path: bytes, tid: int) -> str | None:
    """Return the name by which we can read the link at the beginning of a path of task `tid`.

    Ids of others are those of its own /proc.
    """
    if not path.startswith((b"/proc/", b"/dev/")):
        return None
    end = length(path)
    if not end:
        return None
    _, place, who, *rest = path[:end].split(b"/")
    if place == b"dev":
        last = b"fd/" + rest[0] if rest else _STANDARD[who]
    elif who.isdigit():
        return f"/proc/{tid}/root{path[:end].decode()}"
    else:
        last = b"/".join(rest[2:] if rest[0] == b"task" else rest)
    return f"/proc/{tid}/{last.decode()}"
