"""Placement changes nothing of the tracee, and nothing of the tracer for longer than it lasts."""

import os
import subprocess
import sys
import threading

import pytest
from build import command
from following import Table

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="there is but one CPU to be on"
)


@pytest.fixture
def alone():
    """Whoever else is busy on this machine: not tested is whether it gains anything."""
    return {"pump": {"placement": True}, "table": Table({"getppid"})}


def faces(pid):
    """Affinity, policy and nice value of a task, as others see them."""
    return (
        os.sched_getaffinity(pid),
        os.sched_getscheduler(pid),
        os.getpriority(os.PRIO_PROCESS, pid),
    )


class Watcher:
    """Reads them all the time, on another thread; other: what it saw that was not so at first."""

    def __init__(self, pid):
        self.first = faces(pid)
        self.seen = 0
        self.other = set()
        self._over = False
        self._thread = threading.Thread(target=self._watch, args=(pid,))
        self._thread.start()

    def _watch(self, pid):
        while not self._over:
            try:
                now = faces(pid)
            except ProcessLookupError:
                return
            self.seen += 1
            if now != self.first:
                self.other.add(repr(now))

    def stop(self):
        self._over = True
        self._thread.join()


def placed(run, seconds):
    """Trace a busy task, alone, and look at it and at the tracer meanwhile."""
    own, tracer = faces(0), threading.get_native_id()
    pid = run.start(*command("native_faces", seconds))
    run.tell()
    run.round()
    task, me = Watcher(pid), Watcher(tracer)
    policies = set()
    while run.live:
        run.round()
        policies.add(faces(0) == own)
    task.stop()
    me.stop()
    run.finish()
    assert policies == {True}  # Python never runs placed
    assert faces(0) == own
    assert task.other == set()
    assert task.seen > 0
    assert run.codes[pid] == 0  # it has seen no change either
    return me


def test_nothing_is_changed_of_the_tracee(follow, alone):
    run = follow(**alone)
    placed(run, 2)
    counts = run.pump.placements()
    left = sum(count for why, count in counts.items() if why != "entered")
    assert left == counts["entered"]


def test_the_tracer_follows_a_lone_busy_task(follow, alone):
    """Try until it is entered: on a machine busy with other things the gaps may be too long."""
    for _ in range(10):
        run = follow(**alone)
        me = placed(run, 1)
        if run.pump.placements()["entered"]:
            break
    else:
        pytest.skip("the machine is too busy for it")
    assert me.seen > 0


def test_never_if_it_is_switched_off(follow):
    run = follow(table=Table({"getppid"}), pump={"placement": False})
    me = placed(run, 1)
    assert me.other == set()
    assert run.pump.placements() == dict.fromkeys(run.pump.placements(), 0)


def test_left_when_another_task_stops(follow):
    run = follow(table=Table({"getppid"}), pump={"placement": True})
    own = faces(0)
    run.run(*command("getppid16", 1, 2))
    counts = run.pump.placements()  # entered where one of them is off its CPU for a while
    assert counts["entered"] == sum(n for why, n in counts.items() if why != "entered")
    assert counts["entered"] < run.pump.stops / 100
    assert faces(0) == own


SCRIPT = """
import os, sys
sys.path[:0] = sys.argv[1:3]
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
import following
from build import command
from tracerd.core.native_pump import NativePump
run = following.Following(NativePump(placement=True), following.Table({"getppid"}))
run.run(*command("native_faces", 1))
assert run.pump.placements()["entered"] == 0, run.pump.placements()
assert os.sched_getscheduler(0) == os.SCHED_BATCH
"""


def test_never_if_the_tracer_has_another_policy():
    here = os.path.dirname(__file__)
    tracees = os.path.join(os.path.dirname(here), "tracees")
    root = os.path.dirname(os.path.dirname(here))
    subprocess.run(
        [sys.executable, "-c", SCRIPT, here, tracees],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": root},
    )


UNPRIVILEGED = """
import os, resource, sys
sys.path[:0] = sys.argv[1:3]
import following
from build import command
from tracerd.core.native_pump import NativePump
words = command("native_faces", 1)
resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
pump = NativePump(placement=True)
os.setresuid(65534, 65534, 65534)
run = following.Following(pump, following.Table({"getppid"}))
run.run(*words)
assert run.pump.placements()["entered"] == 0, run.pump.placements()
assert os.sched_getscheduler(0) == os.SCHED_OTHER
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a uid to give up")
def test_never_if_there_would_be_no_way_back(tmp_path):
    here = os.path.dirname(__file__)
    tracees = os.path.join(os.path.dirname(here), "tracees")
    root = os.path.dirname(os.path.dirname(here))
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, here, tracees],
        timeout=60,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=False,
        text=True,
    )
    if "PermissionError" in done.stderr:
        pytest.skip("another user may not read these files")
    assert done.returncode == 0, done.stderr
