r"""Path globs as regular expressions that cannot be made slow.

Wildcards: `?` and `[...]` stand for one character, `*` for any run of characters,
none of them for `/`; `**` for any run of any characters; `/**/` also for a single
`/`.  There is no escape character, because a path may hold a backslash (`\xNN`
stands for a byte that is not UTF-8): write `[*]` for a star.

How it stays fast.  A glob is a row of *chunks* of fixed length with gaps between
them.  The earliest place for a chunk is always the best one: what a later place
would leave for the rest of the pattern, the earlier one leaves too, because

* a chunk with no `/` after a `*` lies inside one path component wherever it is put,
  so the following gap can cover the difference;
* a chunk with a `/` after a `*` has only one place: its first `/` is the next `/`;
* after `**` the gap can cover anything.

So each chunk but the last is an atomic group: once placed it is never moved.  `**` is
written as "any number of whole components, then `*`", which makes the number of places
to try the number of slashes.  Together the cost is at most proportional to the length
of the path times the length of the pattern; a plain translation to `.*` can take the
power of the number of stars.
"""

from __future__ import annotations

import enum
import re
from typing import TypeAlias


class Wild(enum.Enum):
    """A gap between chunks."""

    STAR = enum.auto()
    """`*`: any run of characters without `/`."""
    DEEP = enum.auto()
    """`**`: any run of characters."""
    DIRS = enum.auto()
    """`**/` after a `/`: any number of whole components."""


Token: TypeAlias = Wild | str
"""A gap, or a chunk: the expression of a run of fixed length."""

_WILD = re.compile(r"[*?\[]")

_SKIP_COMPONENTS = "(?:[^/]*+/)*?"


def tokenise(glob: str) -> tuple[list[Token], bool]:
    """Return the glob's tokens, and whether it has any wildcard.

    Two chunks are never neighbours; a gap may be first or last.  Raises ValueError for a
    class that means nothing.
    """
    tokens: list[Token] = []
    chunk = ""
    wild = False
    at = 0
    while at < len(glob):
        char = glob[at]
        if char == "*":
            stars = len(glob[at:]) - len(glob[at:].lstrip("*"))
            gap = Wild.STAR if stars == 1 else Wild.DEEP
            if gap is Wild.DEEP and glob[:at].endswith("/") and glob[at + stars :].startswith("/"):
                gap = Wild.DIRS
                stars += 1
            if chunk or not tokens:
                tokens.append(chunk)
                chunk = ""
            if not (gap is Wild.DIRS and tokens[-1] is Wild.DIRS):
                tokens.append(gap)
            wild = True
            at += stars
            continue
        expression, at = _one_character(glob, at)
        wild = wild or expression != re.escape(char)
        chunk += expression
    tokens.append(chunk)
    return tokens, wild


def _one_character(glob: str, at: int) -> tuple[str, int]:
    """Return the expression for what stands at `at`, and where the next thing stands."""
    char = glob[at]
    if char == "?":
        return "[^/]", at + 1
    if char == "[":
        first = at + 2 if glob[at + 1 : at + 2] in {"!", "^"} else at + 1
        end = glob.find("]", first + 1)
        if end > 0:
            return _class(glob[first:end], negated=first == at + 2), end + 1
    return re.escape(char), at + 1


def _class(members: str, *, negated: bool) -> str:
    if "/" in members:
        raise ValueError(f"`[{members}]` cannot hold a `/`; write `[[]` for a plain `[`")
    expression = ""
    at = 0
    while at < len(members):
        if members[at + 1 : at + 2] == "-" and at + 2 < len(members):
            low, high = members[at], members[at + 2]
            if low > high:
                raise ValueError(f"the range `{low}-{high}` is empty")
            expression += f"{re.escape(low)}-{re.escape(high)}"
            at += 3
        else:
            expression += re.escape(members[at])
            at += 1
    return f"[^/{expression}]" if negated else f"(?!/)[{expression}]"


def literal_head(glob: str) -> str:
    """Return the characters that every text the glob matches begins with, or fewer of them."""
    return _WILD.split(glob, maxsplit=1)[0]


def expression(tokens: list[Token]) -> str:
    """Return the regular expression (for `fullmatch`, with DOTALL) of a glob's tokens."""
    parts: list[str] = []
    lead: Wild | None = None
    chunks: list[str] = []
    for token in tokens:
        if isinstance(token, str):
            chunks.append(token)
        elif token is not Wild.STAR:
            parts.append(_stretch(lead, chunks, last=False))
            lead, chunks = token, []
        elif not chunks:
            chunks.append("")
    parts.append(_stretch(lead, chunks, last=True))
    return "".join(parts)


def _stretch(lead: Wild | None, chunks: list[str], *, last: bool) -> str:
    """Return the expression of `lead`, then `chunks` with a `*` between each two.

    The last chunk of the last stretch must reach the end of the path, so it alone may
    not be put at its earliest place.
    """
    if last and lead is Wild.DEEP and chunks == [""]:
        return ".*"
    parts: list[str] = []
    for number, chunk in enumerate(chunks):
        if number == 0 and lead is not Wild.DEEP:
            parts.append(chunk)
        elif last and number == len(chunks) - 1:
            parts.append(f"[^/]*{chunk}")
        else:
            parts.append(f"(?>[^/]*?{chunk})")
    body = "".join(parts)
    if lead is None:
        return body
    return f"{_SKIP_COMPONENTS}{body}" if last else f"(?>{_SKIP_COMPONENTS}{body})"
