"""The files report: what is counted, what stands apart, and how it is shown."""

import json
import re

import msgspec
import pytest

from tracerd.ctl.files import live
from tracerd.ctl.files.accesses import Name, accesses
from tracerd.ctl.files.document import document
from tracerd.ctl.files.report import Failure, Rename, Report
from tracerd.ctl.files.table import table, who
from tracerd.ctl.text.ink import PLAIN, Ink
from tracerd.protocol import events
from tracerd.protocol.events import FileAccess, SyscallExit

HEAD = {"seq": 1, "time_ns": 5, "pid": 10, "tid": 11, "comm": "cat"}
LOST = events.Lost(seq=9, time_ns=0, pid=0, tid=0, count=3, first=4, last=8)


def call(*entries, syscall="openat", **fields):
    return SyscallExit(**{**HEAD, "syscall": syscall, "nr": 0, "files": list(entries)} | fields)


def access(path, op="read", **fields):
    return FileAccess(path=path, op=op, **fields)


def report_of(*seen):
    report = Report()
    for event in seen:
        report.add(event)
    return report


def shown(report):
    return list(table(report, PLAIN))


def test_repeated_calls_are_all_counted():
    """whatfiles swallows a call equal to the one before."""
    report = report_of(*[call(access("/a"))] * 6, call(access("/a", "stat"), syscall="stat"))

    assert shown(report) == [
        "FILES (1)",
        "/a  read 6, stat 1  cat[10]",
        "",
        "complete: yes (0 lost, 0 blind, 0 unresolved)",
    ]


def test_failures_are_no_uses():
    report = report_of(
        call(access("/none"), errno="ENOENT"),
        call(access("/none", "stat"), errno="ENOENT"),
        call(access("/secret"), errno="EACCES"),
        call(access("/there")),
    )

    assert list(report.files) == [Name("/there")]
    assert report.failures[Failure(Name("/none"), "ENOENT")].ops == {"read": 1, "stat": 1}
    assert shown(report)[3:6] == [
        "FAILED (2)",
        "/none    ENOENT: read 1, stat 1  cat[10]",
        "/secret  EACCES: read 1          cat[10]",
    ]


def test_one_call_can_do_several_things():
    entries = [access("/new", op) for op in ("create", "read", "write", "truncate")]

    assert report_of(call(*entries)).files[Name("/new")].ops == {
        "create": 1,
        "read": 1,
        "write": 1,
        "truncate": 1,
    }


def test_a_rename_is_one_thing_with_two_names():
    report = report_of(
        call(access("/tmp/x", "rename-from"), access("/etc/y", "rename-to"), syscall="rename")
    )

    assert not report.files
    assert list(report.renames) == [Rename(Name("/tmp/x"), Name("/etc/y"))]
    assert shown(report)[:2] == ["RENAMES (1)", "/tmp/x -> /etc/y  rename 1  cat[10]"]


def test_an_exchange_is_two_renames():
    entries = [
        access("/a", "rename-from"),
        access("/b", "rename-to"),
        access("/b", "rename-from"),
        access("/a", "rename-to"),
    ]

    assert [(r.old.shown, r.new.shown) for r in report_of(call(*entries)).renames] == [
        ("/a", "/b"),
        ("/b", "/a"),
    ]


def test_a_failed_rename_renames_nothing():
    entries = [access("/a", "rename-from"), access("/b", "rename-to")]

    report = report_of(call(*entries, errno="EXDEV"))

    assert not report.renames
    assert [(f.name.shown, f.errno) for f in report.failures] == [("/a", "EXDEV")]


def test_an_exec_is_counted_once():
    """execve gives an exec event and, when it has returned, a syscall_exit."""
    report = report_of(
        events.Exec(**HEAD, path="/bin/ls", argv=["ls"]),
        call(
            access("/bin/ls", "exec"), access("/lib/ld.so", "exec", implied=True), syscall="execve"
        ),
        call(access("/bin/none", "exec"), syscall="execve", errno="ENOENT"),
    )

    assert {name.shown: dict(tally.ops) for name, tally in report.files.items()} == {
        "/bin/ls": {"exec": 1},
        "/lib/ld.so": {"exec": 1},
    }
    assert len(report.failures) == 1
    assert "/lib/ld.so (by the kernel)  exec 1" in "\n".join(shown(report))


