"""Looking at a file waits for nobody: whether it is there, what it is."""

import os

import pytest
from build import command

from tracerd.core.presence import Presence, stat_known
from tracerd.protocol.events import SyscallExit


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_server_that_never_answers_holds_nobody_else(tracing, tmp_path):
    said = tmp_path / "said"
    code = tracing.run(*command("dead_mount", tmp_path), output=str(said))
    if code == 77:
        pytest.skip("no FUSE here")
    assert code == 0
    ready, error = said.read_text().split()
    assert ready == "READY"
    assert error in {"ENOTCONN", "ECONNABORTED"}
    calls = tracing.of(SyscallExit)
    [opened] = [e for e in calls if e.files and e.files[0].path == f"{tmp_path}/file"]
    assert (opened.errno, opened.files[0].created) == (error, False)
    # The others went on while it waited.
    [asked] = [e for e in calls if e.syscall == "getcwd"]
    assert asked.time_ns < opened.time_ns
    assert opened.time_ns - opened.duration_ns < asked.time_ns


@pytest.fixture
def there():
    presence = Presence()
    return lambda path, start="root": presence.of(
        os.getpid(), f"/proc/self/{start}", os.fsencode(path)
    )


def test_what_is_there_and_what_is_not(there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("")
    (tmp_path / "link").symlink_to("d/f")
    (tmp_path / "dangling").symlink_to("nothing")
    for path in ("d", "d/f", "link", "d/../link", "./d//f", "..", "."):
        assert there(path, "cwd") is True, path
        assert there(tmp_path / path) is True, path
    for path in ("g", "d/g", "dangling", "no/such/file", "d/../g"):
        assert there(path, "cwd") is False, path
        assert there(tmp_path / path) is False, path
    assert there("/") is True
    assert there("d/f/x", "cwd") is None  # no directory: an open fails
    assert there("x" * 300, "cwd") is None
    assert there("d", "fd/999") is None


def test_what_is_known_is_what_stat_says(tmp_path):
    (tmp_path / "f").write_text("")
    for path in (tmp_path / "f", tmp_path, "/dev/null", "/proc/self/exe"):
        found, expected = stat_known(os.fsencode(path)), os.stat(path)
        assert tuple(found) == (
            expected.st_dev, expected.st_ino, expected.st_nlink, expected.st_mode, expected.st_rdev,
        )  # fmt: skip
    assert stat_known(b"/no/such/file") is None
