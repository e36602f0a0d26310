"""Each tracee does what its header says when nobody traces it."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tracees.build import command, names, tracee

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_S = 60


@contextmanager
def running(name: str, *args: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a tracee; kill whatever is left of it."""
    with subprocess.Popen(
        # Unbuffered: what select() says would not be the whole truth otherwise.
        command(name, *args),
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def line(process: subprocess.Popen[bytes]) -> str:
    """Return the next line it prints, without the newline; give up after LIMIT_S."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], LIMIT_S)
    assert readable, "said nothing"
    return process.stdout.readline().decode().rstrip("\n")


def wait_until_asleep(process: subprocess.Popen[bytes]) -> None:
    """Wait until the leader sleeps in a call."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
        if stat.rpartition(")")[2].split()[0] == "S":
            return
    pytest.fail("does not sleep")


def threads(process: subprocess.Popen[bytes]) -> list[str]:
    return [path.name for path in Path(f"/proc/{process.pid}/task").iterdir()]


def printed(name: str, *args: object) -> list[dict[str, object]]:
    """Run a tracee to its end and return the JSON lines it printed."""
    done = subprocess.run(
        command(name, *args), stdout=subprocess.PIPE, timeout=LIMIT_S, check=True, text=True
    )
    return [json.loads(each) for each in done.stdout.splitlines()]


@pytest.mark.parametrize("name", names())
def test_builds(name: str) -> None:
    assert tracee(name).is_file()
    assert os.access(tracee(name), os.X_OK) or tracee(name).suffix == ".py"


def test_is_compiled_once() -> None:
    first = tracee("sleeper").stat()
    tracee.cache_clear()
    assert tracee("sleeper").stat() == first


def test_unknown_name() -> None:
    with pytest.raises(FileNotFoundError):
        tracee("no_such_tracee")


def test_epoll_sleep() -> None:
    with running("epoll_sleep") as process:
        assert line(process) == "READY"
        process.terminate()
        assert line(process) == "TERM 0"
        assert process.wait(LIMIT_S) == 0


def test_exec_from_thread() -> None:
    with running("exec_from_thread", "/bin/sh", "-c", "echo $$; exit 5") as process:
        word, tid = line(process).split()
        assert word == "THREAD"
        assert int(tid) != process.pid
        assert line(process) == str(process.pid)
        assert process.wait(LIMIT_S) == 5


def test_exec_from_thread_waits() -> None:
    with running("exec_from_thread", "-w", "/bin/true") as process:
        assert line(process).startswith("THREAD ")
        assert line(process) == "READY"
        assert len(threads(process)) == 3
        process.send_signal(signal.SIGUSR1)
        assert process.wait(LIMIT_S) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("name", ["file_calls", "file_calls32"])
def test_file_calls(name: str, tmp_path: Path) -> None:
    assert subprocess.run(command(name, tmp_path), timeout=LIMIT_S, check=False).returncode == 0
    assert not list(tmp_path.iterdir())


def test_exitgroup_threads() -> None:
    with running("exitgroup_threads") as process:
        assert process.wait(LIMIT_S) == 7


def test_exitgroup_threads_waits() -> None:
    with running("exitgroup_threads", "wait") as process:
        assert line(process) == "READY"
        process.send_signal(signal.SIGUSR1)
        assert process.wait(LIMIT_S) == 7


def test_forkexec200() -> None:
    with running("forkexec200", 20) as process:
        assert line(process) == "DONE 20"
        assert process.wait(LIMIT_S) == 0


def test_getppid16() -> None:
    with running("getppid16", 1, 4) as process:
        assert line(process) == "READY"
        counts = [line(process).split() for _ in range(4)]
        assert process.wait(LIMIT_S) == 0
    assert len({tid for tid, _ in counts}) == 4
    assert all(int(calls) > 0 for _, calls in counts)


def test_getppid16_until_killed() -> None:
    with running("getppid16") as process:
        assert line(process) == "READY"
        assert len(threads(process)) == 17
        process.kill()
        assert process.wait(LIMIT_S) == -signal.SIGKILL


def test_killed_in_read() -> None:
    with running("killed_in_read") as process:
        assert line(process) == "READY"
        wait_until_asleep(process)
        process.kill()
        assert process.wait(LIMIT_S) == -signal.SIGKILL


def test_oddnames(tmp_path: Path) -> None:
    lines = printed("oddnames", tmp_path)
    seen = [base64.b64decode(str(each["name"])) for each in lines]
    assert any(b"\n" in name for name in seen)
    assert any(b"\x1b" in name for name in seen)
    assert any(len(name) == 255 for name in seen)
    assert any(name.decode(errors="replace").encode() != name for name in seen)
    assert not any(tmp_path.iterdir())


def test_open_paths(tmp_path: Path) -> None:
    lines = printed("open_paths", tmp_path)
    for each in lines:
        assert str(each["path"]).startswith(f"{tmp_path}/")
        if each["real"] is not None:
            assert os.path.realpath(str(each["path"])) == each["real"]
    assert {each["raw"] for each in lines} >= {"file", "../file", "b/../file", ""}


@pytest.mark.parametrize("via", ["open", "openat", "openat2"])
def test_openmodes(tmp_path: Path, via: str) -> None:
    lines = printed("openmodes", tmp_path, via)
    assert {each["case"] for each in lines} >= {"rdonly", "wronly", "path", "directory", "tmpfile"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "existing",
        *(Path(str(each["path"])).name for each in lines if each["created"] is True),
    } - {tmp_path.name, "."}


def test_repeat(tmp_path: Path) -> None:
    with running("repeat", tmp_path) as process:
        assert process.wait(LIMIT_S) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["same"]


def test_sigs() -> None:
    with running("sigs") as process:
        assert line(process) == "READY"
        for count in (1, 2, 3):
            process.send_signal(signal.SIGUSR1)
            assert line(process) == f"USR1 {count}"
        process.terminate()
        assert line(process) == "TERM 3"
        assert process.wait(LIMIT_S) == 0


def test_sigs_dies_of_sigpipe() -> None:
    with running("sigs") as process:
        assert line(process) == "READY"
        process.send_signal(signal.SIGUSR2)
        assert process.wait(LIMIT_S) == -signal.SIGPIPE


def test_sleeper() -> None:
    with running("sleeper", 3) as process:
        assert line(process) == "READY"
        assert len(threads(process)) == 3
        process.terminate()
        assert process.wait(LIMIT_S) == -signal.SIGTERM


def test_sockets(tmp_path: Path) -> None:
    lines = printed("sockets", tmp_path)
    assert [each["syscall"] for each in lines][:7] == [
        *("bind", "connect", "bind", "connect", "bind", "connect", "connect"),
    ]
    assert lines[0]["path"] == f"{tmp_path}/socket"
    assert [each["errno"] for each in lines][5:7] == ["ECONNREFUSED", None]


def test_syscall_rets() -> None:
    lines = printed("syscall_rets")
    assert [each["syscall"] for each in lines if each["rets"]] == ["pipe2", "pipe", "socketpair"]
    assert {each["errno"] for each in lines} == {None, "EINVAL", "EBADF", "ENOENT", "ESPIPE"}


@pytest.mark.parametrize(
    ("name", "end"), [("text_files", 0), ("text_processes", -signal.SIGABRT), ("text_sockets", 0)]
)
def test_text(name: str, end: int, tmp_path: Path) -> None:
    with running(name, tmp_path) as process:
        assert process.wait(LIMIT_S) == end


def test_threadfork(tmp_path: Path) -> None:
    with running("threadfork", tmp_path, 5) as process:
        assert line(process) == "READY"
        assert len(threads(process)) == 2
        process.send_signal(signal.SIGUSR1)
        assert line(process) == "DONE 5"
        assert process.wait(LIMIT_S) == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"child-{i}" for i in range(5)}


def test_threads_churn() -> None:
    with running("threads_churn", 50) as process:
        assert line(process) == "READY"
        before = set(threads(process))
        assert len(before) > 25
        deadline = time.monotonic() + LIMIT_S
        while set(threads(process)) & before != {str(process.pid)}:
            assert time.monotonic() < deadline, "threads do not come and go"
        process.terminate()
        assert process.wait(LIMIT_S) == 0


def test_vfork_exec(tmp_path: Path) -> None:
    with running("vfork_exec", tmp_path) as process:
        assert process.wait(LIMIT_S) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"parent-file", "child-file"}


def test_vfork_exec_holds(tmp_path: Path) -> None:
    with running("vfork_exec", tmp_path, 50) as process:
        assert line(process) == "READY"
        assert process.wait(LIMIT_S) == 0
