"""Pointers that lead nowhere, strings at the end of memory, strings that change meanwhile.

Each program lives the same life alone and under trace; what could not be read is told as such,
and nothing that a program passes makes the tracer fail.
"""

import base64
import json
import logging
import os
import signal

import beside
import msgspec
import pytest
from build import command

from tracerd.core.commands import Snapshot
from tracerd.core.syscalls.table import ROWS
from tracerd.ctl.text.lines import Renderer
from tracerd.protocol.events import FileAccess, SignalExit, SyscallExit
from tracerd.protocol.text import shown

PATH_MAX = 4096
WILD = {
    "one": "0x1",
    "kernel": "0xffff888000000000",
    "noncanonical": "0x8000000000000000",
    "minus-one": "0xffffffffffffffff",
}
STRUCTURES = ("statbuf", "how", "argv", "vec", "uservaddr", "addr", "msg", "rqtp", "utimes", "act")


@pytest.fixture(autouse=True)
def nothing_raised(caplog):
    """What a program passes is no error of ours."""
    yield
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING] == []


def exits(tracing, *names):
    return [e for e in tracing.of(SyscallExit) if not names or e.syscall in names]


def of_pointer(tracing, said, pointer):
    """The events of the calls that edge_pointers made with one pointer, by what it calls them."""
    lines = [line.split() for line in said.splitlines()[1:]]
    told = exits(tracing)
    start = max(i for i, e in enumerate(told) if e.syscall == "alarm") + 1
    made = [e for e in told[start:] if not (e.syscall == "write" and e.args["fd"] == 1)]
    pairs = zip(lines, made[: len(lines)], strict=True)
    return {call: event for (call, at, _), event in pairs if at == pointer}


@pytest.mark.ptrace_case(43)
def test_wild_pointers(tracing, tmp_path):
    said = beside.same(tracing, tmp_path, "edge_pointers").said
    for name, address in WILD.items():
        made = of_pointer(tracing, said, name)
        for call in ("open", "creat", "rename", "unlink", "stat-path", "execve-path"):
            assert made[call].errno == "EFAULT"
            assert all(a.unresolved and a.path == "" for a in made[call].files), call
            assert made[call].files
            assert {"ptr": address} in made[call].args.values()
        followed = [(c, a) for c, e in made.items() for a in STRUCTURES if a in e.args]
        assert len(followed) > 10
        for call, argument in followed:
            if call not in ("execve-path", "execve-envp"):
                assert made[call].args[argument] == {"ptr": address}, (call, argument)


@pytest.mark.ptrace_case(43)
def test_null_is_null(tracing, tmp_path):
    said = beside.same(tracing, tmp_path, "edge_pointers").said
    made = of_pointer(tracing, said, "null")
    assert made["open"].args["filename"] is None
    assert made["open"].files == [FileAccess(path="", op="read", unresolved=True)]
    assert made["execve-argv"].args["argv"] is None
    assert made["connect"].args["uservaddr"] is None
    assert made["writev"].args["vec"] is None
    assert made["stat-path"].args["statbuf"] is None


@pytest.mark.ptrace_case(43)
@pytest.mark.parametrize("pointer", ["gap", "beyond", "torn"])
def test_a_string_that_runs_out_of_memory_is_no_path(tracing, tmp_path, pointer):
    """In an unmapped page, in a part of a mapping that its file no longer has, or into such."""
    said = beside.same(tracing, tmp_path, "edge_pointers").said
    made = of_pointer(tracing, said, pointer)
    for call in ("open", "unlink", "execve-path"):
        assert made[call].errno == "EFAULT"
        assert [(a.path, a.unresolved) for a in made[call].files] == [("", True)]
        assert any(isinstance(v, dict) and "ptr" in v for v in made[call].args.values())


@pytest.mark.ptrace_case(43)
def test_what_is_left_of_a_buffer_is_shown_as_cut(tracing, tmp_path):
    said = beside.same(tracing, tmp_path, "edge_pointers").said
    wrote = of_pointer(tracing, said, "torn")["write"]
    assert wrote.args["buf"]["truncated"]
    assert wrote.args["buf"]["text"] in ("", "x" * 7)


