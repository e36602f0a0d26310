"""Births, images and ends of real programs."""

import os
import signal
import subprocess
import threading

import pytest
from real import EVERYTHING, LIFECYCLE, Program, until

from tracerd import errors
from tracerd.core import procfs
from tracerd.core.commands import AttachCommand, Snapshot
from tracerd.protocol.events import (
    Attached,
    Detached,
    Exec,
    Exit,
    GroupStop,
    NewChild,
    Resumed,
    SignalExit,
    SignalStop,
    SyscallExit,
)


@pytest.fixture
def sleeper():
    with Program("sleeper") as program:
        yield program


def free(pid):
    status = procfs.status(pid)
    return status is not None and status.tracer == 0


def test_the_first_event_is_the_exec(tracing):
    assert tracing.run("true") == 0
    first = tracing.events[0]
    assert isinstance(first, Exec)
    assert first.path.endswith("/true")
    assert first.argv == ["true"]
    assert first.comm == "true"
    second = tracing.events[1]
    assert isinstance(second, SyscallExit)
    assert (second.syscall, second.ret) == ("execve", 0)


def test_seq_is_gapless(tracing):
    tracing.run("ls", "/")
    assert [e.seq for e in tracing.events] == list(range(1, len(tracing.events) + 1))


def test_exit_code_and_death_by_signal(tracing):
    assert tracing.run("sh", "-c", "exit 7") == 7
    assert tracing.of(Exit)[-1].code == 7
    assert tracing.run("sh", "-c", "kill -TERM $$") == 128 + signal.SIGTERM
    end = tracing.of(SignalExit)[-1]
    assert (end.signal, end.process) == ("SIGTERM", True)
    stop = tracing.of(SignalStop)[-1]
    assert (stop.signal, stop.sender_pid, stop.code) == ("SIGTERM", end.pid, "SI_USER")


def test_never_returning_calls_are_told(tracing):
    tracing.run("true")
    last = [e for e in tracing.of(SyscallExit) if e.syscall == "exit_group"][-1]
    assert last.unfinished
    assert last.ret is None


def test_two_hundred_processes(tracing):
    status = tracing.run("sh", "-c", "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done")
    assert status == 0
    shell = tracing.of(Exec)[0].pid
    born = [e.child for e in tracing.of(NewChild) if e.pid == shell and not e.thread]
    execed = [e.pid for e in tracing.of(Exec) if e.pid != shell]
    ended = [e.pid for e in tracing.of(Exit) if e.process and e.pid != shell]
    assert len(born) == 200
    assert sorted(born) == sorted(execed) == sorted(ended)
    assert tracing.command(Snapshot()) == []


def test_attach_and_detach_leave_no_trace(tracing, sleeper):
    owner = tracing.attach(sleeper.pid)
    assert procfs.status(sleeper.pid).tracer == tracing.tracer.tid
    attached = tracing.of(Attached)[-1]
    assert attached.threads == [sleeper.pid]
    tracing.release(owner)
    status = procfs.status(sleeper.pid)
    assert (status.tracer, status.pending, status.shared_pending) == (0, 0, 0)
    until(lambda: procfs.status(sleeper.pid).state == "S")
    assert tracing.of(Detached)[-1].pid == sleeper.pid


def test_stop_detaches_everything(tracing, sleeper):
    tracing.attach(sleeper.pid)
    tracing.stop()
    assert free(sleeper.pid)
    until(lambda: procfs.status(sleeper.pid).state == "S")


def test_two_owners_share_a_trace(tracing, sleeper):
    first, second = tracing.attach(sleeper.pid), tracing.attach(sleeper.pid)
    tracing.release(first)
    assert not free(sleeper.pid)
    tracing.release(second)
    assert free(sleeper.pid)


def test_a_group_stop_is_kept(tracing, sleeper):
    tracing.attach(sleeper.pid)
    sleeper.send(signal.SIGSTOP)
    tracing.wait_for(lambda: tracing.of(GroupStop))
    sleeper.send(signal.SIGCONT)
    tracing.wait_for(lambda: tracing.of(Resumed))
    assert [e.signal for e in tracing.of(SignalStop)][:1] == ["SIGSTOP"]


