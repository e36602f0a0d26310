"""tracerctl and a real daemon on real programs: whatfiles' question, without whatfiles' faults."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[3])
START = (
    f"import sys; sys.path.insert(0, {ROOT!r}); from tracerd.ctl.main import main; sys.exit(main())"
)
CTL = [sys.executable, "-c", START]
DEADLINE_S = 60


def until(condition, what="it"):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.01)


def listens(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def tracer_of(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("TracerPid:")[2].split()[0])


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("daemon") / "tracerd.sock")
    with subprocess.Popen(
        [sys.executable, "-m", "tracerd", "--socket", path, "--log-level", "warning"], cwd=ROOT
    ) as process:
        try:
            until(lambda: listens(path), "the daemon")
            yield path
        finally:
            process.terminate()
            assert process.wait(DEADLINE_S) == 0


@pytest.fixture
def ctl(started, tmp_path):
    """Runs tracerctl in a directory of its own."""

    def run(*words, **options):
        options = {"capture_output": True, "text": True, "timeout": DEADLINE_S} | options
        options["cwd"] = tmp_path
        return subprocess.run([*CTL, "--socket", started, *map(str, words)], check=False, **options)

    return run


@pytest.fixture
def files(ctl, tmp_path):
    """Returns the report on a command's files below its directory, by `files --json`."""

    def report(*command, options=()):
        log = tmp_path / "report"
        done = ctl("files", "--json", "-o", log, "--path", f"{tmp_path}/", *options, "--", *command)
        document = json.loads(log.read_text().splitlines()[-1])
        assert document["complete"], document
        assert document["exit"] == done.returncode
        return document

    return report


def ops(document, part="files"):
    return {Path(entry["path"]).name: entry["ops"] for entry in document[part]}


def python(code):
    return [sys.executable, "-c", code]


def test_modes_come_from_the_flags(files):
    """whatfiles takes them from the permissions."""
    document = files(
        *python(
            "import os\n"
            "os.close(os.open('w', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o444))\n"
            "os.close(os.open('w', os.O_RDONLY, 0o666))\n"
            "os.close(os.open('rw', os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o222))\n"
            "os.close(os.open('w', os.O_PATH))\n"
        )
    )

    assert ops(document)["w"] == {"create": 1, "write": 1, "truncate": 1, "read": 1, "stat": 1}
    assert ops(document)["rw"] == {"create": 1, "read": 1, "write": 1}


def test_every_call_is_counted_however_often_it_comes(files):
    """whatfiles swallows a call that is like the one before."""
    document = files(
        *python(
            "import os\n"
            "for i in range(6): os.close(os.open('same', os.O_RDWR | os.O_CREAT))\n"
            "for i in range(4): os.mknod(f'd{i}')\n"
            "for i in range(4): os.unlink(f'd{i}')\n"
        )
    )

    assert ops(document)["same"] == {"create": 1, "read": 6, "write": 6}
    assert [ops(document)[f"d{i}"]["delete"] for i in range(4)] == [1] * 4


def test_calls_of_threads_are_neither_missed_nor_doubled(files):
    document = files(
        *python(
            "import os, threading\n"
            "def look():\n"
            "    for _ in range(200):\n"
            "        try: os.open('none', os.O_RDONLY)\n"
            "        except FileNotFoundError: pass\n"
            "threads = [threading.Thread(target=look) for _ in range(4)]\n"
            "for thread in threads: thread.start()\n"
            "for thread in threads: thread.join()\n"
        )
    )

    assert document["failed"][0]["errno"] == "ENOENT"
    assert ops(document, "failed") == {"none": {"read": 800}}


def test_a_failed_open_is_no_read(files):
    document = files("sh", "-c", "cat none; mkdir d; cat d/none; exit 7")

    assert document["exit"] == 7
    assert "none" not in ops(document)
    assert [entry["ops"] for entry in document["failed"] if entry["path"].endswith("/d/none")] == [
        {"read": 1}
    ]


