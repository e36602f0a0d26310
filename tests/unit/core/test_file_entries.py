"""Entries of `files`: total, whatever was captured; paths joined; what decides the operation."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd.core import files
from tracerd.core.actions import Actions
from tracerd.core.file_ops import open_ops
from tracerd.core.paths import of_address, resolve
from tracerd.core.pump import Call
from tracerd.core.syscalls import I386_ROWS, ROWS, plan_for
from tracerd.core.syscalls.model import (
    Cut,
    Fault,
    How,
    Message,
    OpenedFile,
    Part,
    Several,
    Strings,
    Vector,
)
from tracerd.core.tracee import Identity
from tracerd.protocol.events import OPS
from tracerd.protocol.interest import Interest

ARCHES = {"x86_64": 0xC000003E, "i386": 0x40000003}
WITH_FILES = [row for row in (*ROWS, *I386_ROWS) if row.level]
EVERYTHING = Actions([Interest(types=frozenset({"syscall_exit"}), exit=None, string_limit=32)])

words = st.sampled_from([0, 1, 2, 3, 8, (1 << 64) - 100, (1 << 64) - 1]) | st.integers(
    0, (1 << 64) - 1
)
data = st.binary(max_size=40) | st.sampled_from(
    [b"", b"/", b"x/../y", b"/proc/self/fd/1", b"/proc/self/cwd/x", b"\1\0sock", b"\1\0\0name",
     b"\1\0/sock", b"pipe:[1]", b"/f (deleted)", b"source", b"\xff/\xfe"]
)  # fmt: skip
messages = st.builds(
    Message,
    name=data,
    data=st.just(Vector(b"", ())),
    iovlen=st.just(0),
    controllen=st.integers(0, 300),
    flags=st.just(0),
    control=st.binary(max_size=64),
)
links = st.builds(OpenedFile, link=data, dev=words, ino=st.integers(0, 99), deleted=st.booleans())
plain = st.one_of(
    st.none(), st.booleans(), data, st.builds(Cut, data=data), st.builds(Fault, address=words),
    links, messages, st.builds(Several, st.tuples(messages)), st.just(Strings((b"x",))),
)  # fmt: skip


@st.composite
def captured(draw, captures, args):
    """Anything in the place of each capture; of a call in structures, what pumps make of one."""
    found = []
    for capture in captures:
        if capture.how is How.PART and capture.parts and draw(st.booleans()):
            which = draw(st.sampled_from(sorted(capture.parts)))
            count, inner = capture.parts[which]
            first = capture.b if capture.b >= 0 else len(args)
            own = (*args[:first], *draw(st.tuples(*[words] * count)))
            found.append(Part(which, own, draw(captured(inner, own))))
        else:
            found.append(draw(plain))
    return tuple(found)


@st.composite
def calls(draw):
    row = draw(st.sampled_from(WITH_FILES))
    action = EVERYTHING.find(ARCHES[row.abi], row.nr)
    args = draw(st.tuples(*[words] * 6))
    ret = draw(st.sampled_from([0, 3, -1, -9, -14, -512]))
    entry = Call(5, True, action, row.nr, args, 0, False, 0, draw(captured(action.enter, args)))
    back = Call(5, False, action, row.nr, args, ret, ret < 0, 9,
                () if ret < 0 else draw(captured(action.exit, args)))  # fmt: skip
    root = draw(st.sampled_from(["/", "/srv/jail", "/proc/7/root"]))
    return Identity(5, root=root, mntns=draw(st.sampled_from([0, 77]))), entry, back


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(deadline=None, max_examples=600)
@given(calls(), st.booleans())
def test_entries_are_total(made, unfinished):
    process, entry, back = made
    entry, back = files.part_told(entry, None if unfinished else back)
    for access in files.entries(process, entry, back):
        assert access.op in OPS
        assert access.unresolved or access.path.startswith("/") or access.path == ""
        assert access.mntns == (process.mntns or None)


@given(st.integers(0, 1 << 25), st.sampled_from([True, False, "unknown", None]))
def test_operations_of_an_open(flags, created):
    ops = open_ops(flags, created)
    assert ops
    assert set(ops) <= set(OPS)
    if flags & 0o10000000:
        assert ops == ("stat",)
    else:
        assert ("create" in ops) == bool(created)
        assert ("truncate" in ops) == bool(flags & os.O_TRUNC)
        assert ("write" in ops) == (flags & 3 in {1, 2})


@pytest.mark.parametrize(
    ("path", "base", "follow", "real"),
    [
        (b"/proc/self/fd/3", b"/srv/f", True, b"/srv/f"),
        (b"/proc/self/fd/3", b"/srv/f", False, None),
        (b"/proc/self/fd/3/x/y", b"/srv", False, b"/srv/x/y"),
        (b"/proc/self/cwd/x", b"/", True, b"/x"),
        (b"/dev/stdin", b"pipe:[7]", True, b"pipe:[7]"),
        (b"/etc/passwd", None, True, None),
    ],
)
def test_where_a_link_of_proc_leads(path, base, follow, real):
    place = resolve(path, base, "/", empty=False, follow=follow)
    assert (place.path, place.raw, place.real, place.unresolved) == (path, path, real, False)


@pytest.mark.parametrize(
    ("address", "base", "path", "unresolved"),
    [
        (b"\1\0sock\0rest", b"/srv", b"/srv/sock", False),
        (b"\1\0/run/sock", None, b"/run/sock", False),
        (b"\1\0sock", None, b"sock", True),
    ],
)
def test_an_address_is_a_path(address, base, path, unresolved):
    place = of_address(address, base, "/")
    assert (place.path, place.unresolved) == (path, unresolved)


@pytest.mark.parametrize("address", [b"\1\0", b"\1\0\0abstract", b"\2\0x", b"", None, Fault(1)])
def test_other_addresses_are_none(address):
    assert of_address(address, b"/srv", "/") is None


def test_every_aside_can_be_carried_out():
    """Its words follow the arguments before the one that points to them, within the bounds."""
    for row in (*ROWS, *I386_ROWS):
        for at, aside in plan_for(row).asides:
            capture = plan_for(row).enter[at]
            assert capture.how is How.PART
            assert set(capture.parts) == set(aside.rows)
            for which, (count, _) in capture.parts.items():
                first = max(capture.b, 0)
                assert first + count <= 16
                if aside.memory:
                    assert len(aside.rows[which].args) == first + count
