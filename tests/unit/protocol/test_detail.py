"""An event as it is seen at each level of detail."""

from hypothesis import given
from hypothesis import strategies as st

from tracerd.protocol import events
from tracerd.protocol.detail import DETAILS, Detail, seen

from .strategies import Maker, any_event, by_type, some_access

MAKER = Maker(pid=1, start=5, uids=(0,) * 4, exe="/usr/bin/env", lineage=frozenset({1}))

detail = st.sampled_from(Detail)
contents = st.fixed_dictionaries(
    {"text": st.text(max_size=5), "size": st.integers(0, 9)}, optional={"truncated": st.just(True)}
)
call = st.builds(
    events.SyscallExit,
    seq=st.just(1),
    time_ns=st.just(2),
    pid=st.just(3),
    tid=st.just(4),
    syscall=st.just("sendmsg"),
    nr=st.just(46),
    args=st.dictionaries(
        st.sampled_from("abc"),
        contents
        | st.fixed_dictionaries({"count": st.just(2), "messages": st.lists(contents, max_size=2)})
        | st.text(),
    ),
    fds=st.just({"a": "/x"}),
    files=st.lists(some_access, max_size=2),
    ret=st.integers(0, 9),
    ret_path=st.just("/x"),
    rets=st.just([3, 4]),
    ret_names=st.just(["O_RDWR"]),
)


def test_names_as_in_subscribe():
    assert DETAILS == ("names", "files", "args", "full")
    assert [Detail.named(name) for name in DETAILS] == list(Detail)


@given(any_event | call, detail, detail)
def test_of_two_levels_the_lower_one_counts(event, one, other):
    assert seen(seen(event, MAKER, one), MAKER, other) == seen(event, MAKER, min(one, other))


@given(any_event)
def test_full_is_the_event_itself(event):
    assert seen(event, MAKER, Detail.FULL) is event


@given(by_type["exit"] | by_type["blind"] | by_type["new_child"] | by_type["lost"], detail)
def test_events_without_details_are_the_same_to_all(event, level):
    assert seen(event, MAKER, level) is event


KEPT = ("seq", "pid", "tid", "syscall", "nr", "ret", "errno", "duration_ns", "unfinished")


@given(call)
def test_what_is_left_of_a_call(event):
    names, files, args = (seen(event, MAKER, each) for each in list(Detail)[:3])
    for name in KEPT:
        assert {getattr(one, name) for one in (names, files, args)} == {getattr(event, name)}
    for one in (names, files):
        assert (one.args, one.fds, one.ret_path, one.rets) == ({}, {}, None, None)
        assert one.ret_names == []
    assert (names.files, files.files, args.files) == ([], event.files, event.files)
    assert (args.fds, args.ret_path, args.rets) == (event.fds, event.ret_path, event.rets)
    assert args.ret_names == event.ret_names
    assert list(args.args) == list(event.args)
    for name, value in event.args.items():
        shown = args.args[name]
        if isinstance(value, str):
            assert shown == value
            continue
        pairs = zip(value.get("messages", [value]), shown.get("messages", [shown]), strict=True)
        for before, after in pairs:
            assert after["size"] == before["size"]
            hidden = after["truncated"] and not after["text"] if before["size"] else after == before
            assert hidden


@given(by_type["syscall_enter"])
def test_what_is_left_of_an_entry(event):
    for level in (Detail.NAMES, Detail.FILES):
        left = seen(event, MAKER, level)
        assert (left.syscall, left.nr, left.args, left.fds) == (event.syscall, event.nr, {}, {})


@given(by_type["exec"])
def test_what_is_left_of_an_exec(event):
    names, files, args = (seen(event, MAKER, each) for each in list(Detail)[:3])
    assert args == event
    assert (files.path, files.path_b64) == (event.path, event.path_b64)
    assert (names.path, names.path_b64) == (MAKER.exe, None)
    for one in (names, files):
        assert (one.argv, one.envp, one.truncated) == ([], None, False)
        assert one.former_tid == event.former_tid