def test_relative_paths_are_joined(files, tmp_path):
    document = files(
        *python(
            "import os\n"
            "os.makedirs('a/b'); os.symlink('a', 'link')\n"
            "fd = os.open('a', os.O_RDONLY)\n"
            "os.close(os.open('b/x', os.O_CREAT | os.O_WRONLY, dir_fd=fd))\n"
            "os.chdir('a/b'); os.close(os.open('../b/y', os.O_CREAT | os.O_WRONLY))\n"
            "os.close(os.open('../../link/b/x', os.O_RDONLY))\n"
        )
    )

    found = {entry["path"]: entry for entry in document["files"]}
    assert "write" in found[f"{tmp_path}/a/b/x"]["ops"]
    assert "write" in found[f"{tmp_path}/a/b/../b/y"]["ops"]
    assert found[f"{tmp_path}/a/b/../../link/b/x"]["real"] == [f"{tmp_path}/a/b/x"]


def test_all_that_changes_a_directory_is_shown(files, tmp_path):
    (tmp_path / "old").write_text("")
    script = "mkdir d; : > f; mv f g; mv old new; ln g h; ln -s g s; chmod 600 g; rm h s; rmdir d"
    document = files("sh", "-c", script)

    done = {name: set(each) for name, each in ops(document).items()}
    assert {"create", "delete"} <= done["d"]
    assert {"link", "attr"} <= done["g"]
    assert {"link", "delete"} <= done["h"]
    assert "delete" in done["s"]
    assert [(r["from"], r["to"]) for r in document["renames"]] == [
        (f"{tmp_path}/old", f"{tmp_path}/new")
    ]
    # What was made in the run is told under its last name.
    [made] = [each for each in document["files"] if each["path"] == f"{tmp_path}/g"]
    assert (made["via"], made["ops"]["rename"], made["ops"]["create"]) == ([f"{tmp_path}/f"], 1, 1)


def test_three_generations_are_followed(files):
    document = files("sh", "-c", "sh -c 'sh -c \"echo > c; :\"; echo > b; :'; echo > a; :")

    writers = {
        Path(entry["path"]).name: entry["processes"][0]["pids"][0]
        for entry in document["files"]
        if "write" in entry["ops"]
    }
    assert set(writers) == {"a", "b", "c"}
    assert len(set(writers.values())) == 3


def test_odd_names_go_through_every_output(ctl, tmp_path):
    """A newline in a name makes a line more of whatfiles' log."""
    name = b"odd\nforged \xff\x1b[31m"
    script = (
        f"import os; p = {name!r}; open(p, 'w').close()\n"
        "os.rename(p, p + b'2'); os.unlink(p + b'2')"
    )
    outputs = [
        ctl("files", *options, "--path", f"{tmp_path}/", "--", *python(script)).stderr
        for options in ([], ["-f"], ["--json"], ["-f", "--json"], ["--format", "whatfiles"])
    ]
    outputs.append(ctl("run", "-e", "%file", "--", *python(script)).stderr)
    outputs.append(ctl("run", "-e", "%file", "--json", "--", *python(script)).stderr)

    for output in outputs:
        assert "forged" in output
        assert all(line.isprintable() for line in output.splitlines())
        assert not any(line.startswith("forged") for line in output.splitlines())
    document = json.loads(outputs[2])
    shown = [entry for entry in document["files"] if "forged" in entry["path"]]
    assert shown
    assert all("path_b64" in entry for entry in shown)


def test_odd_names_can_be_typed(ctl, tmp_path):
    """As arguments of the command, and in filters."""
    name = os.fsdecode(bytes(tmp_path) + b"/\xff")
    for options in ([], ["--json"]):
        done = ctl(
            "files", *options, "--op", "write", "--path", name, "touch", name, tmp_path / "x"
        )

        assert done.returncode == 0
        assert "/\\xff" in done.stderr if not options else json.loads(done.stderr)["command"][1]
        assert f"{tmp_path}/x" not in done.stderr or options


