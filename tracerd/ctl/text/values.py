"""Values as strace prints them: words, text, and whatever else by its JSON shape.

A kind that no table knows, and what lies inside a structure that none describes, is
shown by its JSON shape; so a newer daemon's values are readable, only less neat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tracerd.ctl.text.escape import angled, escape, quote
from tracerd.ctl.text.look import BARE, Look

_SPECIAL_BITS: Final = ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX"))

Show: TypeAlias = Callable[[Any, Look], str]
"""Total: whatever the value, one line of harmless text."""

_CONSTANT: Final = re.compile(
    r"[A-Z][A-Z0-9_]*(\|([A-Z][A-Z0-9_]*|0x[0-9a-f]+))*|0x[0-9a-f]+|[0-9]+(:[0-9]+)?"
)
"""Names of the kernel's constants, alone or joined, and numbers: printed bare."""

_OCTAL: Final = re.compile(r"0[0-7]+")

_TEXT_FIELDS: Final = frozenset({"path", "name", "text", "data", "comm", "label", "addr"})
"""Last words of field names (`sun_path`) whose values are a tracee's text: always quoted."""

_FLAG_FIELDS: Final = frozenset({"flags", "events", "revents", "attributes"})
"""Fields whose lists are flag words."""

_TYPES: Final = {
    0o010000: "S_IFIFO",
    0o020000: "S_IFCHR",
    0o040000: "S_IFDIR",
    0o060000: "S_IFBLK",
    0o100000: "S_IFREG",
    0o120000: "S_IFLNK",
    0o140000: "S_IFSOCK",
}


def bare(value: Any, look: Look) -> str:
    """Names and numbers; anything else by its shape."""
    return escape(value) if isinstance(value, str) else anything(value, look)


def flags(value: Any, look: Look) -> str:
    """Show a flag word: the names joined, 0 for none."""
    if isinstance(value, list):
        return "|".join([_name(item, look) for item in value]) or "0"
    return bare(value, look)


ALIASES: Final = {
    "MSG_PROXY": "MSG_PROBE",
    "O_ASYNC": "FASYNC",
    "WUNTRACED": "WSTOPPED",
}
"""Names of flags that have two, and those that strace shows."""


def _name(value: Any, look: Look) -> str:
    if isinstance(value, str) and _CONSTANT.fullmatch(value):
        return ALIASES.get(value, value)
    return bare(value, look)


def named(zero: str) -> Show:
    """Return what shows a flag word that has a name if it is zero."""

    def show(value: Any, look: Look) -> str:
        return zero if value == [] else flags(value, look)

    return show


def hexadecimal(value: Any, look: Look) -> str:
    """Show a number as an address or a size of memory is shown."""
    return f"{value:#x}" if type(value) is int and value else bare(value, look)


def text(value: Any, look: Look) -> str:
    """Show a string read from the tracee, as much of it as asked for."""
    cut = False
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        value, cut = value["text"], bool(value.get("truncated"))
    return _cut(value, look, cut=cut) if isinstance(value, str) else anything(value, look)


def path(value: Any, look: Look) -> str:
    """Show a path: all of it."""
    shown = quote(value) if isinstance(value, str) else anything(value, look)
    return look.ink.path(shown)


def content(value: Any, look: Look) -> str:
    """Show bytes that the call moves."""
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        cut = bool(value.get("truncated"))
        return _cut(value["text"], look, cut=cut, content=True)
    return anything(value, look)


def _cut(value: str, look: Look, *, cut: bool, content: bool = False) -> str:
    limit = look.limit
    if limit and len(value) * 4 > limit:
        begun = first(value, limit)
        value, cut = begun, cut or begun != value
    return quote(value, content=content) + ("..." if cut else "")


PIECE: Final = re.compile(r"\\x[89a-f][0-9a-f]|.", re.DOTALL)
"""A byte that is no text, or a character."""


def first(value: str, limit: int) -> str:
    r"""Return the first `limit` bytes (0: all), of which each `\xNN` stands for one."""
    if not limit:
        return value
    if value.isascii() and "\\x" not in value:
        return value[:limit]
    taken = []
    for found in PIECE.finditer(value):
        limit -= 1 if len(found[0]) > 1 else len(found[0].encode("utf-8", "surrogatepass"))
        if limit < 0:
            break
        taken.append(found[0])
    return "".join(taken)


def bytes_of(value: str) -> bytes:
    r"""Return the bytes of which the daemon made a text with `\xNN`."""
    return b"".join(
        bytes.fromhex(found[0][2:])
        if len(found[0]) > 1
        else found[0].encode("utf-8", "surrogatepass")
        for found in PIECE.finditer(value)
    )


def strings(value: Any, look: Look) -> str:
    """Show a vector such as argv."""
    items, cut = _items(value)
    if items is None:
        return anything(value, look)
    if look.limit and not look.whole and len(items) > look.limit:
        items, cut = items[: look.limit], True
    shown = [text(item, look) for item in items] + ["..."] * cut
    return f"[{', '.join(shown)}]"


