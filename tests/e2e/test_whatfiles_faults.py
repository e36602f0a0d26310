"""What the whatfiles program gets wrong, on the programs that show it.

One test per fault; its docstring says what whatfiles does instead.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from build import command

ODD = "\nmode: write, file: forged, syscall: open(), PID: 1, process: forged"

OBEDIENT = """
import os
print("READY", flush=True)
try:
    while True:
        os.close(os.open(input(), os.O_CREAT | os.O_WRONLY))
        print("DONE", flush=True)
except EOFError:
    pass
"""
"""Creates the files it is told on its standard input."""


def python(code, *args):
    return [sys.executable, "-S", "-c", code, *map(str, args)]


def spoken(text):
    """The JSON lines a tracee printed."""
    return [json.loads(line) for line in text.splitlines()]


def ops(document, part="files"):
    return {entry["path"]: entry["ops"] for entry in document[part]}


def uses(document):
    """What was done to files beyond asking: which calls ask is the C library's affair."""
    told = {
        entry["path"]: {op: count for op, count in entry["ops"].items() if op != "stat"}
        for entry in document["files"]
    }
    return {path: did for path, did in told.items() if did}


@pytest.fixture
def events(tracerctl):
    """`events(*argv, options=())`: the events of `tracerctl run --json -- argv`, and its result."""

    def run(*argv, options=(), **popen):
        log = tracerctl.directory / ".events"
        done = tracerctl("run", "--json", "-o", log, *options, "--", *argv, **popen)
        return spoken(log.read_text()), done

    return run


@pytest.fixture
def live(files, tmp_path):
    """`live(*argv)`: the document of `files`, and in `records` each access below the directory."""

    def run(*argv, options=(), **popen):
        return files(*argv, options=["-f", "--path", f"{tmp_path}/", *options], **popen)

    return run


