"""The tables of names: reversible, and equal to the headers of the system."""

import importlib
import pkgutil
import re
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd.core.decode import names
from tracerd.core.decode.sets import FlagSet, ValueSet
from tracerd.core.syscalls.model import Words

_NAMES = {
    "sys": (
        "types socket statvfs inotify file epoll eventfd signalfd timerfd wait "
        "resource mman ipc swap mount time"
    ),
    "linux": (
        "capability personality reboot timex quota mempolicy aio_abi elf kexec ioprio sem msg shm "
        "ipc fcntl openat2 stat mount fs falloc magic xattr fanotify landlock close_range "
        "memfd perf_event io_uring bpf kexec fiemap blktrace_api serial sockios tcp "
        "in6 netlink sched prctl ptrace seccomp keyctl mman futex random membarrier "
        "userfaultfd pidfd rseq module btrfs"
    ),
    "asm": ("termbits ioctls prctl ptrace-abi"),
    "": ("fcntl unistd poll signal time"),
    "netinet": ("in"),
}
HEADERS = [
    f"{folder}/{name}.h".removeprefix("/")
    for folder, names_ in _NAMES.items()
    for name in names_.split()
]
"""Where they are defined.  Each is read by itself: some exclude one another."""

OURS = {
    "O_LARGEFILE",  # 0 for 64-bit programs; the kernel's own value can still be passed
}


def tables():
    for module in pkgutil.iter_modules(names.__path__, names.__name__ + "."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, dict) and name.isupper():
                for key, each in value.items():
                    if isinstance(each, FlagSet | ValueSet):
                        yield f"{module.name.rpartition('.')[2]}.{name}[{key}]", each
            elif isinstance(value, FlagSet | ValueSet):
                yield f"{module.name.rpartition('.')[2]}.{name}", value


TABLES = dict(tables())
ELSEWHERE = {name: table for name, table in TABLES.items() if "AARCH64" in name}
"""Of another architecture: test_aarch64_table.py has its headers."""
FLAGS = {name: table for name, table in TABLES.items() if isinstance(table, FlagSet)}
VALUES = {name: table for name, table in TABLES.items() if isinstance(table, ValueSet)}
NOTHING = Words((0,) * 6)


def test_there_are_tables():
    assert len(FLAGS) > 50
    assert len(VALUES) > 30


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_flags_can_be_read_back(data):
    word = data.draw(st.integers(0, 2**64 - 1))
    chance = data.draw(st.randoms(use_true_random=False))
    for name, table in FLAGS.items():
        known = sum(chance.sample(sorted(set(table.values.values())), 1)) & (2**64 - 1)
        for each in (word, known, known | word & 0xF0):
            check_flags(name, table, each)


def check_flags(name, table, word):
    shown = table.render(word)
    assert table.parse(shown) == word, name
    unknown = [item for item in shown if item not in table.values]
    assert unknown == shown[len(shown) - len(unknown) :], name
    assert len(unknown) <= 1, name
    assert all(item.startswith("0") for item in unknown), name
    assert table.decoder()(word, None, NOTHING) == table.render(word & 0xFFFF_FFFF), name
    assert table.decoder(64)(word, None, NOTHING) == shown, name


def test_every_flag_is_shown_by_its_name():
    for name, table in FLAGS.items():
        for flag, bits in table.values.items():
            assert flag in table.render(bits), (name, flag)


@settings(deadline=None)
@given(number=st.integers(-(2**31), 2**31 - 1))
def test_values_can_be_read_back(number):
    for name, table in VALUES.items():
        assert table.parse(table.render(number)) == number, name
        assert table.decoder()(number % 2**64, None, NOTHING) == table.render(number), name


def test_every_value_can_be_read_back():
    for name, table in VALUES.items():
        for value in table.names:
            assert table.parse(table.render(value)) == value, name


def test_rendered_lists_are_not_shared():
    table = FLAGS["files.OPEN"]
    table.render(0o101).append("spoilt")
    assert table.render(0o101) == ["O_WRONLY", "O_CREAT"]
    decode = table.decoder()
    decode(0o101, None, NOTHING).append("spoilt")
    assert decode(0o101, None, NOTHING) == ["O_WRONLY", "O_CREAT"]


def test_what_is_remembered_is_bounded():
    table = FlagSet({"A": 1})
    for word in range(5000):
        assert table.parse(table.render(word)) == word
    assert len(table._known) <= 1024


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        (0, ["O_RDONLY"]),
        (0o2000001, ["O_WRONLY", "O_CLOEXEC"]),
        (0o20200002, ["O_RDWR", "O_TMPFILE"]),
        (0o200000, ["O_RDONLY", "O_DIRECTORY"]),
        (0o4010000, ["O_RDONLY", "O_SYNC"]),
        (0o10000, ["O_RDONLY", "O_DSYNC"]),
        (3, ["O_ACCMODE"]),
        (0x8000_0000, ["O_RDONLY", "0x80000000"]),
    ],
)
def test_open_flags(word, shown):
    assert FLAGS["files.OPEN"].render(word) == shown


NUMBER = re.compile(r"[0-9a-fA-Fxo\s()|<+&~-]+")


def number_of(expression):
    """Evaluate a C constant of numbers and operators; None for others (sizeof, enumerators)."""
    text = re.sub(r"\b(0x[0-9a-fA-F]+|[0-9]+)[uUlL]+\b", r"\1", expression)
    text = re.sub(r"\b0([0-7]+)\b", r"0o\1", text)
    text = re.sub(r"\([a-z_]+\)", "", text)  # casts
    if not NUMBER.fullmatch(text) or not re.search(r"\b[0-9]", text) or re.match("[A-F]", text):
        return None
    return eval(text, {"__builtins__": {}})


def defined_values(wanted):
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc and the headers of libc and kernel")
    found = {}
    for header in HEADERS:
        # Names that the header does not define come back as they are.
        text = f"#define _GNU_SOURCE\n#include <sys/types.h>\n#include <{header}>\n"
        text += "".join(f'@@ "{name}" {name}\n' for name in sorted(wanted))
        done = subprocess.run(
            [gcc, "-E", "-P", "-"], input=text, capture_output=True, text=True, check=False
        )
        macros = re.findall(r'^@@ "(\w+)" (.+)$', done.stdout, re.MULTILINE)
        enumerators = re.findall(r"\b([A-Z]\w+) = ([^,{}]+)", done.stdout)
        for name, value in macros + enumerators:
            number = number_of(value.strip())
            if number is not None and name in wanted:
                found[name] = number
    return found


def test_values_are_those_of_the_headers():
    ours = {}
    bits_of_numbers = {"system.CAPABILITIES"}
    for where in TABLES.keys() - ELSEWHERE.keys() - bits_of_numbers:
        for name, value in TABLES[where].values.items():
            ours.setdefault(name, set()).add((value, where))
    defined = defined_values(set(ours))
    compared = set(defined) - OURS
    assert len(compared) > 900
    wrong = {
        name: (defined[name], ours[name])
        for name in compared
        if any((value ^ defined[name]) & 0xFFFF_FFFF for value, _ in ours[name])
    }
    assert wrong == {}
