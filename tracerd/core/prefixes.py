"""Whether a call can matter to those who want some paths only, told from its record.

A quick look before anything is decoded: what it cannot judge matters.  The filters look again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracerd.core.syscalls.model import OpenedFile

if TYPE_CHECKING:
    from tracerd.core.pump import Pair

_ODD = (b"//", b"/./", b"/../")
_ODD_ENDS = (b"/.", b"/..")


def matters(pair: Pair, prefixes: tuple[bytes, ...]) -> bool:
    """Return False if no path of a call begins with any of the prefixes, for certain.

    Only for calls whose files are the paths that they name: see Actions.
    """
    entry, back = pair
    plan = entry.action.plan
    for position, base_at in plan.base.items():
        path = entry.captured[plan.arg_enter[position]]
        if not isinstance(path, bytes) or (not path and back.failed):
            return True  # without an error, an empty path means the descriptor itself
        base = entry.captured[base_at]
        if path.startswith(b"/"):
            if base is not None:
                return True  # a link of /proc leads elsewhere than it says
        else:
            if not isinstance(base, bytes) or not base.startswith(b"/"):
                return True
            path = base + b"/" + path
        if path.startswith(prefixes) or path.endswith(_ODD_ENDS):
            return True
        if any(odd in path for odd in _ODD):
            return True
    if back.changed:
        return True
    if plan.opened >= 0 and not back.failed:
        got = back.captured[plan.opened]
        return not isinstance(got, OpenedFile) or got.link.startswith(prefixes)
    return False
