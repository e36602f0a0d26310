"""The native pump's contract (tracerd/core/pump.py) on real tracees."""

import os
import signal
import threading
import time

import following
import pytest
from build import command, tracee
from following import Table, until

from tracerd.core import kernel
from tracerd.core.pump import Call, Mode, Pair, Stop
from tracerd.core.syscalls.model import OpenedFile
from tracerd.core.wait_status import Kind, classify

SECCOMP_OPTION = 1 << 7  # PTRACE_O_TRACESECCOMP


def said(path):
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def bell():
    """A tracee that sleeps, seized and unknown to the pump: a signal to it ends a wait."""
    pid, go = following.held("sleep", "60")
    kernel.seize(pid, kernel.O_EXITKILL)
    go()
    yield pid
    following.end({pid})


def rung(run, bell):
    """Ring, and go rounds until it is heard; return how many it took."""
    os.kill(bell, signal.SIGWINCH)
    return heard(run, bell)


def heard(run, bell):
    for count in range(1, 10_000):
        items = run.pump.wait()
        for item in items:
            if item.tid == bell:
                kernel.resume(kernel.CONT, bell)
            elif isinstance(item, Stop):
                run._stopped(item)
        if any(item.tid == bell for item in items):
            return count
    raise AssertionError("it was not heard")


def advance(run, bell, condition):
    """Go rounds until a condition, of which another thread can tell, is true."""

    def watch():
        until(condition)
        os.kill(bell, signal.SIGWINCH)

    watcher = threading.Thread(target=watch)
    watcher.start()
    heard(run, bell)
    watcher.join(following.DEADLINE)


def standstill(run):
    """A condition: no stop is handled any more."""
    seen = [-1, 0.0]

    def condition():
        now = time.monotonic()
        if run.pump.stops != seen[0]:
            seen[:] = [run.pump.stops, now]
        return now - seen[1] > 0.2

    return condition


def test_a_call_is_an_entry_and_a_return(follow, tmp_path):
    run = follow()
    before = time.monotonic_ns()
    assert run.run(*command("repeat", tmp_path)) == 0
    (first, *_), pid = run.pairs("openat", "open"), run.pairs()[0].entry.tid
    for entry, back in run.pairs():
        assert (entry.entering, back.entering) == (True, False)
        assert entry[2:5] == back[2:5]
        assert entry.tid == back.tid == pid
        assert (entry.ret, entry.failed, entry.changed, back.changed) == (0, False, (), ())
        assert before < entry.when_ns < back.when_ns < time.monotonic_ns()
        assert len(entry.args) == 6
        assert type(entry) is type(back) is Call
    same = os.fsencode(tmp_path / "same")
    opened = [pair for pair in run.pairs("openat") if pair.entry.captured[0] == same]
    assert len(opened) == 7
    assert {pair.back.captured[0].link for pair in opened} == {same}
    assert isinstance(opened[0].back.captured[0], OpenedFile)
    gone = run.pairs("unlink")
    assert [(p.entry.captured[0][-5:], p.back.ret, p.back.failed) for p in gone] == [
        (b"gone0", 0, False),
        (b"gone1", 0, False),
        (b"gone2", 0, False),
        (b"gone3", 0, False),
        (b"gone0", -2, True),
        (b"gone0", -2, True),
    ]
    assert all(pair.back.captured == () for pair in gone)
    assert run.entries() == []
    assert run.pump.stops >= 2 * len(run.pairs())
    assert sum(run.pump.histogram()) >= 2 * len(run.pairs())
    assert first.entry.action.syscall.name in ("open", "openat")


def test_entries_are_told_if_asked_for(follow, tmp_path):
    run = follow(table=Table(tell_enter=True, tell_exit=False))
    run.run(*command("repeat", tmp_path))
    assert run.pairs() == []
    assert len(run.entries("unlink")) == 6
    both = follow(table=Table({"unlink"}, tell_enter=True))
    both.run(*command("repeat", tmp_path))
    order = [type(item) for item in both.items]
    assert order == [Call, Pair] * 6
    assert [pair.entry for pair in both.pairs()] == both.entries()


