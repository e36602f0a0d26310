"""The table: against the published names of arguments and the list of file calls."""

import csv
from pathlib import Path

from tracerd.core.file_ops import DECIDED
from tracerd.core.syscalls import CATALOGUE, CLASSES, I386_ROWS, ROWS, TABLE, by_name
from tracerd.core.syscalls.kinds import KINDS
from tracerd.core.syscalls.model import How
from tracerd.protocol.events import LEVELS, OPS

HERE = Path(__file__).parent


def rows_of(name):
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_no_number_is_left_out():
    gap = range(337, 424)
    assert sorted(TABLE) == [nr for nr in range(472) if nr not in gap]


def test_names_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS) == len(TABLE)
    assert all(by_name(row.name) is row for row in ROWS)


def test_argument_names_are_those_published():
    """From the kernel's own trace events (6.18); a name once published stays."""
    expected = {row["name"]: row["arguments"] for row in rows_of("syscall_arguments.tsv")}
    assert {row.name: " ".join(arg.name for arg in row.args) for row in ROWS} == expected


FILE_CALLS = rows_of("file_syscalls.tsv")


def test_file_calls():
    ours = {row["name"]: by_name(row["name"]) for row in FILE_CALLS}
    assert {n: row.nr for n, row in ours.items()} == {
        row["name"]: int(row["x86_64"]) for row in FILE_CALLS
    }
    # Making processes is no file access, though it matters to those who follow files.
    assert {n: row.level or "proc" for n, row in ours.items()} == {
        row["name"]: row["level"] for row in FILE_CALLS
    }


def test_no_other_call_counts_as_file_access():
    assert {row.name for row in ROWS if row.level} <= {row["name"] for row in FILE_CALLS}


OPS_OF = {
    "open": {"open"},
    "create,write,truncate": {"open"},
    "create": {"create"},
    "delete": {"delete"},
    "rename": {"rename-from", "rename-to"},
    "link": {"link"},
    "truncate,write": {"truncate"},
    "write": {"write"},
    "attr": {"attr"},
    "stat": {"stat"},
    "list": {"list"},
    "cwd": {"chdir"},
    "mount": {"mount"},
    "exec": {"exec"},
    "exec,map": {"exec"},
    "map": {"map"},
    "watch": {"watch"},
    "read": {"read"},
    "read(0),write(1)": {"read", "write"},
    "read(0),write(2)": {"read", "write"},
    "write(0),read(1)": {"read", "write"},
    "socket": {"connect"},
    "sync": {"sync"},
    "lock": {"lock"},
    "close": {"close"},
    "socket,create": {"bind"},
}
"""What the list calls a class of calls, in the words of events.OPS."""

BY_HAND = {
    "open_by_handle_at": set(),  # the name is known only by the descriptor returned
    "memfd_create": set(),
    "memfd_secret": set(),
    "readlink": {"readlink"},
    "readlinkat": {"readlink"},
    "getcwd": {"stat"},
    "fallocate": {"write"},
    "readahead": {"read"},
    "chroot": {"chdir"},
    "pivot_root": {"mount"},
    "fsconfig": set(),
    "fsopen": set(),
    "fsmount": set(),
    "msync": set(),
    "landlock_add_rule": set(),
    "recvmsg": {"receive"},
    "recvmmsg": {"receive"},
    # A command decides.
    "fcntl": {"fcntl"},
    "ioctl": {"ioctl"},
    "close_range": set(),
    # What their new number referred to is closed.
    "dup2": {"close"},
    "dup3": {"close"},
}


def test_operations_are_those_of_the_list():
    for row in FILE_CALLS:
        ops = {arg.op for arg in by_name(row["name"]).args if arg.op}
        assert ops == BY_HAND.get(row["name"], OPS_OF.get(row["class"], set())), row


def test_rows_are_consistent():
    for row in ROWS:
        check_row(row)


def check_row(row):
    assert len(row.args) <= 6
    assert row.index == {arg.name: at for at, arg in enumerate(row.args)}
    assert len(row.index) == len(row.args)
    assert row.level in {"", *LEVELS}
    assert row.known
    assert row.returns == (row.name not in {"exit", "exit_group"})
    for arg in row.args:
        assert arg.op in {"", "open", *DECIDED, *OPS}
        if arg.kind == "path":
            assert arg.op
            assert row.level == "path"
            assert arg.enter is not None
            assert arg.enter.how is How.CSTRING
        if arg.at:
            assert row.args[row.index[arg.at]].kind == "dirfd"
        for capture in (arg.enter, arg.exit):
            if capture is not None:
                assert row.args[capture.a] is arg
                assert capture.limit > 0


def test_every_kind_is_explained():
    rows = (*ROWS, *I386_ROWS)
    kinds = {arg.kind for row in rows for arg in row.args} | {row.ret for row in rows}
    assert kinds == set(KINDS)


def test_limits_that_a_pump_replaces_are_those_of_contents():
    """See vocabulary.BUFFER_LIMIT."""
    replaced = {How.BYTES_LEN, How.BYTES_RET, How.IOVEC, How.MSGHDR, How.MMSGHDR}
    kinds = {
        arg.kind
        for row in ROWS
        for arg in row.args
        for capture in (arg.enter, arg.exit)
        if capture is not None and capture.how in replaced
    }
    assert kinds == {"buffer", "iovec", "msghdr", "mmsghdr", "msgbuf"}


def test_catalogue():
    assert CATALOGUE.names == {row.name for row in (*ROWS, *I386_ROWS)}
    assert CATALOGUE.classes is CLASSES
    assert list(CATALOGUE.files) == list(LEVELS)
    assert CATALOGUE.files["path"] < CATALOGUE.files["fd"] < CATALOGUE.files["io"]
    assert "openat" in CATALOGUE.files["path"]
    assert "fstat" in CATALOGUE.files["fd"] - CATALOGUE.files["path"]
    assert "read" in CATALOGUE.files["io"] - CATALOGUE.files["fd"]
    assert CATALOGUE.select("%file") == CLASSES["file"]
