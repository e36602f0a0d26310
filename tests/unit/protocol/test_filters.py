"""Compiled filters against their meaning, written out plainly and without regard to speed."""

import errno
import posixpath
import re
import timeit
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_strategies import (
    CATALOGUE,
    UNNAMED,
    Maker,
    event_and_maker,
    levels,
    some_filters,
    some_values,
)

from tracerd.errors import InvalidFilter
from tracerd.protocol import events
from tracerd.protocol.events import FileAccess, SyscallExit
from tracerd.protocol.filters import (
    NOTHING,
    Interest,
    compile_filters,
    union,
)
from tracerd.protocol.messages import Filter, Match

# ---- The reference ----


def passes(filters, level, event, maker):
    kind = event.__struct_config__.tag
    if kind in {"lost", "synced", "heartbeat"}:
        return True
    return any(passes_one(one, level, kind, event, maker) for one in filters or [Filter()])


def passes_one(one, level, kind, event, maker):
    excluded = one.not_ or Match()
    if not one.type and kind == "syscall_enter":
        return False
    if one.min_duration_ns:
        duration = event.duration_ns if kind == "syscall_exit" else None
        if duration is None or duration < one.min_duration_ns:
            return False
    for field in ("pid", "tree", "tid", "uid", "comm", "exe", "type", "syscall", "result"):
        said = [says(field, value, kind, event, maker) for value in getattr(one, field)]
        if said and not any(said):
            return False
        if any(says(field, value, kind, event, maker) for value in getattr(excluded, field)):
            return False
    entries = entries_of(kind, event, level)
    if not entries:
        return not one.path and not one.op
    return any(entry_passes(one, excluded, entry) for entry in entries)


def says(field, value, kind, event, maker):
    match field:
        case "pid" | "tid":
            return getattr(event, field) == value
        case "tree":
            return value in maker.lineage
        case "uid":
            return maker.uids[0] == value
        case "comm":
            return fnmatchcase(event.comm, value)
        case "exe":
            return path_matches(value, maker.exe)
        case "type":
            return kind == value
        case "syscall":
            return kind.startswith("syscall_") and event.syscall in called(value)
        case "result":
            return kind == "syscall_exit" and ended(event, value)


def called(word):
    word = word.removeprefix("?")
    if word.startswith("%"):
        return CATALOGUE.classes.get(word[1:], ())
    if word.startswith("/"):
        return {name for name in CATALOGUE.names if re.search(word[1:], name)}
    return {name for name in CATALOGUE.names if fnmatchcase(name, word)}


def ended(event, word):
    if word == "ok":
        return event.errno is None and event.ret is not None
    if word == "error":
        return event.errno is not None
    return event.errno == word or (word == "EAGAIN" and event.errno == "EWOULDBLOCK")


def entries_of(kind, event, level):
    if kind == "exec":
        return [FileAccess(path=event.path, op="exec")]
    if kind == "syscall_exit" and event.syscall in CATALOGUE.files[level]:
        by_descriptor = event.syscall == "statx" and not any(entry.raw for entry in event.files)
        return [] if by_descriptor and level == "path" else event.files
    return []


def entry_passes(one, excluded, entry):
    if one.op and entry.op not in one.op:
        return False
    if entry.op in excluded.op:
        return False
    if entry.unresolved:
        return True
    if one.path and not any(entry_matches(pattern, entry) for pattern in one.path):
        return False
    return not any(entry_matches(pattern, entry) for pattern in excluded.path)


def entry_matches(pattern, entry):
    forms = {entry.path, entry.real or entry.path}
    if entry.path.startswith("/"):
        forms.add(posixpath.normpath("/" + entry.path.lstrip("/")))
    return any(path_matches(pattern, form) for form in forms)


def path_matches(pattern, path):
    """The patterns of the strategies, one by one."""
    inside = {
        "/": path.startswith("/"),
        "/etc": path == "/etc",
        "/etc/": path == "/etc" or path.startswith("/etc/"),
        "/etc/passwd": path == "/etc/passwd",
        "/etc/**": path.startswith("/etc/"),
        "/etc/*": path.startswith("/etc/") and path.count("/") == 2,
        "/usr/**/*.so": path.startswith("/usr/") and path.endswith(".so"),
        "/usr/*.so": path.startswith("/usr/") and path.endswith(".so") and path.count("/") == 2,
        "**/*.so": "/" in path and path.endswith(".so"),
        "**": True,
        "/*/": path.startswith("/"),
        "/etc[e]tera": path == "/etcetera",
    }
    return inside[pattern]