def test_calls_without_an_action_are_let_pass(follow, tmp_path):
    run = follow(table=Table({"unlink"}))
    assert run.run(*command("repeat", tmp_path)) == 0
    assert {pair.entry.action.syscall.name for pair in run.pairs()} == {"unlink"}
    assert len(run.table.asked) == len(set(run.table.asked))  # each number but once


def test_noted_calls_are_given_to_the_tracer_as_well(follow, tmp_path):
    run = follow(table=Table(set(), noted={"unlink"}))
    run.run(*command("repeat", tmp_path))
    noted = [item for item in run.stops if isinstance(item, Pair)]
    assert len(noted) == 6
    assert noted == run.pairs()


def test_what_is_put_stays_in_order(follow, tmp_path):
    marks = []

    def on_stop(stop):
        marks.append(object())
        run.pump.put(marks[-1])

    run = follow(table=Table({"kill", "unlink"}, noted={"unlink"}), on_stop=on_stop)
    run.run(*command("repeat", tmp_path))
    assert [item for item in run.items if type(item) is object] == marks
    assert len(marks) == len([item for item in run.stops if isinstance(item, Stop)])
    assert run.items[0] is marks[0]  # the exec
    assert run.items[-1] is marks[-1]  # the end


def test_put_and_take_alone(pumps):
    pump = pumps()
    things = [object() for _ in range(3000)]
    for thing in things:
        pump.put(thing)
    got = [pump.take(), pump.take(), pump.take()]
    assert [len(part) for part in got] == [1024, 1024, 952]
    assert [*got[0], *got[1], *got[2]] == things
    assert pump.take(False) == []


def test_a_waiting_take_is_woken(pumps):
    pump = pumps()
    got = []
    taker = threading.Thread(target=lambda: [got.append(pump.take()) for _ in range(2)])
    taker.start()
    thing = object()
    pump.put(thing)
    until(lambda: got)
    pump.close()
    taker.join(following.DEADLINE)
    assert got == [[thing], []]
    assert pump.take() == []


def test_what_was_queued_can_be_taken_after_the_end(pumps):
    pump = pumps()
    pump.put("last")
    pump.close()
    assert pump.take() == ["last"]
    assert pump.take() == []
    pump.close()
    with pytest.raises(ValueError, match="closed"):
        pump.wait()
    with pytest.raises(ValueError, match="closed"):
        pump.watch(1, 1, Table(), Mode.CALLS)


def test_an_exec_keeps_the_entry(follow, tmp_path):
    seen = []

    def on_stop(stop):
        if classify(stop.status).kind is Kind.EXEC:
            seen.append(run.pump.entry(stop.tid))

    run = follow(on_stop=on_stop)
    run.run("sh", "-c", "exec true")
    assert [entry.captured[0] for entry in seen[1:]] == [b"/usr/bin/true"] or len(seen) == 2
    done = run.pairs("execve")
    assert [pair.entry for pair in done][-1] == seen[-1]
    assert done[-1].back.changed == ()
    assert done[-1].back.ret == 0


def test_an_exec_by_another_thread_moves_the_entry(follow):
    seen = []

    def on_stop(stop):
        if classify(stop.status).kind is Kind.EXEC:
            seen.append((stop.tid, kernel.event_message(stop.tid), run.pump.entry(stop.tid)))

    run = follow(on_stop=on_stop)
    run.run(*command("exec_from_thread", "true"))
    moved = [(tid, entry) for tid, former, entry in seen if former != tid]
    assert moved
    for tid, entry in moved:
        assert entry.tid == tid
        assert entry in [pair.entry for pair in run.pairs("execve")]


def test_entry_and_forget(follow):
    """A task asleep in a call has an entry; forgotten, it has none."""
    run = follow()
    pid = run.start("sleep", "60")
    run.pump.set_manual(pid, True)
    names = []
    while names[-1:] != ["clock_nanosleep"]:
        run.round()
        entry = run.pump.entry(pid)
        names.append(entry and entry.action.syscall.name)
    assert {"brk", None} < set(names)
    assert (entry.tid, entry.entering, entry.captured[0][:1]) == (pid, True, b"<")
    run.pump.forget(pid)
    assert run.pump.entry(pid) is None
    assert not run.pump.is_manual(pid)
    run.pump.forget(pid)
    run.pump.set_manual(pid, True)
    run.pump.forget(pid)
    assert not run.pump.is_manual(pid)