@pytest.mark.ptrace_case(43)
def test_strings_that_end_where_memory_ends(tracing, tmp_path):
    said = beside.same(tracing, tmp_path, "edge_strings", "whole", tmp_path).said
    assert said.count("whole done") == said.count("stat done") == said.count("cut ENOENT") == 12
    opened = [a for e in exits(tracing, "openat") for a in e.files if a.path.endswith("n")]
    assert len(opened) == 12
    for access in opened:
        assert access.path == access.raw == access.real
        assert not access.unresolved
        assert not access.truncated
    tails = [e.args["filename"] for e in exits(tracing, "access") if e.errno == "ENOENT"][-12:]
    lengths = [len(access.path) - len(str(tmp_path)) - 1 for access in opened]
    assert tails == ["n" * (length - 1) for length in lengths]


@pytest.mark.ptrace_case(43)
def test_paths_of_path_max_and_longer(tracing, tmp_path):
    """PATH_MAX counts the NUL: one byte more and it is no path, one byte less is whole."""
    beside.same(tracing, tmp_path, "edge_strings", "long")
    told = [e for e in exits(tracing, "openat") if "O_DIRECTORY" in e.args["flags"]]
    assert [e.errno for e in told] == [None] * 4 + ["ENAMETOOLONG"] * 2
    for event, size in zip(told, (4095, 4095, 4096, 4096), strict=False):
        (access,) = event.files
        assert len(access.path) == size - 1
        assert (access.real, access.truncated, access.unresolved) == ("/", False, False)
    for event in told[4:]:
        (access,) = event.files
        assert len(access.path) == PATH_MAX
        assert access.truncated
        assert event.args["filename"]["truncated"]
    endless, just, torn = exits(tracing, "openat")[-3:]
    assert endless.files[0].truncated
    assert just.files[0].truncated
    assert torn.errno == "EFAULT"
    assert torn.files == [FileAccess(path="", op="read", unresolved=True)]


@pytest.mark.ptrace_case(43)
def test_pages_without_the_right_to_read(tracing, tmp_path):
    """The tracer may see more than the program's call could; the errno says what the call saw."""
    said = beside.same(tracing, tmp_path, "edge_strings", "pages").said.split()
    told = exits(tracing, "openat")[-5:]
    assert [e.errno for e in told] == said[1::2]
    for event in told:
        (access,) = event.files
        assert access.unresolved == (access.path == "")
        assert access.path in ("", "/nonexistent/page")
        assert event.errno == "EFAULT" or not access.unresolved


@pytest.mark.ptrace_case(43)
def test_absurd_sizes(tracing, tmp_path):
    beside.same(tracing, tmp_path, "edge_strings", "sizes")
    wrote = [e for e in exits(tracing, "write") if e.args["count"] > 1 << 30]
    assert {e.args["count"] for e in wrote} == {1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, 2**64 - 1}
    for event in wrote:
        assert event.args["buf"]["size"] == event.args["count"]
        assert event.args["buf"]["truncated"]
    vectors = [e for e in exits(tracing, "writev") if isinstance(e.args["vec"], dict)]
    assert len(vectors) == 17
    assert {e.args["vec"]["count"] for e in vectors} >= {1, 2, 1024, 1025, 2**64 - 1}
    assert all(len(e.args["vec"]["text"]) <= 64 for e in vectors)


@pytest.mark.ptrace_case(43)
def test_a_hundred_thousand_words(tracing, tmp_path):
    life = beside.same(tracing, tmp_path, "edge_strings", "argv", 100_000)
    assert life.said == "100000 words\n"
    call = [e for e in exits(tracing, "execve") if e.ret == 0][-1]
    assert call.args["argv"]["truncated"]
    assert call.args["argv"]["items"][1:3] == ["w", "w"]
    execed = tracing.events[tracing.events.index(call) - 1]
    assert execed.truncated
    assert 10_000 < len(execed.argv) < 100_000


