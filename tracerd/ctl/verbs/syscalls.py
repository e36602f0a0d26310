"""List the system calls the daemon knows: arguments with their kinds, result, classes.

For example:

  tracerctl syscalls openat
  tracerctl syscalls %network 'pipe*'
  tracerctl syscalls --abi aarch64
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from tracerd.ctl.errors import CommandError
from tracerd.ctl.session import connect
from tracerd.ctl.text.escape import escape
from tracerd.protocol.messages import SyscallsReply

if TYPE_CHECKING:
    import argparse

    from tracerd.protocol.messages import SyscallInfo


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="names, wildcards or %%classes; default: all"
    )
    parser.add_argument(
        "--abi",
        metavar="ABI",
        help="the table of x86_64, i386 or aarch64; default: a line for every name",
    )
    parser.add_argument("--json", action="store_true", help="the daemon's answer, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    with connect(arguments) as client:
        known = client.syscalls(arguments.abi).syscalls
    for name in arguments.names:
        if not any(_is(row, name) for row in known):
            raise CommandError(f"no such system call or class: {name}")
    found = [
        row for row in known if not arguments.names or any(_is(row, n) for n in arguments.names)
    ]
    if arguments.json:
        print(msgspec.json.encode(SyscallsReply(syscalls=found)).decode())
        return 0
    for row in found:
        print(_line(row))
    return 0


def _is(row: SyscallInfo, name: str) -> bool:
    if name.startswith("%"):
        return name[1:] in row.classes
    return fnmatchcase(row.name, name)


def _line(row: SyscallInfo) -> str:
    arguments = ", ".join(f"{argument.name}: {argument.kind}" for argument in row.args)
    classes = " ".join(f"%{each}" for each in row.classes)
    elsewhere = "" if row.abi == "x86_64" else f"  /* {row.abi} */"
    line = f"{row.nr:>4}  {row.name}({arguments}) = {row.ret}  {classes}".rstrip() + elsewhere
    return escape(line)