def test_a_manual_task_is_left_to_the_tracer(follow, tmp_path):
    held = []

    def on_stop(stop):
        if classify(stop.status).kind is Kind.SYSCALL:
            held.append(stop)
            if len(held) == 40:
                run.pump.set_manual(stop.tid, False)
            if len(held) % 4 == 0:  # leave it to itself: nothing is recorded
                return not run.pump.resume(stop.tid) or True
        return False

    run = follow(on_stop=on_stop)
    pid = run.start(*command("repeat", tmp_path))
    run.pump.set_manual(pid, True)
    run.tell()
    while run.live:
        run.round()
    run.finish()
    assert len(held) == 40
    assert {stop.tid for stop in held} == {pid}
    assert len(run.pairs()) > 20
    assert len(run.pairs("unlink")) == 6


def test_manual_before_it_is_watched(pumps):
    pump = pumps()
    pump.set_manual(12345, True)
    assert pump.is_manual(12345)
    pump.watch(12345, 12345, Table(), Mode.CALLS)
    assert pump.is_manual(12345)
    pump.set_manual(12345, False)
    assert not pump.is_manual(12345)
    assert not pump.is_manual(54321)
    pump.set_manual(54321, False)


def test_handle_gives_a_noted_call(follow, tmp_path):
    given = []

    def on_stop(stop):
        if classify(stop.status).kind is Kind.SYSCALL:
            given.append(run.pump.handle(stop.tid))
            return True
        return False

    run = follow(table=Table({"openat"}, noted={"unlink"}), on_stop=on_stop)
    pid = run.start(*command("repeat", tmp_path))
    run.pump.set_manual(pid, True)
    run.tell()
    while run.live:
        run.round()
    run.finish()
    noted = [pair for pair in given if pair]
    assert [pair.entry.action.syscall.name for pair in noted] == ["unlink"] * 6
    assert not run.pairs("unlink")  # to be put there by who was given them
    assert run.pairs("openat")


def test_skip_drops_the_call(follow, tmp_path):
    """As where the tracer has a call run again."""
    backs = []

    def on_stop(stop):
        if classify(stop.status).kind is not Kind.SYSCALL:
            return False
        if kernel.syscall_info(stop.tid)[0] != kernel.EXIT:
            return False
        backs.append(run.pump.entry(stop.tid))
        run.pump.skip(stop.tid)
        assert run.pump.entry(stop.tid) is None
        return True

    run = follow(on_stop=on_stop)
    pid = run.start(*command("repeat", tmp_path))
    run.pump.set_manual(pid, True)
    run.tell()
    while run.live:
        run.round()
    run.finish()
    assert len(backs) > 20
    assert run.pairs() == []


def test_free_makes_no_stops(follow, tmp_path):
    run = follow(mode=Mode.FREE)
    assert run.run(*command("repeat", tmp_path)) == 0
    assert run.pump.stops == 0
    assert run.items == []


def test_from_free_to_calls_and_back(follow, bell):
    def on_stop(stop):  # whatever comes first answers an interrupt
        interrupted.discard(stop.tid)
        run.pump.set_manual(stop.tid, False)

    interrupted = set()
    run = follow(mode=Mode.FREE, on_stop=on_stop)
    pid = run.start(tracee("getppid16"), "0", "1")
    run.tell()
    while len(run.live) < 2:
        run.round()
    assert run.pump.stops == 0
    for mode in (Mode.CALLS, Mode.FREE, Mode.CALLS):
        interrupted |= run.live
        for tid in run.live:
            run.pump.watch(tid, pid, run.table, mode)
            run.pump.set_manual(tid, True)
            kernel.interrupt(tid)
        while interrupted:
            run.round()
        stops = run.pump.stops
        if mode is Mode.CALLS:
            advance(run, bell, lambda stops=stops: run.pump.stops > stops + 1000)
        else:
            rung(run, bell)
            rung(run, bell)
            assert run.pump.stops == stops
            assert [run.pump.entry(tid) for tid in run.live] == [None, None]
    assert len(run.pairs("getppid")) > 500


