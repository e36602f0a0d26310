"""Which syscalls there are, and the words a filter may use for some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from tracerd.protocol.expressions import LONGEST_EXPRESSION, check_expression
from tracerd.protocol.hints import quoted, unknown

BY_NUMBER: Final = re.compile(r"syscall_0x(0|[1-9a-f][0-9a-f]{0,15})")
"""What a call is named whose number is in no table."""


class Catalogue(NamedTuple):
    """The syscalls a filter can name.

    names: all of them.  classes: by class, without the `%`.  files: by level, the calls
    that count as file access at that level (each level holds the one before).  pathless: those of
    level `path` that count from level `fd` on if they name no path, only a descriptor.
    """

    names: frozenset[str]
    classes: Mapping[str, frozenset[str]]
    files: Mapping[str, frozenset[str]]
    pathless: frozenset[str] = frozenset()

    def select(self, pattern: str) -> frozenset[str]:
        """Return the syscalls that one alternative of a filter's `syscall` stands for.

        A name, a `%class`, a wildcard (`open*`) or a `/regular expression`; with `?` in
        front, one that may be unknown here.  `syscall_0x1f4` is the name of a call that is in no
        table.  Raises ValueError with the reason.
        """
        optional = pattern.startswith("?")
        word = pattern.removeprefix("?")
        if not word:
            raise ValueError("an empty name matches nothing")
        if word.startswith("/"):
            found = self._search(word[1:])
        elif word.startswith("%"):
            found = self.classes.get(word[1:], frozenset())
        elif any(sign in word for sign in "*?["):
            found = self._wildcard(word)
        else:
            known = word in self.names or BY_NUMBER.fullmatch(word)
            found = frozenset({word} if known else ())
        if found or optional:
            return found
        raise ValueError(self._why_nothing(word))

    def _why_nothing(self, word: str) -> str:
        if word.startswith("%"):
            if word[1:] in self.classes:
                return f"the class {quoted(word)} holds no syscall"
            return unknown("syscall class", word, (f"%{name}" for name in self.classes))
        if word.startswith("/") or any(sign in word for sign in "*?["):
            return f"{quoted(word)} matches no syscall"
        return unknown("syscall", word, self.names)

    def _wildcard(self, pattern: str) -> frozenset[str]:
        if len(pattern) > LONGEST_EXPRESSION:
            raise ValueError(f"a wildcard has at most {LONGEST_EXPRESSION} characters")
        return frozenset(name for name in self.names if fnmatchcase(name, pattern))

    def _search(self, expression: str) -> frozenset[str]:
        check_expression(expression)
        try:
            search = re.compile(expression).search
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"bad regular expression: {error}") from None
        return frozenset(name for name in self.names if search(name))
