"""Numbers, names and classes of all tables, against sources that know nothing of each other.

The kernel's headers, through gcc; libseccomp's resolver; strace, which shows of a program that
makes every call what belongs to a class.  Each is asked up to the last number that it knows; what
is newer stands in newer_syscalls.tsv, from the kernel's tables of 7.2.
"""

import csv
import ctypes
import re
import subprocess
from pathlib import Path

import pytest

from tests.tracees.build import command
from tracerd.core.syscalls import CLASSES, TABLED, numbers, table

SHARED = 424
"""From here on a call has one number in all tables."""
CROSS = "/usr/aarch64-linux-gnu/include"
HEADERS = {
    "x86_64": ([], "asm/unistd_64.h"),
    "i386": ([], "asm/unistd_32.h"),
    "aarch64": (["-nostdinc", "-isystem", CROSS, "-U__x86_64__", "-D__aarch64__"], "asm/unistd.h"),
}
BY_THE_KERNEL = {"x86_64": {335: "uretprobe", 336: "uprobe"}}
"""Made by the kernel's own code only; newer than some headers."""
ARCHES = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_*, which libseccomp takes too."""
KNOWN_LEAST = 449
"""What each of the sources knows, at least."""


def newer():
    with (Path(__file__).parent / "newer_syscalls.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return {int(row["number"]): row["name"] for row in rows}


def names(abi):
    return {nr: row.name for nr, row in table(abi).by_number.items()}


def defined(abi):
    """Return the names that the kernel's header gives to numbers."""
    flags, header = HEADERS[abi]
    done = subprocess.run(
        ["gcc", *flags, "-E", "-dM", "-"],
        input=f"#include <{header}>\n",
        capture_output=True,
        text=True,
        check=True,
    )
    macros = dict(re.findall(r"^#define (__NR\w+) (\w+)$", done.stdout, re.MULTILINE))
    found = {}
    for name, value in macros.items():
        number = macros.get(value, value)  # __NR_fcntl is __NR3264_fcntl
        if name.startswith("__NR_") and number.isdigit():
            found[int(number)] = name.removeprefix("__NR_")
    for end in ("syscalls", "arch_specific_syscall"):  # no calls
        found = {nr: name for nr, name in found.items() if name != end}
    assert len(found) > 300
    return found


@pytest.mark.parametrize("abi", TABLED)
def test_names_are_the_headers(abi):
    theirs, ours = defined(abi), names(abi)
    last = max(theirs)
    assert last >= KNOWN_LEAST
    extra = BY_THE_KERNEL.get(abi, {})
    assert {nr: name for nr, name in ours.items() if nr <= last} == extra | theirs


@pytest.mark.parametrize("abi", TABLED)
def test_names_are_libseccomps(abi):
    library = ctypes.CDLL("libseccomp.so.2")
    resolve = library.seccomp_syscall_resolve_num_arch
    resolve.restype, resolve.argtypes = ctypes.c_void_p, (ctypes.c_uint32, ctypes.c_int)

    def named(nr):
        found = resolve(ARCHES[abi], nr)
        if not found:
            return None
        try:
            return ctypes.cast(found, ctypes.c_char_p).value.decode()
        finally:
            ctypes.CDLL(None).free(ctypes.c_void_p(found))

    theirs = {nr: name for nr in range(1000) if (name := named(nr))}
    last = max(theirs)
    assert last >= KNOWN_LEAST
    extra = BY_THE_KERNEL.get(abi, {})
    assert {nr: name for nr, name in names(abi).items() if nr <= last} == extra | theirs


@pytest.mark.parametrize("abi", TABLED)
def test_what_is_newer_than_the_headers_is_listed(abi):
    last = max(defined(abi))
    unchecked = {nr: name for nr, name in names(abi).items() if nr > last}
    assert unchecked == {nr: name for nr, name in newer().items() if nr > last}


def test_new_calls_are_the_same_everywhere():
    shared = {abi: {nr: n for nr, n in names(abi).items() if nr >= SHARED} for abi in TABLED}
    assert shared["aarch64"] == shared["x86_64"] == shared["i386"]
    assert set(newer()) <= set(shared["x86_64"])


@pytest.mark.parametrize("abi", TABLED)
def test_names_and_numbers_are_unique(abi):
    by_number, by_name = table(abi)
    assert list(by_number) == sorted(by_number)
    assert len(by_name) == len(by_number)
    for nr, row in by_number.items():
        assert (row.nr, row.abi) == (nr, abi)
        assert by_name[row.name] is row


def test_numbers_for_a_filter_of_seccomp():
    found = numbers({"openat", "stat64", "syscall_0xfb", "syscall_0x40000027", "syscall_0x1"})
    # 251 is a call of x86-64, and 1 one of both.
    assert found == {"x86_64": [257, 0x40000027], "i386": [195, 251, 295, 0x40000027]}
    assert numbers({"syscall_0xffffffffffffffff"})["x86_64"] == [0xFFFF_FFFF]


# --- classes ----------------------------------------------------------------------------------

PROGRAMS = {"x86_64": "every_call", "i386": "every_call32"}
LAST = 520
STRACE_LAST = 450
"""The last number strace 6.1 knows."""
NOT_STRACES = {
    ("i386", "network"): {"socketcall"},  # strace has it in `desc` alone
}
"""Calls that are in a class of ours and in none of strace's."""


def shown(abi, class_):
    """Return the calls that strace shows of a class."""
    program = command(PROGRAMS[abi], LAST)
    done = subprocess.run(
        ["strace", "-qq", "-e", "signal=none", "-e", f"trace=%{class_}", *program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 77
    calls = re.findall(r"^(\w+)\(", done.stderr, re.MULTILINE)
    return set(calls) & {row.name for row in table(abi).by_number.values()}


@pytest.mark.parametrize("abi", PROGRAMS)
@pytest.mark.parametrize("class_", sorted(CLASSES))
def test_classes_are_straces(abi, class_):
    known = {row.name for nr, row in table(abi).by_number.items() if nr <= STRACE_LAST}
    ours = (CLASSES[class_] & known) - NOT_STRACES.get((abi, class_), set())
    assert shown(abi, class_) & known == ours
