"""A new task whose maker is killed before its clone event can be delivered.

The kernel gives this order rarely, so the stops are fed by hand to a real Tracer whose pump
touches nothing; the new task is a real process, for /proc is asked about it.
"""

import signal

import pytest
from real import OpenGate, Program

from tracerd.core import procfs
from tracerd.core.pump import Stop
from tracerd.core.scene import Target
from tracerd.core.tracee import Process
from tracerd.core.tracer import Tracer
from tracerd.core.wait_status import EVENT_STOP, for_event, for_killed

MAKER = 4_000_001  # above any pid_max: no such process


class IdlePump:
    """Notes what it is told and touches nothing."""

    name = "idle"

    threaded = False
    stops = 0

    def __init__(self):
        self.items = []
        self.resumed = []
        self.watched = {}

    def histogram(self):
        return []

    def placements(self):
        return {}

    def put(self, item):
        self.items.append(item)

    def entry(self, tid):
        return None

    def set_manual(self, tid, manual):
        pass

    def watch(self, tid, tgid, actions, mode):
        self.watched[tid] = tgid

    def forget(self, tid):
        self.watched.pop(tid, None)

    def ended_process(self, tgid):
        pass

    def resume(self, tid, signo=0):
        self.resumed.append(tid)
        return True


@pytest.fixture
def tracer():
    made = Tracer(publish=lambda items: None, gate=OpenGate(), pump=IdlePump())
    scene = made._scene
    maker = Process(pid=MAKER, owners={1}, threads={MAKER}, lineage=frozenset({MAKER}))
    scene.processes[MAKER] = maker
    scene.targets[1] = Target(1, MAKER, {maker})
    scene.tracker.seized(MAKER, MAKER)
    made._on_stop(Stop(MAKER, for_event(EVENT_STOP), 0))
    return made


def test_a_maker_killed_at_its_event_is_no_anomaly(tracer):
    tracer._on_stop(Stop(MAKER, for_event(1), 0))  # PTRACE_EVENT_FORK; no such process any more
    tracer._on_stop(Stop(MAKER, for_killed(signal.SIGKILL), 0))
    assert tracer.statistics.anomalies == 0
    assert tracer._scene.processes == {}


def test_a_child_of_a_killed_maker_is_taken_in(tracer):
    scene = tracer._scene
    with Program("sleeper") as child:
        tracer._on_stop(Stop(child.pid, for_event(EVENT_STOP), 0))
        assert child.pid not in scene.pump.resumed
        tracer._on_stop(Stop(MAKER, for_killed(signal.SIGKILL), 0))
        assert scene.pump.resumed[-1] == child.pid
        assert set(scene.processes) == {child.pid}
        assert scene.processes[child.pid].lineage == {MAKER, child.pid}
        assert scene.processes[child.pid].start == procfs.stat(child.pid).start
        assert not [i for i in scene.pump.items if i.__class__.__name__ == "TargetEnded"]
        tracer._on_stop(Stop(child.pid, for_killed(signal.SIGKILL), 0))
        assert scene.processes == {}
        assert scene.targets == {}
