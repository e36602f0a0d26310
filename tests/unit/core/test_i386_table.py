"""The table of i386: against the kernel's headers and x86-64's, and what filters make of it."""

import pytest

from tracerd.core.actions import Actions
from tracerd.core.syscalls import (
    CATALOGUE,
    I386_ROWS,
    LISTED,
    ROWS,
    by_name,
    plan_for,
)
from tracerd.core.syscalls.model import How
from tracerd.core.syscalls.narrow import LONG_TIMES, SHORT_TIMES
from tracerd.protocol.filters import Interest, compile_filters
from tracerd.protocol.messages import Filter

WIDE = {row.name: row for row in ROWS}
ONLY_HERE = [row for row in I386_ROWS if row.name not in WIDE]
ALL = [each for row in I386_ROWS for each in (row, *row.parts.values())]
I386_ARCH, X86_64_ARCH = 0x40000003, 0xC000003E


def test_rows_are_consistent():
    for row in ALL:
        assert (row.abi, row.known) == ("i386", True)
        assert row.index == {arg.name: at for at, arg in enumerate(row.args)}
        assert len(row.index) == len(row.args) <= 7
        assert row.returns == (row.name not in {"exit", "exit_group"})
        for arg in row.args:
            if arg.at:
                assert row.args[row.index[arg.at]].kind == "dirfd"
            for capture in (arg.enter, arg.exit):
                if capture is not None:
                    assert row.args[capture.a] is arg
                    assert capture.limit > 0


def test_all_captures_are_of_a_program_of_32_bits():
    for row in ALL:
        plan = plan_for(row)
        assert {capture.width for capture in (*plan.enter, *plan.exit)} <= {4}, row.name


def test_captures_of_x86_64_are_not():
    for row in ROWS:
        plan = plan_for(row)
        assert {capture.width for capture in (*plan.enter, *plan.exit)} <= {8}, row.name
        assert plan.part < 0 or row.name == "keyctl"


def test_calls_that_both_have_are_told_alike():
    """So that a filter, and a reader of events, need not ask which of the two it was."""
    for row in I386_ROWS:
        wide = WIDE.get(row.name)
        if wide is None:
            continue
        assert (row.classes, row.level, row.ret) == (wide.classes, wide.level, wide.ret), row.name
        told = row.parts.get(0, row) if row.memory == 0 else row
        shown = [(arg.name, arg.kind, arg.op, arg.at) for arg in told.args if arg.kind != "none"]
        other = [(arg.name, arg.kind, arg.op, arg.at) for arg in wide.args]
        assert sorted(shown, key=str) == sorted(other, key=str), row.name


def test_no_layout_of_64_bits_is_left():
    wide = (set(SHORT_TIMES) | set(LONG_TIMES)) - {
        layout.decode for layout in (*SHORT_TIMES.values(), *LONG_TIMES.values())
    }
    assert not [(row.name, arg.name) for row in ALL for arg in row.args if arg.decode in wide]


ALIKE = {
    "cachestat", "cachestat_range", "cap_data", "cap_header", "clone_args", "futex_waiters", "iocb",
    "iocbs", "io_events", "lsm_context", "lsm_ids", "nodes", "perf_attr", "policy", "resident",
    "segment", "sembufs", "statmount", "timezone", "value_result", "cpus", "dirents", "epoll_event",
    "epoll_events", "fd_set", "fds", "file_attr", "file_handle", "ids", "ints",
    "io_uring_params", "landlock_ruleset", "mnt_id_req", "mount_attr", "ns_id_req", "offs",
    "open_how", "option", "pollfds", "sched_attr", "sigset", "statx", "utsname", "wstatus",
    "xattr_args", "rlimit", "sockaddr", "any",
}  # fmt: skip
"""Kinds of structure without a long, a time or a pointer in them, and those whose rows say what
they are here.  A kind that is new has to be looked at before it is put here."""
NARROWED = {
    "addresses", "groups", "kexec_segments", "msgbuf", "ranges", "signal_stack", "sysinfo", "timex",
    "tms", "ustat", "file_times", "itimerspec", "itimerval", "mq_attr", "rusage", "sigaction",
    "sigevent", "siginfo", "stat", "statfs", "timespec", "timeval", "timevals", "utimbuf",
}  # fmt: skip
TEXT = {"path", "string", "strings", "buffer", "iovec", "msghdr", "mmsghdr"}


