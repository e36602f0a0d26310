"""`tracerctl files`: its table, its document, its live lines, and where they go."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from build import command

import tracerd.client

WHOLE = "complete: yes (0 lost, 0 blind, 0 unresolved)"
ROW = re.compile(
    r"(?P<path>\S+(?: -> \S+)?)  +(?P<ops>.*?)  +(?P<who>\S+\[[\d,+]+\](?:, \S+\[.*\])*)"
)
IO_URING = """
import ctypes, sys
sys.exit(ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)) == -1)
"""


def sections(text):
    """The table's rows by section, and its last line."""
    *lines, verdict = text.splitlines()
    found = {}
    for line in lines:
        if head := re.fullmatch(r"([A-Z]+) \((\d+)\)", line):
            rows = found[head[1]] = []
            rows.append(int(head[2]))
        elif line:
            row = ROW.fullmatch(line)
            assert row, line
            rows.append((row["path"], row["ops"], row["who"]))
    for rows in found.values():
        assert rows.pop(0) == len(rows)
    return found, verdict


def shell(script):
    """A script whose commands are told apart by what they are, not by shell built-ins."""
    return ["sh", "-c", script]


@pytest.fixture
def below(tmp_path):
    """The options that leave only what is in the test's directory."""
    return ["--path", f"{tmp_path}/"]


@pytest.fixture
def inputs(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)


@pytest.mark.usefixtures("inputs")
def test_the_table(tracerctl, tmp_path, below):
    script = "cat one none; cat one; mv two three; rm three; ls none; exit 3"
    log = tmp_path.parent / f"{tmp_path.name}.log"
    done = tracerctl("files", "-o", log, *below, "--op", "!stat", "--", *shell(script))
    assert done.returncode == 3
    text = log.read_text()
    log.unlink()
    found, verdict = sections(text)
    assert verdict == WHOLE
    assert text.splitlines()[-2] == ""
    assert list(found) == ["FILES", "RENAMES", "FAILED"]

    assert {(path, ops) for path, ops, _ in found["FILES"]} == {
        (f"{tmp_path}/one", "read 2"),
        (f"{tmp_path}/three", "delete 1"),
    }
    by = {path: who for path, _, who in found["FILES"]}
    first, second = map(int, re.fullmatch(r"cat\[(\d+),(\d+)\]", by[f"{tmp_path}/one"]).groups())
    assert first < second
    assert re.fullmatch(r"rm\[\d+\]", by[f"{tmp_path}/three"])
    ((path, ops, who),) = found["RENAMES"]
    assert (path, ops) == (f"{tmp_path}/two -> {tmp_path}/three", "rename 1")
    assert re.fullmatch(r"mv\[\d+\]", who)
    assert [(path, ops, who) for path, ops, who in found["FAILED"] if "read" in ops] == [
        (f"{tmp_path}/none", "ENOENT: read 1", f"cat[{first}]")
    ]


@pytest.mark.usefixtures("inputs")
def test_the_document(files, tmp_path, below):
    script = "cat one; cat one none; mv two three; exit 3"
    options = [*below, "--op", "!stat"]
    document = files(*shell(script), options=options)
    assert document["rc"] == document["exit"] == 3
    assert document["stdout"] == "oneone"
    assert document["command"] == shell(script)
    assert document["type"] == "files"
    (entry,) = document["files"]
    (process,) = entry.pop("processes")
    assert entry == {"path": f"{tmp_path}/one", "ops": {"read": 2}, "count": 2}
    assert process["comm"] == "cat"
    first, second = process["pids"]
    assert first < second
    assert [
        {**entry, "processes": [process["comm"] for process in entry["processes"]]}
        for entry in document["renames"]
    ] == [
        {
            "from": f"{tmp_path}/two",
            "to": f"{tmp_path}/three",
            "ops": {"rename": 1},
            "count": 1,
            "processes": ["mv"],
        }
    ]
    assert [entry for entry in document["failed"] if entry["ops"] == {"read": 1}] == [
        {
            "path": f"{tmp_path}/none",
            "errno": "ENOENT",
            "ops": {"read": 1},
            "count": 1,
            "processes": [{"comm": "cat", "pids": [second]}],
        }
    ]
    verdict = {key: document[key] for key in ("complete", "lost", "blind", "unresolved")}
    assert verdict == {"complete": True, "lost": 0, "blind": [], "unresolved": 0}
    assert document["interrupted"] == ""


