"""The watchdog: a tracee that we left stopped is found; one that has a reason to be is not."""

import ctypes
import os
import signal

from real import Program, SwitchedGate, Tracing, until

from tracerd.core import checkup, kernel, procfs
from tracerd.core.commands import Checkup, Recheck
from tracerd.core.tracker import State

TGKILL = 234


def found(tracing, after_ns=0):
    """Return the tids that three checkups show."""
    for _ in range(3):
        tracing.command(Checkup(after_ns))
    return [each.tid for each in tracing.tracer.statistics.stuck]


def drop_a_resume(tracing, tid):
    """Let the tracer forget to resume a task, once."""
    scene = tracing.tracer._scene
    resume, dropped = scene.pump.resume, []

    def forgetful(who, signo=0):
        if who == tid and not dropped:
            dropped.append(who)
            return True
        return resume(who, signo)

    scene.pump.resume = forgetful
    return dropped


def on_tracer_thread(tracing, act):
    tracing.tracer._handlers[object] = lambda _, answer: answer(act())
    assert tracing.command(object())


def test_a_tracee_that_was_not_resumed(tracing, caplog):
    with Program("sigs") as sigs:
        owner = tracing.attach(sigs.pid)
        assert found(tracing) == []
        dropped = drop_a_resume(tracing, sigs.pid)
        sigs.send(signal.SIGUSR1)
        until(lambda: dropped)
        assert found(tracing) == [sigs.pid]
        (stuck,) = tracing.tracer.statistics.stuck
        assert stuck.process.pid == sigs.pid
        assert stuck.why == "it was not resumed"
        assert found(tracing) == [sigs.pid]
        told = [record for record in caplog.records if "kept stopped" in record.message]
        assert len(told) == 1
        assert told[0].fields["tid"] == sigs.pid
        assert found(tracing, after_ns=3_600_000_000_000) == []
        on_tracer_thread(tracing, lambda: kernel.cont(sigs.pid, signal.SIGUSR1))
        assert sigs.stdout.readline() == "USR1 1\n"
        assert found(tracing) == []
        tracing.release(owner)


def test_who_runs_sleeps_or_is_stopped_by_job_control_is_well(tracing):
    with Program("sleeper", 4) as sleeper, Program("getppid16") as busy:
        for each in (sleeper, busy):
            tracing.attach(each.pid)
        os.kill(sleeper.pid, signal.SIGSTOP)
        tasks = tracing.tracer._scene.tracker.tasks
        until(lambda: all(tasks[t].state is State.LISTENING for t in procfs.tasks(sleeper.pid)))
        for _ in range(5):
            assert found(tracing) == []


def test_who_waits_for_a_subscriber_is_well():
    gate = SwitchedGate()
    tracing = Tracing(gate)
    try:
        tracing.interest()
        with Program("getppid16", 0, 4) as busy:
            owner = tracing.attach(busy.pid)
            gate.closed = True
            tracing.wait_for(lambda: tracing.tracer.statistics.held == 4)
            assert found(tracing) == []
            gate.closed = False  # and nobody says Recheck: they are forgotten
            assert len(found(tracing)) == 4
            assert tracing.tracer.statistics.stuck[0].why == "held, though no subscriber is full"
            tracing.command(Recheck())
            assert found(tracing) == []
            tracing.release(owner)
    finally:
        tracing.stop()


def test_a_crowd_is_looked_at_in_parts(tracing, monkeypatch):
    monkeypatch.setattr(checkup, "AT_ONCE", 3)
    with Program("sleeper", 10) as sleeper:
        owner = tracing.attach(sleeper.pid)
        tid = procfs.tasks(sleeper.pid)[-1]
        dropped = drop_a_resume(tracing, tid)
        ctypes.CDLL(None).syscall(TGKILL, sleeper.pid, tid, int(signal.SIGWINCH))
        until(lambda: dropped)
        assert found(tracing) == []
        until(lambda: found(tracing) == [tid])
        on_tracer_thread(tracing, lambda: kernel.cont(tid))
        tracing.release(owner)