# ---- Properties ----

filters_and_events = given(
    some_filters, levels, st.lists(event_and_maker(), min_size=1, max_size=8)
)


@settings(max_examples=150)
@filters_and_events
def test_a_filter_means_what_the_reference_says(filters, level, made):
    compiled = compile_filters(filters, CATALOGUE, level=level)

    for event, maker in made:
        assert compiled.matches(event, maker) == passes(filters, level, event, maker), event


@pytest.mark.parametrize("negated", [False, True], ids=["wanted", "unwanted"])
@pytest.mark.parametrize("field", Match.__struct_fields__)
def test_each_field_alone_means_what_the_reference_says(field, negated):
    @settings(max_examples=40)
    @given(some_values[field], levels, st.lists(event_and_maker(), min_size=4, max_size=8))
    def check(values, level, made):
        said = Match(**{field: values})
        one = Filter(not_=said) if negated else Filter(**{field: values})
        compiled = compile_filters([one], CATALOGUE, level=level)
        for event, maker in made:
            assert compiled.matches(event, maker) == passes([one], level, event, maker), event

    check()


@filters_and_events
def test_what_the_index_says_is_never_too_little(filters, level, made):
    compiled = compile_filters(filters, CATALOGUE, level=level)

    for event, maker in made:
        kind = event.__struct_config__.tag
        if kind == "lost" or not compiled.matches(event, maker):
            continue
        assert kind in compiled.types
        assert compiled.covers(maker)
        assert compiled.pids is None or event.pid in compiled.pids
        if kind == "syscall_enter":
            assert compiled.enter is None or event.syscall in compiled.enter
        if kind == "syscall_exit":
            assert compiled.exit is None or event.syscall in compiled.exit


@filters_and_events
def test_the_normalised_filters_mean_the_same(filters, level, made):
    compiled = compile_filters(filters, CATALOGUE, level=level)
    again = compile_filters(compiled.normalised(), CATALOGUE, level=level)

    for event, maker in made:
        assert again.matches(event, maker) == compiled.matches(event, maker)
    assert again.normalised() == compiled.normalised()


# ---- Examples ----

SHELL = Maker(pid=5, start=1, uids=(1000, 0, 0, 0), exe="/bin/sh", lineage=frozenset({5, 4, 1}))


def exit_of(syscall, *files, **members):
    return SyscallExit(
        seq=1,
        time_ns=1,
        pid=5,
        tid=6,
        comm="sh",
        syscall=syscall,
        nr=0,
        files=list(files),
        **members,
    )


OPEN = exit_of("openat", FileAccess(path="/etc/passwd", op="read"), ret=3)
BOTH = exit_of(
    "openat",
    FileAccess(path="/tmp/x", op="read"),
    FileAccess(path="/tmp/x", op="write"),
    ret=3,
)


def matches(one, event, level="path"):
    return compile_filters([one], CATALOGUE, level=level).matches(event, SHELL)


def test_no_filters_pass_all_but_syscall_enter():
    compiled = compile_filters([], CATALOGUE)

    assert compiled.types == set(events.EVENT_TYPES) - events.STREAM_CONTROL - {"syscall_enter"}
    assert (compiled.enter, compiled.exit, compiled.pids) == (frozenset(), None, None)
    assert compiled.matches(OPEN, SHELL)
    assert compiled.normalised() == []


def test_an_entry_must_satisfy_path_and_op_together():
    rename = exit_of(
        "rename",
        FileAccess(path="/a", op="rename-from"),
        FileAccess(path="/b", op="rename-to"),
    )

    assert matches(Filter(path=["/a"], op=["rename-from"]), rename)
    assert not matches(Filter(path=["/a"], op=["rename-to"]), rename)
    assert matches(Filter(not_=Match(path=["/a"])), rename)
    assert not matches(Filter(not_=Match(path=["/a"], op=["rename-to"])), rename)
    assert not matches(Filter(not_=Match(op=["read", "write"])), BOTH)
    assert matches(Filter(not_=Match(op=["read"])), BOTH)


