"""Run a program as a unit's [Service] section says, as far as the kernel alone can do that.

Usage: python as_unit.py UNIT [-CAP_NAME ...] -- PROGRAM ...   (without the capabilities named)

Done as systemd does it: bounding set, no_new_privs, umask, write-xor-execute, and a seccomp filter
of SystemCallFilter, RestrictAddressFamilies, RestrictNamespaces and LockPersonality.
"""

import contextlib
import ctypes
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CAPABILITIES = {
    "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_DAC_READ_SEARCH": 2,
    "CAP_SYS_PTRACE": 19, "CAP_SYS_NICE": 23,
}  # fmt: skip
LAST_CAPABILITY = 40

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
SECCOMP_SET_MODE_FILTER, NR_SECCOMP = 1, 317
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, EAFNOSUPPORT = 1, 97
NR, ARCH, ARG0 = 0, 4, 16
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
X86_64 = 0xC000003E
NAMESPACES = (
    0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
)


def section(path):
    """Return the settings of [Service]."""
    text = Path(path).read_text().partition("\n[Service]\n")[2].partition("\n[")[0]
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"[A-Z]\w*=", line))


def members(name):
    """Return the calls of one of systemd's sets, with those of the sets in it."""
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    found = set()
    for word in map(str.strip, said.split("\n")[1:]):
        if word.startswith("@"):
            found |= members(word)
        elif word and not word.startswith("#"):
            found.add(word)
    return found


def allowed(text):
    return {
        call
        for word in text.split()
        for call in (members(word) if word.startswith("@") else {word})
    }


def statement(code, k, true=0, false=0):
    return struct.pack("HBBI", code, true, false, k)


def program(names, numbers):
    """Return the filter: refused are other calls, sockets of other families, new namespaces."""
    refuse = statement(RETURN, ERRNO | EPERM)
    made = [
        statement(LOAD, ARCH),
        statement(EQUAL, X86_64, 1, 0),
        statement(RETURN, KILL),
        statement(LOAD, NR),
    ]
    # A socket of another family; the filter sees the number in the low half of the argument.
    for name in ("socket", "socketpair"):
        made += [
            statement(EQUAL, numbers[name], 0, 4),
            statement(LOAD, ARG0),
            statement(EQUAL, 1, 1, 0),
            statement(RETURN, ERRNO | EAFNOSUPPORT),
            statement(LOAD, NR),
        ]
    # clone3 cannot be looked into: systemd lets libc fall back to clone.
    made += [statement(EQUAL, numbers["clone3"], 0, 1), statement(RETURN, ERRNO | 38)]
    for name in ("clone", "unshare"):
        made += [
            statement(EQUAL, numbers[name], 0, 4),
            statement(LOAD, ARG0),
            statement(ANY_BIT, NAMESPACES, 0, 1),
            refuse,
            statement(LOAD, NR),
        ]
    for name in sorted(names - {"personality", "setns"}):
        if name in numbers:
            made += [statement(EQUAL, numbers[name], 0, 1), statement(RETURN, ALLOW)]
    return [*made, refuse]


def install(filter_):
    libc = ctypes.CDLL(None, use_errno=True)
    data = b"".join(filter_)
    buffer = ctypes.create_string_buffer(data, len(data))
    head = struct.pack("HxxxxxxP", len(filter_), ctypes.addressof(buffer))
    if libc.syscall(NR_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, ctypes.c_char_p(head)):
        raise OSError(ctypes.get_errno(), "seccomp")


def prctl(*words):
    if ctypes.CDLL(None, use_errno=True).prctl(
        *map(ctypes.c_ulong, (*words, *[0] * (5 - len(words))))
    ):
        raise OSError(ctypes.get_errno(), f"prctl {words}")


def main():
    at = sys.argv.index("--")
    unit, without, command = sys.argv[1], sys.argv[2:at], sys.argv[at + 1 :]
    sys.path.insert(0, str(ROOT))
    from tracerd.core.syscalls import LISTED

    said = section(unit)
    filter_ = program(allowed(said["SystemCallFilter"]), {row.name: row.nr for row in LISTED})
    kept = {CAPABILITIES[name] for name in said.get("CapabilityBoundingSet", "").split()}
    kept -= {CAPABILITIES[name[1:]] for name in without}
    os.umask(int(said["UMask"], 8))
    if os.geteuid() == 0:
        for number in set(range(LAST_CAPABILITY + 1)) - kept:
            prctl(PR_CAPBSET_DROP, number)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    with contextlib.suppress(OSError):  # since Linux 6.3
        prctl(PR_SET_MDWE, 1)
    install(filter_)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