def test_closed_descriptors_stay_closed(ctl, tmp_path):
    """A socket of ours must not become the program's input, nor its errors go to the daemon."""
    look = "for fd in 0 2; do [ -e /proc/$$/fd/$fd ] || echo $fd; done > closed"
    done = ctl(
        *("run", "-o", tmp_path / "log", "sh", "-c", look),
        capture_output=False,
        preexec_fn=lambda: os.closerange(0, 3),
    )

    assert done.returncode == 0
    assert (tmp_path / "closed").read_text() == "0\n2\n"
    assert "exited with 0" in (tmp_path / "log").read_text()


def test_signals_reach_the_program(ctl):
    """whatfiles swallows them."""
    caught = ctl("files", "--", "sh", "-c", "trap 'exit 9' USR1; kill -USR1 $$; exit 1")
    assert caught.returncode == 9

    piped = ctl(
        "run", "-o", "/dev/null", "--", "bash", "-c", "yes | head -1; exit ${PIPESTATUS[0]}"
    )
    assert (piped.stdout, piped.returncode) == ("y\n", 128 + signal.SIGPIPE)


def test_the_first_line_is_the_exec(ctl):
    done = ctl("run", "--", "/bin/true")

    first, second = done.stderr.splitlines()[:2]
    assert '+++ executed "' in first
    assert "execve(" in second
    assert done.stderr.endswith("+++ exited with 0 +++\n")


