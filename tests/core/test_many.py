"""A thousand threads, five hundred processes: all traced, all told of, all whole afterwards."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from real import LIFECYCLE, Program, command, until

from tracerd.core import procfs
from tracerd.core.commands import Snapshot
from tracerd.protocol.events import Exit, NewChild, SyscallExit
from tracerd.protocol.filters import Interest

GETPPID = Interest(types=LIFECYCLE.types | {"syscall_exit"}, exit=frozenset({"getppid"}))
MOST_BYTES = 100_000
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "many.py"


def statuses(tids):
    return [status for tid in tids if (status := procfs.status(tid)) is not None]


def descendants(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def check_calls(tracing, tids):
    """Each task made as many calls as its number says: so many of one, so many of two..."""
    tracing.wait_for(lambda: len(tracing.events) >= 3 * len(tids))  # the mean of 1 to 5
    calls = Counter(e.tid for e in tracing.of(SyscallExit) if e.syscall == "getppid")
    assert calls.keys() == set(tids)
    assert Counter(calls.values()) == {number: len(tids) // 5 for number in range(1, 6)}


@pytest.mark.ptrace_case(3, 33)
def test_a_thousand_threads(tracing):
    with Program("many_tasks", "threads", 1000) as program:
        tids = [tid for tid in procfs.tasks(program.pid) if tid != program.pid]
        assert len(tids) == 1000
        owner = tracing.attach(program.pid)
        tracing.interest(GETPPID)
        tracing.events.clear()
        program.send(signal.SIGUSR1)
        assert program.stdout.readline() == "AGAIN\n"
        check_calls(tracing, tids)
        tracing.release(owner)
        assert {status.tracer for status in statuses(tids)} == {0}
        assert tracing.command(Snapshot()) == []
        until(lambda: {status.state for status in statuses(tids)} <= set("RS"))
        assert program.finish() == (0, "1000 whole\n")


def test_five_hundred_processes(tracing):
    with Program("many_tasks", "processes", 500) as program:
        pids = descendants(program.pid)
        assert len(pids) == 500
        tracing.interest(GETPPID)
        owners = [tracing.attach(pid) for pid in pids]
        assert len(tracing.command(Snapshot())) == 500
        tracing.events.clear()
        program.send(signal.SIGUSR1)
        assert program.stdout.readline() == "AGAIN\n"
        check_calls(tracing, pids)
        for owner in owners:
            tracing.release(owner)
        assert {status.tracer for status in statuses(pids)} == {0}
        assert tracing.command(Snapshot()) == []
        until(lambda: {status.state for status in statuses(pids)} <= set("RS"))
        assert program.finish() == (0, "500 whole\n")


def test_a_tree_of_five_hundred_processes(tracing, tmp_path):
    tracing.interest(LIFECYCLE)
    output = tmp_path / "said"
    assert tracing.run(*command("many_tasks", "tree", 500), output=str(output)) == 0
    assert output.read_text() == "500 whole\n"
    born = Counter(e.child for e in tracing.of(NewChild))
    ended = Counter(e.pid for e in tracing.of(Exit) if e.process and e.code == 0)
    assert born.total() == 520
    assert set(born.values()) == {1}
    root = next(iter(ended.keys() - born.keys()))
    assert ended == born + Counter([root])
    assert tracing.command(Snapshot()) == []


def test_what_a_tracee_costs():
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--json"],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    costs = json.loads(done.stdout)
    assert costs.keys() == {"threads", "processes"}
    assert all(0 <= cost < MOST_BYTES for cost in costs.values()), costs
