"""Counts of calls: added up, as a table, and as JSON."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tracerd.ctl.summary import SORTS, Summary, Who, document, table
from tracerd.ctl.text.ink import PLAIN
from tracerd.protocol import events


def call(name, pid=7, *, ns=1000, errno=None, **more):
    return events.SyscallExit(
        seq=1, time_ns=1, pid=pid, tid=pid, comm=f"c{pid}", syscall=name, nr=0,
        duration_ns=ns, errno=errno, **more,
    )  # fmt: skip


def summed(*made, **options):
    summary = Summary(**options)
    for event in made:
        summary.add(event)
    return summary


some_call = st.builds(
    call,
    st.sampled_from(["read", "open", "close"]),
    st.integers(1, 3),
    ns=st.none() | st.integers(0, 10**9),
    errno=st.none() | st.sampled_from(["ENOENT", "ERESTARTSYS"]),
)


@given(st.lists(some_call))
def test_each_call_counts_once(made):
    summary, by_process = summed(*made), summed(*made, by_process=True)
    counts = Counter(event.syscall for event in made)
    assert {n: t.calls for n, t in summary.tallies.get(Who(), {}).items()} == counts
    assert Counter(
        {
            (who.pid, name): t.calls
            for who, of in by_process.tallies.items()
            for name, t in of.items()
        }
    ) == Counter((event.pid, event.syscall) for event in made)
    for whole in (summary, by_process):
        tallies = [tally for of in whole.tallies.values() for tally in of.values()]
        assert sum(tally.ns for tally in tallies) == sum(e.duration_ns or 0 for e in made)
        assert sum(tally.errors for tally in tallies) == sum(e.errno is not None for e in made)
        assert max((t.longest_ns for t in tallies), default=0) == max(
            (e.duration_ns or 0 for e in made), default=0
        )
        assert whole.complete


MADE = (
    call("read", ns=2_000_000),
    call("read", ns=1_000_000),
    call("open", 8, ns=1_000_000, errno="ENOENT"),
    call("exit_group", 8, ns=None, unfinished=True),
)


def test_the_table_looks_as_strace_s():
    assert list(table(summed(*MADE), "time", PLAIN)) == [
        "% time     seconds  usecs/call     calls    errors syscall",
        "------ ----------- ----------- --------- --------- ----------------",
        " 75.00    0.003000        1500         2           read",
        " 25.00    0.001000        1000         1         1 open",
        "  0.00    0.000000           0         1           exit_group",
        "------ ----------- ----------- --------- --------- ----------------",
        "100.00    0.004000        1000         4         1 total",
        "",
    ]


def test_orders_and_processes():
    names = {
        order: [row["syscall"] for row in document(summed(*MADE), order)["calls"]]
        for order in SORTS
    }
    assert names == {
        "time": ["read", "open", "exit_group"],
        "calls": ["read", "exit_group", "open"],
        "errors": ["open", "exit_group", "read"],
        "longest": ["read", "open", "exit_group"],
        "name": ["exit_group", "open", "read"],
    }
    lines = list(table(summed(*MADE, by_process=True), "time", PLAIN))
    assert [line for line in lines if line.startswith("c")] == ["c7[7]", "c8[8]"]


def test_what_is_missing_is_said():
    lost = events.Lost(seq=9, time_ns=0, pid=0, tid=0, count=5, first=1, last=9)
    blind = events.Blind(seq=9, time_ns=0, pid=7, tid=7, what="io_uring")
    summary = summed(*MADE, lost, blind)
    summary.interrupted = "the daemon has gone"
    assert not summary.complete
    assert list(table(summary, "time", PLAIN))[-1] == (
        "complete: no (5 lost, 1 blind); the daemon has gone"
    )
    assert {**document(summary, "name", exit=3), "calls": None} == {
        "type": "summary",
        "exit": 3,
        "calls": None,
        "complete": False,
        "lost": 5,
        "blind": 1,
        "interrupted": "the daemon has gone",
    }


def test_a_name_cannot_forge_a_line():
    event = call("syscall_\n999")
    assert all("\n" not in line for line in table(summed(event, by_process=True), "name", PLAIN))


def test_nothing_is_no_table():
    assert list(table(Summary(), "time", PLAIN)) == []