def test_every_structure_was_looked_at():
    captured = {arg.kind for row in ALL for arg in row.args if arg.enter or arg.exit}
    assert captured == ALIKE | NARROWED | TEXT


SIZES = {
    ("stat", "statbuf"): 64,
    ("stat64", "statbuf"): 96,
    ("oldstat", "statbuf"): 32,
    ("statfs", "buf"): 64,
    ("statfs64", "buf"): 84,
    ("statx", "buffer"): 256,
    ("nanosleep", "rqtp"): 8,
    ("clock_gettime", "tp"): 8,
    ("clock_gettime64", "tp"): 16,
    ("epoll_pwait2", "timeout"): 16,
    ("futex_wait", "timeout"): 16,
    ("recvmmsg", "timeout"): 8,
    ("recvmmsg_time64", "timeout"): 16,
    ("gettimeofday", "tv"): 8,
    ("utimensat", "utimes"): 16,
    ("utimensat_time64", "utimes"): 32,
    ("utime", "times"): 8,
    ("getrlimit", "rlim"): 8,
    ("prlimit64", "new_rlim"): 16,
    ("wait4", "ru"): 72,
    ("waitid", "infop"): 128,
    ("rt_sigaction", "act"): 20,
    ("sigaction", "act"): 16,
    ("rt_sigprocmask", "nset"): 8,
    ("sigprocmask", "nset"): 4,
    ("sendfile", "offset"): 4,
    ("sendfile64", "offset"): 8,
    ("splice", "off_in"): 8,
    ("mq_open", "u_attr"): 32,
    ("timer_create", "timer_event_spec"): 16,
    ("getresuid", "ruidp"): 2,
    ("getresuid32", "ruidp"): 4,
}


@pytest.mark.parametrize(("call", "size"), SIZES.items(), ids=str)
def test_sizes_of_structures(call, size):
    name, arg = call
    row = by_name(name, "i386")
    found = row.args[row.index[arg]]
    assert (found.enter or found.exit).limit == size


def test_halves_of_64_bits_are_told_once():
    halves = {row.name for row in ALL if any(arg.name.endswith("_high") for arg in row.args)}
    assert halves == {
        "_llseek", "fadvise64", "fadvise64_64", "fallocate", "fanotify_mark", "ftruncate64",
        "lookup_dcookie", "pread64", "pwrite64", "readahead", "sync_file_range", "truncate64",
    }  # fmt: skip


def test_calls_that_stand_for_others():
    parted = {row.name: (len(row.parts), row.memory) for row in I386_ROWS if row.parts}
    assert parted == {
        "select": (1, 0),
        "mmap": (1, 0),
        "socketcall": (20, 1),
        "ipc": (12, -1),
        "keyctl": (26, -1),
    }
    socketcall = by_name("socketcall", "i386")
    counts = [len(socketcall.parts[n].args) - 1 for n in range(1, 21)]
    assert counts == [3, 3, 3, 2, 3, 3, 3, 4, 4, 4, 6, 6, 2, 5, 5, 3, 3, 4, 5, 4]  # the kernel's
    capture = plan_for(socketcall).enter[0]
    assert (capture.how, capture.a, capture.b) == (How.PART, 0, 1)
    assert {which: count for which, (count, _) in capture.parts.items()} == dict(
        zip(range(1, 21), counts, strict=True)
    )


# --- levels, operations of what only i386 has ---------------------------------------