@pytest.mark.usefixtures("inputs")
def test_live_lines(tracerctl, tmp_path, below):
    log = tmp_path.parent / f"{tmp_path.name}.log"
    script = "cat one none; mv two three; rm three"
    tracerctl("files", "-f", "-o", log, *below, "--op", "!stat", "--", *shell(script))
    lines = [re.sub(r"\[\d+\] +", "[PID] ", line) for line in log.read_text().splitlines()]
    log.unlink()
    table = next(number for number, line in enumerate(lines) if line.startswith("FILES ("))
    assert [line for line in lines[:table] if not line.startswith(("mv", "rm"))] == [
        f"cat[PID] read      {tmp_path}/one",
        f"cat[PID] read      {tmp_path}/none  ENOENT (No such file or directory)",
    ]
    assert f"mv[PID] rename    {tmp_path}/two -> {tmp_path}/three" in lines[:table]
    assert lines[table - 1] == f"rm[PID] delete    {tmp_path}/three"
    assert lines[-1] == WHOLE


def test_live_lines_come_while_the_program_runs(tracerctl, until, tmp_path):
    """The program waits for what only happens once its line has been seen."""
    os.mkfifo(tmp_path / "fifo")
    script = "echo > one; cat fifo; echo > two; exit 7"
    ctl = tracerctl.start("files", "-f", "-o", "log", "--", *shell(script))
    log = tmp_path / "log"
    until(lambda: log.exists() and f" create    {tmp_path}/one\n" in log.read_text())
    assert "/two" not in log.read_text()
    (tmp_path / "fifo").write_text("")
    assert ctl.wait(60) == 7
    assert f" create    {tmp_path}/two\n" in log.read_text()


def test_a_program_and_its_children(files, tmp_path, below):
    """Three generations, and a grandchild that outlives its parents."""
    script = "echo > a; sh -c 'echo > b; sh -c \"echo > c; (cat a; echo > d) & exit 0\"'; exit 7"
    document = files(*shell(script), options=["-f", *below, "--op", "create"])
    assert document["rc"] == 7
    made = {
        Path(record["path"]).name: record["pid"]
        for record in document["records"]
        if record["op"] == "create"
    }
    assert list(made) == ["a", "b", "c", "d"]
    assert len(set(made.values())) == 4


def test_attach_by_pid_takes_all_threads(tracerctl, tracee, until, tracer_of, tmp_path):
    sleeper, other = tracee("sleeper", 8), tracee("sleeper", 3)
    log = tmp_path / "log"
    ctl = tracerctl.start("files", "--json", "-o", log, "-p", sleeper.pid, other.pid)
    threads = [*sleeper.threads, *other.threads]
    assert len(threads) == 11
    until(lambda: all(map(tracer_of, threads)))
    assert len(set(map(tracer_of, threads))) == 1
    ctl.send_signal(signal.SIGINT)
    assert ctl.wait(60) == 0
    assert [tracer_of(tid) for tid in threads] == [0] * 11
    assert sleeper.process.poll() is other.process.poll() is None
    document = json.loads(log.read_text())
    assert (document["pids"], document["complete"]) == ([sleeper.pid, other.pid], True)


def test_attach_ends_with_the_target(tracerctl, tracee, until, tracer_of, follows):
    sleeper = tracee("sleeper", 2)
    out = subprocess.PIPE
    ctl = tracerctl.start("files", "-p", sleeper.pid, stdout=out, stderr=out, text=True)
    until(lambda: all(map(tracer_of, sleeper.threads)) and follows(ctl.pid))
    assert sleeper.finish()[0] == -signal.SIGTERM
    assert ctl.communicate(timeout=60) == (f"{WHOLE}\n", "")
    assert ctl.returncode == 0


