"""Births: every way to make a task, and every order in which a birth can be told."""

import os
import signal
from contextlib import contextmanager

import pytest
from beside import same
from lives import ENDS, kept, untold
from real import DEADLINE, LIFECYCLE, command, until

from tracerd.core import kernel, procfs
from tracerd.core.commands import Snapshot
from tracerd.core.pump import Stop
from tracerd.core.wait_status import MAKERS, classify
from tracerd.protocol.events import Blind, Exit, NewChild, SignalExit, SyscallExit

MADE_BY = {"fork", "vfork", "clone", "clone3"}


@pytest.fixture
def stops(tracing, monkeypatch):
    """Put functions appended to this list between the pump and the tracer: records to records."""
    between = []
    pump = tracing.tracer._scene.pump
    wait = pump.wait

    def waited():
        records = wait()
        for change in between:
            records = change(records)
        return records

    monkeypatch.setattr(pump, "wait", waited)
    return between


@contextmanager
def started(tracing, *argv, output="/dev/null"):
    """Trace a program that is killed if the test fails; gives its pid and owner."""
    launcher, pid, owner = tracing.start(*argv, output=str(output))
    try:
        yield pid, owner
        tracing.wait_for(lambda: tracing.ended(owner))
        assert launcher.wait(DEADLINE) == 0
    finally:
        if launcher.poll() is None:
            os.kill(pid, signal.SIGKILL)
            launcher.wait(DEADLINE)


def _makes(record):
    return isinstance(record, Stop) and classify(record.status).kind in MAKERS


def _first_stop(child, when_ns):
    """Wait for what a task does that has been made, or killed, just now."""
    return Stop(child, os.waitpid(child, kernel.WAIT_FLAGS)[1], when_ns)


def _dead(tid):
    """Kill a tracee and wait until its status is there, without taking it."""
    os.kill(tid, signal.SIGKILL)
    os.waitid(os.P_PID, tid, os.WEXITED | os.WNOWAIT)