def test_detach_in_group_stop_leaves_it_stopped(tracing, sleeper):
    owner = tracing.attach(sleeper.pid)
    sleeper.send(signal.SIGSTOP)
    tracing.wait_for(lambda: tracing.of(GroupStop))
    tracing.release(owner)
    assert free(sleeper.pid)
    until(lambda: procfs.status(sleeper.pid).state == "T")


def test_bad_pids(tracing, sleeper):
    with pytest.raises(errors.NoSuchProcess):
        tracing.attach(4_000_000)
    with pytest.raises(errors.KernelThread):
        tracing.attach(2)
    with pytest.raises(errors.OwnDaemon):
        tracing.attach(os.getpid())
    other = subprocess.Popen(["strace", "-o", "/dev/null", "-p", str(sleeper.pid)])
    try:
        until(lambda: procfs.status(sleeper.pid).tracer != 0)
        with pytest.raises(errors.AlreadyTraced) as caught:
            tracing.attach(sleeper.pid)
        assert caught.value.tracer == other.pid
    finally:
        other.terminate()
        other.wait()
    zombie = subprocess.Popen(["true"])
    until(lambda: procfs.status(zombie.pid).state == "Z")
    with pytest.raises(errors.ZombieProcess):
        tracing.attach(zombie.pid)
    zombie.wait()


def test_all_threads_are_attached(tracing):
    with Program("sleeper", 20) as program:
        owner = tracing.attach(program.pid)
        tids = procfs.tasks(program.pid)
        assert len(tids) == 20
        assert {procfs.status(t).tracer for t in tids} == {tracing.tracer.tid}
        tracing.release(owner)
        assert {procfs.status(t).tracer for t in tids} == {0}


def test_an_unwatched_program_makes_no_syscall_stops(quiet_tracing):
    assert quiet_tracing.run("ls", "-lR", "/etc") == 0
    assert quiet_tracing.events == []
    # exec, exit and a few more; not thousands
    assert quiet_tracing.tracer.statistics.stops < 2000


def test_commands_from_many_threads_are_all_answered(tracing):
    failures = []

    def ask():
        try:
            for _ in range(50):
                tracing.command(Snapshot())
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_stopped_tracer_refuses(tracing, sleeper):
    tracing.stop()
    with pytest.raises(errors.ShuttingDown):
        tracing.command(AttachCommand(sleeper.pid, 99))


def test_the_path_of_an_exec_does_not_depend_on_what_else_is_seen(tracing, tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    for interest in (EVERYTHING, LIFECYCLE):
        tracing.interest(interest)
        assert tracing.run("sh", "-c", f"/bin/true; cd {tmp_path}; ./script") == 0
    paths = [e.path for e in tracing.of(Exec)]
    expected = [paths[0], "/bin/true", f"{tmp_path}/./script"]
    assert paths == expected * 2


def test_both_values_of_a_pair(tracing):
    code = "import os, socket; os.pipe(); socket.socketpair()"
    assert tracing.run("python3", "-c", code) == 0
    pipe = next(e for e in tracing.of(SyscallExit) if e.syscall == "pipe2")
    pair = next(e for e in tracing.of(SyscallExit) if e.syscall == "socketpair")
    assert pipe.rets == pipe.args["fildes"]
    assert pair.rets == pair.args["usockvec"]
    assert all(isinstance(fd, int) for fd in pipe.rets + pair.rets)


@pytest.mark.parametrize("interest", [EVERYTHING, LIFECYCLE])
def test_a_long_argv_is_cut_and_says_so(tracing, interest):
    tracing.interest(interest)
    words = ["x" * 1000] * 100
    assert tracing.run("true", *words) == 0
    told = tracing.of(Exec)[0]
    assert told.truncated
    assert told.argv[:2] == ["true", "x" * 1000]
    assert 32_000 <= sum(map(len, told.argv)) <= 32_768
