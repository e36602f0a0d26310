"""What is hidden from who may watch, and no more: nothing of the contents is left in an event."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.core.syscalls import CATALOGUE, LISTED
from tracerd.core.syscalls.kinds import KINDS
from tracerd.protocol import codec
from tracerd.protocol.events import Exec, Exit, SyscallEnter, SyscallExit
from tracerd.protocol.redaction import CONTENTS, NOTHING, PLAIN, Redaction, redacted

HEAD = {"seq": 1, "time_ns": 2, "pid": 3, "tid": 3}
ALL = Redaction()
SECRET = "s3cret-"

KINDS_OF = {row.name: {arg.name: arg.kind for arg in row.args} for row in LISTED}


def call(syscall, shape=SyscallExit, /, **args):
    return shape(**HEAD, syscall=syscall, nr=0, args=args)


def test_every_kind_is_judged():
    """A new kind of argument has to be said to have contents, or none."""
    assert set(CONTENTS) | PLAIN == set(KINDS)
    assert not set(CONTENTS) & PLAIN


@pytest.mark.parametrize(
    ("event", "args"),
    [
        (call("read", fd=3, buf={"text": SECRET, "size": 7}, count=9), {"buf": {"redacted": 7}}),
        (call("write", fd=3, buf={"text": SECRET, "truncated": True}), {"buf": {"redacted": -1}}),
        (call("read", fd=3, buf={"ptr": "0x7f00"}, count=9), {}),
        (call("read", fd=3, buf=None, count=0), {}),
        (call("writev", vec={"count": 1, "text": SECRET, "size": 7}), {"vec": {"redacted": 7}}),
        (
            call("mount", type="tmpfs", data=SECRET),
            {"type": {"redacted": 5}, "data": {"redacted": 7}},
        ),
        (call("openat", dfd="AT_FDCWD", filename="/etc/passwd", flags=["O_RDONLY"]), {}),
        (call("rename", oldname="/a", newname={"text": "/b", "truncated": True}), {}),
        (call("connect", uservaddr={"family": "AF_UNIX", "path": "/run/x"}), {}),
        (
            call("execve", filename="/bin/x", argv=["x", SECRET], envp=[f"A={SECRET}"]),
            {"argv": {"redacted": 2}, "envp": {"redacted": 1}},
        ),
        (call("prctl", option="PR_SET_NAME", arg2=SECRET), {"arg2": {"redacted": 7}}),
        (call("prctl", option="PR_SET_DUMPABLE", arg2=1), {}),
        (call("setsockopt", fd=3, optval=[1], optlen=4), {"optval": {"redacted": 1}}),
        # A call of a newer daemon's tables, or a kind that nobody knows.
        (call("no_such_call", what=SECRET, how=3), {"what": {"redacted": 7}}),
    ],
    ids=lambda each: each.syscall if isinstance(each, SyscallExit) else "",
)
def test_what_a_call_says(event, args):
    shown = redacted(event, KINDS_OF.get(event.syscall, {}), ALL)
    assert shown.args == {**event.args, **args}
    assert shown.redacted is bool(args)
    assert SECRET not in codec.encode_json(shown).decode()
    assert (shown is event) is not bool(args)
    assert redacted(event, KINDS_OF.get(event.syscall, {}), NOTHING) is event


def test_what_an_exec_says():
    event = Exec(**HEAD, path="/bin/x", argv=["x", SECRET], envp=[f"A={SECRET}"])
    assert redacted(event, {}, NOTHING) is event
    shown = redacted(event, {}, ALL)
    assert (shown.path, shown.argv, shown.envp, shown.redacted) == ("/bin/x", [], None, True)
    words = redacted(event, {}, Redaction(env=False))
    assert (words.argv, words.envp) == ([], [f"A={SECRET}"])
    environment = redacted(event, {}, Redaction(argv=False))
    assert (environment.argv, environment.envp) == (["x", SECRET], None)
    assert redacted(Exec(**HEAD, path="/bin/x"), {}, ALL).redacted is False


def test_what_has_no_contents_is_as_it_was():
    event = Exit(**HEAD, code=3)
    assert redacted(event, {}, ALL) is event


@pytest.mark.parametrize("which", ["argv", "env", "buffers", "strings"])
def test_each_is_hidden_by_itself(which):
    hidden = msgspec.structs.replace(NOTHING, **{which: True})
    events = {
        "argv": call("execve", argv=[SECRET]),
        "env": call("execve", envp=[SECRET]),
        "buffers": call("read", buf={"text": SECRET, "size": 7}),
        "strings": call("mount", data=SECRET),
    }
    for name, event in events.items():
        shown = redacted(event, KINDS_OF[event.syscall], hidden)
        assert (shown is not event) is (name == which)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["text", "size", "ptr", "items", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
CALLS = st.sampled_from(sorted(KINDS_OF)).flatmap(
    lambda name: st.builds(
        lambda shape, args: call(name, shape, **args),
        st.sampled_from([SyscallEnter, SyscallExit]),
        st.fixed_dictionaries({}, optional=dict.fromkeys(KINDS_OF[name], VALUES)),
    )
)


@given(CALLS)
def test_whatever_a_value_looks_like(event):
    """Never raises, whatever a tracee made of a value; paths and what has no contents stay."""
    assert event.syscall in CATALOGUE.names
    kinds = KINDS_OF[event.syscall]
    shown = redacted(event, kinds, ALL)
    codec.encode_json(shown)
    assert shown.args.keys() == event.args.keys()
    for name, value in shown.args.items():
        was = event.args[name]
        unread = isinstance(was, dict) and was.keys() == {"ptr"}
        if kinds[name] in PLAIN or was is None or isinstance(was, int) or unread:
            assert value == was
        else:
            assert value.keys() == {"redacted"}
    assert redacted(shown, kinds, ALL).args.keys() == shown.args.keys()