def test_a_negative_path_excludes_nothing_without_files():
    assert matches(Filter(not_=Match(path=["/"], op=["read"])), exit_of("getpid"))
    assert not matches(Filter(path=["/"]), exit_of("getpid"))


def test_an_unresolved_path_is_never_left_out():
    unknown = exit_of("openat", FileAccess(path="passwd", op="read", unresolved=True))

    assert matches(Filter(path=["/etc/passwd"]), unknown)
    assert matches(Filter(not_=Match(path=["**"])), unknown)
    assert not matches(Filter(op=["write"], path=["/etc/passwd"]), unknown)


def test_a_path_matches_by_each_of_its_names():
    odd = exit_of("openat", FileAccess(path="/etc/../tmp/link", op="read", real="/srv/data"))

    for name in ("/etc/../tmp/link", "/tmp/link", "/srv/data"):
        assert matches(Filter(path=[name]), odd)
        assert not matches(Filter(not_=Match(path=[name])), odd)
    assert not matches(Filter(path=["/etc/tmp/link"]), odd)


def test_level_decides_which_calls_count():
    read = exit_of("read", FileAccess(path="/etc/passwd", op="read"))
    wanted = Filter(path=["/etc/passwd"])

    assert [matches(wanted, read, level) for level in events.LEVELS] == [False, False, True]
    assert matches(Filter(not_=Match(path=["/etc/passwd"])), read)
    assert not matches(Filter(not_=Match(path=["/etc/passwd"])), read, "io")


def test_a_call_that_names_no_path_counts_as_one_on_a_descriptor():
    named = exit_of("statx", FileAccess(path="/etc/passwd", op="stat", raw="passwd"))
    empty = exit_of("statx", FileAccess(path="/etc/passwd", op="stat", raw="", fd=3))
    null = exit_of("statx", FileAccess(path="/etc/passwd", op="stat", fd=3))
    wanted = Filter(path=["/etc/passwd"])

    assert [matches(wanted, named, level) for level in events.LEVELS] == [True, True, True]
    for event in (empty, null):
        assert [matches(wanted, event, level) for level in events.LEVELS] == [False, True, True]
        assert matches(Filter(not_=Match(path=["/etc/passwd"])), event)


def test_an_exec_is_a_file_access():
    event = events.Exec(seq=1, time_ns=1, pid=5, tid=5, path="/bin/ls")

    assert matches(Filter(path=["/bin/"]), event)
    assert matches(Filter(op=["exec"]), event)
    assert not matches(Filter(op=["read"]), event)
    assert not matches(Filter(path=["/bin/"], not_=Match(op=["exec"])), event)
    assert not matches(Filter(not_=Match(path=["/bin/"])), event)


def test_results():
    missing = exit_of("open", ret=-1, errno="ENOENT")
    never = exit_of("open", unfinished=True)
    restarted = exit_of("read", errno="ERESTARTSYS", restart=True)

    def results(event):
        words = ("ok", "error", "ENOENT", "ERESTARTSYS")
        return [word for word in words if matches(Filter(result=[word]), event)]

    assert results(OPEN) == ["ok"]
    assert results(missing) == ["error", "ENOENT"]
    assert results(never) == []
    assert results(restarted) == ["error", "ERESTARTSYS"]
    assert not matches(Filter(not_=Match(result=["ENOENT"])), missing)
    assert matches(
        Filter(not_=Match(result=["error"])), events.Exit(seq=1, time_ns=1, pid=5, tid=5, code=0)
    )


def test_a_call_that_took_exactly_as_long_passes():
    wanted = Filter(min_duration_ns=50)

    assert not matches(wanted, exit_of("read", duration_ns=49))
    assert matches(wanted, exit_of("read", duration_ns=50))
    assert not matches(wanted, exit_of("read"))


def test_two_names_of_one_error_are_one():
    again = exit_of("read", ret=-1, errno="EAGAIN")

    assert errno.EAGAIN == errno.EWOULDBLOCK
    assert matches(Filter(result=["EWOULDBLOCK"]), again)


def test_calls_that_the_catalogue_does_not_know_can_only_be_excluded_with_all():
    strange = exit_of(UNNAMED)

    assert matches(Filter(), strange)
    assert matches(Filter(not_=Match(syscall=["*"])), strange)
    assert not matches(Filter(syscall=["*"]), strange)
    assert compile_filters([Filter(not_=Match(syscall=["read"]))], CATALOGUE).exit is None