@contextlib.contextmanager
def program(*command, **options):
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def tracerctl(*words):
    """A tracerctl to be interrupted."""
    with subprocess.Popen(
        [*CTL, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


THREADS = """
import subprocess, sys, threading, time
def work():
    while True:
        subprocess.run(["cat", "/etc/hostname"], stdout=subprocess.DEVNULL)
        time.sleep(0.05)
for _ in range(3): threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_running_process_with_all_threads_and_their_children(started):
    """whatfiles misses what threads but the first start."""
    with program(
        sys.executable, "-c", THREADS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as target:
        target.stdout.readline()
        with tracerctl("--socket", started, "files", "-f", "-p", target.pid) as looking:
            reads = set()
            while len(reads) < 4:
                line = looking.stdout.readline()
                assert line, looking.stderr.read()
                if "cat[" in line and "/etc/hostname" in line:
                    reads.add(line.split()[0])
            looking.send_signal(signal.SIGINT)
            output, errors = looking.communicate(timeout=DEADLINE_S)

        assert looking.returncode == 0
        assert errors == ""
        assert "complete: yes" in output
        assert target.poll() is None
        assert tracer_of(target.pid) == 0


@pytest.mark.parametrize("verb", [["files", "-p"], ["trace"]])
def test_ctrl_c_ends_it_at_once_although_the_target_sleeps(started, verb):
    """whatfiles waits for the target's next call."""
    with (
        program("sleep", "100") as target,
        tracerctl("--socket", started, *verb, target.pid) as looking,
    ):
        until(lambda: tracer_of(target.pid), "the trace")
        looking.send_signal(signal.SIGINT)
        looking.communicate(timeout=60)

        assert looking.returncode == 0
        assert tracer_of(target.pid) == 0
        assert target.poll() is None


def test_several_processes_at_once(started):
    with (
        program("cat", stdin=subprocess.PIPE) as one,
        program("cat", stdin=subprocess.PIPE) as two,
        tracerctl("--socket", started, "trace", "--type", "exit", one.pid, two.pid) as looking,
    ):
        until(lambda: tracer_of(one.pid) and tracer_of(two.pid), "the trace")
        for process in (one, two):
            process.stdin.close()
            assert f"{process.pid}] +++ exited with 0" in looking.stdout.readline()

        assert looking.wait(DEADLINE_S) == 0


def test_two_watchers_each_get_their_own(started, ctl):
    loop = "while read x; do cat /etc/hostname /none 2>&-; done"
    with program("sh", "-c", loop, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as target:
        assert ctl("attach", target.pid).stdout == f"attached {target.pid} (1 thread)\n"
        watch = ["--socket", started, "watch", "--tree", target.pid, "-n", 1]
        with (
            tracerctl(*watch, "--path", "/etc/hostname", "--op", "read") as one,
            tracerctl(*watch, "--failed", "--path", "/none") as two,
        ):
            until(lambda: "[" in ctl("status").stdout and ctl("status").stdout.count("drop") == 2)
            target.stdin.write(b"\n")
            target.stdin.flush()

            assert '"/etc/hostname"' in one.communicate(timeout=DEADLINE_S)[0]
            assert '"/none"' in two.communicate(timeout=DEADLINE_S)[0]
        assert ctl("detach", target.pid).returncode == 0
        assert tracer_of(target.pid) == 0


@pytest.mark.parametrize(
    ("pid", "code", "text"),
    [
        (4194303, 3, "no such process: 4194303"),
        (2, 6, "process 2 is a kernel thread"),
        (os.getpid(), 8, "is the client that asks, or one of its ancestors"),
    ],
    ids=["nobody", "kernel", "self"],
)
def test_pids_that_cannot_be_traced(ctl, pid, code, text):
    for verb in (["attach"], ["trace"], ["files", "-p"]):
        done = ctl(*verb, pid)

        assert (done.returncode, done.stdout) == (code, "")
        assert text in done.stderr


def test_a_process_that_strace_holds(ctl):
    with (
        program("sleep", "100") as target,
        program("strace", "-o", "/dev/null", "-p", str(target.pid)) as strace,
    ):
        until(lambda: tracer_of(target.pid), "strace")

        done = ctl("attach", target.pid)

        assert done.returncode == 5
        assert f"already traced by process {strace.pid}" in done.stderr
        strace.terminate()
        strace.wait(DEADLINE_S)


def test_the_daemons_end_is_told_and_harms_nobody(tmp_path):
    path = str(tmp_path / "tracerd.sock")
    with (
        program("sleep", "100") as target,
        program(
            sys.executable, "-m", "tracerd", "--socket", path, "--log-level", "warning", cwd=ROOT
        ) as daemon,
    ):
        until(lambda: listens(path), "the daemon")
        with tracerctl("--socket", path, "trace", target.pid) as looking:
            assert "attached" in looking.stdout.readline()
            daemon.terminate()

            errors = looking.communicate(timeout=DEADLINE_S)[1]

        assert looking.returncode == 1
        assert errors == f"tracerctl: the daemon was shut down; {target.pid} runs on untraced\n"
        assert tracer_of(target.pid) == 0
        assert target.poll() is None
        assert daemon.wait(DEADLINE_S) == 0


def test_a_private_daemon_leaves_nothing_behind(tmp_path):
    """Neither file nor process, also if tracerctl is killed."""
    environment = {k: v for k, v in os.environ.items() if k != "TRACERD_SOCKET"}
    environment["TMPDIR"] = str(tmp_path)
    done = subprocess.run(
        [*CTL, "files", "--path", "/etc/hostname", "--", "sh", "-c", "cat /etc/hostname; exit 3"],
        capture_output=True, text=True, env=environment, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "/etc/hostname  read 1  cat[" in done.stderr
    assert list(tmp_path.iterdir()) == []

    killed = subprocess.Popen(
        [*CTL, "run", "-o", "/dev/null", "--", "sh", "-c", "echo $$; read x; exit 0"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    with killed:
        child = int(killed.stdout.readline())
        tracer = tracer_of(child)
        assert tracer
        killed.kill()
        killed.wait(DEADLINE_S)
        until(lambda: tracer_of(child) == 0, "the end of the trace")
        until(lambda: not running(tracer), "the end of the daemon")
        killed.stdin.close()
        until(lambda: not running(child), "the end of the program")
    assert list(tmp_path.iterdir()) == []


def running(tid):
    try:
        return "Z (zombie)" not in Path(f"/proc/{tid}/status").read_text()
    except OSError:
        return False


def test_explain_says_what_is_pushed_down(ctl):
    done = ctl("explain", "--path", "/etc/**", "--tree", "7", "--failed")
    assert done.returncode == 0, done.stderr
    assert "paths like    /etc/*\n" in done.stdout
    assert 'of processes  {"tree":[7]}\n' in done.stdout
    assert "then judged   path, result\n" in done.stdout
