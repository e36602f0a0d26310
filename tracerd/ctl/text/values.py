"""One argument value as strace would print it.

The daemon says how to read each argument (`kind`, from its `Syscalls` method).
A kind that is not in the table, and whatever lies inside a structure, is shown
by its JSON shape; so a newer daemon's values are readable, only less neat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tracerd.ctl.text.escape import escape, quote
from tracerd.ctl.text.ink import PLAIN, Ink

_CONSTANT: Final = re.compile(
    r"[A-Z][A-Z0-9_]*(\|([A-Z][A-Z0-9_]*|0x[0-9a-f]+))*|0x[0-9a-f]+|[0-9]+(:[0-9]+)?"
)
"""Names of the kernel's constants, alone or joined, and numbers: printed bare."""

_MODE: Final = re.compile(r"(S_IF[A-Z]+\|)?0[0-7]*")

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

Show: TypeAlias = Callable[[Any, Ink], str]


def _bare(value: Any, ink: Ink) -> str:
    """Names and numbers; anything else by its shape."""
    return escape(value) if isinstance(value, str) else anything(value, ink)


def _flags(value: Any, ink: Ink) -> str:
    """Show a flag word: the names joined, 0 for none."""
    if isinstance(value, list):
        return "|".join(_bare(item, ink) for item in value) or "0"
    return _bare(value, ink)


def _text(value: Any, ink: Ink) -> str:
    """Show a string read from the tracee."""
    return quote(value) if isinstance(value, str) else anything(value, ink)


def _path(value: Any, ink: Ink) -> str:
    return ink.path(_text(value, ink))


def _strings(value: Any, ink: Ink) -> str:
    """Show a vector such as argv."""
    if isinstance(value, list):
        return f"[{', '.join(_text(item, ink) for item in value)}]"
    return anything(value, ink)


def _file(value: Any, ink: Ink) -> str:
    """Show what stat tells: type and size, as strace does; see `whole` for all of it."""
    if not isinstance(value, dict) or not isinstance(value.get("mode"), str):
        return anything(value, ink)
    brief = {"mode": value["mode"]} | {k: value[k] for k in ("rdev", "size") if k in value}
    return f"{anything(_typed_mode(brief), ink)[:-1]}, ...}}"


def _whole_file(value: Any, ink: Ink) -> str:
    return anything(_typed_mode(value), ink)


def _typed_mode(value: Any) -> Any:
    """Return a stat structure with its mode as `S_IFREG|0644`."""
    mode = value.get("mode") if isinstance(value, dict) else None
    if not isinstance(mode, str) or not re.fullmatch("0[0-7]+", mode):
        return value
    number = int(mode, 8)
    kind = _TYPES.get(number & 0o170000)
    return value | {"mode": f"{kind}|0{number & 0o7777:o}"} if kind else value


_PIECE: Final = re.compile(r"\\x[0-9a-f]{2}|.", re.DOTALL)
"""A byte that is no text, or a character."""


def _pieces(text: str, lengths: list[int]) -> list[str]:
    """Cut a text where so many bytes of it end; what is not there is an empty piece."""
    cut = [""] * len(lengths)
    at, left = 0, lengths[0] if lengths else 0
    for piece in _PIECE.findall(text):
        while left <= 0 and at < len(lengths) - 1:
            at += 1
            left = lengths[at]
        if not lengths:
            break
        cut[at] += piece
        left -= len(piece.encode()) if len(piece) == 1 else 1
    return cut


def _iovecs(value: Mapping[str, Any]) -> str:
    """Show what buffers hold, each with its length."""
    lengths, size = value["lengths"], value.get("size", 0)
    shown: list[str] = []
    for text, length in zip(_pieces(value["text"], lengths), lengths, strict=True):
        filled = min(length, size)
        size -= filled
        dots = "..." if _is_cut(value) and len(text.encode()) < filled else ""
        shown.append(f"{{iov_base={quote(text)}{dots}, iov_len={length}}}")
    return f"[{', '.join(shown)}]"


def _is_iovecs(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("text"), str)
        and isinstance(value.get("lengths"), list)
        and all(type(length) is int for length in (*value["lengths"], value.get("size", 0)))
    )


def _vector(value: Any, ink: Ink) -> str:
    """Show the contents of an iovec array; its count is the next argument."""
    if _is_iovecs(value):
        return _iovecs(value)
    if isinstance(value, dict) and "count" in value:
        contents = {key: item for key, item in value.items() if key != "count"}
        return f"[{anything(contents, ink)}]"
    return anything(value, ink)


def _message(value: Any, ink: Ink) -> str:
    """Show a struct msghdr."""
    if not _is_iovecs(value):
        return anything(value, ink)
    namelen = value.get("namelen")
    if isinstance(namelen, list):
        namelen = " => ".join(_bare(each, ink) for each in namelen)
    shown = [
        f"msg_name={anything(value.get('name'), ink)}",
        f"msg_namelen={_bare(namelen, ink)}",
        f"msg_iov={_iovecs(value)}",
        f"msg_iovlen={_bare(value.get('iovlen'), ink)}",
    ]
    if "control" in value:
        shown.append(f"msg_control={anything(value['control'], ink)}")
    shown.append(f"msg_controllen={_bare(value.get('controllen'), ink)}")
    shown.append(f"msg_flags={_flags(value.get('flags'), ink)}")
    return f"{{{', '.join(shown)}}}"