@pytest.mark.ptrace_case(19, 22, 25)
@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("fork", "fork"),
        ("raw-vfork", "vfork"),
        ("spawn", "vfork"),
        ("clone", "fork"),
        ("clone-vm", "fork"),
        ("clone-vfork", "vfork"),
        ("clone-vm-vfork", "vfork"),
        ("clone-ptrace", "fork"),
        ("clone-silent", "clone"),
        ("clone-usr1", "clone"),
        ("clone3", "fork"),
        ("clone3-vfork", "vfork"),
        ("clone3-silent", "clone"),
        ("thread", "clone"),
        ("thread-vfork", "vfork"),
    ],
)
def test_every_way_to_make_a_task_is_named_as_the_kernel_classes_it(tracing, tmp_path, how, kind):
    same(tracing, tmp_path, "task_kinds", how)
    thread = how.startswith("thread")
    [made] = tracing.of(NewChild)
    assert (made.kind, made.thread) == (kind, thread)
    [end] = [e for e in tracing.of(Exit) if e.tid == made.child]
    assert (end.pid, end.code) == (made.pid if thread else made.child, 7)
    assert end.process is not thread
    [call] = [e for e in tracing.of(SyscallExit) if e.syscall in MADE_BY]
    assert (call.tid, call.ret) == (made.tid, made.child)
    assert not [e for e in tracing.of(SyscallExit) if e.tid == made.child and e.restart]
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(25)
@pytest.mark.parametrize("how", ["clone-untraced", "clone3-untraced"])
def test_an_untraced_child_is_told_as_what_cannot_be_seen(tracing, tmp_path, how):
    same(tracing, tmp_path, "task_kinds", how)
    assert tracing.of(NewChild) == []
    [blind] = tracing.of(Blind)
    [call] = [e for e in tracing.of(SyscallExit) if e.syscall in MADE_BY]
    assert (blind.what, blind.pid) == ("untraced child", call.pid)
    assert str(call.ret) in blind.detail
    assert {e.pid for e in tracing.events} == {call.pid}
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(25)
def test_a_trace_ends_though_an_untraced_child_lives(tracing, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert tracing.run(*command("task_escapes", fifo)) == 0
    [call] = [e for e in tracing.of(SyscallExit) if e.syscall in MADE_BY]
    assert procfs.status(call.ret).tracer == 0
    assert kept(tracing) == {}
    os.close(os.open(fifo, os.O_WRONLY))  # returns once the child reads; then it ends


@pytest.mark.ptrace_case(25)
def test_a_child_both_untraced_and_traced_does_not_hang(tracing):
    """CLONE_UNTRACED hides the birth, CLONE_PTRACE gives us the child: no event will come."""
    with started(tracing, *command("task_kinds", "clone-untraced-ptrace")):
        pass
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(25)
def test_a_sibling_made_by_a_child_is_followed(tracing, tmp_path):
    same(tracing, tmp_path, "task_parent")
    assert len(tracing.of(NewChild)) == 2
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(25)
def test_the_parent_of_a_clone_parent_child_is_its_makers_parent(tracing):
    with started(tracing, *command("task_parent", "wait")) as (pid, _):
        tracing.wait_for(lambda: any(e.tid == pid and _says_ready(e) for e in tracing.events))
        sibling = tracing.of(NewChild)[1].child
        parents = {p.pid: p.ppid for p in tracing.command(Snapshot())}
        assert parents[sibling] == pid == procfs.status(sibling).ppid
        os.kill(pid, signal.SIGTERM)


def _says_ready(event):
    return isinstance(event, SyscallExit) and event.syscall == "write" and event.ret == 6


@pytest.mark.ptrace_case(21, 22)
def test_thousands_of_births_are_told_once_each_and_in_order(tracing, tmp_path):
    assert "800 forked, 800 reaped" in same(tracing, tmp_path, "task_churn", 200).said
    made = tracing.of(NewChild)
    assert sum(not e.thread for e in made) == 800
    assert sum(e.thread for e in made) == 804
    assert sum(isinstance(e, ENDS) for e in tracing.events) == 1605
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(21)
@pytest.mark.parametrize("calls", [True, False])
def test_a_child_that_stops_before_its_makers_event_is_kept(tracing, stops, calls):
    """The order that the kernel gives rarely, forced at every birth."""
    if not calls:
        tracing.interest(LIFECYCLE)
    seen, forced = set(), []

    def child_first(records):
        records = list(records)
        for maker in [r for r in records if _makes(r)]:
            child = kernel.event_message(maker.tid)
            if child in seen:
                continue  # it came first by itself
            first = next((r for r in records if r.tid == child), None)
            if first is None:
                first = _first_stop(child, maker.when_ns)
            else:
                records.remove(first)
            records.insert(records.index(maker), first)
            forced.append(child)
        seen.update(r.tid for r in records)
        return records

    stops.append(child_first)
    assert tracing.run(*command("task_churn", 25)) == 0
    assert len(forced) > 100
    made = tracing.of(NewChild)
    assert [e.thread for e in made].count(True) == 104
    assert [e.thread for e in made].count(False) == 100
    assert {e.kind for e in made if e.thread} == {"clone"}
    assert {e.kind for e in made if not e.thread} == {"fork"}
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(23)
@pytest.mark.parametrize("announced", [False, True])
def test_a_child_that_dies_before_its_first_stop(tracing, stops, announced):
    """Its end comes before its maker tells of it, or after."""
    children = []

    def killed(records):
        for at, record in enumerate(records):
            if not _makes(record):
                continue
            child = kernel.event_message(record.tid)
            children.append(child)
            _dead(child)
            if announced:
                break
            others = [r for r in records[at:] if r.tid != child]
            return [*records[:at], _first_stop(child, record.when_ns), *others]
        return records

    stops.append(killed)
    assert tracing.run(*command("task_kinds", "fork")) == 0
    [child] = children
    [made] = tracing.of(NewChild)
    [end] = tracing.of(SignalExit)
    assert (made.child, end.tid, end.pid, end.process) == (child, child, child, True)
    assert made.seq < end.seq
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(23, 35)
def test_children_killed_at_birth(tracing, tmp_path):
    assert same(tracing, tmp_path, "task_killed", 300).said == "300 killed\n"
    assert len(tracing.of(NewChild)) == len(tracing.of(SignalExit)) == 300
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(23)
@pytest.mark.parametrize(
    "adopts",
    [pytest.param((), id="by init"), pytest.param(("adopt",), id="by a tracee")],
)
def test_a_child_goes_on_though_its_maker_was_killed_at_its_birth(tracing, stops, tmp_path, adopts):
    """Whoever its new parent is.  The child stops before its maker's end."""
    births, killed, seen = [], [], set()

    def maker_killed(records):
        told = []
        seen.update(r.tid for r in records)
        for record in records:
            told.append(record)
            if not _makes(record):
                continue
            births.append(record.tid)
            if len(births) == 2:  # the first is that of the maker
                killed.append(record.tid)
                child = kernel.event_message(record.tid)
                _dead(record.tid)
                if child not in seen:
                    told.append(_first_stop(child, record.when_ns))
        return told

    stops.append(maker_killed)
    output = tmp_path / "said"
    with started(tracing, *command("task_orphans", 1, *adopts), output=output):
        pass
    assert output.read_text() == "1 killed, 0 odd\n"
    assert [e.tid for e in tracing.of(SignalExit)] == killed
    orphans = [e.child for e in tracing.of(NewChild)[1:]]
    assert orphans == [e.tid for e in tracing.of(Exit) if e.code == 3]
    assert len(orphans) == 1
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(23)
@pytest.mark.parametrize("adopts", [(), ("adopt",)], ids=["by init", "by a tracee"])
def test_a_child_goes_on_though_it_stops_only_after_its_makers_end(
    tracing, stops, tmp_path, adopts
):
    births, held, late = [], set(), []

    def child_last(records):
        told = []
        for record in records:
            if record.tid in held:
                late.append(record)
                continue
            told.append(record)
            if _makes(record):
                births.append(record.tid)
                if len(births) == 2:
                    held.add(kernel.event_message(record.tid))
                    _dead(record.tid)
            elif held and record.tid == births[1]:  # the end of the maker
                held.clear()
                told += late
        return told

    stops.append(child_last)
    output = tmp_path / "said"
    with started(tracing, *command("task_orphans", 1, *adopts), output=output):
        pass
    assert len(births) == 2
    assert output.read_text() == "1 killed, 0 odd\n"
    until(lambda: kept(tracing) == {})


@pytest.mark.ptrace_case(23, 31)
@pytest.mark.parametrize("adopts", [(), ("adopt",)], ids=["by init", "by a tracee"])
def test_makers_killed_while_they_fork(tracing, tmp_path, adopts):
    assert same(tracing, tmp_path, "task_orphans", 60, *adopts).said == "60 killed, 0 odd\n"
    assert len(tracing.of(SignalExit)) == 60
    assert {e.code for e in tracing.of(Exit)} == {0, 3}
    assert untold(tracing.events) == []
    assert kept(tracing) == {}


@pytest.mark.ptrace_case(44)
def test_a_descriptor_means_what_it_means_to_the_calling_task(tracing, tmp_path):
    expected = {
        "common/by-the-leader",
        "own/by-the-thread",
        "changed/by-the-sharer",
        "changed/by-the-leader-again",
        "copied/by-the-copier",
        "changed/by-the-leader-at-last",
    }
    work = tmp_path / "work"
    for name in ("common", "own", "changed", "copied"):
        (work / name).mkdir(parents=True)
    same(tracing, tmp_path, "task_tables", work)
    assert {str(p.relative_to(work)) for p in work.glob("*/by-*")} == expected
    opens = [e for e in tracing.of(SyscallExit) if e.ret_path and "by-the-" in e.ret_path]
    for event in opens:
        assert event.ret_path == event.files[0].path
        assert event.fds["dfd"] == os.path.dirname(event.ret_path)
    assert {os.path.relpath(e.ret_path, work) for e in opens} == expected
    assert kept(tracing) == {}
