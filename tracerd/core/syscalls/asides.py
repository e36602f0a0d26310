"""Files that a call names elsewhere than in its own arguments: in structures, or by a command.

Each is a row, written as those of files.py are, of which only what it captures and its `op`s
count: its arguments are those of the call before the one that points to memory, then the words
that stand there.  Nothing of it is shown among the call's arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from tracerd.core.decode.names.descriptors import BPF
from tracerd.core.decode.names.ioctls import IOCTL
from tracerd.core.decode.names.mounts import FSCONFIG
from tracerd.core.decode.names.watches import LANDLOCK_RULE
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.narrow import narrowed
from tracerd.core.syscalls.vocabulary import Draft, dirfd, fd, path, sc, string, word


class Aside(NamedTuple):
    """Where a call names files beside its arguments.

    which: the argument whose value says by which row; "": there is one, number 0.  memory: the
    argument that points to the words the rows have from there on; "": they have the call's own.
    other: the operation on files that cannot be told where `which` has no row here, and is not 0,
    or where the row's own depends on memory that could not be read.
    """

    which: str
    memory: str
    rows: Mapping[int, Syscall]
    other: str = ""


MOST_IOCBS: Final = 8
"""Of one io_submit that are looked at."""

row = partial(sc, -1)


def words(*names: str) -> tuple[Draft, ...]:
    """Return arguments that nothing is to be known of."""
    return tuple([word(name) for name in names])


def long_long(name: str, *, wide: bool) -> tuple[Draft, ...]:
    """Return the words that 64 bits of a structure take."""
    return words(name) if wide else words(name, f"{name}_high")


def _fsconfig() -> Aside:
    values = FSCONFIG.values
    given = words("fd", "cmd", "key")
    named = path("_value", "mount", at="aux")
    empty = path("_value", "mount", at="aux", empty="null")
    return Aside("cmd", "", {
        values["FSCONFIG_SET_STRING"]: row("in fsconfig", *given[:2], string("_key"),
                                           path("_value", "mount")),
        values["FSCONFIG_SET_PATH"]: row("in fsconfig", *given, named, dirfd("aux")),
        values["FSCONFIG_SET_PATH_EMPTY"]: row("in fsconfig", *given, empty, dirfd("aux")),
        values["FSCONFIG_SET_FD"]: row("in fsconfig", *given, word("value"), fd("aux", op="mount")),
    })  # fmt: skip


def _bpf(*, wide: bool) -> Aside:
    """See union bpf_attr: a path, a descriptor, flags."""
    values = BPF.values
    fds = long_long("fds", wide=wide)
    return Aside("cmd", "uattr", {
        values["BPF_OBJ_PIN"]: row("in bpf", word("cmd"), path("pathname", "create"), *fds),
        values["BPF_OBJ_GET"]: row("in bpf", word("cmd"), path("pathname", "read"), *fds),
    })  # fmt: skip


def _ioctl(*, wide: bool) -> tuple[Aside, ...]:
    """See ioctl_ficlonerange(2), ioctl_fideduperange(2): of several targets the first."""
    values = IOCTL.values
    given = words("fd", "cmd")
    before = [each for name in ("offset", "length", "count") for each in long_long(name, wide=wide)]
    source, target = fd("src_fd", op="read"), fd("dest_fd", op="write")
    told = Aside("cmd", "", {values["FICLONE"]: row("in ioctl", *given, source)})
    pointed = Aside("cmd", "arg", {
        values["FICLONERANGE"]: row("in ioctl", *given, source),
        values["FIDEDUPERANGE"]: row("in ioctl", *given, *before, target),
    })  # fmt: skip
    return told, pointed


def _landlock(*, wide: bool) -> Aside:
    """See struct landlock_path_beneath_attr."""
    access = long_long("allowed_access", wide=wide)
    beneath = row("in landlock_add_rule", *words("ruleset_fd", "rule_type"), *access,
                  fd("parent_fd", op="watch"))  # fmt: skip
    which = LANDLOCK_RULE.values["LANDLOCK_RULE_PATH_BENEATH"]
    return Aside("rule_type", "rule_attr", {which: beneath})


def _iocb_pointers() -> Aside:
    """Return the vector of io_submit, which by its length is one of several rows."""
    vectors = {
        count: row(f"{count} iocbs", *words("ctx_id", "nr", *_pointers(count)))
        for count in range(1, MOST_IOCBS + 1)
    }
    return Aside("nr", "iocbpp", vectors, other="write")


def _pointers(count: int) -> list[str]:
    return [f"iocb{n}" for n in range(count)]


def _iocbs(count: int, *, wide: bool) -> tuple[Aside, ...]:
    """Return what stands behind each of so many pointers; see struct iocb."""
    fields = (
        (*words("data", "key"), replace(fd("fildes", op="aio"), kind="fd_high"))
        if wide
        else (*words("data", "data_high", "key", "flags", "opcode"), fd("fildes", op="aio"))
    )
    return tuple(
        [
            Aside(
                "",
                each,
                {0: row("iocb", *words("ctx_id", "nr", *_pointers(at)), *fields)},
                other="write",
            )
            for at, each in enumerate(_pointers(count))
        ]
    )


def _asides(*, wide: bool) -> dict[str, tuple[Aside, ...]]:
    return {
        "fsconfig": (_fsconfig(),),
        "bpf": (_bpf(wide=wide),),
        "ioctl": _ioctl(wide=wide),
        "landlock_add_rule": (_landlock(wide=wide),),
        "io_submit": (_iocb_pointers(),),
        **{f"{count} iocbs": _iocbs(count, wide=wide) for count in range(1, MOST_IOCBS + 1)},
    }


def _narrowed(aside: Aside) -> Aside:
    return aside._replace(
        rows={which: narrowed(each, each.nr) for which, each in aside.rows.items()}
    )


_WIDE: Final = _asides(wide=True)
_NARROW: Final = {
    name: tuple([_narrowed(each) for each in found]) for name, found in _asides(wide=False).items()
}
_NONE: Final[tuple[Aside, ...]] = ()


def asides_of(syscall: Syscall) -> tuple[Aside, ...]:
    """Return what a row's call names beside its arguments."""
    return (_NARROW if syscall.abi == "i386" else _WIDE).get(syscall.name, _NONE)
