"""The table of aarch64: what differs from x86-64's, against the kernel's headers for it."""

import re
import subprocess

import pytest

from tracerd.core.decode.names import files, memory, process
from tracerd.core.syscalls import ROWS, by_name, decode_args, plan_for, table
from tracerd.core.syscalls.aarch64 import _LAYOUTS, AARCH64_ROWS
from tracerd.core.syscalls.model import Words

GCC = [
    "gcc",
    "-nostdinc",
    "-isystem",
    "/usr/aarch64-linux-gnu/include",
    "-U__x86_64__",
    "-D__aarch64__",
]
WIDE = {row.name: row for row in ROWS}
ADDRESS = 0x7FFF_0000_1000


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("asm/fcntl.h", files.OPEN_AARCH64),
        ("asm/fcntl.h", files.DESCRIPTOR_AARCH64),
        ("linux/mman.h", memory.MAP_AARCH64),
        ("asm/mman.h", memory.PROT_AARCH64),
        ("linux/ptrace.h", process.PTRACE_AARCH64),
    ],
)
def test_values_are_the_headers(header, names):
    ask = "".join(f'@@ "{name}" {name}\n' for name in names.values)
    done = subprocess.run(
        [*GCC, "-E", "-P", "-"],
        input=f"#include <{header}>\n{ask}",
        capture_output=True,
        text=True,
        check=True,
    )
    known = {}
    for name, value in re.findall(r'^@@ "(\w+)" (.+)$', done.stdout, re.MULTILINE):
        text = re.sub(r"\b0([0-7]+)\b", r"0o\1", value)
        if re.fullmatch(r"[0-9a-fA-Fxo\s()|~-]+", text) and re.search("[0-9]", text):
            known[name] = eval(text, {"__builtins__": {}})
    assert len(known) >= min(len(names.values), 3)
    ours = {name: value for name, value in names.values.items() if name in known}
    assert ours == known
    newer = {"MAP_DROPPABLE", "PTRACE_GET_RSEQ_CONFIGURATION"}  # enumerators, or newer than these
    assert set(names.values) - set(known) <= newer | {"O_ASYNC"}  # FASYNC there


def test_rows_are_those_of_x86_64_with_its_numbers():
    """So that a filter, and a reader of events, need not ask which of the two it was."""
    for row in AARCH64_ROWS:
        wide = WIDE[row.name]
        assert (row.classes, row.level, row.ret) == (wide.classes, wide.level, wide.ret), row.name
        ours = [(arg.name, arg.kind, arg.op, arg.at) for arg in row.args]
        theirs = [(arg.name, arg.kind, arg.op, arg.at) for arg in wide.args]
        assert sorted(ours, key=str) == sorted(theirs, key=str), row.name
        assert row.index == {arg.name: at for at, arg in enumerate(row.args)}


def test_arguments_in_another_order():
    differing = {row.name for row in AARCH64_ROWS if list(row.index) != list(WIDE[row.name].index)}
    assert differing == {"clone"}
    assert list(by_name("clone", "aarch64").index) == [
        "clone_flags", "newsp", "parent_tidptr", "tls", "child_tidptr",
    ]  # fmt: skip


def test_no_layout_of_x86_64_is_left():
    replaced = set(_LAYOUTS) - {layout.decode for layout in _LAYOUTS.values()}
    assert not [arg.name for row in AARCH64_ROWS for arg in row.args if arg.decode in replaced]


def test_captures_are_of_a_program_of_64_bits():
    for row in AARCH64_ROWS:
        plan = plan_for(row)
        assert {capture.width for capture in (*plan.enter, *plan.exit)} <= {8}, row.name


STAT = """
#include <asm/stat.h>
extern long write(int, const void *, unsigned long);
int main(void) {
    struct stat s = {0};
    s.st_dev = 0x103, s.st_ino = 7, s.st_mode = 0100644, s.st_nlink = 2, s.st_uid = 10;
    s.st_gid = 20, s.st_size = 1L << 40, s.st_blksize = 4096, s.st_blocks = 9;
    s.st_atime = 1, s.st_atime_nsec = 2, s.st_mtime = 3, s.st_mtime_nsec = 4;
    s.st_ctime = 5, s.st_ctime_nsec = 6;
    write(1, &s, sizeof s);
}
"""


def test_stat_is_as_the_header_lays_it_out(tmp_path):
    """The compiler's rules are the same here and there."""
    source = tmp_path / "stat.c"
    source.write_text(STAT)
    subprocess.run([*GCC, "-o", tmp_path / "stat", source], check=True)
    raw = subprocess.run([tmp_path / "stat"], check=True, capture_output=True).stdout
    row = by_name("fstat", "aarch64")
    assert len(raw) == row.args[1].exit.limit
    words = Words((3, ADDRESS, 0, 0, 0, 0), 0, failed=False, returned=True)
    plan = plan_for(row)
    exit_ = [None] * len(plan.exit)
    exit_[plan.arg_exit[1]] = raw
    shown = decode_args(row, words, (None,) * len(plan.enter), exit_)["statbuf"]
    assert shown == {
        "dev": "1:3",
        "ino": 7,
        "mode": "0100644",
        "nlink": 2,
        "uid": 10,
        "gid": 20,
        "size": 1 << 40,
        "blksize": 4096,
        "blocks": 9,
        "atime": {"sec": 1, "nsec": 2},
        "mtime": {"sec": 3, "nsec": 4},
        "ctime": {"sec": 5, "nsec": 6},
    }


def test_epoll_events_are_not_packed():
    row = by_name("epoll_pwait", "aarch64")
    (capture,) = [arg.exit for arg in row.args if arg.name == "events"]
    assert (capture.c, capture.limit) == (16, 32 * 16)
    assert by_name("epoll_pwait").args[1].exit.c == 12


def test_names_of_numbers_that_are_no_calls():
    assert not set(table("aarch64").by_number) & set(range(244, 260))
