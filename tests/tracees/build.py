"""Compile the tracees.

>>> subprocess.run(command("openmodes", tmp_path))
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent
BUILD = SOURCES.parent / ".build"

CFLAGS = ("-std=gnu11", "-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Werror")

EXTRA_FLAGS = {
    # Both lives of this program must have their names at one address.
    "vfork_exec": ("-no-pie", "-fno-pie"),
    "abi_calls32": ("-m32",),
    "abi_hop32": ("-m32",),
    "file_calls32": ("-m32",),
    "every_call32": ("-m32",),
    "every_structure32": ("-m32",),
    "wait_call32": ("-m32",),
}


def names() -> list[str]:
    """Return the names of all tracees, sorted."""
    found = (path for suffix in ("c", "py", "sh") for path in SOURCES.glob(f"*.{suffix}"))
    return sorted(path.stem for path in found if path.name != Path(__file__).name)


@cache
def tracee(name: str) -> Path:
    """Return the program to run: compiled if it is C (when out of date), else the script itself.

    Raises FileNotFoundError if there is no such tracee, CalledProcessError if gcc refuses it.
    """
    for suffix in (".py", ".sh"):
        script = (SOURCES / name).with_suffix(suffix)
        if script.exists():
            return script
    source = (SOURCES / name).with_suffix(".c")
    target = BUILD / name
    if not _is_new(target, source):
        BUILD.mkdir(exist_ok=True)
        # Several test runs, or workers of one, may want it at the same time: one compiles.
        with (BUILD / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_new(target, source):
                _compile(name, source, target)
    return target


def _is_new(target: Path, source: Path) -> bool:
    newest = max(path.stat().st_mtime_ns for path in (source, *SOURCES.glob("*.h"), Path(__file__)))
    return target.exists() and target.stat().st_mtime_ns > newest


def _compile(name: str, source: Path, target: Path) -> None:
    # Beside it, then renamed: somebody may be executing the old one.
    handle, fresh = tempfile.mkstemp(prefix=f"{name}.", dir=BUILD)
    os.close(handle)
    flags = CFLAGS + EXTRA_FLAGS.get(name, ())
    try:
        subprocess.run(["gcc", *flags, "-o", fresh, str(source)], check=True)
        Path(fresh).replace(target)
    finally:
        Path(fresh).unlink(missing_ok=True)


def command(name: str, *args: object) -> list[str]:
    """Return the words that run a tracee with these arguments."""
    program = tracee(name)
    words = [str(program), *map(str, args)]
    return [sys.executable, *words] if program.suffix == ".py" else words