@pytest.mark.ptrace_case(43)
def test_every_byte_can_stand_in_a_path(tracing, tmp_path):
    place = tmp_path / "bytes"
    place.mkdir()
    beside.same(tracing, tmp_path, "edge_strings", "bytes", place)
    told = exits(tracing, "open")[-255:]
    for byte, event in enumerate(told, 1):
        name = bytes([byte])
        if name in b"./":
            assert event.errno == "EISDIR"
            continue
        access = event.files[0]
        path = os.fsencode(place) + b"/" + name
        assert exact_path(access) == path
        assert access.raw == event.args["filename"] == shown(name)
        assert access.ino == os.stat(path).st_ino


def exact_path(access):
    """The bytes of an entry's path, from wherever they are told."""
    if access.path_b64 is not None:
        return base64.b64decode(access.path_b64)
    return os.fsencode(access.path)


# --- strings that change --------------------------------------------------------------------------


@pytest.mark.ptrace_case(43)
def test_the_kernels_own_name_of_a_path_that_changes(tracing, tmp_path):
    """Whichever of two names the kernel read, `real` and `ino` are those of what it opened."""
    place = tmp_path / "storm"
    place.mkdir()
    assert (
        beside.same(tracing, tmp_path, "edge_changing", "storm", place, 500).said == "500 opens\n"
    )
    inodes = {str(place / name): (place / name).stat().st_ino for name in "ab"}
    told = [a for e in exits(tracing, "openat") for a in e.files if a.path in inodes]
    told = [a for a in told if a.op == "read"]
    assert len(told) == 500
    for access in told:
        assert inodes[access.real] == access.ino
        assert access.raw == access.path
    assert {access.real for access in told} == set(inodes)


@pytest.mark.ptrace_case(43)
def test_a_path_that_changed_during_the_call_is_marked(tracing, tmp_path):
    place = tmp_path / "during"
    place.mkdir()
    beside.same(tracing, tmp_path, "edge_changing", "during", place)
    opened = [e for e in exits(tracing, "openat") if e.args["flags"] == ["O_RDONLY"]]
    before, behind = (a for e in opened for a in e.files if a.raw.startswith(str(place)))
    assert before.path == before.real == str(place / "before")
    assert before.changed
    assert behind.path == behind.real == str(place / "behind")
    assert not behind.changed


# --- an image that cannot be ---------------------------------------------------------------------


@pytest.mark.ptrace_case(27, 40, 43)
@pytest.mark.parametrize("caller", ["leader", "thread"])
def test_an_exec_that_fails_when_there_is_no_way_back(tracing, tmp_path, caller):
    life = beside.same(tracing, tmp_path, "edge_exec", caller, tmp_path / "image")
    assert life.code == 128 + signal.SIGSEGV
    end = tracing.of(SignalExit)[-1]
    assert (end.signal, end.process) == ("SIGSEGV", True)
    assert tracing.command(Snapshot()) == []


# --- anything at all ------------------------------------------------------------------------------


@pytest.mark.ptrace_case(43)
def test_a_size_that_no_word_holds(tracing, tmp_path):
    beside.same(tracing, tmp_path, "edge_strings", "sizes")
    for event in tracing.events:
        msgspec.msgpack.encode(event)


@pytest.mark.ptrace_case(43)
@pytest.mark.parametrize("seed", [1, 0x5EED, 2**63 + 9])
def test_random_words(tracing, tmp_path, seed):
    """Every call has its event, which every codec carries and tracerctl can show."""
    calls = 2500
    place = tmp_path / "random"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    output = tmp_path / "out"
    assert tracing.run(*command("edge_random", place, seed, calls), output=str(output)) == 0
    assert output.read_text() == f"{calls} calls\n"
    told = exits(tracing)
    first = next(i for i, e in enumerate(told) if e.syscall == "prctl")
    last = max(i for i, e in enumerate(told) if e.syscall == "alarm")
    assert len([e for e in told[first + 1 : last] if e.syscall != "close"]) == calls
    kinds = {s.name: {a.name: a.kind for a in s.args} for s in ROWS}
    for renderer in (Renderer(), Renderer(kinds=kinds, whole=True, times=True)):
        for event in tracing.events:
            assert "\n" not in renderer.line(event)
    for event in tracing.events:
        plain = msgspec.to_builtins(event)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(event)) == plain
        assert json.loads(msgspec.json.encode(event)) == plain
