"""A program that forks without end: what is too much goes untraced, unharmed, and is told."""

import subprocess
import sys
from pathlib import Path

import pytest
from real_daemon import ended, state_of, tracer_of, wait_until

LIMIT = 8

FORKER = """
import os, signal, sys
for line in sys.stdin:
    reader, writer = os.pipe()
    pids = []
    for _ in range(int(line)):
        pid = os.fork()
        if not pid:
            signal.sigwait({signal.SIGUSR1})  # blocked: in the maker already
            os._exit(5)
        pids.append(pid)
    print(*pids, flush=True)
    sys.stdin.readline()
    for pid in pids: os.kill(pid, signal.SIGUSR1)
    print(*(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids), flush=True)
"""


@pytest.fixture
def forker(daemons):
    blocked = f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n{FORKER}"
    return daemons.start(
        command=[sys.executable, "-ISc", blocked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
    )


def ask(forker, line):
    forker.stdin.write(f"{line}\n")
    forker.stdin.flush()
    return list(map(int, forker.stdout.readline().split()))


@pytest.mark.parametrize("pump", ["native", "python"])
def test_a_program_that_forks_without_end(daemons, forker, target, pump, monkeypatch):
    monkeypatch.setenv("TRACERD_PUMP", pump)
    daemon = daemons.start("--max-tracees", str(LIMIT))
    control, stream = daemons.connect(), daemons.connect()
    assert "error" not in control.call("Attach", pid=forker.pid)
    types = ["blind", "new_child", "detached"]
    stream.call("Subscribe", more=True, until=forker.pid, filters=[{"type": types}])

    pids = ask(forker, 20)
    untraced = 21 - LIMIT
    wait_until(lambda: daemons.status()["counters"]["let_go"]["tracee limit"] == untraced)
    wait_until(lambda: daemons.status()["tracees"] == LIMIT)
    assert all(map(tracer_of, pids[: LIMIT - 1]))
    for pid in pids[LIMIT - 1 :]:
        wait_until(lambda pid=pid: (state_of(pid), tracer_of(pid)) == ("S", 0))

    # While it lasts nobody else is taken in, with a word.
    refused = control.call("Attach", pid=target.pid)
    assert refused["error"] == "io.tracerd.LimitReached"
    assert refused["parameters"] == {"limit": "tracees", "maximum": LIMIT}

    assert ask(forker, "") == [5] * 20
    wait_until(lambda: daemons.status()["tracees"] == 1)
    again = ask(forker, 3)
    assert all(map(tracer_of, again))
    assert ask(forker, "") == [5] * 3
    forker.stdin.close()
    assert forker.wait(60) == 0

    events = list(stream.events())
    told = {type_: [e for e in events if e["type"] == type_] for type_ in types}
    assert [event["child"] for event in told["new_child"]] == pids + again
    assert [event["what"] for event in told["blind"]] == ["untraced child"] * (21 - LIMIT)
    for pid, blind in zip(pids[LIMIT - 1 :], told["blind"], strict=True):
        assert blind["pid"] == forker.pid
        assert blind["detail"] == (
            f"process {pid} is not traced: there are {LIMIT} tracees already"
        )
    assert {(event["pid"], event["why"]) for event in told["detached"]} == {
        (pid, "limit") for pid in pids[LIMIT - 1 :]
    }
    assert daemons.status()["anomalies"] == 0
    daemon.terminate()
    assert ended(daemon, 0).count('msg="new processes go untraced"') == 1


def test_threads_are_traced_whatever_their_number(daemons):
    """A process is traced whole: one thread that is not could execute unseen."""
    daemon = daemons.start("--max-tracees", "2")
    program = (
        "import sys, threading; sys.stdin.readline()\n"
        "for _ in range(5): threading.Thread(target=sys.stdin.readline).start()\n"
        "print('begun', flush=True)"
    )
    many = daemons.start(
        command=[sys.executable, "-ISc", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
    )
    assert "error" not in daemons.connect().call("Attach", pid=many.pid)
    many.stdin.write("\n")
    many.stdin.flush()
    assert many.stdout.readline() == "begun\n"
    tids = [int(each.name) for each in Path(f"/proc/{many.pid}/task").iterdir()]
    assert len(tids) == 6
    assert all(map(tracer_of, tids))
    many.stdin.close()
    assert many.wait(60) == 0
    daemon.terminate()
    ended(daemon, 0)


@pytest.mark.parametrize("pump", ["native", "python"])
def test_a_maker_in_vfork_is_kept_waiting_by_nobody(daemons, pump, monkeypatch):
    monkeypatch.setenv("TRACERD_PUMP", pump)
    daemon = daemons.start("--max-tracees", "1")
    program = (
        "import subprocess, sys\n"
        "for _ in sys.stdin: print(subprocess.run(['sh', '-c', 'exit 3']).returncode, flush=True)"
    )
    maker = daemons.start(
        command=[sys.executable, "-ISc", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
    )
    control, stream = daemons.connect(), daemons.connect()
    assert "error" not in control.call("Attach", pid=maker.pid)
    types = ["blind", "new_child", "detached"]
    stream.call("Subscribe", more=True, until=maker.pid, filters=[{"type": types}])
    assert [ask(maker, "") for _ in range(5)] == [[3]] * 5
    maker.stdin.close()
    assert maker.wait(60) == 0
    events = list(stream.events())
    assert {event["kind"] for event in events if event["type"] == "new_child"} == {"vfork"}
    assert sum(event["type"] == "blind" for event in events) == 5
    assert [event["why"] for event in events if event["type"] == "detached"] == ["limit"] * 5
    daemon.terminate()
    ended(daemon, 0)
