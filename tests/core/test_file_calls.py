"""Every call that touches the file system, made by a real program, and what is told of it."""

import csv
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from build import command
from msgspec import structs
from real import EVERYTHING, Tracing

from tracerd.core.syscalls import CATALOGUE, I386_ROWS
from tracerd.protocol.events import LEVELS, SyscallExit
from tracerd.protocol.filters import compile_filters
from tracerd.protocol.messages import Filter

HERE = Path(__file__).parent
TABLE = HERE / "file_calls.tsv"
"""By label, the entries as `shown` has them; `+` is the directory."""
KNOWN = HERE.parent / "unit" / "core" / "file_syscalls.tsv"
NUMBERS = re.compile(r"(?<=/fd/)\d+|(?<=#)\d+|(?<=^/proc/)\d+")
"""Of descriptors, of files without a name, of processes."""
PROGRAMS = {"x86_64": "file_calls", "i386": "file_calls32"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def rows_of(path):
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def named(path, base):
    return NUMBERS.sub("N", path.replace(base, "+", 1)) or "?"


def shown(access, base):
    """An entry in a few words: what, where, and what else is known of it."""
    words = [access.op, named(access.path, base)]
    if access.real not in (None, access.path):
        words.append(f"-> {named(access.real, base)}")
    if access.fd is not None:
        words.append("fd")
    if access.created is not None:
        words.append({True: "made", False: "not made", "unknown": "made?"}[access.created])
    if access.prot is not None:
        words.append(access.prot)
    words += [mark for mark in ("shared", "deleted", "unresolved") if getattr(access, mark)]
    return " ".join(words)


def labelled(events):
    """The call made after each label, by the label: the next of that task."""
    found, label = {}, {}
    for event in events:
        if not isinstance(event, SyscallExit):
            continue
        if event.syscall == "write" and event.args["fd"] == -1:
            label[event.tid] = event.args["buf"]["text"]
        elif event.tid in label:
            found[label.pop(event.tid)] = event
    return found


@pytest.fixture(scope="module", params=PROGRAMS)
def made(request, tmp_path_factory):
    """The calls of a program by label, and the directory it worked in."""
    work = tmp_path_factory.mktemp("work")
    running = Tracing()
    try:
        running.interest()
        assert running.run(*command(PROGRAMS[request.param], work)) == 0
    finally:
        running.stop()
    assert running.tracer.statistics.anomalies == 0
    calls = labelled(running.events)
    assert {call.abi for call in calls.values()} == {request.param}
    return calls, str(work)


def test_what_each_call_does_to_files(made):
    calls, work = made
    said = {
        label: "; ".join(shown(access, work) for access in call.files)
        for label, call in calls.items()
    }
    expected = {row["label"]: row["files"] for row in rows_of(TABLE)}
    assert said == {label: expected[label] for label in said}


def test_every_call_that_is_known_was_made(made):
    """The two programs make what there is for both; what they differ in, by number only."""
    calls, _ = made
    abi = next(iter(calls.values())).abi
    seen = {call.syscall for call in calls.values()}
    if abi == "x86_64":
        wanted = {row["name"] for row in rows_of(KNOWN) if row["level"] != "proc"}
    else:
        wanted = {row.name for row in I386_ROWS if row.level}
    assert wanted - seen == set()


def test_each_is_in_mounts_that_are_not_ours(made):
    calls, _ = made
    ours = os.stat("/proc/self/ns/mnt").st_ino
    [theirs] = {access.mntns for call in calls.values() for access in call.files}
    assert theirs not in (None, ours)


LEVELS_OF = {
    "open": "path", "newfstatat": "path", "newfstatat itself": "fd", "statx null": "fd",
    "fchownat itself": "fd", "fchmodat2": "fd", "fstat": "fd", "fchdir": "path",
    "linkat publishes": "path", "execveat itself": "path", "inotify_add_watch": "path",
    "read": "io", "mmap read": "io", "io_submit": "io", "close": "io", "bpf pin": "fd",
    "landlock_add_rule": "fd", "readlinkat itself": "path", "name_to_handle_at itself": "fd",
}  # fmt: skip


def test_from_which_level_on_each_counts(made):
    calls, work = made
    subject = SimpleNamespace(pid=0, start=0, uids=(0,) * 4, exe="", lineage=frozenset())
    found = {}
    for level in reversed(LEVELS):
        wanted = compile_filters([Filter(path=[f"{work}/"])], CATALOGUE, level=level)
        for label, call in calls.items():
            if wanted.matches(call, subject):
                found[label] = level
    assert {label: found[label] for label in LEVELS_OF if label in calls} == {
        label: level for label, level in LEVELS_OF.items() if label in calls
    }


def test_a_link_of_proc_matters_to_who_wants_where_it_leads(tracing, tmp_path):
    """The pump leaves out what names no path below that; this one does, in a way."""
    (tmp_path / "f").write_text("text")
    everything = structs.replace(EVERYTHING, paths=frozenset({f"{tmp_path}/"}))
    tracing.interest(everything)
    script = f"exec 7<{tmp_path}/f; test -s /proc/self/fd/7; test -s /dev/fd/7; test -s /etc/passwd"
    assert tracing.run("sh", "-c", script) == 0
    asked = [e for e in tracing.of(SyscallExit) if e.syscall == "newfstatat"]
    found = [(a.path, a.real) for e in asked for a in e.files if a.raw]
    assert ("/proc/self/fd/7", f"{tmp_path}/f") in found
    assert ("/dev/fd/7", f"{tmp_path}/f") in found
    assert "/etc/passwd" not in {path for path, _ in found}