def test_the_real_user_id_counts():
    assert matches(Filter(uid=[1000]), OPEN)
    assert not matches(Filter(uid=[0]), OPEN)


@pytest.mark.parametrize(
    ("filters", "interest"),
    [
        (
            [Filter(path=["/etc/"])],
            Interest(
                {"syscall_exit", "exec"}, set(), CATALOGUE.files["path"], paths=frozenset({"/etc"})
            ),
        ),
        ([Filter(op=["read"])], Interest({"syscall_exit"}, set(), CATALOGUE.files["path"])),
        (
            [Filter(path=["/etc/"], syscall=["%desc"])],
            Interest({"syscall_exit"}, set(), {"openat"}, paths=frozenset({"/etc"})),
        ),
        ([Filter(path=["/etc/"], syscall=["read"])], NOTHING),
        ([Filter(type=["exit", "exec"])], Interest({"exit", "exec"}, set(), set())),
        (
            [Filter(type=["syscall_enter"], syscall=["read"])],
            Interest({"syscall_enter"}, {"read"}, set()),
        ),
        (
            [Filter(type=["syscall_enter", "syscall_exit"])],
            Interest({"syscall_enter", "syscall_exit"}, None, None),
        ),
        ([Filter(result=["error"])], Interest({"syscall_exit"}, set(), None)),
        ([Filter(min_duration_ns=5)], Interest({"syscall_exit"}, set(), None)),
        (
            [Filter(syscall=["%file"], not_=Match(syscall=["open*"]))],
            Interest({"syscall_exit"}, set(), {"execve", "rename", "statx"}),
        ),
        (
            [Filter(type=["exec", "syscall_exit"], not_=Match(op=["exec"]))],
            Interest({"syscall_exit"}, set(), None),
        ),
        ([Filter(syscall=["?nosuch"])], NOTHING),
        ([Filter(type=["exit"], syscall=["read"])], NOTHING),
        (
            [Filter(syscall=["read"]), Filter(type=["exit"])],
            Interest({"syscall_exit", "exit"}, set(), {"read"}),
        ),
    ],
)
def test_what_is_pushed_down(filters, interest):
    compiled = compile_filters(filters, CATALOGUE)
    assert union(want.interest for want in compiled.wants) == interest


def test_processes_that_can_match():
    def pids(*filters):
        return compile_filters(filters, CATALOGUE).pids

    assert pids() is None
    assert pids(Filter(pid=[1, 2]), Filter(pid=[3])) == {1, 2, 3}
    assert pids(Filter(pid=[1]), Filter(tree=[3])) is None
    # A filter that can never match does not widen the set.
    assert pids(Filter(pid=[1]), Filter(type=["exit"], syscall=["read"])) == {1}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (Filter(), True),
        (Filter(pid=[5]), True),
        (Filter(pid=[4]), False),
        (Filter(tree=[4]), True),
        (Filter(tree=[9]), False),
        (Filter(uid=[0]), False),
        (Filter(exe=["/bin/"]), True),
        (Filter(exe=["/usr/"]), False),
        (Filter(not_=Match(tree=[1])), False),
        (Filter(not_=Match(exe=["/bin/sh"])), False),
        (Filter(not_=Match(pid=[5])), False),
        (Filter(not_=Match(uid=[1000])), False),
        # What only an event can tell does not count.
        (Filter(comm=["nosuch"], tid=[99], path=["/nosuch"]), True),
        (Filter(type=["exit"], syscall=["read"]), False),
    ],
)
def test_processes_that_are_covered(one, expected):
    assert compile_filters([one], CATALOGUE).covers(SHELL) is expected


def test_normalised():
    one = Filter(
        pid=[2, 1, 2],
        comm=["systemd-journald", "systemd-journal", "a*"],
        syscall=["%file", "open", "%file"],
        min_duration_ns=7,
        not_=Match(),
    )

    assert compile_filters([one], CATALOGUE).normalised() == [
        Filter(
            pid=[2, 1],
            comm=["systemd-journal", "a*"],
            syscall=["%file", "open"],
            min_duration_ns=7,
        )
    ]


def test_the_caller_may_change_its_filters_afterwards():
    mine = Filter(pid=[5])
    compiled = compile_filters([mine], CATALOGUE)
    mine.pid.append(6)

    assert compiled.normalised() == [Filter(pid=[5])]


