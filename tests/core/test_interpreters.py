"""What the kernel opens by itself to execute a program, told with the execve that made it."""

import os
import subprocess
import sys

import pytest
from build import command

from tracerd.core.interpreters import Interpreters
from tracerd.protocol.events import SyscallExit

SHELL = os.path.realpath("/bin/sh")


def loader(program):
    """The ELF interpreter of a program, as readelf says."""
    shown = subprocess.run(["readelf", "-l", program], capture_output=True, text=True, check=True)
    return shown.stdout.partition("program interpreter: ")[2].partition("]")[0]


def script(path, interpreter):
    path.write_text(f"#!{interpreter}\n")
    path.chmod(0o755)
    return path


def executed(tracing, *argv):
    """The files of the last successful execve of a program: by the call, by the kernel."""
    assert tracing.run(*map(str, argv)) == 0
    calls = [e for e in tracing.of(SyscallExit) if e.syscall in {"execve", "execveat"}]
    files = [call for call in calls if call.errno is None][-1].files
    assert [access.op for access in files] == ["exec"] * len(files)
    named = [access.path for access in files if not access.implied]
    assert not [access for access in files if access.unresolved]
    return named, [access.path for access in files if access.implied]


def test_a_program_and_its_loader(tracing):
    assert executed(tracing, SHELL, "-c", ":") == ([SHELL], [loader(SHELL)])


def test_a_program_of_32_bits(tracing):
    (program, *_) = command("abi_hop32")
    executed(tracing, program, "/bin/true")
    first = [e for e in tracing.of(SyscallExit) if e.syscall == "execve" and e.errno is None]
    paths = {tuple(access.path for access in call.files) for call in first}
    assert (program, loader(program)) in paths


def test_a_chain_of_scripts(tracing, tmp_path):
    inner = script(tmp_path / "inner", SHELL)
    outer = script(tmp_path / "outer", f"{inner} -x")
    assert executed(tracing, outer) == ([str(outer)], [str(inner), SHELL, loader(SHELL)])


def test_an_interpreter_named_from_the_working_directory(tracing, tmp_path):
    (tmp_path / "own-shell").symlink_to(SHELL)
    script(tmp_path / "script", "./own-shell")
    started = executed(tracing, SHELL, "-c", f"cd {tmp_path} && exec ./script")
    assert started == ([f"{tmp_path}/./script"], [f"{tmp_path}/./own-shell", loader(SHELL)])


def test_names_that_are_no_text_and_links_of_proc(tracing, tmp_path):
    odd = tmp_path / os.fsdecode(b"odd\xff")
    script(odd, SHELL)
    assert executed(tracing, odd)[1] == [SHELL, loader(SHELL)]
    by_number = f"exec 7<{SHELL} && exec /proc/self/fd/7 -c :"
    assert executed(tracing, SHELL, "-c", by_number) == (["/proc/self/fd/7"], [loader(SHELL)])


@pytest.fixture
def ourselves():
    """Asked about a process that has not executed the file that it is asked about: ourselves."""
    finder = Interpreters()
    return lambda path: finder.implied(os.getpid(), os.fsencode(path), "/")


def test_a_handler_that_the_kernel_was_told_of(ourselves, tmp_path):
    """What runs is no ELF file and no script: so whatever runs is what the kernel chose for it."""
    (tmp_path / "module.wasm").write_bytes(b"\0asm")
    us = os.path.realpath(sys.executable)
    expected = [os.fsencode(us), loader(us).encode()]
    assert ourselves(tmp_path / "module.wasm") == expected
    # A program of another machine, and a script of such.
    assert ourselves(SHELL) == expected
    named = script(tmp_path / "script", tmp_path / "module.wasm")
    assert ourselves(named) == [os.fsencode(tmp_path / "module.wasm"), *expected]


def test_what_cannot_be_told_is_said(ourselves, tmp_path):
    assert ourselves(tmp_path / "gone") == [None]
    named = script(tmp_path / "script", tmp_path / "gone")
    assert ourselves(named) == [os.fsencode(tmp_path / "gone"), None]
    loop = script(tmp_path / "loop", tmp_path / "loop")
    assert len(ourselves(loop)) <= 6
    assert Interpreters().implied(2**22 + 1, b"/bin/sh", "/") == [None]