@pytest.mark.parametrize("mode", Mode)
def test_a_filter_of_the_program_itself(follow, tmp_path, mode):
    run = follow(
        table=Table({"getppid", "getuid", "unlink", "prctl"}, noted={"unlink"}),
        mode=mode,
        options=SECCOMP_OPTION,
    )
    out = tmp_path / "said"
    assert run.run(*command("native_filtered", 50), output=out) == 0
    assert said(out) == ["wrong:", "0"]
    count = {name: len(run.pairs(name)) for name in ("getppid", "getuid", "unlink", "prctl")}
    assert (
        count
        == {
            Mode.FREE: {"getppid": 0, "getuid": 0, "unlink": 0, "prctl": 0},
            Mode.CALLS: {"getppid": 51, "getuid": 50, "unlink": 50, "prctl": 1},
            Mode.FILTERED: {"getppid": 50, "getuid": 0, "unlink": 50, "prctl": 0},
        }[mode]
    )
    if mode is Mode.FILTERED:
        assert all(pair.back.ret > 0 for pair in run.pairs("getppid"))
        assert all(pair.entry.captured[0] == b"/nonexistent/name" for pair in run.pairs("unlink"))
        assert run.pump.stops == 200
        assert len([item for item in run.stops if isinstance(item, Pair)]) == 50


def test_a_filtered_call_without_an_action_makes_one_stop(follow, tmp_path):
    run = follow(table=Table({"unlink"}), mode=Mode.FILTERED, options=SECCOMP_OPTION)
    assert run.run(*command("native_filtered", 50)) == 0
    assert len(run.pairs("unlink")) == len(run.pairs()) == 50
    assert run.pump.stops == 150


def test_a_manual_task_with_a_filter(follow):
    """Its calls make three stops; each call is told once."""

    def on_stop(stop):
        if classify(stop.status).kind in (Kind.SYSCALL, Kind.SECCOMP):
            kinds.append(classify(stop.status).kind)
            run.pump.handle(stop.tid)
            if kinds.count(Kind.SECCOMP) == 50:
                run.pump.set_manual(stop.tid, False)
            return True
        return False

    kinds = []
    run = follow(
        table=Table({"getppid"}), mode=Mode.FILTERED, options=SECCOMP_OPTION, on_stop=on_stop
    )
    pid = run.start(*command("native_filtered", 100))
    run.pump.set_manual(pid, True)
    run.tell()
    while run.live:
        run.round()
    run.finish()
    assert kinds.count(Kind.SECCOMP) == 50
    assert len(run.pairs("getppid")) == 101


def test_switched_to_calls_while_it_runs(follow, bell):
    """A seccomp-stop that no entry-stop came before is the entry."""
    run = follow(table=Table({"getppid"}), mode=Mode.FILTERED, options=SECCOMP_OPTION)
    pid = run.start(*command("native_filtered", 3000))
    run.tell()
    for part in range(1, 8):
        advance(run, bell, lambda part=part: run.pump.stops > 1000 * part)
        mode = Mode.CALLS if part % 2 else Mode.FILTERED
        run.pump.watch(pid, pid, run.table, mode)
    while run.live:
        run.round()
    run.finish()
    assert run.codes[pid] == 0
    assert len(run.pairs("getppid")) == 3000


def test_calls_of_32_bit_programs(follow, tmp_path):
    run = follow()
    out = tmp_path / "said"
    (tmp_path / "work").mkdir()
    run.run(*command("abi_calls32", tmp_path / "work"), output=out)
    pairs = run.pairs()
    abis = {pair.entry.action.syscall.abi for pair in pairs}
    assert abis == {"i386", "x86_64"}
    narrow = [pair.entry for pair in pairs if pair.entry.action.syscall.abi == "i386"]
    paths = [call.captured[at] for call in narrow for at in call.action.plan.paths]
    assert len(paths) > 10
    assert {type(path) for path in paths} == {bytes}