LEVELS_HERE = {
    "chown32": ("path", {"attr"}),
    "fadvise64_64": ("io", set()),
    "fchown32": ("fd", {"attr"}),
    "fcntl64": ("io", {"fcntl"}),
    "fstat64": ("fd", {"stat"}),
    "fstatat64": ("path", {"stat"}),
    "fstatfs64": ("fd", {"stat"}),
    "ftruncate64": ("io", {"truncate"}),
    "lchown32": ("path", {"attr"}),
    "lstat64": ("path", {"stat"}),
    "mmap2": ("io", {"map"}),
    "oldfstat": ("fd", {"stat"}),
    "oldlstat": ("path", {"stat"}),
    "oldstat": ("path", {"stat"}),
    "readdir": ("fd", {"list"}),
    "recvmmsg_time64": ("io", {"receive"}),
    "sendfile64": ("io", {"read", "write"}),
    "socketcall": ("path", {"bind", "connect", "receive"}),
    "stat64": ("path", {"stat"}),
    "statfs64": ("path", {"stat"}),
    "truncate64": ("path", {"truncate"}),
    "umount": ("path", {"mount"}),
    "utimensat_time64": ("path", {"attr"}),
}


def test_file_calls():
    found = {
        row.name: (
            row.level,
            {arg.op for each in (row, *row.parts.values()) for arg in each.args if arg.op},
        )
        for row in ONLY_HERE
        if row.level
    }
    assert found == LEVELS_HERE


def test_old_links_are_not_followed():
    for name in ("oldlstat", "lstat64", "lchown32", "lchown"):
        (path,) = [arg for arg in by_name(name, "i386").args if arg.kind == "path"]
        assert path.nofollow


# --- filters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stat64", "open", "socketcall", "_llseek", "%file", "stat*"])
def test_filters_take_names_of_i386(name):
    chosen = CATALOGUE.select(name)
    assert chosen
    compiled = compile_filters([Filter(syscall=[name])], CATALOGUE)
    assert compiled.exit == chosen


def test_classes_and_wildcards_mean_both():
    assert CATALOGUE.select("%file") >= {"stat", "stat64", "open", "umount"}
    assert CATALOGUE.select("%stat") == {"stat", "stat64", "oldstat"}
    assert CATALOGUE.select("truncate*") == {"truncate", "truncate64"}


def actions(*names):
    return Actions([Interest(types=frozenset({"syscall_exit"}), exit=frozenset(names))])


def test_an_interest_finds_calls_of_both_by_name():
    found = actions("openat", "stat64")
    assert found.find(X86_64_ARCH, 257).syscall is by_name("openat")
    assert found.find(I386_ARCH, 295).syscall is by_name("openat", "i386")
    assert found.find(I386_ARCH, 195).syscall is by_name("stat64", "i386")
    assert found.find(I386_ARCH, 257) is None  # remap_file_pages here
    assert not found.find(I386_ARCH, 251).tell_exit  # no call


def test_calls_that_no_table_knows_are_always_seen():
    riscv, s390 = 0xC00000F3, 0x80000016
    for arch in (riscv, s390):
        action = actions("openat").find(arch, 56)
        assert not action.syscall.known
        assert not action.tell_exit


def test_the_string_limit_reaches_what_a_call_stands_for():
    interest = Interest(types=frozenset({"syscall_exit"}), exit=None, string_limit=1000)
    (capture,) = Actions([interest]).find(I386_ARCH, 102).enter
    _, sendto = capture.parts[11]
    assert {each.limit for each in sendto if each.how is How.BYTES_LEN} == {1000}
    assert {each.limit for each in sendto if each.how is How.SOCKADDR} == {128}


def test_every_name_is_listed_once():
    assert LISTED[: len(ROWS)] == ROWS
    assert len({row.name for row in LISTED}) == len(LISTED)
    assert {row.name for row in LISTED} == CATALOGUE.names