def test_a_file_used_by_the_kernel_and_by_the_program_is_not_marked():
    entry = access("/lib/ld.so", "exec", implied=True)

    report = report_of(call(entry), call(access("/lib/ld.so")))

    assert "/lib/ld.so  read 1, exec 1" in "\n".join(shown(report))


def test_a_call_to_be_restarted_counts_when_it_is():
    restarted = call(access("/fifo"), errno="ERESTARTSYS", restart=True)

    report = report_of(restarted, call(access("/fifo")))

    assert report.files[Name("/fifo")].count == 1
    assert not report.failures


def test_a_call_that_never_returned_is_no_use():
    report = report_of(call(access("/fifo"), unfinished=True))

    assert [failure.errno for failure in report.failures] == ["unfinished"]


def test_processes_are_merged_by_name():
    calls = [
        call(access("/a"), comm=comm, pid=pid)
        for comm, pid in [("cc", 1), ("cc", 2), ("cc", 1), ("as", 3), ("cc", 4), ("cc", 5)]
    ]

    assert shown(report_of(*calls))[1] == "/a  read 6  cc[1,2,4,+1], as[3]"


def test_many_programs_are_told_by_number():
    assert who({name: {1} for name in "abcdef"}) == "a[1], b[1], c[1], d[1], +2 others"


def test_names_of_programs_are_hostile_too():
    assert who({"a[1], b\n": {2}}) == r"a\1331\135\54 b\n[2]"


def test_bytes_decide_which_file_it_is():
    """A byte that is not UTF-8 looks like a name spelt with a backslash."""
    odd = access("/\\xff", path_b64="L/8=")

    report = report_of(call(odd), call(access("/\\xff")))

    assert list(report.files) == [Name("/\\xff", "L/8="), Name("/\\xff")]


@pytest.mark.parametrize(
    ("one", "other"),
    [("/tmp", "/tmp/."), ("/a/b", "/a//./b"), ("/", "/."), ("/a/", "/a//"), ("/.a/..", "/.a/./..")],
)
def test_spellings_that_differ_in_nothing(one, other):
    report = report_of(call(access(one)), call(access(other)))

    assert {name.shown: tally.count for name, tally in report.files.items()} == {one: 2}


def test_dots_that_matter_stay():
    report = report_of(call(access("/a/../b")), call(access("/b")), call(access("...")))

    assert [name.shown for name in report.files] == ["/a/../b", "/b", "..."]


def test_where_a_link_leads():
    report = report_of(call(access("/etc/x", real="/run/x")), call(access("/run/x", "stat")))

    assert shown(report)[1:3] == [
        "/etc/x -> /run/x  read 1  cat[10]",
        "/run/x            stat 1  cat[10]",
    ]


def test_a_newline_in_a_name_forges_no_line():
    """whatfiles prints it as it is: one file more in the record."""
    forged = "/x\n/etc/shadow  read 1  cat[10]"
    event = call(access(forged), access("/a", "rename-from"), access(forged, "rename-to"))

    for lines in (
        shown(report_of(event)),
        list(live.lines(event, PLAIN)),
        list(live.whatfiles(event)),
    ):
        assert any("shadow" in line for line in lines)
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("/etc/shadow") for line in lines)
    assert all(json.loads(msgspec.json.encode(record)) for record in live.records(event))


def test_spaces_in_a_name_forge_no_columns():
    assert '"/x  read 5  init[1]"  read 1  cat[10]' in "\n".join(
        shown(report_of(call(access("/x  read 5  init[1]"))))
    )


@pytest.mark.parametrize(
    ("event", "verdict"),
    [
        (LOST, "complete: no (3 lost, 0 blind, 0 unresolved)"),
        (
            events.Blind(**HEAD, what="io_uring", detail="setup"),
            "complete: no (0 lost, 1 blind, 0 unresolved); io_uring in cat[10]",
        ),
        (
            call(access("x", unresolved=True)),
            "complete: no (0 lost, 0 blind, 1 unresolved)",
        ),
        (call(access("/x", truncated=True)), "complete: no (0 lost, 0 blind, 1 unresolved)"),
    ],
)
def test_what_was_missed_is_told(event, verdict):
    assert shown(report_of(event))[-1] == verdict


