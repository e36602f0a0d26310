"""Which regular expressions are harmless.

A filter's regular expression is searched in every syscall name once, when the filter is
compiled: some 450 names of up to 30 characters.  Python's engine backtracks, so a hostile
expression could keep the daemon busy for hours.  The bounds here keep any accepted one
below a fraction of a second:

* no repeat or alternative inside a repeated group (exponential in the name's length);
* few repeats (the name's length to the power of their number, plus one for the search);
* few ways through the alternatives (their product over all groups);
* no back references, no look-around, no flags in the middle.
"""

from __future__ import annotations

import re
from math import prod

LONGEST_EXPRESSION = 100
"""Characters of a wildcard or regular expression on syscall names."""

MOST_REPEATS = 3
MOST_WAYS = 32

_SIGN = re.compile(
    r"""
      (?P<escape>   \\. )
    | (?P<members>  \[ \^? \]? (?: \\. | [^\]\\] )* \] )
    | (?P<repeat>   (?: [*+?] | \{ \d* ,? \d* \} ) [?+]? )
    | (?P<open>     \( (?: \?: | (?!\?) ) )
    | (?P<special>  \(\? )
    | (?P<close>    \) )
    | (?P<bar>      \| )
    """,
    re.VERBOSE | re.DOTALL,
)


class _Group:
    """What stands in a group: how many alternatives, and whether it must not be repeated."""

    def __init__(self) -> None:
        self.alternatives = 1
        self.fixed = True


def check_expression(expression: str) -> None:
    """Raise ValueError with the reason if searching `expression` might take long."""
    if not expression:
        raise ValueError("an empty regular expression matches everything")
    if len(expression) > LONGEST_EXPRESSION:
        raise ValueError(f"a regular expression has at most {LONGEST_EXPRESSION} characters")
    groups = [_Group()]
    closed: list[_Group] = []
    repeats = 0
    closed_at = -1
    for sign in _SIGN.finditer(expression):
        match sign.lastgroup:
            case "escape" if sign[0][1] in "123456789":
                raise ValueError("a regular expression has no back references here")
            case "special":
                raise ValueError("a regular expression has only `(...)` and `(?:...)` here")
            case "open":
                groups.append(_Group())
            case "close" if len(groups) > 1:
                closed.append(groups.pop())
                closed_at = sign.end()
                groups[-1].fixed &= closed[-1].fixed
            case "bar":
                groups[-1].alternatives += 1
                groups[-1].fixed = False
            case "repeat":
                if sign.start() == closed_at and not closed[-1].fixed:
                    raise ValueError("a repeated group holds a repeat or an alternative")
                repeats += 1
                groups[-1].fixed = False
            case _:
                pass
    if repeats > MOST_REPEATS:
        raise ValueError(f"a regular expression has at most {MOST_REPEATS} repeats here")
    if prod(group.alternatives for group in closed + groups) > MOST_WAYS:
        raise ValueError(
            f"a regular expression has at most {MOST_WAYS} ways through its alternatives here"
        )
