"""What u-root's strace package tells of a program, and what it tells wrongly, through tracerctl.

Each test compares `tracerctl run --json` with what the tracee says of itself.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from build import command

ALL_TYPES = (
    "syscall_enter,syscall_exit,signal_stop,group_stop,resumed,new_child,exec,exit,signal_exit"
)


@pytest.fixture
def run(tracerctl, tmp_path):
    """`run(*argv, options=())`: the events, and the CompletedProcess."""

    def traced(*argv, options=(), **popen):
        log = tmp_path / "events"
        done = tracerctl("run", "--json", "-o", log, *options, "--", *argv, **popen)
        return [json.loads(line) for line in log.read_text().splitlines()], done

    return traced


def of(events, *types):
    return [event for event in events if event["type"] in types]


def spoken(text):
    return [json.loads(line) for line in text.splitlines()]


def test_enter_and_exit_come_in_pairs(run):
    """Every call, from the exec on, has its entry and its exit, whose times give the duration."""
    events, _ = run(*command("syscall_rets"), options=["--type", ALL_TYPES])
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    # The execve is entered before anything of the program can be seen.
    calls = of(events, "syscall_enter", "syscall_exit")
    assert (calls[0]["type"], calls[0]["syscall"]) == ("syscall_exit", "execve")
    rest = calls[1:]
    assert len(rest) % 2 == 0
    for entered, left in zip(rest[::2], rest[1::2], strict=True):
        assert (entered["type"], left["type"]) == ("syscall_enter", "syscall_exit")
        for field in ("syscall", "nr", "pid", "tid", "start", "comm"):
            assert entered[field] == left[field]
        assert entered["args"].keys() == left["args"].keys() if "args" in entered else True
        if left.get("unfinished"):
            assert left["syscall"] == "exit_group"
            assert "ret" not in left
            assert "duration_ns" not in left
        else:
            assert left["duration_ns"] > 0
            # Not equal to the digit: Unix time is taken from the monotonic clock ever anew.
            between = left["time_ns"] - entered["time_ns"]
            assert abs(left["duration_ns"] - between) < 1_000_000
    assert "ret" not in {key for event in rest[::2] for key in event}
    assert rest[-1]["syscall"] == "exit_group"


def test_entries_come_only_when_asked_for(run):
    events, _ = run("true")
    assert of(events, "syscall_enter") == []
    events, _ = run("true", options=["--type", "syscall_enter"])
    assert {event["type"] for event in events} == {"syscall_enter"}
    assert events[-1]["syscall"] == "exit_group"


def test_a_duration_is_the_time_in_the_call(run):
    sleep = [sys.executable, "-S", "-c", "import time; time.sleep(0.05)"]
    started = time.monotonic_ns()
    events, _ = run(*sleep, options=["-e", "clock_nanosleep", "--type", "syscall_exit"])
    took = time.monotonic_ns() - started
    (slept,) = events
    assert 50_000_000 <= slept["duration_ns"] < took
    assert (slept["ret"], slept.get("errno")) == (0, None)


def test_return_values_and_errors(run):
    events, done = run(*command("syscall_rets"), options=["--type", "syscall_exit"])
    expected = spoken(done.stdout)
    assert len(expected) == 15
    start = next(n for n, event in enumerate(events) if event["syscall"] == "pipe2")
    # Its first printf makes calls of other names.
    known = {line["syscall"] for line in expected}
    made = [event for event in events[start:] if event["syscall"] in known][: len(expected)]
    assert [
        {
            "syscall": event["syscall"],
            "ret": event["ret"],
            "rets": event.get("rets"),
            "errno": event.get("errno"),
        }
        for event in made
    ] == expected
    pairs = [(event["syscall"], event["rets"]) for event in made if "rets" in event]
    assert [name for name, _ in pairs] == ["pipe2", "pipe", "socketpair"]
    for event in made:
        if "rets" in event:
            assert (
                event["args"][{"socketpair": "usockvec"}.get(event["syscall"], "fildes")]
                == (event["rets"])
            )


def test_a_large_return_value_is_no_error(run):
    """u-root takes every negative number for an error; only the last page of them is."""
    code = "import ctypes; libc = ctypes.CDLL(None); libc.syscall(9999); libc.syscall(12, 0)"
    events, _ = run(sys.executable, "-S", "-c", code, options=["--type", "syscall_exit"])
    unknown = next(event for event in events if event["nr"] == 9999)
    assert (unknown["ret"], unknown["errno"]) == (-1, "ENOSYS")
    maps = [event for event in events if event["syscall"] in {"mmap", "brk"}]
    assert maps
    for event in maps:
        assert re.fullmatch("0x[0-9a-f]+", event["ret"])
        assert "errno" not in event


def test_signals_are_told_with_their_senders(run):
    script = "trap 'echo got' USR1; kill -USR1 $$; sh -c 'exit 3'; exit 5"
    events, done = run("sh", "-c", script, options=["--type", ALL_TYPES])
    assert (done.stdout, done.returncode) == ("got\n", 5)
    shell = of(events, "exec")[0]["pid"]
    usr1, chld = of(events, "signal_stop")
    assert (usr1["signal"], usr1["signo"]) == ("SIGUSR1", signal.SIGUSR1)
    assert (usr1["pid"], usr1["sender_pid"], usr1["code"]) == (shell, shell, "SI_USER")
    # Root's uid is the default value of nothing: it is told.
    assert usr1["sender_uid"] == os.getuid()
    (child,) = of(events, "new_child")
    assert (chld["signal"], chld["code"], chld["sender_pid"]) == (
        *("SIGCHLD", "CLD_EXITED"),
        child["child"],
    )


def test_a_fault_has_its_address(run):
    code = "import ctypes; ctypes.string_at(0x10)"
    events, done = run(sys.executable, "-S", "-c", code)
    assert done.returncode == -signal.SIGSEGV
    (fault,) = of(events, "signal_stop")
    assert (fault["signal"], fault["code"], fault["addr"]) == ("SIGSEGV", "SEGV_MAPERR", "0x10")
    assert "sender_pid" not in fault
    (end,) = of(events, "signal_exit")
    assert (end["signal"], end["signo"], end["process"]) == ("SIGSEGV", signal.SIGSEGV, True)


def test_ends_and_new_children(run):
    """Exit codes, a death by signal, and who made whom."""
    script = "sh -c 'exit 3'; sh -c 'kill -KILL $$'; exit 7"
    events, done = run("sh", "-c", script, stderr=subprocess.DEVNULL)
    assert done.returncode == 7
    first = of(events, "exec")[0]["pid"]
    made = of(events, "new_child")
    assert len(made) == 2
    assert [event["pid"] for event in made] == [first, first]
    assert all(not event.get("thread") for event in made)
    three, killed = (event["child"] for event in made)
    ends = {event["pid"]: event for event in of(events, "exit", "signal_exit")}
    assert ends.keys() == {first, three, killed}
    assert all(end["process"] for end in ends.values())
    assert (ends[first]["type"], ends[first]["code"]) == ("exit", 7)
    assert (ends[three]["type"], ends[three]["code"]) == ("exit", 3)
    assert (ends[killed]["type"], ends[killed]["signal"]) == ("signal_exit", "SIGKILL")
    assert ends[killed]["signo"] == signal.SIGKILL
    assert "core_dumped" not in ends[killed]
    for event in events:
        child = {made[0]["child"]: made[0], made[1]["child"]: made[1]}.get(event["pid"])
        if child is not None:
            assert event["seq"] > child["seq"]
            assert event["start"] == child["child_start"]


def test_every_way_to_make_a_child(run):
    code = """