def test_unresolved_files_are_marked():
    assert shown(report_of(call(access("x", unresolved=True))))[1].startswith("x (unresolved)  ")


def test_an_interrupted_report_is_not_complete():
    report = Report(interrupted="the daemon has gone")

    assert shown(report) == [
        "complete: no (0 lost, 0 blind, 0 unresolved); the daemon has gone",
    ]


def test_long_paths_do_not_push_all_columns():
    report = report_of(call(access("/a")), call(access("/" + "b" * 200)))

    short = next(line for line in shown(report) if line.startswith("/a"))
    assert len(short) < 100


def test_colours_change_no_letter():
    report = report_of(call(access("/a")), call(access("/b"), errno="EIO"), LOST)

    coloured = list(table(report, Ink(coloured=True)))

    assert [re.sub("\x1b\\[[0-9;]*m", "", line) for line in coloured] == shown(report)
    assert any("\x1b" in line for line in coloured)


def test_the_document():
    made = document(
        report_of(
            call(access("/l", real="/r")),
            call(access("/\\xff", path_b64="L/8=")),
            call(access("/a", "rename-from"), access("/b", "rename-to")),
            call(access("/no", "stat"), errno="ENOENT"),
            events.Blind(**HEAD, what="io_uring"),
        ),
        command=["cat"],
        exit=0,
    )

    by = {"count": 1, "processes": [{"comm": "cat", "pids": [10]}]}
    assert made == {
        "type": "files",
        "command": ["cat"],
        "exit": 0,
        "files": [
            {"path": "/l", "ops": {"read": 1}, **by, "real": ["/r"]},
            {"path": "/\\xff", "path_b64": "L/8=", "ops": {"read": 1}, **by},
        ],
        "renames": [{"from": "/a", "to": "/b", "ops": {"rename": 1}, **by}],
        "failed": [{"path": "/no", "errno": "ENOENT", "ops": {"stat": 1}, **by}],
        "complete": False,
        "lost": 0,
        "blind": [{"pid": 10, "comm": "cat", "what": "io_uring", "detail": ""}],
        "unresolved": 0,
        "interrupted": "",
    }


def test_live_lines():
    seen = [
        call(access("/a"), access("/a", "write")),
        call(access("/a", "rename-from"), access("/b", "rename-to")),
        call(access("/no"), errno="ENOENT"),
        events.Exec(**HEAD, path="/bin/ls"),
        events.Blind(**HEAD, what="io_uring"),
        LOST,
        events.Exit(**HEAD, code=0),
    ]

    assert [line for event in seen for line in live.lines(event, PLAIN)] == [
        "cat[10]              read      /a",
        "cat[10]              write     /a",
        "cat[10]              rename    /a -> /b",
        "cat[10]              read      /no  ENOENT (No such file or directory)",
        "cat[10]              exec      /bin/ls",
        "cat[10]              blind io_uring",
        "+++ lost 3 events +++",
    ]


def test_live_records():
    renamed = call(
        access("/a", "rename-from", path_b64="x"), access("/b", "rename-to"), syscall="rename"
    )

    assert list(live.records(renamed)) == [
        {
            "type": "file",
            "time_ns": 5,
            "pid": 10,
            "tid": 11,
            "comm": "cat",
            "syscall": "rename",
            "op": "rename",
            "path": "/a",
            "path_b64": "x",
            "to": "/b",
        }
    ]


@pytest.mark.parametrize(
    ("entries", "syscall", "mode"),
    [
        ([access("/a")], "openat", " read"),
        ([access("/a", "write"), access("/a", "truncate")], "openat", "write"),
        ([access("/a"), access("/a", "write")], "open", "rd/wr"),
        ([access("/a", "create"), access("/a", "write")], "creat", "create"),
        ([access("/a", "delete")], "unlink", "delete"),
        ([access("/a", "stat")], "stat", " stat"),
    ],
)
def test_whatfiles_lines(entries, syscall, mode):
    assert list(live.whatfiles(call(*entries, syscall=syscall))) == [
        f"mode: {mode}, file: /a, syscall: {syscall}(), PID: 10, process: cat"
    ]