@pytest.mark.parametrize(
    ("one", "field", "reason"),
    [
        (Filter(syscall=["read", "opnat"]), "syscall[1]", "did you mean `openat`?"),
        (Filter(syscall=["%flie"]), "syscall[0]", "did you mean `%file`?"),
        (Filter(type=["exti"]), "type[0]", "unknown event type `exti`; did you mean `exit`?"),
        (Filter(type=["lost"]), "type[0]", "belongs to the stream itself"),
        (Filter(op=["raed"]), "op[0]", "did you mean `read`?"),
        (Filter(result=["ENOET"]), "result[0]", "`ENOENT`?"),
        (Filter(result=["okay"]), "result[0]", "did you mean `ok`?"),
        (Filter(path=["/a", "b"]), "path[1]", "`b` is not absolute"),
        (Filter(exe=["sh"]), "exe[0]", "not absolute"),
        (Filter(path=["/[z-a]"]), "path[0]", "the range `z-a` is empty"),
        (Filter(comm=[""]), "comm[0]", "empty command name"),
        (Filter(pid=[0]), "pid[0]", "no process has the number 0"),
        (Filter(tree=[1, -1]), "tree[1]", "no process has the number -1"),
        (Filter(tid=[0]), "tid[0]", "no process"),
        (Filter(uid=[-1]), "uid[0]", "no user has the number -1"),
        (Filter(min_duration_ns=-1), "min_duration_ns", "not negative"),
        (Filter(not_=Match(syscall=["opnat"])), "not.syscall[0]", "did you mean `openat`?"),
        (Filter(not_=Match(path=["x"])), "not.path[0]", "not absolute"),
    ],
)
def test_a_bad_filter_is_named(one, field, reason):
    with pytest.raises(InvalidFilter) as caught:
        compile_filters([Filter(), one], CATALOGUE)

    assert caught.value.field == f"filters[1].{field}"
    assert reason in caught.value.reason

    with pytest.raises(InvalidFilter) as caught:
        compile_filters([one], CATALOGUE, field="where")
    assert caught.value.field == f"where[0].{field}"


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([Filter()] * 257, "at most 256 filters, not 257"),
        ([Filter(pid=list(range(1, 4098)))], "at most 4096 alternatives in all, not 4097"),
        (
            [Filter(path=["/"] * 2000, not_=Match(uid=[1] * 97))] * 2,
            "at most 4096 alternatives in all, not 4194",
        ),
        (
            [Filter(path=["/*/x"] * 100, exe=["/a?"] * 100, comm=["c*"] * 56, syscall=["?*"])],
            "at most 256 alternatives with wildcards in all, not 257",
        ),
        ([Filter(syscall=["/e", "?/e"] * 3)], "at most 4 regular expressions in all, not 6"),
    ],
)
def test_a_subscription_has_bounds(filters, reason):
    with pytest.raises(InvalidFilter) as caught:
        compile_filters(filters, CATALOGUE, field="here")

    assert caught.value.parameters() == {"field": "here", "reason": reason}


def test_a_subscription_within_bounds_is_accepted():
    many = [f"/some/directory/{number}/**" for number in range(1000)]
    compiled = compile_filters(
        [Filter(path=many, syscall=["?open*", *["/e"] * 4])] + [Filter(pid=[1])] * 255, CATALOGUE
    )

    assert compiled.pids is None


def test_a_very_long_value_is_not_echoed_whole():
    with pytest.raises(InvalidFilter) as caught:
        compile_filters([Filter(syscall=["x" * 1_000_000])], CATALOGUE)

    assert len(str(caught.value)) < 300


@pytest.mark.alone
@pytest.mark.parametrize(
    "one",
    [
        Filter(),
        Filter(syscall=["%file"], pid=[5]),
        Filter(path=["/etc/"]),
        Filter(path=["/etc/**"], op=["read"], tree=[4]),
        Filter(path=["/proc/", "/dev/", "**/*.so"], op=["read"]),
    ],
)
def test_one_match_is_quick(one):
    """About 0.1 to 1 µs; the bound leaves room for a busy machine."""
    match = compile_filters([one], CATALOGUE).matches
    best = min(timeit.repeat(lambda: match(OPEN, SHELL), number=2000, repeat=5)) / 2000

    assert best < 10e-6