@pytest.fixture
def obedient(processes, tmp_path):
    """A program that creates the files it is told; `obedient(name)`."""
    pipe = subprocess.PIPE
    process = processes.start(python(OBEDIENT), stdin=pipe, stdout=pipe, text=True, cwd=tmp_path)
    assert process.stdout.readline() == "READY\n"

    def create(name):
        process.stdin.write(f"{name}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "DONE\n"

    create.pid, create.process = process.pid, process
    return create


NUMBER = re.compile(r"#\d+$")


@pytest.mark.parametrize("via", ["open", "openat", "openat2"])
def test_modes_come_from_the_flags(events, live, tmp_path, via):
    """It reads the permissions (0666: all is `rd/wr`)."""
    for directory in ("run", "files"):
        (tmp_path / directory).mkdir()
    seen, done = events(*command("openmodes", tmp_path / "run", via))
    expected = spoken(done.stdout)
    assert len(expected) == 16
    assert done.returncode == 0

    calls = [event for event in seen if event.get("syscall") == via]
    calls = [call for call in calls if call["files"][0]["path"].startswith(f"{tmp_path}/run/")]
    assert len(calls) == len(expected)
    for call, case in zip(calls, expected, strict=True):
        assert {file["path"] for file in call["files"]} == {case["path"]}, case
        assert sorted(file["op"] for file in call["files"]) == case["ops"], case
        assert {file.get("created") for file in call["files"]} == {case["created"]}, case
        assert call.get("errno") == case["errno"], case

    document = live(*command("openmodes", tmp_path / "files", via))
    opens = [record for record in document["records"] if record["syscall"] == via]
    for case in spoken(document["stdout"]):
        its, opens = opens[: len(case["ops"])], opens[len(case["ops"]) :]
        assert sorted(record["op"] for record in its) == case["ops"], case
        # What has no name goes by the kernel's name for it, which has a number.
        path = re.sub(r"/\.$", "/#N", case["path"]) if case["created"] else case["path"]
        assert {(NUMBER.sub("#N", record["path"]), record.get("errno")) for record in its} == {
            (path, case["errno"])
        }
    assert opens == []


def test_equal_calls_in_a_row_are_all_seen(events, live, tmp_path):
    """It takes the second for the first one's return."""
    document = live(*command("repeat", tmp_path))
    same = str(tmp_path / "same")
    gone = [str(tmp_path / f"gone{i}") for i in range(4)]
    assert ops(document)[same] == {"create": 1, "write": 1, "read": 6}
    assert [ops(document)[path] for path in gone] == [{"create": 1, "write": 1, "delete": 1}] * 4
    assert ops(document, "failed") == {gone[0]: {"delete": 2}}
    assert [
        (record["op"], record["path"], record.get("errno")) for record in document["records"][10:]
    ] == [
        *[("read", same, None)] * 6,
        *[("delete", path, None) for path in gone],
        *[("delete", gone[0], "ENOENT")] * 2,
    ]

    os.unlink(same)
    seen, _ = events(*command("repeat", tmp_path), options=["--path", same, "--op", "read"])
    assert [event["ret"] for event in seen] == list(range(3, 9))


def test_calls_of_threads_are_neither_missed_nor_doubled(live, tmp_path):
    """It knows one last call for all threads."""
    code = """
import os, sys, threading
def look(name):
    for _ in range(200):
        try: os.open(name, os.O_RDONLY)
        except FileNotFoundError: pass
threads = [threading.Thread(target=look, args=(f"{sys.argv[1]}/none{i}",)) for i in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    document = live(*python(code, tmp_path))
    assert ops(document, "failed") == {str(tmp_path / f"none{i}"): {"read": 200} for i in range(4)}
    mine = [record for record in document["records"] if "/none" in record["path"]]
    by_thread = Counter((record["tid"], record["path"]) for record in mine)
    assert len(by_thread) == len({tid for tid, _ in by_thread}) == 4
    assert {record["pid"] for record in mine}.isdisjoint({tid for tid, _ in by_thread})
    assert len({record["pid"] for record in mine}) == 1


def test_a_failed_open_is_no_read(live, tmp_path):
    """It shows them as reads."""
    (tmp_path / "there").write_text("x")
    os.symlink("loop", tmp_path / "loop")
    document = live("cat", "none", "there/none", "loop", "there")
    assert document["rc"] == document["exit"] == 1
    assert uses(document) == {str(tmp_path / "there"): {"read": 1}}
    assert {
        (Path(entry["path"]).relative_to(tmp_path), entry["errno"], *entry["ops"].items())
        for entry in document["failed"]
    } == {
        (Path("none"), "ENOENT", ("read", 1)),
        (Path("there/none"), "ENOTDIR", ("read", 1)),
        (Path("loop"), "ELOOP", ("read", 1)),
    }


def test_paths_are_joined_with_what_they_are_relative_to(events, tmp_path):
    """It shows the argument as passed."""
    directory = tmp_path.resolve() / "paths"
    directory.mkdir()
    options = ["--path", f"{directory}/", "--level", "fd"]  # one names no path
    seen, done = events(*command("open_paths", directory), options=options)
    expected = spoken(done.stdout)
    assert len(expected) == 12
    told = [
        {
            "syscall": event["syscall"],
            "raw": event["files"][0]["raw"],
            "path": event["files"][0]["path"],
            "real": event["files"][0].get("real"),
            "errno": event.get("errno"),
        }
        for event in seen
        if event["type"] == "syscall_exit"
        and (event["syscall"] in {"openat", "newfstatat"})
        # What it does to get ready: openat(AT_FDCWD, DIR/a, O_PATH) and its like.
        and event["files"][0]["op"] == ("stat" if event["syscall"] == "newfstatat" else "read")
    ]
    assert told == expected


def test_removing_a_directory_by_descriptor(events, live, tmp_path):
    """It ignores the descriptor and AT_REMOVEDIR."""
    code = """
import os, sys
top = os.open(sys.argv[1], os.O_PATH)
os.mkdir("d", dir_fd=top)
os.mknod("f", dir_fd=top)
os.rmdir("d", dir_fd=top)
os.unlink("f", dir_fd=top)
"""
    (tmp_path / "x").mkdir()
    document = live(*python(code, "x"))
    wanted = {str(tmp_path / "x" / name): {"create": 1, "delete": 1} for name in "df"}
    assert {path: did for path, did in ops(document).items() if "/x/" in path} == wanted
    seen, _ = events(*python(code, "x"), options=["-e", "unlinkat", "--type", "syscall_exit"])
    assert [(event["args"]["pathname"], event["args"]["flag"]) for event in seen] == [
        ("d", ["AT_REMOVEDIR"]),
        ("f", []),
    ]


def test_all_that_changes_names_and_files_is_seen(live, tmp_path):
    """It knows open, creat and unlink only."""
    code = """
import os
os.mkdir("d")
os.mknod("f")
os.mkfifo("fifo")
os.link("f", "hard")
os.symlink("f", "soft")
os.truncate("f", 10)
os.chmod("f", 0o600)
os.chown("f", 0, 0)
os.lchown("soft", 0, 0)
os.utime("f")
os.rename("hard", "d/moved")
os.replace("d/moved", "f2")
os.readlink("soft")
os.listdir("d")
os.chdir("d")
os.chdir("..")
os.rmdir("d")
"""
    document = live(*python(code))
    seen = {path.removeprefix(f"{tmp_path}/"): did for path, did in uses(document).items()}
    assert seen == {
        "d": {"create": 1, "list": 1, "chdir": 1, "delete": 1},
        "d/..": {"chdir": 1},
        "f": {"create": 1, "link": 1, "truncate": 1, "attr": 3},
        "fifo": {"create": 1},
        "hard": {"link": 1},
        "soft": {"link": 1, "attr": 1, "readlink": 1},
    }
    assert [
        (Path(entry["from"]).name, Path(entry["to"]).name, entry["ops"])
        for entry in document["renames"]
    ] == [("hard", "moved", {"rename": 1}), ("moved", "f2", {"rename": 1})]


def test_a_trap_runs(files):
    """It swallows all signals."""
    document = files("sh", "-c", "trap 'echo got' USR1; kill -USR1 $$; echo on")
    assert (document["stdout"], document["rc"]) == ("got\non\n", 0)


def test_a_broken_pipe_kills(tracerctl, tmp_path):
    """`yes` gets EPIPE instead of SIGPIPE, and complains."""
    argv = ["bash", "-c", "yes | head -1; echo ${PIPESTATUS[*]}"]
    untraced = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert untraced.stdout == "y\n141 0\n"
    for verb in ("files", "run"):
        log = tmp_path / "log"
        done = tracerctl(verb, "-o", log, "--", *argv)
        assert (done.returncode, done.stdout, done.stderr) == (0, untraced.stdout, "")
    assert log.read_text().count("+++ killed by SIGPIPE +++") == 1


@pytest.mark.parametrize("verb", ["files", "trace"])
def test_signals_reach_a_process_we_attached_to(tracerctl, tracee, until, follows, tmp_path, verb):
    """It swallows all signals."""
    sigs = tracee("sigs")
    which = ["-p", sigs.pid] if verb == "files" else [sigs.pid]
    ctl = tracerctl.start(verb, "-o", tmp_path / "log", *which)
    until(lambda: sigs.tracer and follows(ctl.pid))
    for number in range(1, 6):
        sigs.send(signal.SIGUSR1)
        assert sigs.stdout.readline() == f"USR1 {number}\n"
    sigs.send(signal.SIGUSR2)
    assert sigs.wait() == -signal.SIGPIPE
    assert ctl.wait(60) == 0


def test_children_of_every_thread_are_followed(
    tracerctl, tracee, until, tracer_of, follows, tmp_path
):
    """It follows children of the main thread only."""
    forker = tracee("threadfork", tmp_path)
    log = tmp_path / "log"
    ctl = tracerctl.start("files", "--json", "-f", "-o", log, "-p", forker.pid)
    until(lambda: all(map(tracer_of, forker.threads)) and follows(ctl.pid))
    assert len(forker.threads) == 2
    forker.send(signal.SIGUSR1)
    assert forker.wait() == 0
    assert forker.stdout.read() == "DONE 8\n"
    assert ctl.wait(60) == 0
    *records, document = spoken(log.read_text())
    assert document["complete"]
    made = {str(tmp_path / f"child-{i}"): {"create": 1, "write": 1} for i in range(8)}
    assert ops(document) == made
    pids = {record["pid"] for record in records}
    assert len(pids) == 8
    assert forker.pid not in pids


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_on_an_idle_target(tracerctl, tracee, until, tracer_of, tmp_path, signo):
    """It waits for the target's next stop, which may never come."""
    sleeper = tracee("sleeper", 4)
    ctl = tracerctl.start("files", "-o", tmp_path / "log", "-p", sleeper.pid)
    until(lambda: all(map(tracer_of, sleeper.threads)))
    assert len(sleeper.threads) == 4
    ctl.send_signal(signo)
    assert ctl.wait(60) == 0
    assert [tracer_of(tid) for tid in sleeper.threads] == [0] * 4
    assert sleeper.process.poll() is None
    states = [
        Path(f"/proc/{tid}/stat").read_text().rpartition(")")[2][1] for tid in sleeper.threads
    ]
    assert states == ["S"] * 4
    assert (tmp_path / "log").read_text() == "complete: yes (0 lost, 0 blind, 0 unresolved)\n"
    assert sleeper.finish()[0] == -signal.SIGTERM


@pytest.mark.parametrize("verb", ["files", "run"])
@pytest.mark.parametrize("code", ["exit 0", "exit 7", "exit 255", "kill -TERM $$", "kill -KILL $$"])
def test_the_end_of_the_program_is_kept(tracerctl, tmp_path, verb, code):
    """It ends with 0 always."""
    argv = ["sh", "-c", code]
    untraced = subprocess.run(argv, check=False)
    done = tracerctl(verb, "-o", tmp_path / "log", "--", *argv)
    assert done.returncode == untraced.returncode
    assert done.stderr == ""


def test_a_newline_in_a_name_forges_no_record(tracerctl, tmp_path):
    """It writes the name as it is."""
    argv = ["sh", "-c", 'echo > "$1"; cat "$1"; rm "$1"; cat "$1"', "sh", tmp_path / ODD]
    shown = str(tmp_path / ODD).replace("\n", r"\n")
    log = tmp_path / "log"
    for options in ([], ["-f"], ["--format", "whatfiles"]):
        done = tracerctl("files", "-o", log, "--path", f"{tmp_path}/", *options, "--", *argv)
        assert done.returncode == 1
        told = [line for line in log.read_text().splitlines() if "forged" in line]
        assert told
        assert all(line.count(shown) == 1 for line in told), told
        assert not any(line.startswith("mode: write, file: forged") for line in told)
    modes = [line.split()[1].strip(",") for line in told]
    assert [mode for mode in modes if mode != "stat"] == ["create", "read", "delete"]

    done = tracerctl("run", "-o", "log", "--path", f"{tmp_path}/", "--", *argv)
    lines = log.read_text().splitlines()
    assert all(line.startswith("[pid ") for line in lines)
    assert sum(shown in line for line in lines) >= 4

    options = ["--json", "-f", "--path", f"{tmp_path}/"]
    tracerctl("files", "-o", log, *options, "--", *argv)
    *records, document = spoken(log.read_text())
    assert {record["type"] for record in records} == {"file"}
    assert uses(document) == {
        str(tmp_path / ODD): {"create": 1, "write": 1, "truncate": 1, "read": 1, "delete": 1}
    }
    assert ops(document, "failed") == {str(tmp_path / ODD): {"read": 1}}


LONG_PATHS = """
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.syscall.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
page = mmap.PAGESIZE
at = libc.mmap(None, 3 * page, 3, 0x22, -1, 0)
edge = at + 2 * page
libc.munmap(edge, page)
def opened(data, where):
    ctypes.memmove(where, data, len(data))
    if libc.syscall(257, -100, where, os.O_RDONLY) < 0:
        return os.strerror(ctypes.get_errno())
name = os.fsencode(sys.argv[1]) + b"/x"
longest = os.fsencode(sys.argv[1]) + b"/" * (4095 - len(name)) + b"/x"
for data in (name + b"\\0", longest + b"\\0", b"y" * 20, b"/" * 4095 + b"x\\0"):
    print(opened(data, edge - len(data)))
"""


def test_long_paths_and_the_edge_of_a_mapping(events, tmp_path):
    """It reads word by word, past the end, and takes -1 for an error."""
    (tmp_path / "x").write_text("")
    seen, done = events(*python(LONG_PATHS, tmp_path), options=["-e", "openat", "-s", "32"])
    assert done.stdout.splitlines() == ["None", "None", "Bad address", "File name too long"]
    four = [event for event in seen if event.get("syscall") == "openat"][-4:]
    short, longest, unreadable, too_long = four
    name = str(tmp_path / "x")
    assert short["files"] == [{**short["files"][0], "path": name, "raw": name, "real": name}]
    (entry,) = longest["files"]
    assert len(entry["raw"]) == 4095
    assert entry["path"] == entry["raw"] == str(tmp_path).ljust(4094, "/") + "x"
    assert entry["real"] == name
    assert not entry.get("truncated")
    assert not entry.get("unresolved")
    assert unreadable["errno"] == "EFAULT"
    assert [e.get("unresolved") for e in unreadable["files"]] == [True]
    assert too_long["errno"] == "ENAMETOOLONG"
    assert too_long["files"][0]["path"].startswith("/" * 4095)


def test_a_failed_exec_renames_nobody(live, events, tmp_path):
    """It takes the name of what was to be executed."""
    code = """
import os
for name in ("./none", "./text"):
    try: os.execv(name, ["x"])
    except OSError: pass
os.mknod("after")
os.execv("/bin/true", ["x"])
"""
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    document = live(*python(code))
    (after,) = (record for record in document["records"] if record["path"].endswith("/after"))
    assert after["comm"] == Path(sys.executable).name[:15]
    assert [
        (Path(entry["path"]).name, entry["errno"], entry["ops"])
        for entry in document["failed"]
        if "exec" in entry["ops"]
    ] == [("none", "ENOENT", {"exec": 1}), ("text", "ENOEXEC", {"exec": 1})]
    (tmp_path / "after").unlink()
    seen, _ = events(*python(code), options=["--type", "exec,syscall_exit"])
    assert [event.get("errno") for event in seen if event.get("syscall") == "execve"] == [
        *(None, "ENOENT", "ENOEXEC", None)
    ]
    told = [event for event in seen if event["type"] == "exec"]
    assert [(event["path"], event["comm"]) for event in told] == [
        (sys.executable, Path(sys.executable).name[:15]),
        ("/bin/true", "true"),
    ]


def test_there_is_a_machine_format_with_times_threads_and_filters(live, events, tmp_path):
    """It has text without time, thread, descriptor or filter."""
    argv = ["sh", "-c", "echo 1 > one; echo 2 > two; cat one none"]
    document = live(*argv, options=["--op", "read,delete", "--path", "!**/two"])
    told = [
        (record["comm"], record["op"], Path(record["path"]).name, record.get("errno"))
        for record in document["records"]
    ]
    assert told == [("cat", "read", "one", None), ("cat", "read", "none", "ENOENT")]
    needed = {"type", "time_ns", "pid", "tid", "comm", "syscall", "op", "path"}
    for record in document["records"]:
        assert needed <= record.keys()
    times = [record["time_ns"] for record in document["records"]]
    assert times == sorted(times)

    (tmp_path / "one").unlink()
    seen, _ = events(*argv, options=["--path", str(tmp_path / "one"), "--op", "create"])
    (opened,) = seen
    assert opened["args"]["filename"] == "one"
    assert opened["files"][0]["fd"] == opened["ret"] >= 3
    assert opened["ret_path"] == opened["files"][0]["real"] == str(tmp_path / "one")
    assert opened["duration_ns"] > 0


def test_output_is_there_when_the_client_is_killed(tracerctl, obedient, until, tracer_of, tmp_path):
    """It buffers: a killed tracer leaves an empty log."""
    log = tmp_path / "log"
    ctl = tracerctl.start("files", "-f", "-o", log, "-p", obedient.pid)
    until(lambda: tracer_of(obedient.pid))
    for number in range(20):
        obedient(f"file{number}")
    until(lambda: str(tmp_path / "file19") in log.read_text())
    ctl.kill()
    assert ctl.wait(60) == -signal.SIGKILL
    text = log.read_text()
    assert text.endswith("\n")
    created = [line.split()[-1] for line in text.splitlines() if " create " in line]
    assert created == [str(tmp_path / f"file{number}") for number in range(20)]
    until(lambda: not tracer_of(obedient.pid))  # The private daemon ends with its client.
    obedient("untraced")
    obedient.process.stdin.close()
    assert obedient.process.wait(60) == 0


def test_a_command_outlives_its_killed_client(tracerctl, until, tmp_path, processes):
    """The log of a command is there too, and the command goes on."""
    os.mkfifo(tmp_path / "fifo")
    script = "echo > one; echo $$ > pid; cat fifo; echo > two; mv two three"
    ctl = tracerctl.start("files", "-f", "-o", "log", "--", "sh", "-c", script)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    until(lambda: str(tmp_path / "pid") in (tmp_path / "log").read_text())
    ctl.kill()
    assert ctl.wait(60) == -signal.SIGKILL
    assert f"create    {tmp_path}/one\n" in (tmp_path / "log").read_text()
    (tmp_path / "fifo").write_text("go on\n")  # Waits for its reader.
    until((tmp_path / "three").exists)


def test_bytes_that_are_no_text_come_whole(live, tmp_path):
    """It writes them as they are, so that the log is no text."""
    raw = os.fsencode(tmp_path) + b"/\xff\xfe\n"
    document = live("touch", raw)
    (entry,) = (entry for entry in document["files"] if "create" in entry["ops"])
    assert base64.b64decode(entry["path_b64"]) == raw
