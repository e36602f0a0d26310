"""What filters want of the tracer: never less than they match, and no more than can be said."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protocol_strategies import (
    CATALOGUE,
    event_and_maker,
    levels,
    some_filters,
)

from tracerd.errors import InvalidFilter
from tracerd.protocol.events import FileAccess, SyscallExit
from tracerd.protocol.filters import NOTHING, Interest, compile_filters, union
from tracerd.protocol.interest import MOST_PREFIXES, few
from tracerd.protocol.messages import Filter, Match
from tracerd.protocol.patterns import fold
from tracerd.protocol.text import shown

# ---- What a wish lets through ----


def lets_through(interest, event):
    kind = event.__struct_config__.tag
    if kind not in interest.types:
        return False
    if kind == "syscall_enter":
        return interest.enter is None or event.syscall in interest.enter
    if kind != "syscall_exit":
        return True
    if interest.exit is not None and event.syscall not in interest.exit:
        return False
    return interest.paths is None or any(entry_can(interest.paths, one) for one in event.files)


def entry_can(prefixes, entry):
    texts = (entry.path, fold(entry.path), entry.real or "")
    return entry.unresolved or any(text.startswith(tuple(prefixes)) for text in texts)


def paths_of(*patterns, **more):
    [want] = compile_filters([Filter(path=list(patterns), **more)], CATALOGUE).wants
    return want.interest.paths


# ---- Properties ----

filters_and_events = given(
    some_filters, levels, st.lists(event_and_maker(), min_size=1, max_size=8)
)


@settings(max_examples=300)
@filters_and_events
def test_what_matches_is_wanted(filters, level, made):
    compiled = compile_filters(filters, CATALOGUE, level=level)

    for event, maker in made:
        if event.__struct_config__.tag != "lost" and compiled.matches(event, maker):
            assert any(
                want.covers(maker) and lets_through(want.interest, event) for want in compiled.wants
            )


@settings(max_examples=150)
@given(
    st.lists(st.tuples(some_filters, st.integers(0, 99), st.booleans()), max_size=4),
    st.lists(event_and_maker(), min_size=1, max_size=8),
)
def test_the_union_wants_what_each_wants(asked, made):
    interests = [
        Interest(one.types, one.enter, one.exit, limit, envp, one.paths)
        for filters, limit, envp in asked
        for one in (want.interest for want in compile_filters(filters, CATALOGUE).wants)
    ]
    whole = union(interests)

    for one in interests:
        assert one.types <= whole.types
        assert one.string_limit <= whole.string_limit
        assert whole.envp or not one.envp
        for event, _ in made:
            assert lets_through(whole, event) or not lets_through(one, event)
    assert whole == union(reversed(interests))
    assert hash(whole) == hash(union(reversed(interests)))
    assert NOTHING.union(whole) == whole


piece = st.sampled_from(("/", "/", "a", "b", "é", "\\", "\\xff", "[", "]", ".", "..", "@"))
wild = st.sampled_from(("*", "**", "?", "[ab]", "[!a]", "/**/"))
patterns = st.lists(piece | piece | wild, max_size=6).map(lambda parts: "/" + "".join(parts))
raw_paths = st.lists(piece.map(str.encode) | st.sampled_from((b"\xff", b"\xc3")), max_size=7).map(
    lambda parts: b"/" + b"".join(parts)
)


def known(raw):
    """Whether a path is one that a pump may judge: see Interest.paths."""
    parts = raw.split(b"/")
    return raw.startswith(b"/") and b"//" not in raw and not {b".", b".."} & set(parts)


@settings(max_examples=600)
@given(st.lists(patterns, min_size=1, max_size=3), st.lists(raw_paths, min_size=1, max_size=3))
@example(["/a/"], [b"/a"])
@example(["/a/"], [b"/a/"])
@example(["/a"], [b"/a/"])
@example(["/a/**"], [b"/a/"])
@example(["/a\\xffb"], [b"/a\xffb"])
@example(["/a\\xffb"], [b"/a\\xffb"])
@example(["/é/b"], ["/é/b".encode()])
@example(["/a[b]"], [b"/ab"])
@example(["/a[b"], [b"/a[b"])
@example(["/**/a"], [b"/a"])
@example(["/"], [b"/"])
def test_what_bytes_rule_out_no_text_matches(asked, raws):
    try:
        one = Filter(path=asked)
        compiled = compile_filters([one], CATALOGUE)
    except InvalidFilter:
        return
    [want] = compiled.wants
    prefixes = want.interest.paths
    if prefixes is None:
        return
    for raw in raws:
        if not known(raw) or raw.startswith(tuple(each.encode() for each in prefixes)):
            continue
        for entry in (
            FileAccess(path=shown(raw), op="read"),
            FileAccess(path="/elsewhere/\x01", op="read", real=shown(raw)),
        ):
            event = SyscallExit(
                seq=1, time_ns=1, pid=1, tid=1, syscall="openat", nr=0, files=[entry]
            )
            assert not compiled.matches(event, None)


@given(st.lists(st.text("/ab", max_size=6), max_size=200), st.text("/ab", max_size=7))
def test_few_lose_nothing(prefixes, path):
    kept = few(prefixes)

    assert few(reversed(prefixes)) == kept
    if kept is not None:
        assert len(kept) <= MOST_PREFIXES
        assert few(kept) == kept
        if path.startswith(tuple(prefixes)):
            assert path.startswith(tuple(kept))


# ---- Examples ----


@pytest.mark.parametrize(
    ("asked", "prefixes"),
    [
        (["/etc/passwd"], {"/etc/passwd"}),
        (["/etc/"], {"/etc"}),
        (["/etc/**"], {"/etc/"}),
        (["/etc**"], {"/etc"}),
        (["/home/*/.ssh/"], {"/home/"}),
        (["/home/jo?/x"], {"/home/jo"}),
        (["/usr/lib/[ab]*.so"], {"/usr/lib/"}),
        (["/usr/**/*.so"], {"/usr/"}),
        (["/odd[name"], {"/odd"}),
        (["/etc/", "/etc/passwd", "/usr/lib/x"], {"/etc", "/usr/lib/x"}),
        (["/data/\\xff\\xfe/x"], {"/data/"}),
        (["/data/größe/x"], {"/data/gr"}),
        (["/"], None),
        (["/**"], None),
        (["/*/x"], None),
        (["**/*.so"], None),
        (["/etc/", "**"], None),
        (["/\\xff"], None),
    ],
)
def test_prefixes(asked, prefixes):
    assert paths_of(*asked) == prefixes


def test_only_a_path_that_must_match_restricts():
    def paths(**said):
        return [want.interest.paths for want in compile_filters([Filter(**said)], CATALOGUE).wants]

    assert paths() == [None]
    assert paths(op=["read"]) == [None]
    assert paths(not_=Match(path=["/etc/"])) == [None]
    assert paths(path=["/etc/"], not_=Match(path=["/etc/passwd"])) == [{"/etc"}]
    assert paths(path=["/bin/"], type=["exec"]) == [None]
    assert paths(path=["/etc/"], syscall=["getpid"]) == []


def test_each_filter_wants_for_itself():
    filters = [
        Filter(pid=[1], syscall=["read"]),
        Filter(tree=[2], path=["/etc/"]),
        Filter(type=["exit"], syscall=["read"]),
    ]
    wants = compile_filters(filters, CATALOGUE).wants

    assert [want.interest.exit for want in wants] == [{"read"}, CATALOGUE.files["path"]]
    assert [want.interest.paths for want in wants] == [None, {"/etc"}]


def test_exits_of_any_path_and_of_some_are_of_any_together():
    some = Interest({"syscall_exit"}, exit=frozenset({"open"}), paths=frozenset({"/etc"}))
    any_path = Interest({"syscall_exit"}, exit=frozenset({"read"}))
    none = Interest({"exit"})

    assert some.union(any_path).paths is None
    assert some.union(none).paths == none.union(some).paths == {"/etc"}
    other = Interest({"syscall_exit"}, exit=None, paths=frozenset({"/etc/x", "/usr"}))
    assert some.union(other).paths == {"/etc", "/usr"}


def test_many_paths_are_told_by_few_prefixes():
    prefixes = paths_of(*(f"/srv/{name}/{n}/file" for name in "ab" for n in range(500)))

    assert prefixes == {"/srv/a/", "/srv/b/"}
    assert paths_of(*(f"/{n:03}" for n in range(100))) is None


def test_prefixes_are_plain():
    for prefix in paths_of("/etc/é", "/usr/\\x00", "/ok"):
        assert re.fullmatch(r"/[a-z/]*", prefix)
