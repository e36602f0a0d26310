r"""Text from a tracee made harmless: one line, no control characters.

All that a tracee can name (files, commands, arguments) may hold newlines and
terminal escape sequences.  Nothing of it reaches an output except through here.

C escapes as strace writes them: `\n`, `\33`, `\"`.  The daemon already shows a
byte that is not UTF-8 as `\xNN`; those four characters pass undoubled (within
quotes they become octal, as all escapes of bytes there), every other backslash is
doubled, so an escape shown is never a name spelled like one.
"""

from __future__ import annotations

import re
from typing import Final

_SHORT: Final = {"\t": r"\t", "\n": r"\n", "\v": r"\v", "\f": r"\f", "\r": r"\r"}

_BACKSLASH: Final = re.compile(r"\\(?!x[0-9a-f]{2})")
_OCTAL: Final = frozenset("01234567")
_BACKSLASHED: Final = {**_SHORT, '"': r"\"", "\\": r"\\"}


def _one(char: str, following: str) -> str:
    short = _SHORT.get(char)
    if short is not None:
        return short
    if ord(char) < 0x80:
        # Three digits only where a digit follows, or the two would read as one escape.
        return f"\\{ord(char):03o}" if following in _OCTAL else f"\\{ord(char):o}"
    if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte of a command line that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    # Unprintable beyond ASCII: C1 controls, bidirectional overrides, line separators, surrogates.
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def escape(text: str, also: str = "") -> str:
    r"""Return `text` with backslashes, unprintable characters and those in `also` escaped."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        if not also or not any(char in text for char in also):
            return text
    else:
        text = _BACKSLASH.sub(r"\\\\", text)
    quoted = '"' in also
    pieces = []
    for index, char in enumerate(text):
        if char == '"' and quoted:
            pieces.append(r"\"")
        elif char in also or not char.isprintable():
            pieces.append(_one(char, text[index + 1 : index + 2]))
        else:
            pieces.append(char)
    return "".join(pieces)


def _inside_quotes(text: str) -> str:
    return escape(text, also='"')


_SIMPLE: Final = re.compile(r"[ !#-\[\]-~]*")
_SPECIAL: Final = re.compile(r"\\x(?P<byte>[89a-f][0-9a-f])|[^ !#-\[\]-~]")
_ANGLED: Final = re.compile(r"\\x(?P<byte>[89a-f][0-9a-f])|[^ !#-;=?-\[\]-~]")


def quote(text: str, *, content: bool = False) -> str:
    r"""Return `text` as a C string literal, with octal escapes: `"a\n\377"`.

    content: it names nothing but is contents, of which all that is not ASCII is escaped too.
    """
    if _SIMPLE.fullmatch(text):
        return f'"{text}"'
    return f'"{_SPECIAL.sub(_byte if content else _char, text)}"'


def angled(text: str) -> str:
    """Return what a descriptor refers to, as it stands between angle brackets."""
    return _ANGLED.sub(_char, text)


def _char(found: re.Match[str]) -> str:
    char = found[0]
    return char if len(char) == 1 and char > "\x7f" and char.isprintable() else _byte(found)


def _byte(found: re.Match[str]) -> str:
    char = found[0]
    if char in _BACKSLASHED:
        return _BACKSLASHED[char]
    if found["byte"]:
        return f"\\{int(found['byte'], 16):o}"
    if char < "\x80":
        # Three digits only where a digit follows, or the two would read as one escape.
        following = found.string[found.end() : found.end() + 1]
        return f"\\{ord(char):03o}" if following in _OCTAL else f"\\{ord(char):o}"
    if "\udc80" <= char <= "\udcff":  # a byte of a command line that is not UTF-8
        return f"\\{ord(char) - 0xDC00:o}"
    return "".join(f"\\{byte:o}" for byte in char.encode("utf-8", "surrogatepass"))


def name(text: str) -> str:
    """Return `text` bare if it is plain, quoted if it could be misread beside other columns."""
    shown = _inside_quotes(text)
    if shown and shown == text and " " not in shown:
        return shown
    return f'"{shown}"'