def _messages(value: Any, ink: Ink) -> str:
    """Show a vector of messages."""
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(messages, list):
        return anything(value, ink)
    shown = []
    for message in messages:
        size = f", msg_len={message.get('size')}" if _is_iovecs(message) else ""
        shown.append(f"{{msg_hdr={_message(message, ink)}{size}}}")
    if value.get("truncated"):
        shown.append("...")
    return f"[{', '.join(shown)}]"


def _any(value: Any, ink: Ink) -> str:
    """Show what another argument gives a meaning to: a list of names is a flag word."""
    if isinstance(value, list) and all(_is_constant(item) for item in value):
        return _flags(value, ink)
    return anything(value, ink)


def _is_constant(value: Any) -> bool:
    return isinstance(value, str) and _CONSTANT.fullmatch(value) is not None


def _entries(value: Any, ink: Ink) -> str:
    """Show directory entries; a file may be named like a constant."""
    names = value.get("names") if isinstance(value, dict) else None
    if not isinstance(names, list):
        return anything(value, ink)
    shown = [_text(name, ink) for name in names]
    if value.get("entries") != len(names):
        shown.append("...")
    return f"[{', '.join(shown)}]"


def _offsets(value: Any, ink: Ink) -> str:
    """Show an offset that a call moves, before and after."""
    if isinstance(value, list) and len(value) == 2:
        return f"[{anything(value[0], ink)}] => [{anything(value[1], ink)}]"
    return anything(value, ink)


KINDS: Final[Mapping[str, Show]] = {
    "any": _any,
    "dirents": _entries,
    "dirfd": _bare,
    "enum": _bare,
    "fd": _bare,
    "flags": _flags,
    "iovec": _vector,
    "mmsghdr": _messages,
    "mode": _bare,
    "msghdr": _message,
    "offs": _offsets,
    "path": _path,
    "pid": _bare,
    "ptr": _bare,
    "signal": _bare,
    "stat": _file,
    "statx": _file,
    "string": _text,
    "strings": _strings,
    "word": _bare,
}

WHOLE: Final[Mapping[str, Show]] = {**KINDS, "stat": _whole_file, "statx": _whole_file}
"""Nothing is left out."""


def _is_cut(value: Mapping[str, Any]) -> bool:
    """Whether a text or vector was cut by the daemon."""
    return bool(value.get("truncated"))


def _shaped(value: Mapping[str, Any], ink: Ink) -> str | None:
    """Return the shapes that have a meaning wherever they stand, or None."""
    keys = value.keys()
    if keys == {"ptr"}:
        return _bare(value["ptr"], ink)
    if "text" in keys and keys <= {"text", "truncated", "size"} and isinstance(value["text"], str):
        return quote(value["text"]) + ("..." if _is_cut(value) else "")
    if "items" in keys and keys <= {"items", "truncated", "size"}:
        items = value["items"]
        if isinstance(items, list):
            shown = [_text(item, ink) for item in items] + (["..."] if _is_cut(value) else [])
            return f"[{', '.join(shown)}]"
    return None


def _fields(value: Mapping[str, Any], ink: Ink) -> str:
    """Show a structure; of a cut text in it, `truncated` becomes three dots."""
    cut = isinstance(value.get("text"), str) and _is_cut(value)
    shown = []
    for name, item in value.items():
        if cut and name == "truncated":
            continue
        dots = "..." if cut and name == "text" else ""
        shown.append(f"{escape(name)}={_field(name, item, ink)}{dots}")
    return f"{{{', '.join(shown)}}}"


def _field(name: str, value: Any, ink: Ink) -> str:
    if isinstance(value, str):
        if name == "mode" and _MODE.fullmatch(value):
            return value
        return quote(value) if name.rpartition("_")[2] in _TEXT_FIELDS else anything(value, ink)
    if isinstance(value, list) and name in _FLAG_FIELDS:
        return _flags(value, ink)
    return anything(value, ink)


def anything(value: Any, ink: Ink = PLAIN) -> str:
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
            return f"[{', '.join(anything(item, ink) for item in value)}]"
        case dict():
            shaped = _shaped(value, ink)
            if shaped is not None:
                return shaped
            return _fields({str(key): item for key, item in value.items()}, ink)
        case _:
            return quote(repr(value))


def link(path: str, ink: Ink = PLAIN) -> str:
    """Show what a descriptor refers to: `</etc/passwd>`."""
    return f"<{ink.path(escape(path, also='<>'))}>"


def argument(
    kind: str, value: Any, path: str | None = None, ink: Ink = PLAIN, *, whole: bool = False
) -> str:
    """Show one argument.  path: what a descriptor refers to.  whole: leave nothing out."""
    show = (WHOLE if whole else KINDS).get(kind, anything)
    shown = show(value, ink)
    return shown if path is None else shown + link(path, ink)