import os, subprocess, threading
if not (child := os.fork()): os._exit(0)
os.waitpid(child, 0)
subprocess.run(["true"], close_fds=False)
thread = threading.Thread(target=os.getppid)
thread.start()
thread.join()
"""
    events, done = run(sys.executable, "-S", "-c", code)
    assert done.returncode == 0
    fork, vfork, thread = of(events, "new_child")
    assert (fork["kind"], fork.get("thread")) == ("fork", None)
    assert (vfork["kind"], vfork.get("thread")) == ("vfork", None)
    assert (thread["kind"], thread["thread"]) == ("clone", True)
    main = of(events, "exec")[0]["pid"]
    assert fork["pid"] == vfork["pid"] == thread["pid"] == main
    (asked,) = [event for event in events if event.get("syscall") == "getppid"]
    assert (asked["pid"], asked["tid"]) == (main, thread["child"])
    thread_end = next(event for event in of(events, "exit") if event["tid"] == thread["child"])
    assert not thread_end.get("process")


def test_stop_and_continue(run, until, tracerctl, tmp_path):
    """A stop by job control is no signal that kills, and SIGCONT ends it."""
    log = tmp_path / "log"
    script = "kill -STOP $$; echo on"
    ctl = tracerctl.start(
        *("run", "--json", "-o", log, "--", "sh", "-c", script),
        stdout=subprocess.PIPE,
        text=True,
    )
    # tracerctl is stopped as its program is, as the shell that waits for it must see.
    until(lambda: Path(f"/proc/{ctl.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    os.killpg(ctl.pid, signal.SIGCONT)
    assert ctl.communicate(timeout=60)[0] == "on\n"
    assert ctl.returncode == 0
    stop, resumed = of(spoken(log.read_text()), "group_stop", "resumed")
    assert (stop["type"], resumed["type"]) == ("group_stop", "resumed")
    assert (stop["signal"], stop["signo"]) == ("SIGSTOP", signal.SIGSTOP)
    assert stop["pid"] == stop["tid"] == resumed["pid"]


def test_the_first_exec_and_its_arguments(run, tmp_path):
    """u-root never shows the first, and at the exit of each reads the new program's memory."""
    argv = ["sh", "-c", "/bin/echo one 'two words' ''; :", "zero"]
    options = ["--type", ALL_TYPES, "--env"]
    environment = {"PATH": os.environ["PATH"], "NAME": "value of it"}
    events, done = run(*argv, options=options, env=environment)
    assert done.stdout == "one two words \n"
    assert events[0]["type"] == "exec"
    shell, echo = of(events, "exec")
    assert shell["argv"] == argv
    assert shell["path"] in {f"{directory}/sh" for directory in os.get_exec_path(environment)}
    assert "NAME=value of it" in shell["envp"]
    assert (echo["path"], echo["argv"]) == ("/bin/echo", ["/bin/echo", "one", "two words", ""])
    assert echo["comm"] == "echo"
    entered = [event for event in of(events, "syscall_enter") if event["syscall"] == "execve"]
    left = [event for event in of(events, "syscall_exit") if event["syscall"] == "execve"]
    for event in (*entered, left[1]):
        assert event["args"]["filename"] == "/bin/echo"
        assert event["args"]["argv"] == ["/bin/echo", "one", "two words", ""]
        assert "NAME=value of it" in event["args"]["envp"]
    assert len(entered) == 1
    assert [event["ret"] for event in left] == [0, 0]


