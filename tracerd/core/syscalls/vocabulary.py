"""The words that rows of the syscall table are written in: numbers, text, contents.

Those that stand for structures are in records.py, those of sockets in sockets.py, and those
whose meaning a command says in commands.py.

A Draft is an argument that still names its neighbours (the buffer its length, the path its
dirfd) instead of giving their positions; `sc` resolves the names when the row is built.
A Draft is called to rename it or to say what the call does to it: `fd("oldfd")`,
`fd(op="write")`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from tracerd.core.decode import text, words
from tracerd.core.decode.results import Named
from tracerd.core.decode.sets import FlagSet, ValueSet
from tracerd.core.syscalls.model import Arg, Capture, Decode, How, Syscall

PATH_LIMIT: Final = 4096
"""PATH_MAX, with the NUL: the kernel refuses longer ones."""
STRING_LIMIT: Final = 256
"""Names that are no paths: extended attributes have 255 bytes, file system types fewer."""
STRINGS_LIMIT: Final = 32_768
"""argv and envp, in all: whole for nearly every program, bounded for a hostile one."""
BUFFER_LIMIT: Final = 32
"""Contents of transfers.  A pump may put the subscribers' string limit in its place: in the
captures whose How is BYTES_LEN, BYTES_RET, IOVEC, MSGHDR or MMSGHDR, used for nothing else."""
SOCKADDR_LIMIT: Final = 128
"""sizeof(struct sockaddr_storage)."""

Binder: TypeAlias = Callable[[Mapping[str, int]], Decode]
"""Makes a decoder that looks at other arguments, from their positions by name."""


class Want(NamedTuple):
    """A Capture of the argument it stands in.  length: name of the argument that is its `b`."""

    how: How
    limit: int = 0
    length: str = ""
    element: int = -1


class Draft(Struct, frozen=True):
    """An argument of a row before names are resolved.  Fields as model.Arg's."""

    name: str
    kind: str
    decode: Decode
    enter: Want | None = None
    exit: Want | None = None
    at: str | None = None
    op: str = ""
    nofollow: bool = False
    empty: str = ""
    bind: Binder | None = None
    """Makes `decode`, when it needs the row's positions."""
    both: bool = False

    def __call__(self, name: str = "", *, op: str = "") -> Draft:
        """Return the same argument under another name, or with an operation."""
        return replace(self, name=name or self.name, op=op or self.op)


def sc(
    nr: int,
    name: str,
    *drafts: Draft,
    classes: str = "",
    level: str = "",
    ret: str = "int",
    returns: bool = True,
    named: Named | None = None,
) -> Syscall:
    """Build a row.  classes: names parted by blanks.  Raises KeyError for a name not in it."""
    index = {draft.name: position for position, draft in enumerate(drafts)}
    args = tuple([_resolved(position, draft, index) for position, draft in enumerate(drafts)])
    return Syscall(
        name,
        nr,
        args,
        frozenset(classes.split()),
        level,
        ret,
        returns=returns,
        index=index,
        named=named,
    )


def _resolved(position: int, draft: Draft, index: Mapping[str, int]) -> Arg:
    if draft.at:
        assert draft.at in index, draft
    return Arg(
        draft.name,
        draft.kind,
        draft.decode if draft.bind is None else draft.bind(index),
        _capture(position, draft.enter, index),
        _capture(position, draft.exit, index),
        draft.at,
        draft.op,
        draft.nofollow,
        draft.empty,
        draft.both,
    )


def _capture(position: int, want: Want | None, index: Mapping[str, int]) -> Capture | None:
    if want is None:
        return None
    length = index[want.length] if want.length else -1
    return Capture(want.how, position, length, want.element, want.limit)


# Words that say all by themselves.

fd: Final = Draft("fd", "fd", words.int_)
dirfd: Final = Draft("dfd", "dirfd", words.dirfd)
pid: Final = Draft("pid", "pid", words.int_)
uid: Final = Draft("uid", "uid", words.user_id)
gid: Final = Draft("gid", "gid", words.user_id)
int_: Final = Draft("value", "int", words.int_)
uint: Final = Draft("value", "uint", words.uint)
long_: Final = Draft("value", "long", words.long_)
ulong: Final = Draft("value", "ulong", words.ulong)
size: Final = Draft("size", "size", words.ulong)
off: Final = Draft("offset", "off", words.long_)
ptr: Final = Draft("addr", "ptr", words.ptr)
word: Final = Draft("arg", "word", words.hex_)
mode: Final = Draft("mode", "mode", words.mode)
octal: Final = Draft("mask", "mode", words.octal)
dev: Final = Draft("dev", "dev", words.dev)


def flags(name: str, table: FlagSet, width: int = 32) -> Draft:
    """Return a word of bits, of which the kernel looks at `width`."""
    return Draft(name, "flags", table.decoder(width))


def enum(name: str, table: ValueSet, *, signed: bool = True) -> Draft:
    """Return an int (or unsigned int) that is one of several values."""
    return Draft(name, "enum", table.decoder(signed=signed))


def half(name: str) -> Draft:
    """Return the upper half of 64 bits, or a word the kernel ignores: it tells nothing."""
    return Draft(name, "none", words.nothing)


def joined(draft: Draft, high: str) -> Draft:
    """Return an argument of 64 bits of which argument `high` holds the upper half."""
    return replace(draft, bind=lambda at: words.joined(at[high], draft.decode))


# Text.


def path(
    name: str = "filename",
    op: str = "",
    *,
    at: str = "",
    nofollow: bool = False,
    empty: str = "",
) -> Draft:
    """Return a path the call looks up.  For the rest see model.Arg."""
    return Draft(
        name,
        "path",
        text.text,
        enter=Want(How.CSTRING, PATH_LIMIT),
        at=at,
        op=op,
        nofollow=nofollow,
        empty=empty,
    )


def string(name: str, limit: int = STRING_LIMIT) -> Draft:
    """Return a NUL-terminated string that is no path."""
    return Draft(name, "string", text.text, enter=Want(How.CSTRING, limit))


def string_out(name: str, limit: int = STRING_LIMIT) -> Draft:
    """Return a NUL-terminated string that the kernel fills in."""
    return Draft(name, "string", text.text, exit=Want(How.CSTRING, limit))


def strings(name: str) -> Draft:
    """Return a vector of strings."""
    return Draft(name, "strings", text.strings, enter=Want(How.STRINGS, STRINGS_LIMIT))


# Contents of transfers.


def bytes_in(name: str, length: str) -> Draft:
    """Return a buffer that the program has filled."""
    return Draft(name, "buffer", text.buffer, enter=Want(How.BYTES_LEN, BUFFER_LIMIT, length))


def bytes_out(name: str = "buf", room: str = "") -> Draft:
    """Return a buffer that the kernel fills with as many bytes as it returns.

    room: name of the argument that says how many there is room for, if it may return more.
    """
    want = Want(How.BYTES_RET, BUFFER_LIMIT)
    bind = (lambda at: text.within(at[room])) if room else None
    return Draft(name, "buffer", text.buffer, exit=want, bind=bind)


def iovec_in(name: str, length: str) -> Draft:
    """Return buffers that the program has filled."""
    want = Want(How.IOVEC, BUFFER_LIMIT, length)
    return Draft(name, "iovec", text.buffer, enter=want, bind=lambda at: text.iovec(at[length]))


def iovec_out(name: str, length: str) -> Draft:
    """Return buffers that the kernel fills."""
    want = Want(How.IOVEC, BUFFER_LIMIT, length)
    return Draft(name, "iovec", text.buffer, exit=want, bind=lambda at: text.iovec(at[length]))
