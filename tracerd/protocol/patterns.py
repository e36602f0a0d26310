"""What may stand in a filter for a path or a command name, made quick to match.

A path pattern is one of

* exact: `/etc/passwd`;
* a directory: `/etc/`, that is `/etc` itself and everything below it;
* a glob (see globs.py): `/etc/**`, `/home/*/.ssh/`, `**/*.so`.

It is absolute or starts with `**`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from tracerd.protocol.globs import expression, literal_head, tokenise
from tracerd.protocol.hints import quoted
from tracerd.protocol.interest import few
from tracerd.protocol.text import shown

TextMatcher: TypeAlias = Callable[[str], bool]

LONGEST_PATTERN = 4096
"""Characters; PATH_MAX."""

LONGEST_COMM = 15
"""Bytes of a command name that the kernel keeps (TASK_COMM_LEN less the NUL)."""


_OTHER_IN_BYTES = re.compile(r"[^\x00-\x5b\x5d-\x7f]")
"""The backslash, and all that is not ASCII."""


class PathPattern(NamedTuple):
    """A path pattern, taken apart: a path matches if any of the parts says so."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    """Regular expressions, to be matched against the whole path."""


def parse_path(pattern: str) -> PathPattern:
    """Return a pattern's parts.  Raises ValueError with the reason if it means nothing."""
    if not pattern:
        raise ValueError("an empty path matches nothing")
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a path pattern has at most {LONGEST_PATTERN} characters")
    if "\0" in pattern:
        raise ValueError("a path holds no NUL")
    if not pattern.startswith(("/", "**")):
        raise ValueError(
            f"{quoted(pattern)} is not absolute: start it with `/`, or with `**/` for any directory"
        )
    directory = pattern.rstrip("/") if pattern.endswith("/") else None
    tokens, wild = tokenise(pattern if directory is None else directory)
    if wild and directory is not None:
        below, _ = tokenise(f"{directory}/**")
        return PathPattern(globs=(expression(tokens), expression(below)))
    if directory is not None:
        return PathPattern(exact=frozenset({directory or "/"}), prefixes=(f"{directory}/",))
    if not wild:
        return PathPattern(exact=frozenset({pattern}))
    stem = pattern.removesuffix("**")
    if stem != pattern and not tokenise(stem)[1]:
        return PathPattern(prefixes=(stem,))
    return PathPattern(globs=(expression(tokens),))


def common_heads(patterns: Iterable[str]) -> frozenset[str] | None:
    r"""Return beginnings of which every path that some of these valid patterns matches has one.

    None if nothing can be said.  A directory is taken without its last `/`: it matches itself.
    A beginning ends before a backslash or what is not ASCII, so that it is the same in the bytes
    of a path as in its text (`\xNN` stands for a byte, `ä` for two).
    """
    heads = (literal_head(pattern.rstrip("/") or "/") for pattern in patterns)
    return few(_OTHER_IN_BYTES.split(head, maxsplit=1)[0] for head in heads)


def path_matcher(patterns: Iterable[PathPattern]) -> TextMatcher:
    """Return a function that says whether a path matches any of the patterns."""
    parts = list(patterns)
    exact = frozenset[str]().union(*(part.exact for part in parts))
    prefixes = tuple(prefix for part in parts for prefix in part.prefixes)
    globs = [glob for part in parts for glob in part.globs]
    if not globs:
        if not prefixes:
            return exact.__contains__
        return lambda path: path.startswith(prefixes) or path in exact
    fullmatch = _any_of(globs)
    if not prefixes and not exact:
        return lambda path: fullmatch(path) is not None
    return lambda path: path in exact or path.startswith(prefixes) or fullmatch(path) is not None


def comm_matcher(patterns: Iterable[str]) -> TextMatcher:
    """Return a function that says whether a command name matches; `*` and `?` are wild."""
    exact: set[str] = set()
    globs: list[str] = []
    for pattern in patterns:
        if "*" in pattern or "?" in pattern:
            globs.append(_comm_expression(pattern))
        else:
            exact.add(pattern)
    if not globs:
        return frozenset(exact).__contains__
    fullmatch = _any_of(globs)
    return lambda comm: comm in exact or fullmatch(comm) is not None


def parse_comm(pattern: str) -> str:
    """Return the pattern as it will be compared.  Raises ValueError if it means nothing.

    A plain name is cut as the kernel cuts it: `systemd-journald` runs as `systemd-journal`.
    """
    if not pattern:
        raise ValueError("an empty command name matches nothing")
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a command name pattern has at most {LONGEST_PATTERN} characters")
    if "*" in pattern or "?" in pattern or "\\x" in pattern:
        return pattern
    return shown(pattern.encode()[:LONGEST_COMM])


def fold(path: str) -> str:
    """Return `path` with `.`, `..` and repeated slashes folded by the letter.

    Wrong where a symbolic link precedes `..`, so it is only ever a second name to try.
    A path that needs no folding is returned as the same object.
    """
    if not path.startswith("/"):
        return path
    if "/." not in path and "//" not in path and not path.endswith("/"):
        return path
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept:
                kept.pop()
        elif part and part != ".":
            kept.append(part)
    folded = "/" + "/".join(kept)
    return path if folded == path else folded


def _any_of(expressions: list[str]) -> Callable[[str], re.Match[str] | None]:
    joined = "|".join(f"(?:{each})" for each in dict.fromkeys(expressions))
    return re.compile(joined, re.DOTALL).fullmatch


def _comm_expression(pattern: str) -> str:
    """Return the expression of a command name; each chunk at its earliest place (see globs.py)."""
    head, *rest = [re.escape(chunk).replace(r"\?", ".") for chunk in re.split(r"\*+", pattern)]
    if not rest:
        return head
    *middle, tail = rest
    return head + "".join(f"(?>.*?{chunk})" for chunk in middle) + f".*{tail}"