def test_whatfiles_lines_leave_failures_out():
    """It shows a failed open as a read."""
    assert list(live.whatfiles(call(access("/a"), errno="ENOENT"))) == []


def test_live_and_report_agree():
    seen = [
        call(access("/a"), access("/b", "create")),
        call(access("/a", "rename-from"), access("/b", "rename-to")),
        call(access("/a"), errno="EIO"),
        call(access("/a"), restart=True),
    ]
    report = report_of(*seen)

    counted = [*report.files.values(), *report.renames.values(), *report.failures.values()]
    assert sum(tally.count for tally in counted) == sum(
        len(list(accesses(event))) for event in seen
    )


# ---- Files that are written under one name and then given another ----


def made(path, **fields):
    return call(
        access(path, "create", created=True, **fields),
        access(path, "write", created=True, **fields),
    )


def renamed(old, new, *more):
    entries = [access(old, "rename-from"), access(new, "rename-to")]
    return call(*entries, *more, syscall="renameat2")


def test_a_file_that_is_made_and_then_renamed_is_one():
    report = report_of(made("/d/.new"), call(access("/d/.new", "attr")), renamed("/d/.new", "/d/f"))

    assert not report.renames
    assert list(report.files) == [Name("/d/f")]
    assert report.files[Name("/d/f")].ops == {"create": 1, "write": 1, "attr": 1, "rename": 1}
    assert shown(report)[1].startswith("/d/f (by way of /d/.new)  ")
    [entry] = document(report)["files"]
    assert entry["via"] == ["/d/.new"]


def test_by_several_names_and_onto_what_was_written_before():
    report = report_of(
        call(access("/c", "read")), made("/a"), renamed("/a", "/b"), renamed("/b", "/c")
    )

    assert list(report.files) == [Name("/c")]
    assert report.files[Name("/c")].via == {"/a", "/b"}
    assert report.files[Name("/c")].ops == {"read": 1, "create": 1, "write": 1, "rename": 2}


def test_what_was_there_before_is_renamed():
    report = report_of(
        call(access("/a", "write", created=False)), renamed("/a", "/b"),
        made("/x"), call(access("/x", "delete"), syscall="unlink"), renamed("/x", "/y"),
    )  # fmt: skip

    assert [(one.old.shown, one.new.shown) for one in report.renames] == [
        ("/a", "/b"), ("/x", "/y"),
    ]  # fmt: skip


def test_a_file_that_is_made_and_then_exchanged_is_not_one():
    exchange = renamed("/a", "/b", access("/b", "rename-from"), access("/a", "rename-to"))
    report = report_of(made("/a"), exchange)

    assert [(one.old.shown, one.new.shown) for one in report.renames] == [
        ("/a", "/b"), ("/b", "/a"),
    ]  # fmt: skip
    assert list(report.files) == [Name("/a")]


def test_a_file_without_a_name_that_is_given_one():
    nameless = {"real": "/d/#7", "deleted": True, "dev": "0:1", "ino": 7}
    report = report_of(
        made("/d", **nameless),
        call(
            access("/d/#7", "link", deleted=True, fd=3, raw=""),
            access("/d/f", "link", created=True),
            syscall="linkat",
        ),
    )

    assert list(report.files) == [Name("/d/f")]
    assert report.files[Name("/d/f")].ops == {"create": 1, "write": 1, "link": 1}


def test_blindness_is_told_once_for_a_process():
    blind = events.Blind(**HEAD, what="io_uring")
    report = report_of(blind, blind, events.Blind(**{**HEAD, "pid": 99}, what="io_uring"))

    assert [event.pid for event in report.blind] == [10, 99]


@pytest.mark.parametrize(("errno", "counted"), [("EBADF", 0), ("EFAULT", 0), ("ENOENT", 1)])
def test_a_path_that_leads_nowhere_leaves_nothing_out(errno, counted):
    assert report_of(call(access("x", unresolved=True), errno=errno)).unresolved == counted