@pytest.mark.usefixtures("inputs")
def test_where_the_report_goes(tracerctl, tmp_path, below):
    """A command's output and the report do not mix unless asked to."""
    argv = [*below, "--", "cat", "one"]
    plain = tracerctl("files", *argv)
    assert plain.stdout == "one"
    assert plain.stderr.splitlines()[-1] == WHOLE
    assert f"{tmp_path}/one" in plain.stderr

    mixed = tracerctl("files", "-o", "-", *argv)
    assert mixed.stdout.startswith("oneFILES (1)\n")
    assert mixed.stdout.splitlines()[-1] == WHOLE
    assert mixed.stderr == ""

    (tmp_path / "log").write_text("x" * 10_000)
    logged = tracerctl("files", "-o", "log", *argv)
    assert (logged.stdout, logged.stderr) == ("one", "")
    found, verdict = sections((tmp_path / "log").read_text())
    assert [path for path, *_ in found["FILES"]] == [f"{tmp_path}/one"]
    assert verdict == WHOLE

    refused = tracerctl("files", "-o", "no/such/log", *argv)
    assert (refused.returncode, refused.stdout) == (125, "") or refused.returncode in {1, 125}
    assert "no/such/log: No such file or directory" in refused.stderr
    assert refused.stdout == ""  # It has not been run.


def test_what_cannot_be_seen_is_told(tracerctl, tmp_path):
    """An io_uring opens files without any call."""
    if subprocess.run(["python3", "-c", IO_URING], check=False).returncode:
        pytest.skip("this kernel gives no io_uring")
    done = tracerctl("files", "--json", "-o", "log", "--", "python3", "-c", IO_URING)
    assert done.returncode == 0
    document = json.loads((tmp_path / "log").read_text())
    assert document["complete"] is False
    assert [(blind["what"], blind["comm"]) for blind in document["blind"]] == [
        ("io_uring", "python3")
    ]
    tracerctl("files", "-o", "log", "--", "python3", "-c", IO_URING)
    verdict = (tmp_path / "log").read_text().splitlines()[-1]
    assert re.fullmatch(
        r"complete: no \(0 lost, 1 blind, 0 unresolved\); io_uring in python3\[\d+\]", verdict
    )


