"""What a row of the syscall table is made of.

A row has two projections.  The *capture plan* (`enter`, `exit`) is all that a
pump knows: which bytes to read at which stop.  The *arguments* are all that the
decoder knows: names, kinds, how to turn a word and its captured bytes into a
value.  So a pump written in C needs no names, and a new syscall no change in C.

Rules: argument order is the kernel's; a published argument name is never
changed; what the program passes is captured at the enter-stop, what the kernel
fills in at the exit-stop.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct, field


class How(enum.IntEnum):
    """How a pump obtains a capture.  `a`, `b`, `c` are the Capture's fields."""

    CSTRING = 1
    """NUL-terminated string at args[a], at most `limit` bytes."""
    BYTES = 2
    """Exactly `limit` bytes at args[a]."""
    BYTES_LEN = 3
    """args[b] bytes at args[a], at most `limit`; if c > 0, and c bytes that stand before them."""
    BYTES_RET = 4
    """As many bytes at args[a] as the call returned, at most `limit`; c as above.  Exit only."""
    BYTES_LENPTR = 5
    """As many bytes at args[a] as the u32 at args[b] says, at most `limit`.  Exit only."""
    ARRAY = 6
    """args[b] elements of c bytes each at args[a], at most `limit` bytes in all.
    b = -1 (at exit only): as many elements as the call returned."""
    STRINGS = 7
    """NULL-terminated vector of string pointers at args[a]; at most `limit` bytes in all."""
    IOVEC = 8
    """args[b] iovecs at args[a]: a Vector of at most `limit` bytes, at exit of the first `ret`."""
    MSGHDR = 9
    """struct msghdr at args[a]: name, control messages, then its iovecs as IOVEC."""
    FD = 10
    """Link text of descriptor args[a]; if c is 1, all that can be known of it (OpenedFile).
    b: the first bit of its number in that word."""
    RET_FD = 11
    """What the descriptor returned refers to (OpenedFile); `more` of it if c is 1.  Exit only."""
    BASE = 12
    """Directory that the path at args[b] starts from: link of descriptor args[a], or of the
    working directory if a is -1 or args[a] is AT_FDCWD.  If the path is absolute: what the link
    of /proc on its way refers to (see core.links), if there is one.  c: what stands at args[b]
    instead of a path, a model.Named.  If limit is 1: as for FD, of a descriptor."""
    PRESENT = 13
    """Whether the file exists before the call: path at args[b] from dirfd args[a] (as BASE),
    looked up only if args[c] (open flags) has O_CREAT and not O_EXCL; if c is -1, where the
    flags are no argument (creat, openat2), always."""
    SOCKADDR = 14
    """args[b] bytes at args[a], at most `limit`: as BYTES_LEN, but an address and no content,
    so its limit is never replaced."""
    BYTES_AT = 15
    """`limit` bytes at the address that stands at args[a]; no bytes if that one is NULL."""
    PART = 16
    """The call that this one stands for, which the low half of args[a] names (a = -1: there is
    but one, number 0).  `parts` has, by that word, how many arguments are in memory at args[b],
    and what to capture of the call whose arguments are the words before args[b] and those; with
    b = -1 its arguments are this call's own.  Nothing if the word is not in `parts`."""
    MMSGHDR = 17
    """args[b] struct mmsghdr at args[a] (at exit: as many as the call returned): Several Messages,
    of the first sixteen; at most `limit` bytes of each (at exit: of the first msg_len)."""
    POINTED = 18
    """args[b] pointers at args[a]: Several, c bytes at each of them, at most `limit` in all."""


class Named(enum.IntEnum):
    """What has a path in it, for How.BASE: an AF_UNIX address; all others have none."""

    ADDRESS = 1
    """A socket address."""
    MESSAGE = 2
    """A struct msghdr, whose first member points to one; of several the first."""


class Capture(NamedTuple):
    """One thing to read at a stop.  See How for the meaning of a, b and c.

    width: bytes of a long and of a pointer in the program's memory, in vectors of strings and of
    buffers and in struct msghdr; if it is 4, of each argument only the low 32 bits count.  All
    captures of a plan have the same.  parts: of How.PART only.
    """

    how: How
    a: int
    b: int = -1
    c: int = -1
    limit: int = 0
    width: int = 8
    parts: Mapping[int, tuple[int, tuple[Capture, ...]]] | None = None


WIDTHS: Final = {"x86_64": 8, "i386": 4, "aarch64": 8}
"""Bytes of a long and of a pointer, by ABI."""


class Fault(Struct, frozen=True):
    """Memory that could not be read: a value, not an error."""

    address: int


class Cut(Struct, frozen=True):
    """Bytes cut at the capture's limit; `size` is the whole length if it is known."""

    data: bytes
    size: int = -1