def test_execs_are_told_right_when_nothing_else_is_asked_for(run):
    """Without any call in sight: each exec event is of its own program."""
    code = """
import os
try: os.execv("/none", ["x"])
except OSError: os.execv("/bin/sh", ["y", "-c", "exec /bin/true z"])
"""
    events, _ = run(sys.executable, "-S", "-c", code, options=["--type", "exec"])
    assert [event["comm"] for event in events[1:]] == ["sh", "true"]
    assert [event["argv"] for event in events[1:]] == [
        ["y", "-c", "exec /bin/true z"],
        ["/bin/true", "z"],
    ]
    assert [os.path.realpath(event["path"]) for event in events] == [
        os.path.realpath(program) for program in (sys.executable, "/bin/sh", "/bin/true")
    ]


def test_socket_addresses(run, tmp_path):
    """u-root refuses abstract names."""
    events, done = run(
        *command("sockets", tmp_path), options=["-e", "bind,connect", "--type", "syscall_exit"]
    )
    expected = spoken(done.stdout)
    assert len(expected) >= 7
    assert len(events) == len(expected)
    for event, told in zip(events, expected, strict=True):
        assert event["syscall"] == told["syscall"]
        assert event.get("errno") == told["errno"]
        address = event["args"]["umyaddr" if told["syscall"] == "bind" else "uservaddr"]
        assert address["family"] == told["family"]
        match told:
            case {"path": path}:
                assert address["path"] == path
                assert "abstract" not in address
                assert [(f["path"], f["op"]) for f in event["files"]] == [(path, told["syscall"])]
            case {"abstract": name}:
                assert (address["path"], address["abstract"]) == (f"@{name}", True)
            case {"address": host, "port": port}:
                assert (address["addr"], address["port"]) == (host, port)
                assert "files" not in event
    assert {told["family"] for told in expected} >= {"AF_UNIX", "AF_INET"}
    assert [event["errno"] for event in events if "errno" in event] == ["ECONNREFUSED"]


def test_a_call_that_never_returns(tracerctl, tracee, until, tmp_path):
    """Killed inside read(2): the call is told as unfinished, then the death."""
    reader = tracee("killed_in_read")
    log = tmp_path / "log"
    ctl = tracerctl.start("trace", "--json", "-o", log, reader.pid)
    until(lambda: reader.tracer)
    until(lambda: log.exists() and '"attached"' in log.read_text())
    # The attach interrupts the read, which begins anew: this one is seen from its entry on.
    reader.send(signal.SIGKILL)
    assert reader.wait() == -signal.SIGKILL
    assert ctl.wait(60) == 0
    events = spoken(log.read_text())
    end = events[-1]
    assert (end["type"], end["signal"], end["process"]) == ("signal_exit", "SIGKILL", True)
    calls = of(events, "syscall_exit")
    for call in calls:
        assert call["syscall"] == "read"
        assert call.get("unfinished") or call.get("restart")
        if call.get("unfinished"):
            assert "ret" not in call