def _items(value: Any) -> tuple[list[Any] | None, bool]:
    """Return the items of a list, whether or not it is cut, and whether it is."""
    cut = False
    if isinstance(value, dict) and value.keys() <= {"items", "truncated", "size"}:
        value, cut = value.get("items"), bool(value.get("truncated"))
    return (value, cut) if isinstance(value, list) else (None, False)


def variables(value: Any, look: Look) -> str:
    """Show an environment: how much it is, or on request all of it."""
    items, _ = _items(value)
    if items is None or look.whole:
        return strings(value, look)
    return f"/* {len(items)} vars */"


def each(show: Show, parted: str = ", ") -> Show:
    """Return what shows a list of values of one kind."""

    def show_all(value: Any, look: Look) -> str:
        items, cut = _items(value)
        if items is None:
            return anything(value, look)
        shown = [show(item, look) for item in items] + ["..."] * cut
        return f"[{parted.join(shown)}]"

    return show_all


def mode(value: Any, look: Look) -> str:
    """Show permissions: three digits at least, a leading zero among them."""
    if isinstance(value, str) and _OCTAL.fullmatch(value):
        digits = value.lstrip("0")
        return f"0{digits}".zfill(3)
    return bare(value, look)


def typed_mode(value: Any, look: Look) -> str:
    """Show st_mode: `S_IFREG|0644`."""
    if not isinstance(value, str) or not _OCTAL.fullmatch(value):
        return bare(value, look)
    number = int(value, 8)
    kind = _TYPES.get(number & 0o170000)
    if not kind:
        return mode(value, look)
    special = [name for bit, name in _SPECIAL_BITS if number & bit]
    return "|".join([kind, *special, mode(f"0{number & 0o777:o}", look)])


def device(value: Any, look: Look) -> str:
    """Show a device number."""
    major, _, minor = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not (major.isdecimal() and minor.isdecimal()):
        return bare(value, look)
    return f"makedev({_hex(major)}, {_hex(minor)})"


def _hex(digits: str) -> str:
    return f"{int(digits):#x}" if digits != "0" else "0"


def _is_constant(value: Any) -> bool:
    return isinstance(value, str) and _CONSTANT.fullmatch(value) is not None


def either(value: Any, look: Look) -> str:
    """Show what another argument gives a meaning to: a list of names is a flag word."""
    if isinstance(value, list) and all(map(_is_constant, value)):
        return flags(value, look)
    return anything(value, look)


def _shaped(value: Mapping[str, Any], look: Look) -> str | None:
    """Return the shapes that have a meaning wherever they stand, or None."""
    keys = value.keys()
    if keys == {"ptr"}:
        return bare(value["ptr"], look)
    if keys == {"redacted"}:
        size = value["redacted"]
        return f"({size} redacted)" if isinstance(size, int) and size >= 0 else "(redacted)"
    if "text" in keys and keys <= {"text", "truncated", "size"} and isinstance(value["text"], str):
        return content(value, look)
    if "items" in keys and keys <= {"items", "truncated", "size"}:
        return strings(value, look) if isinstance(value["items"], list) else None
    return None


def _fields(value: Mapping[str, Any], look: Look) -> str:
    """Show a structure; of a cut text in it, `truncated` becomes three dots."""
    cut = isinstance(value.get("text"), str) and bool(value.get("truncated"))
    shown = []
    for name, item in value.items():
        if cut and name == "truncated":
            continue
        dots = "..." if cut and name == "text" else ""
        shown.append(f"{escape(name)}={field(name, item, look)}{dots}")
    return f"{{{', '.join(shown)}}}"


def field(name: str, value: Any, look: Look) -> str:
    """Show a field of which no table says how it is to be read."""
    if isinstance(value, str):
        if name == "mode" and _OCTAL.fullmatch(value):
            return mode(value, look)
        return quote(value) if name.rpartition("_")[2] in _TEXT_FIELDS else anything(value, look)
    if isinstance(value, list) and name in _FLAG_FIELDS:
        return flags(value, look)
    return anything(value, look)


def anything(value: Any, look: Look = BARE) -> str:
    """Show a value of which only the JSON shape is known."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return value if _CONSTANT.fullmatch(value) else quote(value)
        case list() | tuple():
            return f"[{', '.join(anything(item, look) for item in value)}]"
        case dict():
            shaped = _shaped(value, look)
            if shaped is not None:
                return shaped
            return _fields({str(key): item for key, item in value.items()}, look)
        case _:
            return quote(repr(value))


_DELETED: Final = " (deleted)"


def link(target: str, look: Look = BARE) -> str:
    """Show what a descriptor refers to: `</etc/passwd>`."""
    name = target.removesuffix(_DELETED)
    return f"<{look.ink.path(angled(name))}>" + _DELETED.strip() * (name != target)