def test_a_ring_that_is_open_already_is_told(tracerctl, daemon, tracee, until, tmp_path):
    """Also to the second who looks at the process."""
    ring = tracee("ring_user", "/dev/null", "wait")
    assert tracerctl("attach", ring.pid, socket=daemon.socket).returncode == 0
    started = []
    for number in range(2):
        started.append(
            tracerctl.start(
                *("files", "--json", "-o", f"log-{number}", "-p", ring.pid),
                socket=daemon.socket,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        assert f"ring_user[{ring.pid}]: io_uring: " in started[-1].stderr.readline()
    ring.send(signal.SIGUSR1)
    for number, ctl in enumerate(started):
        ctl.communicate(timeout=60)
        document = json.loads((tmp_path / f"log-{number}").read_text())
        assert document["complete"] is False
        blind = {(each["pid"], each["what"]) for each in document["blind"]}
        assert (ring.pid, "io_uring") in blind


@pytest.mark.parametrize("options", [(), ("--no-seccomp",), ("--seccomp",)], ids=str)
def test_a_program_does_without_a_ring(tracerctl, tmp_path, options):
    (tmp_path / "f").write_text("text\n")
    done = tracerctl(
        *("files", "--json", "-o", "log", "--no-io-uring", *options),
        *("--path", tmp_path / "f", "--", *command("ring_user", tmp_path / "f")),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "call: text\n", "")
    document = json.loads((tmp_path / "log").read_text())
    assert document["complete"] is True
    [entry] = document["files"]
    assert (entry["path"], entry["ops"]) == (str(tmp_path / "f"), {"read": 1})


def test_a_program_that_is_run_does_without_a_ring(tracerctl):
    program = ("--", *command("ring_user", "/dev/null"))
    done = tracerctl("run", "--no-io-uring", "-o", "-", *program)
    assert "io_uring_setup(" in done.stdout
    assert " = -1 ENOSYS (Function not implemented)" in done.stdout
    assert "blind" not in done.stdout


def test_the_daemons_death_is_told_and_harms_nobody(tracerctl, start_daemon, until, tmp_path):
    daemon = start_daemon()
    os.mkfifo(tmp_path / "fifo")
    script = "echo > one; cat fifo; echo > two; exit 7"
    err = (tmp_path / "err").open("wb")
    ctl = tracerctl.start(
        *("files", "-f", "-o", "log", "--no-seccomp", "--", *shell(script)),
        socket=daemon.socket,
        stderr=err,
    )
    err.close()
    log = tmp_path / "log"
    until(lambda: log.exists() and f" create    {tmp_path}/one\n" in log.read_text())
    daemon.process.kill()
    daemon.process.wait(60)
    until((tmp_path / "err").read_text)
    (tmp_path / "fifo").write_text("")
    assert ctl.wait(60) == 125
    assert (tmp_path / "two").exists()
    verdict = log.read_text().splitlines()[-1]
    assert verdict == "complete: no (0 lost, 0 blind, 0 unresolved); the daemon has gone"
    assert "the daemon has gone" in (tmp_path / "err").read_text()


def test_a_program_that_cannot_be_run(tracerctl):
    for argv, code in ((["./none"], 127), (["/etc/passwd"], 126)):
        done = tracerctl("files", "--", *argv)
        assert (done.returncode, done.stdout) == (code, "")
        assert len(done.stderr.splitlines()) == 1
        assert argv[0] in done.stderr


@pytest.mark.usefixtures("inputs")
def test_two_at_once_at_one_daemon(tracerctl, daemon, tmp_path, below):
    """Each sees its own program only."""
    started = {
        name: tracerctl.start(
            *("files", "--json", "-o", f"log-{name}", *below, "--", "cat", name),
            socket=daemon.socket,
            stdout=subprocess.DEVNULL,
        )
        for name in ("one", "two")
    }
    for name, ctl in started.items():
        assert ctl.wait(60) == 0
        document = json.loads((tmp_path / f"log-{name}").read_text())
        assert [entry["path"] for entry in document["files"]] == [f"{tmp_path}/{name}"]
        assert document["complete"]


def test_an_end_that_comes_with_the_last_events(daemon, tracee, until):
    """Whoever selects on the descriptor must not wait for it then: nothing more will come."""
    sleeper = tracee("sleeper")
    with tracerd.client.connect_sync(daemon.socket, timeout=60) as client:
        subscription = client.subscribe(until=sleeper.pid, type="signal_exit")
        client.attach(sleeper.pid)
        assert sleeper.finish()[0] == -signal.SIGTERM
        until(lambda: not client.status().subscriptions)  # All is in our socket.
        (event,) = subscription.read(timeout=0)
        assert (event.pid, event.signal) == (sleeper.pid, "SIGTERM")
        assert subscription.end
        assert subscription.waiting
        assert subscription.read(timeout=0) is None


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("create", {"one": {"create": 1}}),
        ("!create,truncate", {"one": {"write": 1}, "two": {"delete": 1}}),
        ("delete", {"two": {"delete": 1}}),
    ],
)
def test_only_the_operations_asked_for(files, tmp_path, option, expected):
    script = f"> {tmp_path}/one; mv {tmp_path}/one {tmp_path}/two; rm {tmp_path}/two"
    path = f"{tmp_path}/**"
    done = files("sh", "-c", script, options=["--op", option, "--path", path])
    found = {
        Path(entry["path"]).name: {op: count for op, count in entry["ops"].items() if op != "stat"}
        for entry in done["files"]
    }
    assert {name: ops for name, ops in found.items() if ops} == expected
    assert bool(done["renames"]) == option.startswith("!")