def test_numbers_that_nobody_knows(follow):
    script = (
        "import ctypes; call = ctypes.CDLL(None).syscall\n"
        "for nr in [700, 700, 5000, 5000, 5001, -7, 1 << 30 | 39]: call(ctypes.c_long(nr), 1, 2)"
    )
    run = follow()
    run.run("python3", "-ISc", script)
    odd = [(p.entry.nr, p.back.ret) for p in run.pairs() if p.entry.nr > 600]
    assert odd[:5] == [(700, -38), (700, -38), (5000, -38), (5000, -38), (5001, -38)]
    assert len(odd) == 7
    assert run.table.asked.count((kernel.X86_64, 700)) == 1
    assert run.table.asked.count((kernel.X86_64, 5000)) == 2


def test_an_action_table_that_fails(follow):
    class Failing(Table):
        def find(self, arch, nr):
            if nr == 39:
                raise LookupError(nr)
            return super().find(arch, nr)

    run = follow(table=Failing())
    run.start("python3", "-ISc", "import os; [os.getpid() for _ in range(3)]")
    run.tell()
    failures = 0
    while run.live:
        try:
            run.round()
        except LookupError:
            failures += 1
    run.finish()
    assert failures >= 3
    assert 0 in run.codes.values()
    assert run.pairs("write", "read", "openat")


def test_nobody_left_is_an_error(pumps):
    with pytest.raises(ChildProcessError):
        pumps().wait()


def test_killed_tracees(follow):
    run = follow()
    run.run(*command("kill_many"))
    assert run.pump.stops > 10


def test_all_threads_get_their_turn(follow, tmp_path):
    run = follow(table=Table({"futex"}))
    out = tmp_path / "said"
    run.run(*command("getppid16", 2, 64), output=out)
    counts = [int(line.split()[1]) for line in out.read_text().splitlines()[1:]]
    assert len(counts) == 64
    assert min(counts) > 0
    assert min(counts) * 4 > max(counts)


def test_the_bell_is_heard_beside_a_lone_busy_task(follow, bell):
    run = follow(table=Table(set()))
    run.start(*command("native_faces", 60))
    run.tell()
    run.round()
    for _ in range(50):
        stops = run.pump.stops
        advance(run, bell, lambda stops=stops: run.pump.stops > stops + 100)


def full(run, bell):
    """Start four busy threads, and let them run into a bound."""
    run.start(tracee("getppid16"), "0", "4")
    while len(run.live) < 5:
        run.round()
    advance(run, bell, standstill(run))


def test_a_full_queue_makes_tracees_wait(follow, bell):
    run = follow(table=Table({"getppid"}))
    run.pump.limit(100)
    full(run, bell)
    stops = run.pump.stops
    assert len(run.pump.take(False)) == 100
    # It goes on when there is room, and when there is no limit.
    advance(run, bell, standstill(run))
    assert stops + 190 <= run.pump.stops <= stops + 210
    assert len(run.pump.take(False)) == 100
    run.pump.limit(None)
    advance(run, bell, lambda: run.pump.stops > stops + 2000)


def test_a_bound_in_bytes(follow, bell):
    run = follow(table=Table({"getppid"}), pump={"most_bytes": 20_000})
    full(run, bell)
    assert 50 < len(run.pump.take(False)) < 200


def test_a_task_that_waits_for_room_can_be_killed_and_made_manual(follow):
    run = follow(table=Table({"getppid"}))
    pid = run.start(tracee("getppid16"), "0", "2")
    while len(run.live) < 3:
        run.round()
    run.pump.limit(1)
    first = max(run.live)
    run.pump.set_manual(first, True)  # takes effect on the stop that waits, too
    kernel.interrupt(first)
    seen = []
    while not any(stop.tid == first for stop in seen):
        seen += run.pump.wait()
    stop = next(stop for stop in seen if stop.tid == first)
    assert classify(stop.status).kind in (Kind.SYSCALL, Kind.INTERRUPT)
    os.kill(pid, signal.SIGKILL)
    gone = set()
    while pid not in gone:
        for item in run.pump.wait():
            if classify(item.status).ended:
                gone.add(item.tid)
                run.live.discard(item.tid)
                run.pump.forget(item.tid)
    assert gone >= {pid}


