"""The index: a superset of what matches, and much less than everything."""

from hypothesis import given
from hypothesis import strategies as st

from tracerd.core.commands import Published
from tracerd.core.tracee import Process
from tracerd.protocol import events, messages
from tracerd.protocol.filters import Catalogue, compile_filters
from tracerd.server.routes import _MAX_SYSCALLS, Routes

CATALOGUE = Catalogue(
    names=frozenset({"read", "write", "openat"}),
    classes={"file": frozenset({"openat"})},
    files=dict.fromkeys(("path", "fd", "io"), frozenset({"openat"})),
)
PROCESS = Process(pid=1, lineage=frozenset({1}))


class Stub:
    """A subscription, as far as an index cares."""

    def __init__(self, *filters):
        self.compiled = compile_filters([messages.Filter(**one) for one in filters], CATALOGUE)


def syscall(name="read", pid=1, kind=events.SyscallExit):
    return Published(kind(seq=1, time_ns=0, pid=pid, tid=pid, syscall=name, nr=0), PROCESS)


def exited(pid=1):
    return Published(events.Exit(seq=1, time_ns=0, pid=pid, tid=pid, code=0), PROCESS)


filters = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "pid": st.lists(st.integers(1, 3), max_size=2),
            "syscall": st.lists(st.sampled_from(["read", "%file", "openat"]), max_size=2),
            "type": st.lists(
                st.sampled_from(["syscall_enter", "syscall_exit", "exit"]), max_size=2
            ),
        },
    ),
    max_size=3,
)
some_event = st.one_of(
    st.builds(exited, st.integers(1, 3)),
    st.builds(
        syscall,
        st.sampled_from(["read", "write", "openat", "unheard_of"]),
        st.integers(1, 3),
        st.sampled_from([events.SyscallEnter, events.SyscallExit]),
    ),
)


@given(st.lists(filters, max_size=5), st.lists(some_event, max_size=20))
def test_who_matches_is_a_candidate(all_filters, happened):
    stubs = [Stub(*each) for each in all_filters]
    routes = Routes(stubs)
    for event in happened:
        candidates = routes.candidates(event)
        assert len(set(candidates)) == len(candidates)
        for stub in stubs:
            if stub.compiled.matches(event.event, PROCESS):
                assert stub in candidates


def test_who_cannot_match_is_no_candidate():
    every, by_pid, by_syscall = Stub(), Stub({"pid": [2]}), Stub({"syscall": ["openat"]})
    entering = Stub({"type": ["syscall_enter"]})
    routes = Routes([every, by_pid, by_syscall, entering])
    assert routes.candidates(syscall("read", 1)) == (every,)
    assert routes.candidates(syscall("read", 2)) == (every, by_pid)
    assert routes.candidates(syscall("openat", 1)) == (every, by_syscall)
    assert routes.candidates(exited(1)) == (every,)
    assert routes.candidates(syscall("read", 1, events.SyscallEnter)) == (entering,)


def test_made_up_syscalls_do_not_make_it_grow():
    routes = Routes([Stub()])
    for number in range(2 * _MAX_SYSCALLS + 10):
        assert len(routes.candidates(syscall(f"syscall_{number}"))) == 1
    assert len(routes._exit) <= _MAX_SYSCALLS
