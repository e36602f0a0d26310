"""How much one subscription may ask for.

Filters are compiled on the daemon's event loop and matched on its tracer thread, so what
one subscriber asks for is paid by all.  The bounds are far above what a person means, and
keep the largest subscription's compilation within some tenths of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracerd.errors import InvalidFilter
from tracerd.protocol.messages import Filter, Match

MOST_FILTERS = 256

MOST_ALTERNATIVES = 4096
"""In all lists together."""

MOST_WILDCARDS = 256
"""Names, command names and paths that need more than a look-up, together."""

MOST_EXPRESSIONS = 4
"""Regular expressions; see expressions.py for what one may cost."""


def check_bounds(filters: Sequence[Filter], field: str) -> None:
    """Raise InvalidFilter, for `field` as a whole, if the filters are too many or too large."""
    matches = [match for one in filters for match in (one, one.not_) if match is not None]
    said = [getattr(match, name) for match in matches for name in Match.__struct_fields__]
    names = [name.removeprefix("?") for match in matches for name in match.syscall]
    regular = [name for name in names if name.startswith("/")]
    wild = [name for name in names if not name.startswith("/") and _is_wild(name)]
    wild += filter(_is_wild, (comm for match in matches for comm in match.comm))
    wild += filter(_is_wild, _stems(path for match in matches for path in match.path + match.exe))
    for count, most, what in (
        (len(filters), MOST_FILTERS, "filters"),
        (sum(map(len, said)), MOST_ALTERNATIVES, "alternatives in all"),
        (len(wild), MOST_WILDCARDS, "alternatives with wildcards in all"),
        (len(regular), MOST_EXPRESSIONS, "regular expressions in all"),
    ):
        if count > most:
            raise InvalidFilter(field, f"at most {most} {what}, not {count}")


def _stems(paths: Iterable[str]) -> Iterable[str]:
    """Return the paths without a `**` at the end, which costs no more than a directory."""
    return (path.removesuffix("**") for path in paths)


def _is_wild(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")