class Strings(Struct, frozen=True):
    """A string vector; `whole` is False when it was cut or partly unreadable."""

    items: tuple[bytes, ...]
    whole: bool = True


class OpenedFile(Struct, frozen=True):
    """What a descriptor refers to.

    link: its text in /proc.  dev, ino, mode, rdev: as stat(2) has them; 0: it could not be asked.
    more: of a socket, the kernel's name of what it speaks (`TCP`); of a pidfd, whose it is, in
    decimal as our pid namespace counts (-1: nobody's any more).  Filled in only on request.
    """

    link: bytes
    dev: int
    ino: int
    deleted: bool = False
    mode: int = 0
    rdev: int = 0
    more: bytes = b""


class Vector(Struct, frozen=True):
    """What iovecs name: the lengths of the first 64, as passed, and the memory of all together."""

    data: bytes | Cut
    lengths: tuple[int, ...]


class Message(Struct, frozen=True):
    """A msghdr: its address bytes, the lengths, and the first bytes of its payload.

    namelen: as it stands there.  control: its control messages, at most 256 bytes of them.
    width: the capture's.  passed: what the descriptors in those refer to, as How.FD.
    """

    name: bytes
    data: Vector
    iovlen: int
    controllen: int
    flags: int
    control: bytes = b""
    width: int = 8
    namelen: int = 0
    passed: tuple[Captured, ...] = ()


class Several(Struct, frozen=True):
    """What stands in an array, one by one, as far as it was looked at."""

    items: tuple[Captured, ...]


class Part(Struct, frozen=True):
    """The call that another one stands for: which, its arguments, and what was captured of it."""

    which: int
    args: tuple[int, ...]
    captured: tuple[Captured, ...]


class Pair(Struct, frozen=True):
    """Both captures of an argument: as it was before the call, and after it succeeded."""

    before: Captured
    after: Captured


Captured: TypeAlias = (
    bytes
    | Cut
    | Fault
    | Strings
    | OpenedFile
    | Vector
    | Message
    | Several
    | Pair
    | Part
    | bool
    | None
)
"""None: nothing to read (a NULL pointer, an absolute path's base, a closed descriptor)."""


class Words(Struct, frozen=True):
    """A call as the decoder of one argument may see it.

    args: six unsigned 64-bit words; on i386 of 32 bits, and of a Part as many as it has.
    ret: signed; meaningful if `returned` and not `failed`.
    """

    args: tuple[int, ...]
    ret: int = 0
    failed: bool = False
    returned: bool = False


Decode: TypeAlias = Callable[[int, Captured, Words], Any]
"""(word, captured bytes of this argument or None, the whole call) -> JSON value.  Total:
never raises, whatever the words and bytes are.  May return decode.words.ABSENT: the kernel
does not look at the argument in this call, so it is left out."""


class Arg(Struct, frozen=True):
    """One argument of a row.

    kind: the wire name of how to read the value (see docs of `tracerctl syscalls`).
    enter, exit: what to capture; decode gets the exit capture if there is one and the call
    succeeded, else the enter capture.  both: on success it gets both, as a Pair.
    at: for a path, the name of the dirfd argument it is relative to ("" for the cwd).
    op: for a path or descriptor, the operation of events.OPS that the call performs on it;
    "open": decided by the open flags.  nofollow: a final symlink is not followed.
    empty: the path may be empty or NULL and then means the dirfd itself (AT_EMPTY_PATH,
    or `empty="null"` for calls that take NULL without a flag).
    """

    name: str
    kind: str
    decode: Decode
    enter: Capture | None = None
    exit: Capture | None = None
    at: str | None = None
    op: str = ""
    nofollow: bool = False
    empty: str = ""
    both: bool = False


class Syscall(Struct, frozen=True, eq=False):
    """A row.  Two rows are equal only if they are the same one: tables are keyed by rows.

    classes: strace's class names without `%` (file, desc, process, network, signal, memory,
    ipc, …).  level: from which events.LEVELS on the call counts as file access, "" for never.
    ret: wire kind of the result (`int`, `fd`, `ptr`, `pid`, `none` …).
    returns: False for calls that never return on success (exit, exit_group).
    parts: rows of the calls that this one stands for, as its own arguments say (see How.PART);
    memory: position of the argument that points to their arguments, -1 if none does.
    named: gives the names of a result that is a number, if it has any (decode.results.Named).
    """

    name: str
    nr: int
    args: tuple[Arg, ...]
    classes: frozenset[str] = frozenset()
    level: str = ""
    ret: str = "int"
    returns: bool = True
    abi: str = "x86_64"
    known: bool = True
    index: dict[str, int] = field(default_factory=dict)
    """Argument name -> position."""
    parts: Mapping[int, Syscall] = field(default_factory=dict)
    memory: int = -1
    named: Callable[[int, tuple[int, ...]], list[str]] | None = None