def test_a_bound_with_a_teller_that_takes(follow):
    run = follow(pump={"most_bytes": 4000})
    run.pump.limit(3)
    assert run.run("ls", "-l", "/usr/bin") == 0
    assert len(run.pairs()) > 100


def test_a_path_that_changes_meanwhile(follow, tmp_path):
    run = follow(table=Table({"openat", "open", "unlink", "access", "stat", "newfstatat"}))
    run.run(*command("edge_changing", tmp_path))
    changed = [pair for pair in run.pairs() if pair.back.changed]
    for pair in changed:
        assert set(pair.back.changed) <= set(pair.entry.action.plan.paths)


def asleep(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def test_interrupted_calls_are_told_as_run_again(follow, bell, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "tracerd.core.native_pump.will_run_again", lambda tid: asked.append(tid) or True
    )
    run = follow(table=Table({"epoll_wait"}, again=True))
    pid = run.start(*command("epoll_sleep"), output=tmp_path / "said")
    run.tell()
    advance(run, bell, lambda: said(tmp_path / "said") == ["READY"] and asleep(pid))
    assert run.pump.entry(pid).action.syscall.name == "epoll_wait"
    kernel.interrupt(pid)
    advance(run, bell, lambda: run.pairs("epoll_wait"))
    assert asked
    assert run.pairs("epoll_wait")[0].back.ret == -kernel.ERESTARTNOHAND


PREFIXED = [
    ("/etc/hostname", (b"/etc/",), True),
    ("/etc/hostname", (b"/etc/hostname",), True),
    ("/etc/hostname", (b"/usr/", b"/lib"), False),
    ("/etc/hostname", (), False),
    ("/nonexistent/etc", (b"/etc/",), False),
    ("/nonexistent/./etc", (b"/etc/",), True),
    ("/nonexistent/../etc", (b"/etc/",), True),
    ("/nonexistent//etc", (b"/etc/",), True),
    ("/nonexistent/.", (b"/etc/",), True),
    ("/nonexistent/etc/", (b"/etc/",), False),
    ("/nonexistent/...", (b"/etc/",), False),
    ("nonexistent", (b"/etc/",), False),
    ("nonexistent", (b"/work", b"{cwd}/noone"), False),
    ("nonexistent", (b"{cwd}/non",), True),
    ("nonexistent", (b"{cwd}/nonexistent",), True),
    ("nonexistent", (b"{cwd}/nonexistent/",), False),
    ("../x", (b"/etc/",), True),
    ("", (b"/etc/",), True),  # names nothing
    ("link", (b"/usr/",), False),
    ("link", (b"/etc/",), True),  # leads there
]


@pytest.mark.parametrize(("path", "prefixes", "told"), PREFIXED)
def test_only_calls_on_paths_asked_for(follow, tmp_path, path, prefixes, told):
    os.symlink("/etc/hostname", tmp_path / "link")
    prefixes = tuple(p.replace(b"{cwd}", os.fsencode(tmp_path)) for p in prefixes)
    for options in ({}, {"tell_enter": True}, {"noted": {"openat"}}):
        run = follow(table=Table({"openat", "getppid"}, prefixes=prefixes, **options))
        script = (
            "import os, sys\nos.chdir(sys.argv[1])\n"
            "try: os.open(sys.argv[2], 0)\nexcept OSError: pass"
        )
        run.run("python3", "-ISc", script, tmp_path, path or "\0"[:0])
        found = [p for p in run.pairs("openat") if p.entry.captured[0] == os.fsencode(path)]
        assert len(found) == (told or bool(options)), options


def test_a_fault_is_never_left_out(follow):
    run = follow(table=Table({"open", "openat"}, prefixes=(b"/none/",)))
    run.run(*command("edge_pointers"))
    assert {type(pair.entry.captured[0]).__name__ for pair in run.pairs()} >= {"Fault", "NoneType"}


def test_stops_counts_and_times(follow, tmp_path):
    run = follow()
    run.run(*command("repeat", tmp_path))
    counts = run.pump.histogram()
    assert len(counts) == 64
    assert sum(counts[10:40]) == sum(counts) == run.pump.stops
