"""Hypothesis strategies for events, filters and the streams that carry them.

Values come from small alphabets where filters are concerned, so that matches are frequent.
"""

import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

from tracerd.errors import InvalidFilter
from tracerd.protocol import events
from tracerd.protocol.bounds import check_bounds
from tracerd.protocol.filters import Catalogue
from tracerd.protocol.messages import Filter, Match

CATALOGUE = Catalogue(
    names=frozenset(
        {"open", "openat", "close", "read", "write", "getpid", "execve", "rename", "statx"}
    ),
    classes={
        "file": frozenset({"open", "openat", "execve", "rename", "statx"}),
        "desc": frozenset({"openat", "close", "read", "write"}),
    },
    files={
        "path": frozenset({"open", "openat", "execve", "rename", "statx"}),
        "fd": frozenset({"open", "openat", "execve", "rename", "statx", "close"}),
        "io": frozenset({"open", "openat", "execve", "rename", "statx", "close", "read", "write"}),
    },
    pathless=frozenset({"statx"}),
)

UNNAMED = "syscall_999"
"""A call that the catalogue does not know."""


@dataclass
class Maker:
    """A process, as filters see it."""

    pid: int
    start: int
    uids: tuple[int, int, int, int]
    exe: str
    lineage: frozenset[int]


# ---- Any event ----

text = st.text(max_size=12)  # no surrogates: hypothesis leaves them out unless asked
word = st.text(alphabet="abcXYZ_019", min_size=1, max_size=8)
count = st.integers(0, 2**63 - 1)
number = st.integers(-(2**63), 2**63 - 1)
small = st.integers(0, 2**31 - 1)


def maybe(strategy):
    return st.none() | strategy


json_values = st.recursive(
    st.none() | st.booleans() | number | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)

accesses = st.builds(
    events.FileAccess,
    path=text,
    op=st.sampled_from(events.OPS),
    raw=maybe(text),
    path_b64=maybe(text),
    real=maybe(text),
    real_b64=maybe(text),
    root=maybe(text),
    fd=maybe(small),
    dev=maybe(word),
    ino=maybe(count),
    created=maybe(st.booleans() | st.just("unknown")),
    implied=st.booleans(),
    deleted=st.booleans(),
    unresolved=st.booleans(),
    truncated=st.booleans(),
    changed=st.booleans(),
)

_address = maybe(st.dictionaries(text, json_values, max_size=2))
fd_infos = st.builds(
    events.FdInfo,
    kind=word,
    path=maybe(text),
    deleted=st.booleans(),
    dev=maybe(word),
    ino=maybe(count),
    rdev=maybe(word),
    pid=maybe(small),
    family=maybe(word),
    sock_type=maybe(word),
    protocol=maybe(word),
    local=_address,
    peer=_address,
    listening=st.booleans(),
)

_base = {
    "seq": count,
    "time_ns": count,
    "pid": small,
    "tid": small,
    "start": count,
    "comm": text,
    "ns_pid": maybe(small),
    "ns_tid": maybe(small),
}
_call = {
    "syscall": word,
    "nr": small,
    "abi": word,
    "args": st.dictionaries(text, json_values, max_size=3),
    "fds": st.dictionaries(text, text, max_size=2),
    "fd_info": st.dictionaries(text, fd_infos, max_size=2),
    "resumes": maybe(word),
    "redacted": st.booleans(),
}
_signal = {"signal": word, "signo": small}

by_type = {
    "syscall_enter": st.builds(events.SyscallEnter, **_base, **_call),
    "syscall_exit": st.builds(
        events.SyscallExit,
        **_base,
        **_call,
        ret=maybe(number | text),
        ret_path=maybe(text),
        ret_info=maybe(fd_infos),
        rets=maybe(st.lists(number, max_size=2)),
        ret_names=st.lists(word, max_size=2),
        errno=maybe(word),
        duration_ns=maybe(count),
        files=st.lists(accesses, max_size=2),
        restart=st.booleans(),
        unfinished=st.booleans(),
    ),
    "signal_stop": st.builds(
        events.SignalStop,
        **_base,
        **_signal,
        sender_pid=maybe(small),
        sender_uid=maybe(small),
        code=text,
        addr=maybe(text),
        status=maybe(number | word),
        utime=maybe(count),
        stime=maybe(count),
        value=maybe(word),
        timer=maybe(small),
        overrun=maybe(small),
        band=maybe(number),
        fd=maybe(small),
        nr=maybe(small),
        arch=maybe(word),
    ),
    "group_stop": st.builds(events.GroupStop, **_base, **_signal),
    "resumed": st.builds(events.Resumed, **_base),
    "new_child": st.builds(
        events.NewChild,
        **_base,
        child=small,
        kind=word,
        thread=st.booleans(),
        child_start=count,
        child_ns=maybe(small),
    ),
    "exec": st.builds(
        events.Exec,
        **_base,
        path=text,
        path_b64=maybe(text),
        argv=st.lists(text, max_size=3),
        envp=maybe(st.lists(text, max_size=3)),
        former_tid=maybe(small),
        truncated=st.booleans(),
        redacted=st.booleans(),
    ),
    "exit": st.builds(events.Exit, **_base, code=small, process=st.booleans()),
    "signal_exit": st.builds(
        events.SignalExit,
        **_base,
        **_signal,
        core_dumped=st.booleans(),
        process=st.booleans(),
    ),
    "attached": st.builds(
        events.Attached,
        **_base,
        why=text,
        by_uid=maybe(small),
        threads=st.lists(small, max_size=3),
        exe=maybe(text),
        cwd=maybe(text),
        argv=st.lists(text, max_size=3),
        descriptors=st.lists(
            st.builds(
                events.OpenDescriptor,
                fd=small,
                path=text,
                kind=word,
                access=word,
                path_b64=maybe(text),
                position=count,
                deleted=st.booleans(),
                more=text,
            ),
            max_size=2,
        ),
        truncated=st.booleans(),
        redacted=st.booleans(),
    ),
    "detached": st.builds(events.Detached, **_base, why=text),
    "lost": st.builds(events.Lost, **_base, count=count, first=count, last=count, why=text),
    "blind": st.builds(events.Blind, **_base, what=text, detail=text),
    "synced": st.builds(events.Synced, **_base),
    "heartbeat": st.builds(
        events.Heartbeat, **_base, matched=count, delivered=count, queued=count, lost=count
    ),
    "updated": st.builds(events.Updated, **_base),
}

any_event = st.one_of(*by_type.values())


# ---- Filters, and events that have a chance to match ----

PIDS = (1, 2, 3)
UIDS = (0, 7)
COMMS = ("sh", "cat", "kworker/0")
RESULTS = (None, "ENOENT", "EAGAIN", "EWOULDBLOCK", "ERESTARTSYS")
PATHS = (
    "/",
    "/etc",
    "/etc/",
    "/etc/passwd",
    "/etc/ssh/key",
    "/etc/../usr/a.so",
    "/usr/a.so",
    "/usr//lib/./b.so",
    "/usr/lib/b.so",
    "/etcetera",
    "relative",
    "",
)
PATTERNS = (
    "/",
    "/etc",
    "/etc/",
    "/etc/passwd",
    "/etc/**",
    "/etc/*",
    "/usr/**/*.so",
    "/usr/*.so",
    "**/*.so",
    "**",
    "/*/",
    "/etc[e]tera",
)

some_path = st.sampled_from(PATHS)

some_access = st.builds(
    events.FileAccess,
    path=some_path,
    op=st.sampled_from(("read", "write", "exec", "stat")),
    real=maybe(some_path),
    unresolved=st.sampled_from((False, False, False, True)),
)

_some_task = {
    "seq": st.just(1),
    "time_ns": st.just(1),
    "pid": st.sampled_from(PIDS),
    "tid": st.sampled_from(PIDS),
    "comm": st.sampled_from(COMMS),
}
_some_call = {
    "syscall": st.sampled_from([*sorted(CATALOGUE.names), UNNAMED]),
    "nr": st.just(0),
}

some_exit = st.builds(
    events.SyscallExit,
    **_some_task,
    **_some_call,
    ret=st.sampled_from((None, 0, -1)),
    errno=st.sampled_from(RESULTS),
    duration_ns=maybe(st.sampled_from((0, 49, 50, 51))),
    files=st.lists(some_access, max_size=3),
)
some_event = st.one_of(
    some_exit,
    some_exit,
    st.builds(events.SyscallEnter, **_some_task, **_some_call),
    st.builds(events.Exec, **_some_task, path=some_path),
    st.builds(events.Exit, **_some_task, code=st.just(0)),
    st.builds(events.Attached, **_some_task),
    st.builds(events.Lost, **_some_task, count=st.just(1), first=st.just(1), last=st.just(1)),
)


@st.composite
def event_and_maker(draw):
    """An event, and the process that made it."""
    event = draw(some_event)
    ancestors = draw(st.frozensets(st.sampled_from(PIDS), max_size=2))
    real = draw(st.sampled_from(UIDS))
    other = draw(st.sampled_from(UIDS))
    maker = Maker(
        pid=event.pid,
        start=5,
        uids=(real, other, other, other),
        exe=draw(some_path),
        lineage=ancestors | {event.pid},
    )
    return event, maker


_values = {
    "pid": PIDS,
    "tree": PIDS,
    "tid": PIDS,
    "uid": UIDS,
    "comm": (*COMMS, "*", "k*0", "?at", "s?*"),
    "exe": PATTERNS,
    "type": ("syscall_enter", "syscall_exit", "exec", "exit", "attached"),
    "syscall": (
        *("open", "read", "%file", "%desc", "open*", "[rw]*", "/e$"),
        *("?nosuch", "?%nosuch", "?open"),
    ),
    "path": PATTERNS,
    "op": ("read", "write", "exec", "stat"),
    "result": ("ok", "error", "ENOENT", "EAGAIN", "ERESTARTSYS"),
}

some_values = {
    name: st.lists(st.sampled_from(values), min_size=1, max_size=3)
    for name, values in _values.items()
}


def _perhaps(some):
    """Usually nothing: a filter that says something about every field matches nothing."""
    return st.sampled_from((False,) * 4 + (True,)).flatmap(
        lambda said: some if said else st.just([])
    )


_fields = {name: _perhaps(some) for name, some in some_values.items()}

some_match = st.builds(Match, **_fields)
some_filter = st.builds(
    Filter,
    **_fields,
    min_duration_ns=st.sampled_from((0, 0, 0, 0, 50)),
    not_=maybe(some_match),
)


def within_bounds(filters):
    try:
        check_bounds(filters, "filters")
    except InvalidFilter:
        return False
    return True


some_filters = st.lists(some_filter, max_size=3).filter(within_bounds)
levels = st.sampled_from(events.LEVELS)


# ---- Streams ----


@st.composite
def chunked(draw, data):
    """The bytes, cut into pieces anywhere."""
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=8)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]
